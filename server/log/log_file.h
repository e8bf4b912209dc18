// LogFile: one console's log file, synchronous and for one thread (the log's Worker): encodes, writes, recovers, reads.
// All that ConsoleLog does on the shard ends here. What the disk refuses is counted as a gap and marked in the file
// when the disk takes again; the file is sound (whole elements only) after every call, also after a short write.
// Limits: markers at most limits::log_marker_every_bytes of output apart, so recovery reads a bounded tail.
#pragma once
#include <algorithm>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "server/log/log_reader.h"

namespace oob {

// What a log is given, in order: output, or a marker. A Line marker's `at` is the position from there on.
struct LogItem {
  std::uint64_t log_offset = 0;
  Chunk bytes;
  std::unique_ptr<LogMarker> marker;  // if no bytes
  WallTime read_at{};                 // of output
};

// Collects what a reader gets, in order, whole pieces of at most 64 KB; events between them are told once: those that
// stand before a byte that no longer fits are left to the next read.
class LogPieces final : public LogSink {
 public:
  explicit LogPieces(const LogWanted& wanted);
  LogPieces(std::uint64_t from, std::size_t bytes_max) : LogPieces(LogWanted{.from = from, .bytes_max = bytes_max}) {}
  bool output(std::uint64_t log_offset, ByteView bytes) override;
  bool marker(const LogMarker& marker) override;
  void read_at(WallTime time) override;
  ConsoleLog::Read take();
  std::uint64_t next() const override { return next_; }

 private:
  bool stop();
  bool time(const LogMarker& marker);
  bool wants(const LogMarker& event);
  void seal();
  void say_left_out();

  const LogWanted wanted_;
  std::vector<LogPiece> pieces_;
  Bytes open_;  // the last piece's bytes, still growing
  std::uint64_t open_offset_ = 0;
  std::uint64_t next_;
  std::size_t left_;
  std::size_t events_here_ = 0;  // met at next_, given or not
  std::size_t event_bytes_ = 0;  // of their texts
  std::size_t left_out_ = 0;     // events at next_ beyond what one reader is given
  WallTime left_out_last_{};
  std::optional<WallTime> time_, time_before_;
  bool full_ = false;
};

class LogFile {
 public:
  LogFile(std::string path, const Clock& clock);
  ~LogFile();
  LogFile(const LogFile&) = delete;
  LogFile& operator=(const LogFile&) = delete;

  // Opens or makes the file, finds its position, writes a Start marker. A disk that refuses is trouble(), not an error.
  void open();
  // Writes items (none: only tries a troubled disk again, at most every limits::log_retry_every).
  void write(std::span<const LogItem> items);
  void reopen();  // the file was moved away: begins a new one

  const LogPosition& end() const { return end_; }  // all before it is in the file, or counted as a gap
  const std::string& trouble() const { return trouble_; }
  std::uint64_t unlogged_bytes() const { return unlogged_; }
  std::uint64_t oldest() const { return oldest_; }
  WallTime began() const { return began_; }                             // by its first marker
  std::optional<WallTime> last_output() const { return last_output_; }  // found at open()

  // For readers on other threads, until the next write tells another one.
  LogView view() const { return {open_, tail_.file_bytes, tail_.marker_at, tail_.marker_offset, oldest_, end_}; }
  // Adds what the file holds from sink.next() on. False: the sink is full; true: this was all there is.
  // A part that cannot be read or is no longer there is a gap.
  Result<bool> read(LogSink& sink) const;

 private:
  // Where the file's end is, as far as it was written; the same while items are encoded, taken over by commit().
  struct Tail {
    LogPosition position;
    std::size_t file_bytes = 0;
    bool mid_line = false;
    std::size_t output_since_marker = 0;
    WallTime last_time{};              // of the last Time marker
    std::uint64_t clock_set_back = 0;  // how often, of those markers
    std::size_t marker_at = 0;         // the last marker: where in the file, and of what offset
    std::uint64_t marker_offset = 0;
  };
  void find_last_time(Tail& tail) const;
  void take_descriptor(int fd);
  bool open_file(std::string why);
  bool begin_file(LogPosition position, std::string why, const std::string& damage);
  struct Found;  // what an existing file says
  Result<Found> recover();
  static bool found_in_tail(ByteView file, std::size_t from, Found& found);
  static std::optional<WallTime> last_output_in(ByteView file, bool file_start);
  bool set_aside(const std::string& reason);
  bool changed_by_others() const;
  void encode(const LogItem& item);
  void encode_bytes(const Chunk& chunk, std::size_t begin, std::size_t bytes);
  void encode_gap();
  void put_marker(const LogMarker& marker);
  void put_time(WallTime time);
  void put_scratch(std::size_t begin);
  bool commit();
  bool refuse(const std::string& doing);
  void skip(std::span<const LogItem> items);
  void close();
  struct Segment {  // to be written: a range of scratch_, or of a chunk that is long enough not to be copied
    const Chunk* chunk;
    std::size_t begin, bytes;
  };

  const std::string path_;
  const Clock& clock_;
  int fd_ = -1;
  std::shared_ptr<const LogDescriptor> open_;  // owns fd_
  bool known_ = false;                         // the position was read from, or written to, the file
  Tail tail_, encoding_;
  std::vector<Segment> segments_;
  LogPosition end_;  // beyond tail_.position while the disk refuses
  std::string trouble_;
  SteadyTime retry_at_{};
  std::uint64_t unlogged_ = 0, oldest_ = 0;
  WallTime began_{};
  bool unknown_skipped_ = false;  // a gap of unknown size could not be written
  std::optional<WallTime> last_output_;
};

}  // namespace oob
