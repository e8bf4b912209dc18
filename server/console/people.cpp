// The people on a console: who is on, who has the seat, for whom it is kept, and what each is told of the others.
#include <algorithm>
#include <vector>

#include "server/console/console_room.h"

namespace oob {

// --- what the server and its API ask ---

std::string Console::writer() const {
  if (room_->kept) return room_->kept->shown;
  return room_->writer == nullptr ? "" : room_->writer->shown();
}

std::optional<WallTime> Console::writer_since() const {
  if (room_->writer == nullptr && !room_->kept) return {};
  return room_->writer_since;
}

Duration Console::seat_kept() const {
  if (!room_->kept) return Duration(0);
  const auto left = std::chrono::duration_cast<Duration>(room_->kept->until - room_->shard.clock().now());
  return std::max(left, Duration(1));
}

std::vector<SessionRow> Console::sessions() const {
  std::vector<SessionRow> rows;
  for (const auto& member : room_->members) {
    rows.push_back({.id = member->id,
                    .user = member->identity.user,
                    .tool = member->tool,
                    .from = member->identity.from,
                    .mode = member.get() == room_->writer ? SessionMode::Writer : SessionMode::Reader,
                    .since = member->since,
                    .last_input = member->last_input,
                    .kept_until = {}});
  }
  if (room_->kept) rows.push_back(room_->kept->row);
  return rows;
}

void Console::announce(const std::string& text) { room_->announce(text); }

void Console::say(const std::string& user, const std::string& text) {
  room_->log->append_event(LogEvent::Kind::Note, user + ": " + text);
  room_->tell_all({.kind = SessionEvent::Kind::Message, .user = user, .text = text, .gap_bytes = {}, .log_offset = 0});
}

std::size_t Console::kick(const std::optional<std::string>& user, const std::string& by) {
  ConsoleRoom& room = *room_;
  const auto is_meant = [&](const Identity& one) { return !user || one.user == *user; };
  std::vector<ConsoleRoom::Member> ending;
  for (const auto& member : room.members) {
    if (!member->closed && member->room != nullptr && is_meant(member->identity)) ending.push_back(member);
  }
  const bool kept = room.kept && is_meant(room.kept->identity);
  if (!kept && ending.empty()) return 0;
  room.announce(by + " kicked " + user.value_or("everybody") + " off this console");  // why they leave, before they do
  if (kept) room.forget_kept_seat();
  for (const auto& member : ending) {
    if (!member->closed && member->room != nullptr) room.end(member, by + " ended your session");
  }
  return ending.size() + (kept ? 1 : 0);
}

// --- the room ---

void ConsoleRoom::announce(const std::string& text, const Session::State* but) {
  log->append_event(LogEvent::Kind::Note, text);
  tell_all({.kind = SessionEvent::Kind::Note, .user = {}, .text = text, .gap_bytes = {}, .log_offset = 0}, but);
}

// Told later: one of the two is in the middle of a call of its own.
void ConsoleRoom::tell(Session::State* one, SessionEvent event) {
  const Member member = find(one->id);
  if (!member) return;
  shard.post([member, event = std::move(event)] {
    if (!member->closed && member->room != nullptr) member->sink.event(event);
  });
}

void ConsoleRoom::seat_to(Session::State* to, const std::string& how, const std::string& by) {
  Session::State* before = std::exchange(writer, to);
  const std::string lost = kept ? kept->shown : "";
  forget_kept_seat();
  seat = never_used_before(shard.clock());
  writer_since = shard.clock().wall();
  for (const auto& member : members) member->asked = false;
  if (before != nullptr) {
    // Keys of the writer before that still wait at the agent are not typed for the one after.
    if (port != nullptr) port->flush_input(seat);
    tell(before, {.kind = SessionEvent::Kind::Reader, .user = by, .text = how, .gap_bytes = {}, .log_offset = 0});
  }
  if (to != nullptr)
    tell(to, {.kind = SessionEvent::Kind::Writer, .user = by, .text = how, .gap_bytes = {}, .log_offset = 0});
  const std::string from = before != nullptr ? before->shown() : lost;
  if (to == nullptr) return;
  if (!from.empty()) log->append_event(LogEvent::Kind::TakeOver, to->shown() + " from " + from + ": " + how);
  const std::string text = to->shown() + " writes now" + (from.empty() ? "" : " instead of " + from);
  for (const auto& member : std::list(members)) {
    if (member.get() == to || member.get() == before || member->closed) continue;
    member->sink.event({.kind = SessionEvent::Kind::Note, .user = {}, .text = text, .gap_bytes = {}, .log_offset = 0});
  }
}

void ConsoleRoom::leave(const Member& member) {
  const auto keep = shared_from_this();
  members.remove(member);
  pending.remove_if([&](const Pending& one) { return one.session == member->id; });
  std::string text = member->lost ? "lost the connection" : "";
  if (writer == member.get() && member->lost) {
    keep_seat(*member);
    const auto seconds = std::chrono::ceil<std::chrono::seconds>(keeps_for).count();
    text += "; may write again within " + std::to_string(seconds) + " s";
  } else if (writer == member.get()) {
    seat_to(nullptr, "left", member->identity.user);  // who left is not told
  }
  log->append_event(LogEvent::Kind::Detach, member->shown() + (text.empty() ? "" : " " + text));
  tell_all({.kind = SessionEvent::Kind::Left, .user = member->shown(), .text = text, .gap_bytes = {}, .log_offset = 0});
}

void ConsoleRoom::end(const Member& member, const std::string& why) {
  member->lost = false;
  leave(member);
  member->room = nullptr;
  member->viewer.end();
  if (member->closed) return;
  member->sink.event({.kind = SessionEvent::Kind::Removed, .user = {}, .text = why, .gap_bytes = {}, .log_offset = 0});
}

// --- the seat of one who lost the connection ---

void ConsoleRoom::keep_seat(const Session::State& of) {
  writer = nullptr;
  seat = never_used_before(shard.clock());
  if (port != nullptr) port->flush_input(0);  // what was under way is as old as the connection's end
  kept = KeptSeat{.row = {.id = of.id,
                          .user = of.identity.user,
                          .tool = of.tool,
                          .from = of.identity.from,
                          .mode = SessionMode::Writer,
                          .since = of.since,
                          .last_input = of.last_input,
                          .kept_until = shard.clock().wall() + keeps_for},
                  .identity = of.identity,
                  .shown = of.shown(),
                  .until = shard.clock().now() + keeps_for};
  kept_timer.once(keeps_for, [this] {
    const std::string who = kept ? kept->shown : "";
    forget_kept_seat();
    announce(who + " did not come back; nobody writes");
  });
}

void ConsoleRoom::forget_kept_seat() {
  kept.reset();
  kept_timer.cancel();
}

bool ConsoleRoom::take_back(std::uint64_t session, const Identity& who, bool to_write) {
  const auto token_of = [](const Identity& one) { return one.token ? one.token->id : ""; };
  const auto same = [&](const Identity& other) {
    return other.user == who.user && other.uid == who.uid && token_of(other) == token_of(who);
  };
  if (const Member half_open = find(session); half_open && same(half_open->identity)) {
    const bool wrote = writer == half_open.get();
    if (wrote && !to_write) return false;
    end(half_open, "the session goes on over another connection");
    return wrote;
  }
  if (!to_write || !kept || kept->row.id != session || !same(kept->identity)) return false;
  forget_kept_seat();
  return true;
}

std::string ConsoleRoom::who_writes() const {
  if (writer != nullptr) return writer->shown() + " is writing";
  if (!kept) return "nobody is writing";
  const auto left = std::chrono::ceil<std::chrono::seconds>(kept->until - shard.clock().now()).count();
  return kept->shown + " lost the connection, and may write again within " + std::to_string(std::max<long>(left, 1)) +
         " s";
}

}  // namespace oob
