// LogPieces: see log_file.h.
#include "common/limits.h"
#include "common/text.h"
#include "server/log/log_file.h"

namespace oob {
namespace {
constexpr std::size_t kPieceBytes = 64 * 1024;
}

LogPieces::LogPieces(const LogWanted& wanted)
    : wanted_(wanted), next_(wanted.from), left_(std::max<std::size_t>(1, wanted.bytes_max)) {}

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
  events_here_ = 0;
  full_ = true;
  return false;
}

bool LogPieces::output(std::uint64_t log_offset, ByteView bytes) {
  if (full_) return false;
  if (log_offset < next_) bytes = bytes.subspan(std::min<std::uint64_t>(bytes.size(), next_ - log_offset));
  while (!bytes.empty()) {
    if (next_ >= wanted_.to) {
      full_ = true;
      return false;
    }
    if (left_ == 0) return stop();
    say_left_out();
    if (open_.empty()) open_offset_ = next_;
    const std::size_t part =
        std::min<std::uint64_t>({bytes.size(), left_, kPieceBytes - open_.size(), wanted_.to - next_});
    append(open_, bytes.first(part));
    bytes = bytes.subspan(part);
    left_ -= part;
    next_ += part;
    events_here_ = 0;
    if (open_.size() == kPieceBytes) seal();
  }
  return true;
}

// False: it was given before, or is not of the time wanted.
bool LogPieces::wants(const LogMarker& event) {
  ++events_here_;
  if (next_ == wanted_.from && events_here_ <= wanted_.skip_events) return false;
  if (event.kind == LogEvent::Kind::Gap) return true;
  return event.time >= wanted_.since && event.time <= wanted_.until;
}

bool LogPieces::marker(const LogMarker& marker) {
  if (full_) return false;
  const std::uint64_t after = position_after(marker).log_offset;
  const bool moves = marker.gap_bytes.value_or(0) > 0;
  if (moves ? after <= next_ : marker.at.log_offset < next_) {
    if (!moves) time_before_ = time_ = marker.time;
    return true;
  }
  if (marker.at.log_offset > wanted_.to || (moves && next_ >= wanted_.to)) {
    full_ = true;
    return false;
  }
  if (marker.kind == LogEvent::Kind::Time) return time(marker);
  if (moves && left_ == 0) return stop();
  if (!moves && !wants(marker)) return true;
  event_bytes_ += marker.text.size();
  const bool too_many = pieces_.size() >= limits::log_read_events_max || event_bytes_ >= limits::log_request_bytes_max;
  if (too_many && marker.kind != LogEvent::Kind::Gap) {
    if (next_ > wanted_.from) return stop();
    ++left_out_;
    left_out_last_ = marker.time;
    return true;
  }
  say_left_out();
  seal();
  LogEvent event{marker.kind, next_, marker.time, marker.gap_bytes, marker.text};
  if (moves) event.gap_bytes = after - next_;
  pieces_.push_back({next_, nullptr, std::move(event)});
  if (moves) events_here_ = 0;
  next_ = std::max(next_, after);
  return true;
}

bool LogPieces::time(const LogMarker& marker) {
  time_ = marker.time;
  if (!wanted_.times) return true;
  if (pieces_.size() >= limits::log_read_events_max) return next_ > wanted_.from ? stop() : true;
  seal();
  pieces_.push_back({next_, nullptr, LogEvent{marker.kind, next_, marker.time, {}, marker.text}});
  return true;
}

void LogPieces::read_at(WallTime at) {
  if ((!time_ || begins_second(at, *time_)) && !full_) time({LogEvent::Kind::Time, at, {next_, 0, 0}, {}, ""});
}

void LogPieces::say_left_out() {
  if (left_out_ == 0) return;
  const std::string text = count_of(left_out_, "more event", "more events") + " here, which only the log's file shows";
  pieces_.push_back({next_, nullptr, LogEvent{LogEvent::Kind::Note, next_, left_out_last_, {}, text}});
  left_out_ = 0;
}

ConsoleLog::Read LogPieces::take() {
  say_left_out();
  seal();
  return {std::move(pieces_), next_, events_here_, time_before_};
}

}  // namespace oob
