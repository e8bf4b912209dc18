// LogSearch: looks for a regular expression (RE2: time grows with the text only, memory is bounded) in a console's log,
// line by line, a slice at a time: it stops after limits::search_slice_time, or when an answer is full, and says where
// to go on, so that no search holds up others, nor outlives the one who asked.
#pragma once
#include <deque>
#include <memory>
#include <utility>

#include "server/log/log_reader.h"

namespace re2 {
class RE2;
}

namespace oob {

struct LogSearchWanted {
  std::string pattern;  // RE2's syntax, at most limits::search_pattern_bytes_max
  bool ignore_case = false;
  bool events = false;      // look in what happened ("attach alice read-write"), not in what was said
  bool count_only = false;  // no lines in the answer
  std::size_t hits_max = SIZE_MAX;
  std::size_t before = 0, after = 0;  // lines of context
  std::uint64_t to = UINT64_MAX;
  WallTime since = WallTime::min(), until = WallTime::max();  // of events
  // Where the slice before has stopped: lines from `from` on are looked at, those from `context_from` on may be shown
  // before them, and `after_left` are still to be shown.
  std::uint64_t from = 0, context_from = 0;
  std::size_t after_left = 0;
  std::size_t skip_events = 0;  // that stand at `from` and were looked at
};

struct LogLine {
  std::uint64_t log_offset = 0;
  std::uint64_t next = 0;               // offset of the line that follows
  std::optional<WallTime> time;         // when it began, as nearly as the log tells
  std::string text;                     // as the line said it, without its end
  std::optional<LogEvent::Kind> event;  // `text` is of an event
  bool hit = false;                     // else: context
  bool cut = false;                     // goes on in the next one: it is longer than search_line_bytes_max
  std::vector<std::pair<std::size_t, std::size_t>> matches;  // begin and end in `text`
};

struct LogFound {
  std::vector<LogLine> lines;
  std::uint64_t hits = 0;
  bool done = false;  // all of the log, or hits_max
  std::uint64_t next = 0, context_next = 0;
  std::size_t after_next = 0, skip_next = 0;
};

class LogSearch final : public LogSink {
 public:
  // Compiles the pattern: where it may take its time. Usage: what is wrong with it, in words.
  static Result<std::unique_ptr<LogSearch>> start(LogSearchWanted wanted);
  ~LogSearch() override;
  std::uint64_t next() const override { return next_; }
  bool output(std::uint64_t log_offset, ByteView bytes) override;
  bool marker(const LogMarker& marker) override;
  void read_at(WallTime time) override { time_ = time; }
  LogFound finish(bool all_read);

 private:
  explicit LogSearch(LogSearchWanted wanted);
  bool pass_over(std::size_t bytes);
  bool event(const LogMarker& marker);
  bool end_line(bool cut);
  bool judge(LogLine line);
  bool matches(LogLine& line) const;
  bool out_of_time();

  const LogSearchWanted wanted_;
  std::unique_ptr<re2::RE2> pattern_;
  const SteadyTime stop_at_;
  std::uint64_t next_, line_offset_;
  std::string line_;
  std::optional<WallTime> time_, line_time_;
  std::deque<LogLine> before_;
  std::size_t after_left_, answer_bytes_ = 0, events_here_ = 0;
  LogFound found_;
  bool full_ = false;
};

}  // namespace oob
