// The terminal: raw while attached, and restored however the program ends (return, exit, a signal that kills, a crash;
// only SIGKILL leaves it raw). And descriptors of the standard streams that may be made non-blocking without harm to
// whoever shares them.
#pragma once
#include <cstddef>
#include <memory>
#include <string_view>

#include "common/result.h"

namespace oob {

// One at a time. Raw as cfmakeraw(3), again after a stop. What was typed before enter() is thrown away: it was not
// typed for the console.
class RawTerminal {
 public:
  static Result<std::unique_ptr<RawTerminal>> enter(int fd);
  ~RawTerminal();
  RawTerminal(const RawTerminal&) = delete;
  RawTerminal& operator=(const RawTerminal&) = delete;
  // Bytes typed while the process was stopped, since last asked. They are thrown away when it goes on, before anything
  // can read them: nobody knows how old they are.
  std::size_t take_thrown_away();
  // Stops the process (and its pipeline) as ^Z does, with the terminal as it was before; returns when it goes on.
  void suspend();

 private:
  RawTerminal() = default;
};

// The signals that end the program (SIGTERM, SIGHUP, SIGINT; not those that are ignored) as a descriptor, signalfd(2):
// what they interrupt is put in order first.
int watched_signals();

// Ends the process as this signal would have, with the terminal restored.
[[noreturn]] void die_by(int signal);

// A descriptor for the same file that shares no flags with `fd` (O_NONBLOCK is the open file's, and the shell's too).
// `mode`: O_RDONLY or O_WRONLY. Falls back to a plain copy where it cannot be opened anew (sockets, another user's
// terminal), whose flags are put back at exit. The caller closes it.
Result<int> private_descriptor(int fd, int mode);

// write(2) until all is written, waiting if need be; false if it cannot be (reader gone, disk full).
bool write_all(int fd, std::string_view text);

}  // namespace oob
