// See viewer.h.
#include "server/console/viewer.h"

#include <algorithm>
#include <utility>

#include "common/limits.h"
#include "server/log/log_times.h"

namespace oob {
namespace {

constexpr std::size_t kReadBytes = 64 * 1024;
// A viewer that fell behind by more than a queue's worth sees the newest part and is told what it missed.
constexpr std::size_t kShownAfterLagBytes = 64 * 1024;

// A log event as a session sees it; those that only the log cares for are nothing.
std::optional<SessionEvent> shown(const LogEvent& event) {
  SessionEvent out{.kind = SessionEvent::Kind::Note,
                   .user = {},
                   .text = event.text,
                   .gap_bytes = event.gap_bytes,
                   .log_offset = event.log_offset};
  switch (event.kind) {
    case LogEvent::Kind::Gap:
      out.kind = SessionEvent::Kind::Gap;
      break;
    case LogEvent::Kind::Up:
      out.kind = SessionEvent::Kind::Up;
      break;
    case LogEvent::Kind::Down:
      out.kind = SessionEvent::Kind::Down;
      break;
    case LogEvent::Kind::Break:
      out.text = "break sent: " + event.text;
      break;
    case LogEvent::Kind::Moved:
      break;
    default:
      return std::nullopt;
  }
  return out;
}

}  // namespace

void Viewer::begin_at(std::uint64_t log_offset, std::uint64_t oldest) {
  replay_to_ = 0;
  go_on(log_offset, oldest, "older output takes the right `log`");
}

void Viewer::go_on(std::uint64_t log_offset, std::uint64_t oldest, std::string why) {
  ++round_;
  live_ = reading_ = behind_ = false;
  lines_.reset();
  not_shown_why_ = std::move(why);
  not_shown_from_ = log_offset;
  not_shown_bytes_ = oldest > log_offset ? oldest - log_offset : 0;
  next_ = std::min(std::max(log_offset, oldest), log_.position().log_offset);
  catch_up();
}

void Viewer::begin_with_lines(std::size_t lines) {
  ++round_;
  live_ = behind_ = false;
  reading_ = true;
  lines_ = lines;
  look_for_lines();
}

void Viewer::begin_since(WallTime since) {
  ++round_;
  live_ = behind_ = false;
  reading_ = true;
  lines_.reset();
  log_.find_times(
      since, WallTime::max(), [this, alive = std::weak_ptr(alive_), round = round_](const Result<LogSpans>& found) {
        if (alive.expired() || round != round_) return;
        if (!found) return replay(tl::unexpected(found.error()));
        replay(found->spans.empty() ? log_.position().log_offset : found->spans.front().from, limits::replay_bytes_max);
      });
}

void Viewer::replay(const Result<std::uint64_t>& from, std::size_t bytes_max) {
  const auto alive = std::weak_ptr(alive_);
  if (!from) {
    sink_.event({.kind = SessionEvent::Kind::Note,
                 .user = {},
                 .text = "no replay: " + from.error().message,
                 .gap_bytes = {},
                 .log_offset = 0});
    if (alive.expired()) return;
  }
  const std::uint64_t end = replay_to_ = log_.position().log_offset;
  const std::uint64_t back = std::min<std::uint64_t>(end, bytes_max);
  go_on(from ? std::min(*from, end) : end, end - back, "a replay is of 1 MB at most; `oob log --since` shows all");
}

void Viewer::look_for_lines() {
  if (looking_) return;
  looking_ = true;
  log_.find_last_lines(*lines_, limits::replay_bytes_max,
                       [this, alive = std::weak_ptr(alive_), round = round_](Result<std::uint64_t> from) {
                         if (alive.expired()) return;
                         looking_ = false;
                         if (!lines_) return;
                         if (round != round_) return look_for_lines();  // there was another wish meanwhile
                         replay(from);
                       });
}

void Viewer::catch_up() {
  if (reading_ || live_) return;
  if (!sink_.ready()) {
    behind_ = true;
    return;
  }
  const std::uint64_t end = log_.position().log_offset;
  if (next_ == end) {
    live_ = true;
    return;
  }
  if (behind_ && next_ >= replay_to_ && end - next_ > limits::viewer_queue_bytes) {
    const std::uint64_t to = end - kShownAfterLagBytes;
    sink_.event({.kind = SessionEvent::Kind::Lagged,
                 .user = {},
                 .text = "this session was too slow",
                 .gap_bytes = to - next_,
                 .log_offset = next_});
    next_ = to;
  }
  behind_ = false;
  reading_ = true;
  log_.read(next_, kReadBytes, [this, alive = std::weak_ptr(alive_), round = round_](Result<ConsoleLog::Read> read) {
    if (alive.expired() || round != round_) return;
    reading_ = false;
    if (const std::uint64_t missing = std::exchange(not_shown_bytes_, 0); missing > 0) {
      sink_.event({.kind = SessionEvent::Kind::Lagged,
                   .user = {},
                   .text = not_shown_why_,
                   .gap_bytes = missing,
                   .log_offset = not_shown_from_});
      if (alive.expired()) return;
    }
    if (read) {
      show(*read);
      if (alive.expired()) return;
    } else {
      const std::uint64_t now = log_.position().log_offset;
      sink_.event({.kind = SessionEvent::Kind::Gap,
                   .user = {},
                   .text = "the log cannot be read: " + read.error().message,
                   .gap_bytes = now - next_,
                   .log_offset = next_});
      next_ = now;
    }
    catch_up();
  });
}

void Viewer::show(const ConsoleLog::Read& read) {
  const auto alive = std::weak_ptr(alive_);
  for (const LogPiece& piece : read.pieces) {
    if (alive.expired()) return;  // the sink ended the session
    if (piece.bytes) {
      sink_.output(piece.log_offset, piece.bytes, 0);
    } else if (piece.event) {
      if (const auto event = shown(*piece.event)) sink_.event(*event);
    }
  }
  if (!alive.expired()) next_ = read.next;
}

void Viewer::output(std::uint64_t log_offset, const Chunk& bytes) {
  if (!live_) return;
  if (!sink_.ready()) {
    live_ = false;
    behind_ = true;
    next_ = log_offset;
    return;
  }
  sink_.output(log_offset, bytes, 0);
  next_ = log_offset + bytes->size();
}

void Viewer::event(const SessionEvent& event) {
  if (!live_) return;  // it comes from the log, in its place
  sink_.event(event);
  if (event.kind == SessionEvent::Kind::Gap && event.gap_bytes) next_ += *event.gap_bytes;
}

void Viewer::drained() { catch_up(); }

}  // namespace oob
