// A console seen from its line: bytes into the log, then to every session; gaps where bytes are missing.
#include "server/console/console.h"

#include <algorithm>

#include "server/console/console_room.h"

namespace oob {
namespace {

// How often a held line is looked at again.
constexpr auto kHeldLookEvery = std::chrono::milliseconds(50);

}  // namespace

std::uint64_t never_used_before(Clock& clock) {
  static std::uint64_t last = 0;
  last = std::max(last + 1, std::uint64_t(wall_ms(clock.wall())) << 12);
  return last;
}

Console::Console(Shard& shard, std::string name, std::unique_ptr<ConsoleLog> log, Duration seat_kept)
    : room_(std::make_shared<ConsoleRoom>(shard, std::move(name), std::move(log), seat_kept)) {
  room_->log->on_written = [room = room_.get()](const LogPosition& written) {
    if (room->port == nullptr) return;
    room->port->acknowledge(written);
    room->go_on_if_caught_up();
  };
}

Console::~Console() {
  for (const auto& member : std::exchange(room_->members, {})) {
    member->room = nullptr;
    member->viewer.end();
    if (!member->closed) {
      member->sink.event({.kind = SessionEvent::Kind::Removed,
                          .user = {},
                          .text = "the console was removed",
                          .gap_bytes = {},
                          .log_offset = 0});
    }
  }
}

const std::string& Console::name() const { return room_->name; }
ConsoleLog& Console::log() { return *room_->log; }
const ConsoleState& Console::state() const { return room_->state; }
std::uint64_t Console::bytes_in() const { return room_->bytes_in; }
std::unique_ptr<Session> Console::attach(const Identity& who, const AttachOptions& options, SessionSink& sink) {
  ConsoleRoom& room = *room_;
  const bool seat_back =
      options.returns_as != 0 && room.take_back(options.returns_as, who, options.want_write && options.may_write);
  auto member =
      std::make_shared<Session::State>(room, never_used_before(room.shard.clock()), who, options, sink, *room.log);
  member->since = room.shard.clock().wall();
  const bool is_free = room.writer == nullptr && !room.kept;
  if (options.want_write && is_free) {
    room.writer = member.get();  // its mode says so; nobody has lost anything
    room.writer_since = member->since;
    room.seat = never_used_before(room.shard.clock());
  }
  room.tell_all({.kind = SessionEvent::Kind::Joined,
                 .user = member->shown(),
                 .text = seat_back ? "back from a lost connection" : "",
                 .gap_bytes = {},
                 .log_offset = 0});
  room.members.push_back(member);
  if (options.want_write && options.force && !is_free) {
    room.seat_to(member.get(), member->shown() + " took over", who.user);
  }
  room.log->append_event(LogEvent::Kind::Attach,
                         member->shown() + (room.writer == member.get() ? " read-write" : " read-only"));
  if (options.from_offset) {
    const std::uint64_t end = room.log->position().log_offset;
    const std::uint64_t back = std::min<std::uint64_t>(end, limits::replay_bytes_max);
    member->viewer.begin_at(*options.from_offset, options.may_log ? 0 : end - back);
  } else if (options.since) {
    member->viewer.begin_since(*options.since);
  } else {
    member->viewer.begin_with_lines(options.replay_lines);
  }
  return std::unique_ptr<Session>(new Session(member));
}

// --- the line ---

void Console::expect(const std::string& agent) {
  if (room_->port == nullptr) room_->state.detail = "agent " + agent + " has not connected yet";
}

bool Console::is_connected() const { return room_->port != nullptr; }

void Console::connect(LinePort& port) {
  room_->port = &port;
  room_->held = false;
  room_->said_state = false;
}

void Console::disconnect(const std::string& reason, bool drained) {
  ConsoleRoom& room = *room_;
  if (std::exchange(room.port, nullptr) == nullptr) return;
  room.drained = drained;
  room.moving = false;
  room.state = {ConsoleState::Line::NoAgent, reason, 0, room.shard.clock().wall(), {}};
  room.breaks.clear();
  for (const auto& pending : std::exchange(room.pending, {})) {
    if (const auto member = room.find(pending.session)) {
      room.refuse(member, pending.answer != 0 ? pending.answer : pending.sequence,
                  "unknown: " + reason + " before it said what became of the keys");
    }
  }
  room.log->append_event(LogEvent::Kind::Note, reason);
  room.tell_all({.kind = SessionEvent::Kind::Down, .user = {}, .text = reason, .gap_bytes = {}, .log_offset = 0});
}

void Console::line_opened(std::uint64_t incarnation, std::uint64_t offset) {
  ConsoleRoom& room = *room_;
  const LogPosition at = room.log->position();
  if (incarnation == at.incarnation) {
    if (offset > at.line_offset) room.gap(offset - at.line_offset, "the agent has overwritten it");
    // What is in the file already may never have been acknowledged.
    if (room.log->written().incarnation == incarnation) room.port->acknowledge(room.log->written());
    if (offset >= at.line_offset) return;
    room.gap(std::nullopt, "the agent's ring is older than the log");
    return room.log->set_line(incarnation, offset);
  }
  if (at.incarnation != 0 && !std::exchange(room.drained, false)) {
    room.gap(std::nullopt, "another agent, or one that has lost its ring: what was last said may be missing");
  }
  room.log->set_line(incarnation, 0);
  if (offset > 0) room.gap(offset, "said before this log began");
}

void Console::line_output(std::uint64_t offset, WallTime read_at, ByteView bytes) {
  ConsoleRoom& room = *room_;
  const LogPosition at = room.log->position();
  if (offset > at.line_offset) room.gap(offset - at.line_offset, "lost between agent and server");
  if (offset < at.line_offset) {  // sent again
    const std::size_t known = std::min<std::uint64_t>(at.line_offset - offset, bytes.size());
    bytes = bytes.subspan(known);
  }
  if (bytes.empty()) return;
  room.bytes_in += bytes.size();
  const std::uint64_t log_offset = room.log->position().log_offset;
  const Chunk chunk = std::make_shared<const Bytes>(bytes.begin(), bytes.end());
  room.log->append(chunk, read_at);
  for (const auto& member : room.members) member->viewer.output(log_offset, chunk);
  room.hold_if_behind();
}

void Console::line_lost(std::uint64_t offset, std::optional<std::uint64_t> bytes, const std::string& why) {
  const std::uint64_t known = room_->log->position().line_offset;
  if (!bytes) {
    if (offset >= known) room_->gap(std::nullopt, why);
  } else if (offset + *bytes > known) {
    room_->gap(offset + *bytes - std::max(known, offset), why);
  }
}

bool Console::line_event_is_new(std::uint64_t offset, std::uint64_t sequence) {
  if (sequence == 0) return true;
  const LogPosition& at = room_->log->position();
  if (sequence <= at.line_event || offset < at.line_offset) return false;
  room_->log->set_line_event(sequence);
  return true;
}

void Console::line_event(LogEvent::Kind kind, const std::string& said) {
  ConsoleRoom& room = *room_;
  std::string text = said;
  if (kind == LogEvent::Kind::Break && !room.breaks.empty()) {
    text += " by " + room.breaks.front().by;
    room.breaks.pop_front();
  }
  const std::uint64_t offset = room.log->position().log_offset;
  room.log->append_line_event(kind, text);
  SessionEvent event{.kind = SessionEvent::Kind::Note, .user = {}, .text = text, .gap_bytes = {}, .log_offset = offset};
  if (kind == LogEvent::Kind::Up) event.kind = SessionEvent::Kind::Up;
  if (kind == LogEvent::Kind::Down) event.kind = SessionEvent::Kind::Down;
  if (kind == LogEvent::Kind::Break) event.text = "break sent: " + text;
  room.said_state = true;
  room.show_all(event);
  room.hold_if_behind();
}

void Console::line_state(bool up, const std::string& detail, WallTime since, std::uint64_t pid) {
  ConsoleRoom& room = *room_;
  room.state = {up ? ConsoleState::Line::Up : ConsoleState::Line::Down, detail, pid, since, {}};
  // The line's own "up" stands in its stream, but a line that stayed up while we were away says nothing.
  if (std::exchange(room.said_state, true)) return;
  const auto kind = up ? SessionEvent::Kind::Up : SessionEvent::Kind::Down;
  room.tell_all({.kind = kind, .user = {}, .text = detail, .gap_bytes = {}, .log_offset = 0});
}

void Console::line_facts(ConsoleState::Facts facts) {
  if (room_->state.line == ConsoleState::Line::Up) room_->state.facts = std::move(facts);
}

void Console::input_done(std::uint64_t seat, std::uint64_t sequence, std::size_t written, const std::string& refused) {
  ConsoleRoom& room = *room_;
  const auto found =
      std::ranges::find_if(room.pending, [&](const auto& p) { return p.seat == seat && p.sequence == sequence; });
  if (found == room.pending.end()) return;
  const ConsoleRoom::Pending done = *found;
  room.pending.erase(found);
  const auto is_it = [&](const auto& one) { return one.seat == seat && one.sequence == sequence; };
  if (!refused.empty()) {
    const bool was_break = room.breaks.remove_if(is_it) > 0;  // the line will not tell of it
    if (!was_break) room.renew_seat(seat);
  }
  const auto member = room.find(done.session);
  if (!member || member->closed) return;
  if (!done.then_key) {
    if (done.sysrq && refused.empty()) {
      room.announce(member->shown() + " sent SysRq " + std::string(1, *done.sysrq));
    }
    const bool half = done.sysrq && !refused.empty();
    member->sink.input_done(done.answer != 0 ? done.answer : sequence, written,
                            half ? "a break was sent, but not its key: " + refused : refused);
  } else if (!refused.empty() || room.port == nullptr || room.writer != member.get()) {
    member->sink.input_done(sequence, 0, refused.empty() ? "a break was sent, but not its key" : refused);
  } else {
    room.pending.push_back({done.session, seat, sequence + 1, {}, done.then_key, sequence});
    const auto key = std::byte(*done.then_key);
    room.port->input(seat, sequence + 1, room.shard.clock().now() + limits::input_age_max, ByteView(&key, 1));
  }
}

void Console::retire() { room_->log->append_event(LogEvent::Kind::Note, "removed from the inventory"); }
void Console::return_from_retirement() { room_->drained = true; }

void Console::moved(const std::string& where) {
  room_->moving = room_->port != nullptr;
  room_->state = {ConsoleState::Line::Down, "moving " + where, 0, room_->shard.clock().wall(), {}};
  room_->log->append_event(LogEvent::Kind::Moved, where);
  room_->show_all({.kind = SessionEvent::Kind::Note,
                   .user = {},
                   .text = "moved " + where,
                   .gap_bytes = {},
                   .log_offset = room_->log->position().log_offset});
}

// --- the room ---

void ConsoleRoom::hold_if_behind() {
  if (held || port == nullptr || !log->behind()) return;
  held = true;
  port->hold(true);
  if (!look_again) look_again = std::make_unique<Timer>(shard);
  // When other logs took the memory, nothing that happens to this one may tell.
  look_again->every(kHeldLookEvery, [this] { go_on_if_caught_up(); });
}

void ConsoleRoom::go_on_if_caught_up() {
  if (!look_again || (held && port != nullptr && log->behind())) return;
  look_again->cancel();
  if (std::exchange(held, false) && port != nullptr) port->hold(false);
}

void ConsoleRoom::gap(std::optional<std::uint64_t> bytes, const std::string& why) {
  const std::uint64_t offset = log->position().log_offset;
  log->append_gap(bytes, why);
  show_all({.kind = SessionEvent::Kind::Gap, .user = {}, .text = why, .gap_bytes = bytes, .log_offset = offset});
}

void ConsoleRoom::tell_all(const SessionEvent& event, const Session::State* but) {
  const auto present = members;  // a sink may end its session
  for (const auto& member : present) {
    if (member.get() != but && !member->closed) member->sink.event(event);
  }
}

void ConsoleRoom::show_all(const SessionEvent& event) {
  const auto present = members;
  for (const auto& member : present) {
    if (!member->closed) member->viewer.event(event);
  }
}

void ConsoleRoom::refuse(const Member& member, std::uint64_t sequence, const std::string& why) {
  shard.post([member, sequence, why] {
    if (!member->closed) member->sink.input_done(sequence, 0, why);
  });
}

void ConsoleRoom::renew_seat(std::uint64_t of) {
  if (writer == nullptr || seat != of) return;
  seat_before_refusal = seat;
  seat = never_used_before(shard.clock());
}

ConsoleRoom::Member ConsoleRoom::find(std::uint64_t session_id) const {
  const auto found = std::ranges::find_if(members, [&](const auto& member) { return member->id == session_id; });
  return found == members.end() ? nullptr : *found;
}

}  // namespace oob
