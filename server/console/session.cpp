// A console seen from its people: who writes, who reads, who is told what; keys on their way to the line.
#include "server/console/session.h"

#include <algorithm>

#include "server/console/console_room.h"

namespace oob {

Session::Session(std::shared_ptr<State> state) : state_(std::move(state)) {}

Session::~Session() {
  state_->closed = true;
  if (state_->room != nullptr) state_->room->leave(state_);
}

std::uint64_t Session::id() const { return state_->id; }

SessionMode Session::mode() const {
  const ConsoleRoom* room = state_->room;
  return room != nullptr && room->writer == state_.get() ? SessionMode::Writer : SessionMode::Reader;
}

std::uint64_t Session::seat() const { return mode() == SessionMode::Writer ? state_->room->seat : 0; }

namespace {

// Why keys that name `seat` may not go to the line; empty: they may.
std::string astray(const ConsoleRoom* room, const Session& session, std::uint64_t seat) {
  if (room == nullptr) return "the console was removed";
  if (session.mode() != SessionMode::Writer) return "this session is read-only";
  if (session.seat() != seat) return "typed before the writer changed";
  if (room->port == nullptr || room->moving) return room->state.detail;
  return "";
}

}  // namespace

void Session::input(std::uint64_t seat, std::uint64_t sequence, SteadyTime deadline, ByteView bytes) {
  ConsoleRoom* room = state_->room;
  if (room == nullptr) return;
  std::string refused = astray(room, *this, seat);
  if (refused.empty() && room->shard.clock().now() > deadline) refused = "late";
  if (refused.empty() && sequence <= state_->last_sequence) refused = "sent twice";
  if (refused.empty() && bytes.size() > limits::input_batch_bytes_max) refused = "too many keys at once";
  if (!refused.empty()) return room->refuse(state_, sequence, refused);
  state_->last_input = room->shard.clock().wall();
  state_->last_sequence = sequence;
  room->pending.push_back({state_->id, sequence});
  room->port->input(state_->id, sequence, deadline, bytes);
}

void Session::send_break(std::uint64_t seat, std::uint64_t sequence, Duration duration) {
  ConsoleRoom* room = state_->room;
  if (room == nullptr) return;
  if (const std::string refused = astray(room, *this, seat); !refused.empty()) {
    return room->refuse(state_, sequence, refused);
  }
  if (sequence <= state_->last_sequence) return room->refuse(state_, sequence, "sent twice");
  state_->last_sequence = sequence;
  room->pending.push_back({state_->id, sequence});
  room->port->send_break(state_->id, sequence, duration);
}

Result<> Session::want_write(bool force) {
  ConsoleRoom* room = state_->room;
  if (room == nullptr) return fail(ErrorCode::NotFound, "the console was removed");
  if (room->writer == state_.get()) return {};
  if (room->writer != nullptr && !force) {
    return fail(ErrorCode::Conflict, room->writer->identity.user + " is writing");
  }
  room->seat_to(state_.get(), room->writer == nullptr ? "granted" : state_->identity.user + " took over",
                state_->identity.user);
  return {};
}

void Session::give_up_write() {
  ConsoleRoom* room = state_->room;
  if (room != nullptr && room->writer == state_.get()) room->seat_to(nullptr, "given up", state_->identity.user);
}

Result<> Session::ask_writer() {
  ConsoleRoom* room = state_->room;
  if (room == nullptr || room->writer == nullptr) {
    return fail(ErrorCode::Conflict, "nobody is writing; the seat is free");
  }
  if (room->writer == state_.get()) return fail(ErrorCode::Conflict, "you are writing yourself");
  room->writer->sink.event({.kind = SessionEvent::Kind::Asked,
                            .user = state_->identity.user,
                            .text = state_->identity.user + " asks you to hand over",
                            .gap_bytes = {},
                            .log_offset = 0});
  return {};
}

Result<> Session::hand_over(const std::string& to_user) {
  ConsoleRoom* room = state_->room;
  if (room == nullptr || room->writer != state_.get()) return fail(ErrorCode::Conflict, "you are not writing");
  const auto to = std::ranges::find_if(room->members, [&](const auto& member) {
    return member != state_ && !member->closed && member->identity.user == to_user;
  });
  if (to == room->members.end()) return fail(ErrorCode::NotFound, to_user + " is not on this console");
  room->seat_to(to->get(), "handed over to " + to_user, state_->identity.user);
  return {};
}

void Session::replay(std::size_t lines) {
  if (state_->room != nullptr) state_->viewer.begin_with_lines(lines);
}

void Session::drained() {
  if (state_->room != nullptr) state_->viewer.drained();
}

// --- the room ---

// Told later: one of the two is in the middle of a call of its own.
void ConsoleRoom::tell(Session::State* one, SessionEvent event) {
  const Member member = find(one->id);
  if (!member) return;
  shard.post([member, event = std::move(event)] {
    if (!member->closed) member->sink.event(event);
  });
}

void ConsoleRoom::seat_to(Session::State* to, const std::string& how, const std::string& by) {
  Session::State* before = std::exchange(writer, to);
  seat = never_used_before(shard.clock());
  if (before != nullptr) {
    // Keys of the writer before that still wait at the agent are not typed for the one after.
    if (port != nullptr) port->flush_input(to == nullptr ? 0 : to->id);
    tell(before, {.kind = SessionEvent::Kind::Reader, .user = by, .text = how, .gap_bytes = {}, .log_offset = 0});
  }
  if (to != nullptr)
    tell(to, {.kind = SessionEvent::Kind::Writer, .user = by, .text = how, .gap_bytes = {}, .log_offset = 0});
  if (before == nullptr || to == nullptr) return;
  log->append_event(LogEvent::Kind::TakeOver, to->identity.user + " from " + before->identity.user + ": " + how);
  const std::string text = to->identity.user + " writes now instead of " + before->identity.user;
  for (const auto& member : std::list(members)) {
    if (member.get() == to || member.get() == before || member->closed) continue;
    member->sink.event({.kind = SessionEvent::Kind::Note, .user = by, .text = text, .gap_bytes = {}, .log_offset = 0});
  }
}

void ConsoleRoom::leave(const Member& member) {
  const auto keep = shared_from_this();
  members.remove(member);
  pending.remove_if([&](const Pending& one) { return one.session == member->id; });
  if (writer == member.get()) seat_to(nullptr, "left", member->identity.user);  // who left is not told
  log->append_event(LogEvent::Kind::Detach, member->identity.user);
  tell_all(
      {.kind = SessionEvent::Kind::Left, .user = member->identity.user, .text = {}, .gap_bytes = {}, .log_offset = 0});
}

}  // namespace oob
