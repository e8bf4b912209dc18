// See log_reader.h.
#include "server/log/log_reader.h"

#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <system_error>

#include "common/limits.h"

namespace oob {
namespace {
constexpr std::size_t kBlockBytes = 64 * 1024;
}

LogDescriptor::~LogDescriptor() { ::close(fd); }

Result<Bytes> read_log_at(const LogView& view, std::size_t from, std::size_t bytes) {
  Bytes block(bytes);
  std::size_t got = 0;
  while (got < bytes) {
    const ssize_t n = ::pread(view.file->fd, block.data() + got, bytes - got, off_t(from + got));
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

std::size_t marker_after(const LogView& view, std::size_t from, std::size_t limit, LogMarker& marker) {
  for (std::size_t at = from; at < limit; at += kBlockBytes) {
    const std::size_t before = at > 0 ? 1 : 0;  // a marker follows a newline, so the byte before is needed
    const std::size_t want = std::min(kBlockBytes, limit - at) + limits::log_marker_bytes_max + before;
    const auto block = read_log_at(view, at - before, std::min(want, view.file_bytes - (at - before)));
    if (!block) return limit;
    const std::size_t found = find_marker(*block, before, at == 0);
    if (found == std::string_view::npos || at - before + found >= limit) continue;
    marker = next_element(ByteView(*block).subspan(found)).marker;
    return at - before + found;
  }
  return limit;
}

namespace {

// A marker from which to read towards `log_offset`: the last one before it, or not long before that one. Events that
// stand right before the byte wanted are wanted too, so the marker has to be of a smaller offset.
std::size_t start_of_read(const LogView& view, std::uint64_t log_offset) {
  if (log_offset > view.marker_offset) return view.marker_at;
  std::size_t low = 0, high = view.marker_at;
  while (high - low > kBlockBytes) {
    const std::size_t middle = low + (high - low) / 2;
    LogMarker marker;
    const std::size_t found = marker_after(view, middle, high, marker);
    if (found < high && marker.at.log_offset < log_offset) {
      low = found;
    } else {
      high = middle;
    }
  }
  return low;
}

}  // namespace

Result<bool> LogReader::read(const LogView& view, LogSink& sink) {
  const auto gap_to = [&](LogPosition from, std::uint64_t to, const char* why) {
    return sink.marker({LogEvent::Kind::Gap, clock_.wall(), from, to - from.log_offset, why});
  };
  if (sink.next() < view.oldest && !gap_to({sink.next(), 0, 0}, view.oldest, "older output is not in this log file")) {
    return false;
  }
  if (view.file == nullptr || view.file != file_) {  // the first time, or the file was moved away
    file_ = view.file;
    at_ = view.file ? start_of_read(view, sink.next()) : 0;
    position_ = {sink.next(), 0, 0};
    synced_ = false;
  }
  if (view.file) {
    auto all = read_file(view, sink);
    if (!all || !*all) return all;
  }
  return view.end.log_offset <= position_.log_offset ||
         gap_to(position_, view.end.log_offset, "not written: the disk refused");
}

// Parses from a marker on; position_ becomes that of the file's end.
Result<bool> LogReader::read_file(const LogView& view, LogSink& sink) {
  while (at_ < view.file_bytes) {
    auto block = read_log_at(view, at_, std::min(4 * kBlockBytes, view.file_bytes - at_));
    if (!block) return tl::unexpected(block.error());
    ByteView left = *block;
    LogElement element;
    for (element = next_element(left); element.file_bytes > 0; element = next_element(left)) {
      // An element at the block's end may go on in the next block.
      left = left.subspan(element.file_bytes);
      if (element.type == LogElement::Type::Marker) {
        const LogPosition to = element.marker.at;
        const bool jump = synced_ && to.log_offset > position_.log_offset;
        if (jump && !sink.marker({LogEvent::Kind::Gap, element.marker.time, position_,
                                  to.log_offset - position_.log_offset, "missing in the log file"})) {
          return false;
        }
        if (!sink.marker(element.marker)) return false;
        const LogPosition after = position_after(element.marker);
        if (!synced_ || after.log_offset > position_.log_offset) position_ = after;
        synced_ = true;
      } else if (!element.output.empty()) {
        if (!sink.output(position_.log_offset, element.output)) return false;
        position_ = advanced(position_, element.output.size());
      }
    }
    const std::size_t taken = block->size() - left.size();
    at_ += taken;
    if (element.type == LogElement::Type::Bad || taken == 0) {
      LogMarker marker;  // damage in the middle: on from the next sound marker, which tells how much is missing
      at_ = marker_after(view, at_ + 1, view.file_bytes, marker);
    }
  }
  return true;
}

}  // namespace oob
