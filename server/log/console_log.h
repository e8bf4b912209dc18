// ConsoleLog: one console's log, written always, attached or not. One plain file that holds the stream one to one
// between marker lines (format: server/log/format.h, docs/LOG-FORMAT.md); it alone tells, also after kill -9, how far
// the log is. Called on the shard; the disk is touched on the log's Worker. Gathers for 100 ms or 64 KB.
// A disk that is full or gone withholds nothing: bytes are counted as a gap, marked in the file when space returns.
#pragma once
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "common/bytes.h"
#include "common/clock.h"
#include "common/result.h"
#include "common/runtime/shard.h"
#include "common/runtime/worker.h"

namespace oob {

// Where a log stands: its own offset, and the line's that comes next.
struct LogPosition {
  std::uint64_t log_offset = 0;   // counts every byte the line ever said, logged or in a gap of known size
  std::uint64_t incarnation = 0;  // of the line; 0: none yet
  std::uint64_t line_offset = 0;  // within the incarnation
  std::uint64_t line_event = 0;   // the line's last event before it, by the agent's numbers; not in the file
  bool operator==(const LogPosition&) const = default;
};

// A thing that stands between two bytes of the stream. In the file: a marker line.
struct LogEvent {
  enum class Kind { Start, Time, Up, Down, Gap, Attach, Detach, TakeOver, Break, Moved, Line, Note };
  Kind kind = Kind::Note;
  std::uint64_t log_offset = 0;  // of the byte that follows (Gap: of the first missing one)
  WallTime time{};
  std::optional<std::uint64_t> gap_bytes;  // Gap only: empty = unknown
  std::string text;                        // escaped when written; who, why
};

// A piece of what a reader gets, in order: bytes, or an event.
struct LogPiece {
  std::uint64_t log_offset = 0;
  Chunk bytes;  // null for an event
  std::optional<LogEvent> event;
};

// What a reader wants of a log.
struct LogWanted {
  std::uint64_t from = 0;
  std::uint64_t to = UINT64_MAX;  // no output from here on; events right before it belong to it
  std::size_t bytes_max = SIZE_MAX;
  WallTime since = WallTime::min(), until = WallTime::max();  // of events; gaps are always told
  bool times = false;                                         // Time events too
  std::size_t skip_events = 0;  // that stand at `from` and were given before: Read::events_here
};

struct LogSpans;         // log_times.h
struct LogFound;         // log_search.h
struct LogSearchWanted;  // log_search.h
class LogFolder;         // all logs of a server: the worker, the gather timer, the budget, the folder's state

class ConsoleLog {
 public:
  // Opens `<folder>/<name>.log` (0640), finds the position by its tail. Synchronous: called at start and reload. A disk
  // that refuses is no error but trouble(). `name` was checked by the grammar. Destroyed before its LogFolder.
  static Result<std::unique_ptr<ConsoleLog>> open(LogFolder& folder, const std::string& name);
  ~ConsoleLog();

  const LogPosition& position() const;  // of the next byte to be appended (in memory, not yet on disk)

  // The line is now at (incarnation, line_offset): the next bytes bear it. Same incarnation and a larger offset is a
  // gap that append_gap has to tell first. A new incarnation writes a Line marker.
  void set_line(std::uint64_t incarnation, std::uint64_t line_offset);
  // Where the file stands; position() without what still waits for the disk.
  const LogPosition& written() const;

  // What is appended next is the line's event of this number: on_written tells when it is in the file.
  void set_line_event(std::uint64_t number);
  void append(Chunk bytes, WallTime read_at);
  void append_gap(std::optional<std::uint64_t> bytes, std::string why);  // known: both offsets advance by it
  // What people did has memory of its own (limits::log_event_bytes_max), so that a line that floods a slow disk does
  // not push it out; what the line says of itself has not. What does not fit is counted, and that is marked.
  void append_event(LogEvent::Kind kind, std::string text);
  void append_line_event(LogEvent::Kind kind, std::string text);

  // Called on the shard after bytes reached the file (or were counted as a gap): all before it may be forgotten. It
  // must not destroy this log.
  std::function<void(const LogPosition& written)> on_written;
  // So much waits for the disk, here or in all logs together, that a line should say no more for now.
  bool behind() const;
  // Memory that waits for the disk; a caller withholds credit above limits::log_pending_bytes_max. What comes above
  // log_waiting_bytes_max (or log_pending_bytes_all of all logs) is not kept but counted as a gap.
  std::size_t pending_bytes() const;
  // What is wrong with the disk for this log, in words; empty: nothing. And how many bytes that has cost so far.
  const std::string& trouble() const;
  std::uint64_t unlogged_bytes() const;

  // Reads from `log_offset` on, at most `bytes_max` bytes of output, of what is written or pending (so that a reader
  // who arrives at position() has missed nothing and seen nothing twice). Reads the file on a thread of its own; `done`
  // on the shard, never from inside read(). Missing output is a Gap event; an offset beyond position() gives nothing.
  // Errors: Unavailable if the file cannot be read or too many read, NotFound if this log was destroyed meanwhile.
  struct Read {
    std::vector<LogPiece> pieces;
    std::uint64_t next = 0;        // where to go on; == position().log_offset: all there is
    std::size_t events_here = 0;   // met at `next`
    std::optional<WallTime> time;  // of what comes first, at the earliest
  };
  void read(std::uint64_t log_offset, std::size_t bytes_max, std::function<void(Result<Read>)> done);
  void read(const LogWanted& wanted, std::function<void(Result<Read>)> done);
  // Calls back once when something was appended since the call, or after `wait`. Unavailable: too many wait.
  Result<> wait_for_more(Duration wait, std::function<void()> done);
  // Where the output of `since` to `until` is.
  void find_times(WallTime since, WallTime until, std::function<void(Result<LogSpans>)> done);
  // One slice of a search, on the searches' thread. Errors as read(); Usage: the pattern.
  void search(LogSearchWanted wanted, std::function<void(Result<LogFound>)> done);
  // The offset where the last `lines` lines begin (at most `bytes_max` back).
  void find_last_lines(std::size_t lines, std::size_t bytes_max, std::function<void(Result<std::uint64_t>)> done);
  // The same before `end`, and not before `oldest`.
  void find_last_lines(std::size_t lines, std::size_t bytes_max, std::uint64_t oldest, std::uint64_t end,
                       std::function<void(Result<std::uint64_t>)> done);
  std::uint64_t oldest() const;                 // offset of the first byte the file holds
  WallTime began() const;                       // when the file was begun: another time, another file
  std::optional<WallTime> last_output() const;  // after a restart as nearly as the log's markers tell

 private:
  friend class LogFolder;
  struct State;
  explicit ConsoleLog(std::shared_ptr<State> state);
  std::shared_ptr<State> state_;
};

class LogFolder {
 public:
  LogFolder(Shard& shard, std::string path);    // makes the folder (0750) if missing
  ~LogFolder();                                 // writes what is pending
  void flush(std::function<void()> done = {});  // write all that is pending now
  void reopen();                                // USR2: files were moved away
  void come_round(std::function<void()> done);  // `done` when the worker has done all that it was given before
  const std::string& path() const;
  std::size_t pending_bytes() const;

 private:
  friend class ConsoleLog;
  struct State;
  std::shared_ptr<State> state_;
};

}  // namespace oob
