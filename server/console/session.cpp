// A console seen from its people: who writes, who reads, who is told what; keys on their way to the line.
#include "server/console/session.h"

#include <algorithm>

#include "server/console/console_room.h"

namespace oob {
namespace {

constexpr Duration kSysRqBreak{0};  // as long as is usual for the line
constexpr char kSentTwice[] = "sent twice";

}  // namespace

Session::Session(std::shared_ptr<State> state) : state_(std::move(state)) {}

Session::~Session() {
  state_->closed = true;
  if (state_->room != nullptr) state_->room->leave(state_);
}

void Session::lose() { state_->lost = true; }

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
  if (session.seat() != seat) {
    return seat == room->seat_before_refusal ? "typed after keys that were refused" : "typed before the writer changed";
  }
  if (room->port == nullptr || room->moving) return room->state.detail;
  return "";
}

bool sysrq_under_way(const ConsoleRoom& room) {
  return std::ranges::any_of(room.pending, [](const auto& one) { return one.then_key || one.sysrq; });
}

}  // namespace

void Session::input(std::uint64_t seat, std::uint64_t sequence, SteadyTime deadline, ByteView bytes) {
  ConsoleRoom* room = state_->room;
  if (room == nullptr) return;
  std::string refused = astray(room, *this, seat);
  if (refused.empty() && room->shard.clock().now() > deadline) refused = "late";
  if (refused.empty() && sequence <= state_->last_sequence) refused = kSentTwice;
  if (refused.empty() && bytes.size() > limits::input_batch_bytes_max) refused = "too many keys at once";
  if (refused.empty() && sysrq_under_way(*room)) refused = "a SysRq is under way";
  if (!refused.empty()) {
    if (refused != kSentTwice) refused_input(seat);
    return room->refuse(state_, sequence, refused);
  }
  state_->last_input = room->shard.clock().wall();
  state_->last_sequence = sequence;
  room->pending.push_back({state_->id, seat, sequence, {}, {}, 0});
  room->port->input(seat, sequence, deadline, bytes);
}

void Session::refused_input(std::uint64_t seat) {
  if (mode() == SessionMode::Writer) state_->room->renew_seat(seat);
}

void Session::send_break(std::uint64_t seat, std::uint64_t sequence, Duration duration) {
  ConsoleRoom* room = state_->room;
  if (room == nullptr) return;
  std::string refused = astray(room, *this, seat);
  if (refused.empty() && sysrq_under_way(*room)) refused = "a SysRq is under way";
  if (refused.empty() && sequence <= state_->last_sequence) refused = kSentTwice;
  if (!refused.empty()) return room->refuse(state_, sequence, refused);
  state_->last_sequence = sequence;
  room->pending.push_back({state_->id, seat, sequence, {}, {}, 0});
  room->breaks.push_back({seat, sequence, state_->shown()});
  room->port->send_break(seat, sequence, duration);
}

void Session::send_sysrq(std::uint64_t seat, std::uint64_t sequence, char key) {
  ConsoleRoom* room = state_->room;
  if (room == nullptr) return;
  std::string refused = astray(room, *this, seat);
  if (refused.empty() && sequence <= state_->last_sequence) refused = kSentTwice;
  if (refused.empty() && !room->pending.empty()) refused = "keys are still under way to the line; try again";
  if (!refused.empty()) return room->refuse(state_, sequence, refused);
  state_->last_sequence = sequence + 1;
  state_->last_input = room->shard.clock().wall();
  room->pending.push_back({state_->id, seat, sequence, key, {}, sequence});
  room->breaks.push_back({seat, sequence, state_->shown()});
  room->port->send_break(seat, sequence, kSysRqBreak);
}

Result<> Session::want_write(bool force) {
  ConsoleRoom* room = state_->room;
  if (room == nullptr) return fail(ErrorCode::NotFound, "the console was removed");
  if (room->writer == state_.get()) return {};
  const bool is_free = room->writer == nullptr && !room->kept;
  if (!is_free && !force) return fail(ErrorCode::Conflict, room->who_writes());
  room->seat_to(state_.get(), is_free ? "granted" : state_->shown() + " took over", state_->identity.user);
  return {};
}

void Session::give_up_write() {
  ConsoleRoom* room = state_->room;
  if (room == nullptr || room->writer != state_.get()) return;
  room->seat_to(nullptr, "given up", state_->identity.user);
  const std::string text = state_->shown() + " is read-only now; nobody writes";
  room->tell_all({.kind = SessionEvent::Kind::Note, .user = {}, .text = text, .gap_bytes = {}, .log_offset = 0},
                 state_.get());
}

Result<> Session::ask_writer() {
  ConsoleRoom* room = state_->room;
  if (room == nullptr || (room->writer == nullptr && !room->kept)) {
    return fail(ErrorCode::Conflict, "nobody is writing; the seat is free");
  }
  if (room->writer == nullptr) return fail(ErrorCode::Conflict, room->who_writes());
  if (room->writer == state_.get()) return fail(ErrorCode::Conflict, "you are writing yourself");
  state_->asked = true;
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
  Session::State* to = nullptr;
  for (const auto& member : room->members) {
    if (member == state_ || member->closed || member->identity.user != to_user) continue;
    if (to == nullptr || (member->asked && !to->asked) || (member->may_write && !to->may_write)) to = member.get();
  }
  if (to == nullptr) return fail(ErrorCode::NotFound, to_user + " is not on this console");
  if (!to->may_write) return fail(ErrorCode::Denied, to_user + " has not the right write on " + room->name);
  room->seat_to(to, "handed over to " + to->shown(), state_->identity.user);
  return {};
}

void Session::say(const std::string& text) {
  ConsoleRoom* room = state_->room;
  if (room == nullptr) return;
  room->log->append_event(LogEvent::Kind::Note, state_->shown() + ": " + text);
  room->tell_all(
      {.kind = SessionEvent::Kind::Message, .user = state_->shown(), .text = text, .gap_bytes = {}, .log_offset = 0});
}

void Session::replay(std::size_t lines) {
  if (state_->room != nullptr) state_->viewer.begin_with_lines(lines);
}

void Session::drained() {
  if (state_->room != nullptr) state_->viewer.drained();
}

}  // namespace oob
