// LogFile's writing side. The order of things in a write is what keeps the file sound: encode all into memory, write,
// and only then move the tail; whatever fails is cut off again, or by the recovery of the next open.
#include "server/log/log_found.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

#include <cerrno>
#include <filesystem>
#include <system_error>

#include "common/limits.h"
#include "common/log.h"
#include "common/text.h"

namespace oob {
namespace {

constexpr std::size_t kDirectBytes = 4096;  // a shorter piece is cheaper copied than as an iovec of its own
constexpr int kVectorsMax = 1024;           // IOV_MAX

// One buffer for all logs of the thread that writes them: a buffer each would cost more than all they wait for.
Bytes& scratch() {
  thread_local Bytes bytes;
  return bytes;
}

std::string in_words(int error) { return std::error_code(error, std::generic_category()).message(); }

}  // namespace

LogFile::LogFile(std::string path, const Clock& clock) : path_(std::move(path)), clock_(clock) {}
LogFile::~LogFile() { close(); }

void LogFile::close() {
  open_.reset();  // a reader may still be in it
  fd_ = -1;
}

void LogFile::take_descriptor(int fd) {
  fd_ = fd;
  if (fd >= 0) open_ = std::make_shared<const LogDescriptor>(fd);
}

void LogFile::open() { open_file(""); }

void LogFile::reopen() {
  close();
  retry_at_ = {};
  open_file("reopened");
}

void LogFile::write(std::span<const LogItem> items) {
  const bool waiting = !trouble_.empty() && clock_.now() < retry_at_;
  if (waiting || ((fd_ < 0 || changed_by_others()) && !open_file("log file was gone"))) return skip(items);
  encoding_ = tail_;
  encode_gap();
  for (const LogItem& item : items) encode(item);
  if (!commit()) return skip(items);
  end_ = tail_.position;
  unknown_skipped_ = false;
  if (!trouble_.empty()) log_limited(LogLevel::Info, "log", "disk", "console log is written again", {{"file", path_}});
  trouble_.clear();
}

// The file was cut, removed or written by someone else, so that what is known of it no longer holds.
bool LogFile::changed_by_others() const {
  struct stat status {};
  return ::fstat(fd_, &status) != 0 || status.st_nlink == 0 || std::size_t(status.st_size) != tail_.file_bytes;
}

// Counts what could not be written; a later encode_gap() tells.
void LogFile::skip(std::span<const LogItem> items) {
  for (const LogItem& item : items) {
    if (item.bytes) {
      end_ = advanced(end_, item.bytes->size());
      unlogged_ += item.bytes->size();
    } else {
      end_ = position_after(*item.marker);
      unknown_skipped_ |= item.marker->kind == LogEvent::Kind::Gap && !item.marker->gap_bytes;
    }
  }
}

// Says the trouble; false, for the caller to return.
bool LogFile::refuse(const std::string& doing) {
  const int error = errno;
  const bool full = error == ENOSPC || error == EDQUOT;
  trouble_ = (full ? "disk full: " : doing + " " + escape_controls(path_) + ": ") + in_words(error);
  retry_at_ = clock_.now() + limits::log_retry_every;
  log_limited(LogLevel::Error, "log", "disk", "a console's log cannot be written; its output is counted as a gap",
              {{"file", path_}, {"trouble", trouble_}});
  return false;
}

bool LogFile::open_file(std::string why) {
  close();
  ::mkdir(std::filesystem::path(path_).parent_path().c_str(), 0750);  // there, or open() says what is wrong
  take_descriptor(::open(path_.c_str(), O_RDWR | O_CREAT | O_APPEND | O_CLOEXEC | O_NONBLOCK, 0640));
  if (fd_ < 0) return refuse("cannot open");
  auto found = recover();
  if (!found) {
    errno = errno ? errno : EIO;
    refuse("cannot read");
    close();
    return false;
  }
  // The stream's offsets were given out already, so a file that claims to know more than we do is not ours.
  const bool fresh = !known_ && end_ == LogPosition{};
  const bool strange = !fresh && found->tail.position.log_offset > end_.log_offset;
  const LogPosition position = fresh ? found->tail.position : tail_.position;
  if (found->empty) return begin_file(position, why, "");
  if (!found->damage.empty() || strange) {
    const std::string damage = strange ? "offsets of another log" : found->damage;
    return set_aside(damage) && begin_file(position, why, damage);
  }
  tail_ = found->tail;
  oldest_ = found->oldest;
  began_ = found->began;
  last_output_ = found->last_output;
  if (fresh) end_ = tail_.position;
  known_ = true;
  encoding_ = tail_;
  put_marker({LogEvent::Kind::Start, clock_.wall(), tail_.position, {}, why});
  return commit();
}

// A new file: begins with a marker that says where the stream stands.
bool LogFile::begin_file(LogPosition position, std::string why, const std::string& damage) {
  if (!known_ && end_ == LogPosition{}) end_ = position;
  tail_ = {};
  tail_.position = position;
  oldest_ = position.log_offset;
  began_ = clock_.wall();
  encoding_ = tail_;
  put_marker({LogEvent::Kind::Start, began_, position, {}, why});
  if (!damage.empty())
    put_marker({LogEvent::Kind::Gap, clock_.wall(), position, {}, "damaged log put aside: " + damage});
  known_ = true;
  return commit();
}

bool LogFile::set_aside(const std::string& reason) {
  const std::string aside = path_ + ".damaged-" + format_utc(clock_.wall());
  if (::rename(path_.c_str(), aside.c_str()) != 0) {
    refuse("cannot rename");
    close();
    return false;
  }
  log_limited(LogLevel::Error, "log", path_, "a console's log is damaged and was put aside",
              {{"file", aside}, {"reason", reason}});
  close();
  take_descriptor(::open(path_.c_str(), O_RDWR | O_CREAT | O_APPEND | O_CLOEXEC | O_EXCL, 0640));
  return fd_ >= 0 || refuse("cannot make");
}

// --- encoding ---

void LogFile::put_scratch(std::size_t begin) {
  const std::size_t bytes = scratch().size() - begin;
  const bool joins = !segments_.empty() && !segments_.back().chunk;
  if (joins) {
    segments_.back().bytes += bytes;
  } else {
    segments_.push_back({nullptr, begin, bytes});
  }
  encoding_.file_bytes += bytes;
}

void LogFile::put_marker(const LogMarker& marker) {
  const std::size_t begin = scratch().size();
  encoding_.marker_at = encoding_.file_bytes + (encoding_.mid_line ? 2 : 0);
  encoding_.marker_offset = marker.at.log_offset;
  encode_marker(scratch(), marker, encoding_.mid_line);
  put_scratch(begin);
  encoding_.mid_line = false;
  encoding_.output_since_marker = 0;
  if (marker.kind == LogEvent::Kind::Time) encoding_.last_time = marker.time;
  encoding_.position = position_after(marker);
}

// What was not written while the disk refused, exactly.
void LogFile::encode_gap() {
  const LogPosition from = encoding_.position;
  if (end_.log_offset > from.log_offset) {
    put_marker({LogEvent::Kind::Gap, clock_.wall(), from, end_.log_offset - from.log_offset, trouble_});
  }
  if (unknown_skipped_)
    put_marker({LogEvent::Kind::Gap, clock_.wall(), encoding_.position, {}, "told while not written"});
  const LogPosition& now = encoding_.position;
  if (end_.incarnation != now.incarnation || end_.line_offset != now.line_offset) {
    put_marker({LogEvent::Kind::Line, clock_.wall(), end_, {}, ""});
  }
  encoding_.position = end_;
}

void LogFile::encode(const LogItem& item) {
  if (!item.bytes) return put_marker(*item.marker);
  const std::size_t size = item.bytes->size();
  for (std::size_t at = 0; at < size;) {
    const auto apart = std::chrono::abs(item.read_at - encoding_.last_time);
    // In mid-line a marker costs an added newline, so it waits for the line's end; not for ever.
    const bool waits = encoding_.mid_line && apart < limits::log_time_marker_in_line_every;
    const bool time_due = begins_second(item.read_at, encoding_.last_time);
    if ((time_due && !waits) || encoding_.output_since_marker >= limits::log_marker_every_bytes) put_time(item.read_at);
    std::size_t part = std::min(size - at, limits::log_marker_every_bytes - encoding_.output_since_marker);
    if (time_due && waits) {
      const std::size_t line = as_text(*item.bytes).substr(at, part).find('\n');
      if (line != std::string_view::npos) part = line + 1;
    }
    encode_bytes(item.bytes, at, part);
    at += part;
  }
}

// The marker's text numbers how often the clock went back, for those who look for a time (log_times.h).
void LogFile::put_time(WallTime time) {
  if (time < encoding_.last_time) ++encoding_.clock_set_back;
  put_marker({LogEvent::Kind::Time, time, encoding_.position, {}, clock_set_back_text(encoding_.clock_set_back)});
}

void LogFile::encode_bytes(const Chunk& chunk, std::size_t begin, std::size_t bytes) {
  const ByteView view = ByteView(*chunk).subspan(begin, bytes);
  if (bytes >= kDirectBytes && !std::memchr(view.data(), int(kLogEscape), bytes)) {
    segments_.push_back({&chunk, begin, bytes});
    encoding_.file_bytes += bytes;
  } else {
    const std::size_t at = scratch().size();
    encode_output(scratch(), view);
    put_scratch(at);
  }
  encoding_.position = advanced(encoding_.position, bytes);
  encoding_.output_since_marker += bytes;
  encoding_.mid_line = view.back() != std::byte{'\n'};
}

// Writes what was encoded, all or nothing.
bool LogFile::commit() {
  std::vector<iovec> vectors;
  vectors.reserve(segments_.size());
  for (const Segment& segment : segments_) {
    const std::byte* base = segment.chunk ? (*segment.chunk)->data() : scratch().data();
    vectors.push_back({const_cast<std::byte*>(base) + segment.begin, segment.bytes});
  }
  bool written = true;
  for (std::size_t first = 0; first < vectors.size() && written;) {
    ssize_t n = ::writev(fd_, &vectors[first], std::min<int>(kVectorsMax, int(vectors.size() - first)));
    if (n < 0 && errno == EINTR) continue;
    if (n == 0) errno = EIO;
    if (n <= 0) written = refuse("cannot write");
    for (; n > 0 && std::size_t(n) >= vectors[first].iov_len; ++first) n -= ssize_t(vectors[first].iov_len);
    if (n > 0) vectors[first] = {static_cast<char*>(vectors[first].iov_base) + n, vectors[first].iov_len - n};
  }
  segments_.clear();
  scratch().clear();
  if (written) {
    tail_ = encoding_;
    return true;
  }
  // Part of it may stand in the file. If it cannot be cut off now, opening again does it before the next write.
  if (::ftruncate(fd_, off_t(tail_.file_bytes)) != 0) close();
  return false;
}

}  // namespace oob
