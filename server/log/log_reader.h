// Reading of console logs, on any thread: a LogView is a moment of one log file, as its writer told it; a LogReader
// parses towards an offset and gives what it finds to a LogSink. Nothing read is trusted: a file may be damaged or
// edited; then parts of it are gaps, never a crash or a loop.
#pragma once
#include <memory>
#include <optional>

#include "server/log/format.h"

namespace oob {

// Closed when the last one who reads it has ended.
struct LogDescriptor {
  explicit LogDescriptor(int number) : fd(number) {}
  ~LogDescriptor();
  LogDescriptor(const LogDescriptor&) = delete;
  LogDescriptor& operator=(const LogDescriptor&) = delete;
  const int fd;
};

struct LogView {
  std::shared_ptr<const LogDescriptor> file;  // null: it could not be opened
  std::size_t file_bytes = 0;                 // whole elements; what is behind them is not yet written
  std::size_t marker_at = 0;                  // the last marker: where, and of what offset
  std::uint64_t marker_offset = 0;
  std::uint64_t oldest = 0;  // of the first byte the file holds
  LogPosition end;           // all before it is in the file, or counted as a gap
};

// Gets a log's output and markers in order; what lies before next() it passes over.
class LogSink {
 public:
  virtual ~LogSink() = default;
  virtual std::uint64_t next() const = 0;  // the offset wanted next
  // False: nothing more is wanted.
  virtual bool output(std::uint64_t log_offset, ByteView bytes) = 0;
  virtual bool marker(const LogMarker& marker) = 0;
  virtual void read_at(WallTime time) = 0;  // of the output that follows, if no marker tells: it is in memory still
};

class LogReader {
 public:
  explicit LogReader(const Clock& clock) : clock_(clock) {}
  // Gives what the view holds from sink.next() on. False: the sink is full; true: that was all. Then it may be called
  // again with a later view, and goes on where it was.
  Result<bool> read(const LogView& view, LogSink& sink);

 private:
  Result<bool> read_file(const LogView& view, LogSink& sink);

  const Clock& clock_;
  std::shared_ptr<const LogDescriptor> file_;
  std::size_t at_ = 0;
  LogPosition position_;
  bool synced_ = false;  // the first marker sets the position; a later one that is ahead of it tells of missing bytes
};

// --- for those who look for places in a file ---
Result<Bytes> read_log_at(const LogView& view, std::size_t from, std::size_t bytes);
// The first marker at file position `from` or later that begins before `limit`; `limit` if there is none.
std::size_t marker_after(const LogView& view, std::size_t from, std::size_t limit, LogMarker& marker);

}  // namespace oob
