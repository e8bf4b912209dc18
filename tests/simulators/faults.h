// The faults that a simulated BMC can be told to have: each by name, with a probability, and if wanted for so many
// times only. Drawn from a seed.
#pragma once
#include <array>
#include <chrono>
#include <cstdint>
#include <random>
#include <string>
#include <string_view>

namespace rude {

using Time = std::chrono::steady_clock::time_point;
inline constexpr Time kNever = Time::max();

enum class Fault {
  Repeat,            // a datagram is sent twice
  Cut,               // a datagram is cut off at random
  Oversize,          // a datagram has 1,400 bytes of noise behind it
  Noise,             // noise is sent before a datagram
  WrongSequence,     // the session sequence number is one long past
  WrongSession,      // the session id is another's
  WrongHmac,         // the packet's integrity check value is wrong
  WrongRakp2,        // as if the password were wrong
  WrongRakp4,        // as if the BMC were another
  Full,              // no session left to open
  NoSuiteList,       // Get Channel Cipher Suites is not answered before login
  NoPayloadSupport,  // Get Channel Payload Support is an invalid command
  OddPayloadSize,    // Activate Payload tells its sizes with the bytes swapped
  ZeroPrivilege,     // Open Session's answer says privilege 0
  StrictWindow,      // sequence numbers more than 16 ahead are dropped
  DeafClose,         // Close Session is answered and not done
  Leak,              // SOL stays active when its session ends
  Ghost,             // a session that times out takes along whatever SOL is active
  SilentDeactivate,  // who loses SOL is not told
  Nack,              // SOL input is refused
  Partial,           // SOL input is taken by half
  NoAck,             // SOL input is taken, and not acknowledged
  NoSol,             // SOL output is not sent
  RepeatSol,         // SOL output is sent twice, as two packets of the session
  Overrun,           // SOL output is thrown away and the packet says so
  Unavailable,       // SOL says that characters cannot be had, and takes none
  Unanswered,        // a command is not answered
  count_
};

class Faults {
 public:
  explicit Faults(std::uint64_t seed) : dice_(seed) {}
  // rate 0 .. 1; times 0: without end. False: no such fault.
  bool set(std::string_view name, double rate, std::uint64_t times);
  bool strikes(Fault fault);
  std::size_t below(std::size_t limit) { return limit == 0 ? 0 : dice_() % limit; }
  static std::string names();

 private:
  struct State {
    double rate = 0;
    std::uint64_t times = 0;
  };
  std::array<State, static_cast<std::size_t>(Fault::count_)> states_{};
  std::mt19937_64 dice_;
};

}  // namespace rude
