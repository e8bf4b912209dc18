// LogPieces: see log_file.h.
#include "common/limits.h"
#include "server/log/log_file.h"

namespace oob {
namespace {
constexpr std::size_t kPieceBytes = 64 * 1024;
}

void LogPieces::seal() {
  if (open_.empty()) return;
  pieces_.push_back({open_offset_, std::make_shared<const Bytes>(std::move(open_)), {}});
  open_.clear();
}

// Events between the last byte taken and the first that no longer fits belong to the next read.
bool LogPieces::stop() {
  while (!pieces_.empty() && open_.empty() && pieces_.back().event && pieces_.back().log_offset == next_) {
    pieces_.pop_back();
  }
  full_ = true;
  return false;
}

bool LogPieces::output(std::uint64_t log_offset, ByteView bytes) {
  if (full_) return false;
  if (log_offset < next_) bytes = bytes.subspan(std::min<std::uint64_t>(bytes.size(), next_ - log_offset));
  while (!bytes.empty()) {
    if (left_ == 0) return stop();
    if (open_.empty()) open_offset_ = next_;
    const std::size_t part = std::min({bytes.size(), left_, kPieceBytes - open_.size()});
    append(open_, bytes.first(part));
    bytes = bytes.subspan(part);
    left_ -= part;
    next_ += part;
    if (open_.size() == kPieceBytes) seal();
  }
  return true;
}

bool LogPieces::marker(const LogMarker& marker) {
  if (full_) return false;
  const std::uint64_t after = position_after(marker).log_offset;
  const bool moves = marker.gap_bytes.value_or(0) > 0;
  if (moves ? after <= next_ : marker.at.log_offset < next_) return true;
  if (moves && left_ == 0) return stop();
  if (!moves && pieces_.size() >= limits::log_read_events_max) return true;
  seal();
  LogEvent event{marker.kind, next_, marker.time, marker.gap_bytes, marker.text};
  if (moves) event.gap_bytes = after - next_;
  pieces_.push_back({next_, nullptr, std::move(event)});
  next_ = std::max(next_, after);
  return true;
}

ConsoleLog::Read LogPieces::take() {
  seal();
  return {std::move(pieces_), next_};
}

}  // namespace oob
