// Viewer: what one session sees of a console: first from the log, then live, without a gap or repeat at the seam. One
// that does not take its output falls back to the log, and is told if so much came meanwhile that some is skipped; it
// never slows the console or another viewer. On the shard; holds no bytes itself.
#pragma once
#include <cstdint>
#include <memory>
#include <optional>

#include "server/console/session.h"
#include "server/log/console_log.h"

namespace oob {

class Viewer {
 public:
  Viewer(ConsoleLog& log, SessionSink& sink) : log_(log), sink_(sink) {}

  // Goes on there, then live; what lies before `oldest` takes another right and is not shown, and that is said.
  void begin_at(std::uint64_t log_offset, std::uint64_t oldest = 0);
  void begin_since(WallTime since);  // replay from then on, or of the last megabyte, and that is said; then live
  void begin_with_lines(std::size_t lines);                   // the last lines, then live; again later: `replay`
  void output(std::uint64_t log_offset, const Chunk& bytes);  // live
  void event(const SessionEvent& event);                      // live, and in the log as well
  void end() { alive_.reset(), ++round_; }                    // the log is about to go; nothing is called after it
  void drained();                                             // the sink is ready again

 private:
  void look_for_lines();
  void replay(const Result<std::uint64_t>& from, std::size_t bytes_max = SIZE_MAX);
  void go_on(std::uint64_t log_offset, std::uint64_t oldest, std::string why);
  void catch_up();
  void show(const ConsoleLog::Read& read);

  ConsoleLog& log_;
  SessionSink& sink_;
  std::uint64_t next_ = 0;       // offset of the next byte it has not seen
  bool live_ = false;            // output goes straight to the sink; else it comes from the log
  bool reading_ = false;         // a read of the log is under way
  bool behind_ = false;          // the sink took nothing for a while
  std::uint64_t replay_to_ = 0;  // what is asked for is shown however slowly it is taken
  std::uint64_t not_shown_from_ = 0, not_shown_bytes_ = 0;  // to be said before the first output
  std::string not_shown_why_;
  std::optional<std::size_t> lines_;  // wanted of the log, not found yet: the last wish
  bool looking_ = false;              // for them: once at a time, however often it is asked
  std::uint64_t round_ = 0;           // a read that began before the last begin is not for us any more
  std::shared_ptr<int> alive_ = std::make_shared<int>();
};

}  // namespace oob
