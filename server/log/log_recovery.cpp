// LogFile's reading side: recovery of the position after a crash from the file's tail, and reading from any offset.
// Nothing read is trusted: a file may be damaged or edited; then parts of it are gaps, never a crash or a loop.
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <system_error>

#include "common/limits.h"
#include "server/log/log_found.h"

namespace oob {
namespace {

constexpr std::size_t kBlockBytes = 64 * 1024;
// Output is at most doubled; then a marker, and another torn one.
constexpr std::size_t kTailBytes = 2 * limits::log_marker_every_bytes + kBlockBytes;

}  // namespace

Result<Bytes> LogFile::read_at(std::size_t from, std::size_t bytes) const {
  Bytes block(bytes);
  std::size_t got = 0;
  while (got < bytes) {
    const ssize_t n = ::pread(fd_, block.data() + got, bytes - got, off_t(from + got));
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) {
      return fail(ErrorCode::Unavailable, "cannot read the log: " + std::generic_category().message(errno));
    }
    if (n == 0) break;
    got += std::size_t(n);
  }
  block.resize(got);
  return block;
}

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
  auto head = read_at(0, limits::log_marker_bytes_max);
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
    auto tail = read_at(from, size - from);
    if (!tail) return tl::unexpected(tail.error());
    if (found_in_tail(*tail, from, found)) break;
  }
  if (first.type != LogElement::Type::Marker) found.damage = "it does not begin with a marker";
  found.oldest = first.marker.at.log_offset;
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

// --- reading ---

// The first marker at file position `from` or later that begins before `limit`; `limit` if there is none.
std::size_t LogFile::marker_after(std::size_t from, std::size_t limit, LogMarker& marker) const {
  for (std::size_t at = from; at < limit; at += kBlockBytes) {
    const std::size_t before = at > 0 ? 1 : 0;  // a marker follows a newline, so the byte before is needed
    const std::size_t want = std::min(kBlockBytes, limit - at) + limits::log_marker_bytes_max + before;
    const auto block = read_at(at - before, std::min(want, tail_.file_bytes - (at - before)));
    if (!block) return limit;
    const std::size_t found = find_marker(*block, before, at == 0);
    if (found == std::string_view::npos || at - before + found >= limit) continue;
    marker = next_element(ByteView(*block).subspan(found)).marker;
    return at - before + found;
  }
  return limit;
}

// A marker from which to read towards `log_offset`: the last one before it, or not long before that one. Events that
// stand right before the byte wanted are wanted too, so the marker has to be of a smaller offset.
std::size_t LogFile::start_of_read(std::uint64_t log_offset) const {
  if (log_offset > tail_.marker_offset) return tail_.marker_at;
  std::size_t low = 0, high = tail_.marker_at;
  while (high - low > kBlockBytes) {
    const std::size_t middle = low + (high - low) / 2;
    LogMarker marker;
    const std::size_t found = marker_after(middle, high, marker);
    if (found < high && marker.at.log_offset < log_offset) {
      low = found;
    } else {
      high = middle;
    }
  }
  return low;
}

Result<bool> LogFile::read(LogPieces& pieces) const {
  const auto gap_to = [&](LogPosition from, std::uint64_t to, const char* why) {
    return pieces.marker({LogEvent::Kind::Gap, clock_.wall(), from, to - from.log_offset, why});
  };
  if (pieces.next() < oldest_ && !gap_to({pieces.next(), 0, 0}, oldest_, "older output is not in this log file")) {
    return false;
  }
  LogPosition position{pieces.next(), 0, 0};
  if (fd_ >= 0) {
    auto all = read_file(pieces, position);
    if (!all || !*all) return all;
  }
  return end_.log_offset <= position.log_offset || gap_to(position, end_.log_offset, "not written: the disk refused");
}

// Parses from a marker on; `position` becomes that of the file's end.
Result<bool> LogFile::read_file(LogPieces& pieces, LogPosition& position) const {
  std::size_t at = start_of_read(pieces.next());
  bool synced = false;  // the first marker sets the position; a later one that is ahead of it tells of missing bytes
  while (at < tail_.file_bytes) {
    auto block = read_at(at, std::min(4 * kBlockBytes, tail_.file_bytes - at));
    if (!block) return tl::unexpected(block.error());
    ByteView left = *block;
    LogElement element;
    for (element = next_element(left); element.file_bytes > 0; element = next_element(left)) {
      // An element at the block's end may go on in the next block.
      left = left.subspan(element.file_bytes);
      if (element.type == LogElement::Type::Marker) {
        const LogPosition to = element.marker.at;
        const bool jump = synced && to.log_offset > position.log_offset;
        if (jump && !pieces.marker({LogEvent::Kind::Gap, element.marker.time, position,
                                    to.log_offset - position.log_offset, "missing in the log file"})) {
          return false;
        }
        if (!pieces.marker(element.marker)) return false;
        const LogPosition after = position_after(element.marker);
        if (!synced || after.log_offset > position.log_offset) position = after;
        synced = true;
      } else if (!element.output.empty()) {
        if (!pieces.output(position.log_offset, element.output)) return false;
        position = advanced(position, element.output.size());
      }
    }
    const std::size_t taken = block->size() - left.size();
    at += taken;
    if (element.type == LogElement::Type::Bad || taken == 0) {
      LogMarker marker;  // damage in the middle: on from the next sound marker, which tells how much is missing
      at = marker_after(at + 1, tail_.file_bytes, marker);
    }
  }
  return true;
}

}  // namespace oob
