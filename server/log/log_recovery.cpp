// LogFile's recovery: where the log stands after a crash, from the file's tail. Nothing read is trusted.
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>

#include "common/limits.h"
#include "server/log/log_found.h"

namespace oob {
namespace {

constexpr std::size_t kBlockBytes = 64 * 1024;
// Output is at most doubled; then a marker, and another torn one.
constexpr std::size_t kTailBytes = 2 * limits::log_marker_every_bytes + kBlockBytes;

}  // namespace

Result<LogFile::Found> LogFile::recover() {
  errno = 0;
  Found found;
  struct stat status {};
  if (::fstat(fd_, &status) != 0) return fail(ErrorCode::Unavailable, "fstat");
  if (!S_ISREG(status.st_mode)) {
    errno = EINVAL;
    return fail(ErrorCode::Unavailable, "not a plain file");
  }
  const auto size = std::size_t(status.st_size);
  if (size == 0) return found;
  found.empty = false;
  const LogView everything{open_, size, 0, 0, 0, {}};
  auto head = read_log_at(everything, 0, limits::log_marker_bytes_max);
  if (!head) return tl::unexpected(head.error());
  const LogElement first = next_element(*head);
  // A single torn marker is a file whose very first write was cut off.
  if (first.type == LogElement::Type::Torn && size < limits::log_marker_bytes_max) {
    found.empty = true;
    if (::ftruncate(fd_, 0) != 0) return fail(ErrorCode::Unavailable, "ftruncate");
    return found;
  }
  for (const std::size_t window : {kBlockBytes, kTailBytes}) {
    const std::size_t from = size > window ? size - window : 0;
    auto tail = read_log_at(everything, from, size - from);
    if (!tail) return tl::unexpected(tail.error());
    if (found_in_tail(*tail, from, found)) break;
  }
  if (first.type != LogElement::Type::Marker) found.damage = "it does not begin with a marker";
  found.oldest = first.marker.at.log_offset;
  found.began = first.marker.time;
  if (found.damage.empty()) find_last_time(found.tail);
  if (found.damage.empty() && found.tail.file_bytes < size && ::ftruncate(fd_, off_t(found.tail.file_bytes)) != 0) {
    return fail(ErrorCode::Unavailable, "ftruncate");
  }
  return found;
}

// Counts from the last sound marker to the end. False: no marker in this part of the file.
bool LogFile::found_in_tail(ByteView file, std::size_t from, Found& found) {
  std::size_t at = find_last_marker(file, from == 0);
  if (at == std::string_view::npos) {
    found.damage = "no sound marker near its end";
    return false;
  }
  found.damage.clear();
  found.last_output = last_output_in(file, from == 0);
  Tail& tail = found.tail;
  while (at < file.size()) {
    const LogElement element = next_element(file.subspan(at));
    if (element.type == LogElement::Type::Torn) break;
    if (element.type == LogElement::Type::Bad) {
      found.damage = "what follows byte " + std::to_string(from + at) + " is not of a log";
      break;
    }
    if (element.type == LogElement::Type::Marker) {
      tail.position = position_after(element.marker);
      tail.marker_at = from + at;
      tail.marker_offset = element.marker.at.log_offset;
    }
    tail.position = advanced(tail.position, element.output.size());
    tail.output_since_marker += element.output.size();
    at += element.file_bytes;
  }
  tail.file_bytes = from + at;
  tail.mid_line = at > 0 && file[at - 1] != std::byte{'\n'};
  return true;
}

// When the last output was read, as nearly as the markers tell.
std::optional<WallTime> LogFile::last_output_in(ByteView file, bool file_start) {
  std::optional<WallTime> time, last;
  std::size_t at = find_marker(file, 0, file_start);
  while (at < file.size()) {
    const LogElement element = next_element(file.subspan(at));
    if (element.file_bytes == 0) break;
    if (element.type == LogElement::Type::Marker) time = element.marker.time;
    if (element.type == LogElement::Type::Output) last = time;
    at += element.file_bytes;
  }
  return last;
}

// A log of events only may hold its last time marker far from its end.
void LogFile::find_last_time(Tail& tail) const {
  const LogView whole{open_, tail.file_bytes, 0, 0, 0, {}};
  for (std::size_t limit = tail.file_bytes; limit > 0;) {
    const std::size_t from = limit > kBlockBytes ? limit - kBlockBytes : 0;
    LogMarker marker;
    bool found = false;
    for (std::size_t at = marker_after(whole, from, limit, marker); at < limit;
         at = marker_after(whole, at + 1, limit, marker)) {
      if (marker.kind != LogEvent::Kind::Time) continue;
      tail.last_time = marker.time;
      tail.clock_set_back = clock_set_back(marker);
      found = true;
    }
    if (found) return;
    limit = from;
  }
}

Result<bool> LogFile::read(LogSink& sink) const { return LogReader(clock_).read(view(), sink); }

}  // namespace oob
