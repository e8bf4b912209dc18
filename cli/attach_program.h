// LocalCommand: a shell command beside an attached session, with the console's output as its standard input and what it
// prints for the console. In a process group of its own; ended with SIGHUP when its object goes. On the shard.
// Limits: what it has not taken yet is the caller's to bound (unsent()).
#pragma once
#include <functional>
#include <memory>
#include <string>

#include "common/runtime/descriptor.h"

namespace oob {

class LocalCommand {
 public:
  // `said` hears of output, read only while set_reading(true); `taken` that it has taken all it was sent; `ended` of
  // its end, once, after the last output.
  static Result<std::unique_ptr<LocalCommand>> start(Shard& shard, const std::string& command,
                                                     std::function<void(ByteView)> said, std::function<void()> taken,
                                                     std::function<void(std::string)> ended);
  ~LocalCommand();
  void send(ByteView bytes);
  std::size_t unsent() const { return queued_.size(); }
  void set_reading(bool on);
  void stop();  // SIGTERM

 private:
  explicit LocalCommand(Shard& shard) : shard_(shard) {}
  void write_queued();
  void read();
  void reap();

  Shard& shard_;
  int pid_ = 0;
  std::unique_ptr<Descriptor> in_, out_;  // its standard input and output
  std::string queued_;
  bool reading_ = false;
  std::function<void(ByteView)> said_;
  std::function<void()> taken_;
  std::function<void(std::string)> ended_;
};

}  // namespace oob
