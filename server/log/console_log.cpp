// ConsoleLog: the shard's side of one log; see log_state.h for what it shares with LogFolder. append() is the hot path:
// it takes a reference and puts it into a vector, nothing else; encoding is the worker's.
#include "server/log/console_log.h"

#include <future>

#include "common/limits.h"
#include "common/text.h"
#include "server/log/log_state.h"

namespace oob {
namespace {

static_assert(limits::log_pending_bytes_all >=
              limits::log_pending_bytes_held + limits::tunnel_streams_max * limits::tunnel_stream_window_bytes);

constexpr std::size_t kItemCost = sizeof(LogItem) + 64;  // the item, and the chunk's own head
constexpr std::size_t kEventCost = kItemCost + sizeof(LogMarker);
constexpr std::size_t kSpareItems = 128;  // so that a busy minute does not cost memory for ever
constexpr std::uint64_t kGapBytesMax = std::uint64_t{1} << 56;

std::size_t cost_of(const LogItem& item) {
  return kItemCost + (item.bytes ? item.bytes->size() : item.marker->text.size() + sizeof(LogMarker));
}

}  // namespace

Result<std::unique_ptr<ConsoleLog>> ConsoleLog::open(LogFolder& folder, const std::string& name) {
  auto state = std::make_shared<State>();
  state->folder = folder.state_;
  state->file = std::make_shared<LogFile>(folder.path() + "/" + name + ".log", folder.state_->shard.clock());
  // On the worker, behind what an earlier log of this name may still have to write.
  std::promise<LogOutcome> opened;
  folder.state_->worker.run([&] {
    state->file->open();
    state->last_output = state->file->last_output();
    opened.set_value(LogOutcome::of(*state->file));
  });
  LogOutcome outcome = opened.get_future().get();
  state->position = outcome.end;
  folder.state_->logs.push_back(state.get());
  auto log = std::unique_ptr<ConsoleLog>(new ConsoleLog(state));
  state->owner = log.get();
  state->reported(std::move(outcome));
  return log;
}

ConsoleLog::ConsoleLog(std::shared_ptr<State> state) : state_(std::move(state)) {}

ConsoleLog::~ConsoleLog() {
  State& state = *state_;
  state.owner = nullptr;
  state.wake_followers();
  if (!state.pending.empty()) state.folder->submit({&state_, 1});
  state.folder->waiting_cost -= state.waiting_cost;
  state.folder->event_cost -= state.event_cost;
  std::erase(state.folder->logs, &state);
  std::erase(state.folder->dirty, state_);
}

const LogPosition& ConsoleLog::position() const { return state_->position; }
const LogPosition& ConsoleLog::written() const { return state_->outcome.end; }
bool ConsoleLog::behind() const {
  return state_->waiting_cost > limits::log_pending_bytes_max / 2 ||
         state_->folder->waiting_cost > limits::log_pending_bytes_held;
}
std::size_t ConsoleLog::pending_bytes() const { return state_->waiting_cost; }
std::uint64_t ConsoleLog::unlogged_bytes() const { return state_->outcome.unlogged_bytes + state_->dropped_bytes; }
std::uint64_t ConsoleLog::oldest() const { return state_->outcome.oldest; }
WallTime ConsoleLog::began() const { return state_->outcome.began; }
std::optional<WallTime> ConsoleLog::last_output() const { return state_->last_output; }
const std::string& ConsoleLog::trouble() const {
  return state_->outcome.trouble.empty() ? state_->slow : state_->outcome.trouble;
}

void ConsoleLog::set_line(std::uint64_t incarnation, std::uint64_t line_offset) {
  State& state = *state_;
  const bool same = incarnation == state.position.incarnation;
  if (same && line_offset == state.position.line_offset) return;
  const LogPosition to{state.position.log_offset, incarnation, line_offset, same ? state.position.line_event : 0};
  state.position = to;
  LogMarker* last = state.pending.empty() ? nullptr : state.pending.back().marker.get();
  if (last && last->kind == LogEvent::Kind::Line) {
    last->at = to;  // nothing was said in between
  } else {
    state.add_marker(LogEvent::Kind::Line, {}, "");
  }
}

void ConsoleLog::set_line_event(std::uint64_t number) { state_->position.line_event = number; }

void ConsoleLog::append(Chunk bytes, WallTime read_at) {
  if (!bytes || bytes->empty()) return;
  State& state = *state_;
  state.last_output = read_at;
  const std::size_t size = bytes->size();
  if (state.full(size + kItemCost)) return state.drop(size);
  state.add({state.position.log_offset, std::move(bytes), nullptr, read_at});
  state.position = advanced(state.position, size);
}

void ConsoleLog::append_gap(std::optional<std::uint64_t> bytes, std::string why) {
  State& state = *state_;
  if (bytes && *bytes == 0) return;
  // More than a line can say in years would only bring the offsets to wrap around.
  if (bytes && *bytes > kGapBytesMax) bytes.reset();
  if (bytes && state.full(kItemCost)) return state.drop(*bytes);
  const bool repeat = !bytes && !state.pending.empty() && state.pending.back().marker &&
                      state.pending.back().marker->kind == LogEvent::Kind::Gap;
  if (repeat && state.full(kItemCost)) return;
  state.add_marker(LogEvent::Kind::Gap, bytes, std::move(why));
  state.position = advanced(state.position, bytes.value_or(0));
}

void ConsoleLog::append_event(LogEvent::Kind kind, std::string text) {
  State& state = *state_;
  const std::size_t cost = kEventCost + text.size();
  if (state.full_of_events(cost)) return void(++state.events_left_out);
  state.say_left_out();
  state.add_marker(kind, {}, std::move(text), true);
}

void ConsoleLog::append_line_event(LogEvent::Kind kind, std::string text) {
  State& state = *state_;
  if (state.full(kEventCost + text.size())) return void(++state.events_left_out);
  state.say_left_out();
  state.add_marker(kind, {}, std::move(text));
}

// --- State ---

// A single piece always fits: only what waits already may stand in its way.
bool ConsoleLog::State::full(std::size_t cost) const {
  return waiting_cost > 0 && (waiting_cost + cost > limits::log_waiting_bytes_max ||
                              folder->waiting_cost + cost > limits::log_pending_bytes_all);
}

bool ConsoleLog::State::full_of_events(std::size_t cost) const {
  return event_cost + cost > limits::log_event_bytes_max || folder->event_cost + cost > limits::log_event_bytes_all;
}

void ConsoleLog::State::say_left_out() {
  const std::string text = count_of(events_left_out, "event", "events") + " left out: disk too slow";
  if (events_left_out == 0 || full_of_events(kEventCost + text.size())) return;
  events_left_out = 0;
  add_marker(LogEvent::Kind::Note, {}, text, true);
}

// Many tiny pieces cost more than their bytes.
bool ConsoleLog::State::gathered() const {
  return pending_bytes >= limits::log_gather_bytes || pending_cost >= 4 * limits::log_gather_bytes;
}

void ConsoleLog::State::add(LogItem item, bool of_people) {
  const std::size_t bytes = item.bytes ? item.bytes->size() : 0, cost = cost_of(item);
  pending.push_back(std::move(item));
  dropping = false;
  pending_bytes += bytes;
  pending_cost += cost;
  waiting_cost += cost;
  folder->waiting_cost += cost;
  if (of_people) {
    pending_event_cost += cost;
    event_cost += cost;
    folder->event_cost += cost;
  }
  if (!dirty) folder->mark_dirty(*this);
  if (!followers.empty() && !follow_gather->armed()) {
    follow_gather->once(limits::log_follow_gather_time, [this] { wake_followers(); });
  }
  if (gathered() && in_flight.size() < 2) {
    const auto self = shared_from_this();
    folder->submit({&self, 1});
  }
}

void ConsoleLog::State::add_marker(LogEvent::Kind kind, std::optional<std::uint64_t> gap_bytes, std::string text,
                                   bool of_people) {
  text.resize(std::min(text.size(), limits::log_marker_bytes_max));
  LogMarker marker{kind, folder->shard.clock().wall(), position, gap_bytes, std::move(text)};
  add({position.log_offset, nullptr, std::make_unique<LogMarker>(std::move(marker)), {}}, of_people);
}

void ConsoleLog::State::drop(std::size_t bytes) {
  slow = "disk too slow: output is not kept";
  dropped_bytes += bytes;
  if (dropping) {
    *pending.back().marker->gap_bytes += bytes;
  } else {
    add_marker(LogEvent::Kind::Gap, bytes, slow);
    dropping = !pending.empty();  // empty: add_marker() gave it to the worker
  }
  position = advanced(position, bytes);
}

void ConsoleLog::State::reported(LogOutcome now) {
  const bool moved = now.end != outcome.end;
  outcome = std::move(now);
  if (!outcome.trouble.empty() && !folder->retry.armed()) {
    folder->retry.once(limits::log_retry_every, [folder = folder.get()] { folder->try_again(); });
  }
  if (moved && owner && owner->on_written) owner->on_written(outcome.end);
}

void ConsoleLog::State::written() {
  const InFlight done = std::move(in_flight.front());
  in_flight.erase(in_flight.begin());
  waiting_cost -= done.cost;
  event_cost -= done.event_cost;
  if (owner) folder->waiting_cost -= done.cost, folder->event_cost -= done.event_cost;
  if (waiting_cost < limits::log_pending_bytes_max / 2) slow.clear();
  done.batch->clear();
  if (done.batch->capacity() <= kSpareItems) spare = std::move(*done.batch);
  if (owner) say_left_out();
  if (owner && gathered()) {
    const auto self = shared_from_this();
    folder->submit({&self, 1});
  }
}

}  // namespace oob
