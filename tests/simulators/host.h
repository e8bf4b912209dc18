// What a simulated BMC's serial line leads to: an echo, a program that says numbered lines, or a TCP port somewhere.
#pragma once
#include <functional>
#include <string>

#include "tests/simulators/faults.h"
#include "tests/simulators/packet.h"

namespace rude {

class Host {
 public:
  struct Wiring {
    std::function<void(const Bytes& output)> say;
    std::function<std::size_t()> room;  // how much say() may be given without loss
  };
  Host(std::string name, Wiring wiring) : name_(std::move(name)), wiring_(std::move(wiring)) {}
  ~Host() { hang_up(); }
  Host(const Host&) = delete;
  Host& operator=(const Host&) = delete;

  // "echo", "silent", "lines RATE [COUNT]" (80 bytes each, RATE a second, 0 for as fast as taken), "tcp ADDRESS:PORT".
  // What is wrong, in words, or empty.
  std::string become(const std::string& what, Time now);

  std::size_t input(const Bytes& bytes);  // how many bytes it took
  void break_received();
  void tick(Time now);
  Time deadline() const;

  // The TCP connection, to be watched for reading while there is room; -1: none.
  int connection() const { return connection_; }
  void readable();

  std::uint64_t input_bytes = 0, lines = 0, breaks = 0;
  std::string input_tail;  // the last of what it was told

 private:
  enum class Kind { Echo, Silent, Lines, Tcp };
  void say(const std::string& text) { wiring_.say(bytes_of(text)); }
  bool dial(const std::string& address, const std::string& port);
  void hang_up();

  std::string name_;
  Wiring wiring_;
  Kind kind_ = Kind::Echo;
  int connection_ = -1;
  double rate_ = 0;
  std::uint64_t goal_ = 0;  // of lines; 0: none
  Time began_{}, next_look_{};
  std::uint64_t lines_before_ = 0;
};

}  // namespace rude
