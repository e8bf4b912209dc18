// See rows.h.
#include "server/front/rows.h"

#include "server/log/format.h"

namespace oob {
namespace {

void put_time(json::object& into, std::string_view key, const std::optional<WallTime>& time) {
  if (time) into[key] = format_utc(*time);
}

void put_text(json::object& into, std::string_view key, const std::string& text) {
  if (!text.empty()) into[key] = text;
}

std::string base64(ByteView bytes) {
  constexpr char kDigits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  std::string out;
  out.reserve((bytes.size() + 2) / 3 * 4);
  for (std::size_t i = 0; i < bytes.size(); i += 3) {
    const std::size_t left = std::min<std::size_t>(3, bytes.size() - i);
    std::uint32_t group = 0;
    for (std::size_t k = 0; k < 3; ++k)
      group = group << 8 | (k < left ? std::to_integer<std::uint32_t>(bytes[i + k]) : 0);
    for (std::size_t k = 0; k < 4; ++k) out += k <= left ? kDigits[group >> (18 - 6 * k) & 63] : '=';
  }
  return out;
}

std::string_view agent_state_name(AgentRow::State state) {
  switch (state) {
    case AgentRow::State::Connected:
      return "connected";
    case AgentRow::State::Away:
      return "away";
    case AgentRow::State::NotEnrolled:
      return "not-enrolled";
    case AgentRow::State::Revoked:
      return "revoked";
  }
  return "away";
}

std::string_view change_name(InventoryChange::Kind kind) {
  switch (kind) {
    case InventoryChange::Kind::Add:
      return "add";
    case InventoryChange::Kind::Change:
      return "change";
    case InventoryChange::Kind::Remove:
      return "remove";
  }
  return "change";
}

}  // namespace

std::string_view line_state_name(ConsoleState::Line state) {
  switch (state) {
    case ConsoleState::Line::NoAgent:
      return "no-agent";
    case ConsoleState::Line::Down:
      return "down";
    case ConsoleState::Line::Up:
      return "up";
  }
  return "down";
}

json::object console_json(const ConsoleRow& row, Console& console) {
  json::object out;
  out["name"] = row.name;
  put_text(out, "node", row.node);
  out["agent"] = row.agent;
  out["kind"] = row.kind;
  put_text(out, "mac", row.mac);
  const ConsoleState& state = console.state();
  out["state"] = line_state_name(state.line);
  out["detail"] = state.detail;
  put_time(out, "since", state.since);
  if (state.pid != 0) out["pid"] = state.pid;
  if (!state.facts.empty()) {
    json::object& facts = out["facts"].emplace_object();
    for (const auto& [key, value] : state.facts) facts[key] = value;
  }
  out["agent_connected"] = row.agent_connected;
  std::size_t readers = 0;
  for (const SessionRow& session : console.sessions()) readers += session.mode == SessionMode::Reader;
  out["writer"] = console.writer();
  out["readers"] = readers;
  put_time(out, "last_output", console.log().last_output());
  out["bytes_in"] = console.bytes_in();
  json::object& labels = out["labels"].emplace_object();
  for (const auto& [key, value] : row.labels) labels[key] = value;
  const ConsoleLog& log = console.log();
  out["log"] = {{"oldest", log.oldest()},
                {"end", log.position().log_offset},
                {"trouble", log.trouble()},
                {"unlogged_bytes", log.unlogged_bytes()}};
  return out;
}

json::object session_json(const std::string& console, const SessionRow& row) {
  json::object out;
  out["console"] = console;
  out["id"] = row.id;
  out["user"] = row.user;
  put_text(out, "tool", row.tool);
  out["from"] = row.from;
  out["mode"] = row.mode == SessionMode::Writer ? "writer" : "reader";
  out["since"] = format_utc(row.since);
  put_time(out, "last_input", row.last_input);
  put_time(out, "kept_until", row.kept_until);
  return out;
}

json::object log_json(const ConsoleLog::Read& read, const ConsoleLog& log) {
  json::object out;
  json::array& pieces = out["pieces"].emplace_array();
  for (const LogPiece& piece : read.pieces) {
    json::object one;
    one["offset"] = piece.log_offset;
    if (piece.bytes) {
      one["data"] = base64(*piece.bytes);
    } else if (piece.event) {
      one["event"] = event_name(piece.event->kind);
      one["time"] = format_utc(piece.event->time);
      if (piece.event->gap_bytes) one["bytes"] = *piece.event->gap_bytes;
      put_text(one, "text", piece.event->text);
    }
    pieces.push_back(std::move(one));
  }
  out["next"] = read.next;
  if (read.events_here > 0) out["skip"] = read.events_here;
  put_time(out, "time", read.time);
  out["end"] = log.position().log_offset;
  out["oldest"] = log.oldest();
  return out;
}

json::object found_json(const LogFound& found, const ConsoleLog& log) {
  json::object out;
  json::array& lines = out["lines"].emplace_array();
  for (const LogLine& line : found.lines) {
    json::object one{{"offset", line.log_offset}, {"data", base64(as_bytes(line.text))}, {"hit", line.hit}};
    one["next"] = line.next;
    put_time(one, "time", line.time);
    if (line.event) one["event"] = event_name(*line.event);
    if (line.cut) one["cut"] = true;
    json::array& matches = one["matches"].emplace_array();
    for (const auto& [begin, end] : line.matches) matches.push_back(json::array{begin, end});
    lines.push_back(std::move(one));
  }
  out["hits"] = found.hits;
  out["done"] = found.done;
  out["next"] = found.next;
  out["context"] = found.context_next;
  out["after"] = found.after_next;
  out["skip"] = found.skip_next;
  out["end"] = log.position().log_offset;
  return out;
}

json::object agent_json(const AgentRow& row, bool said) {
  json::object out;
  out["name"] = row.name;
  out["state"] = agent_state_name(row.state);
  out["detail"] = row.detail;
  put_time(out, "since", row.since);
  put_text(out, "version", row.version);
  put_time(out, "certificate_until", row.certificate_until);
  out["consoles"] = row.consoles;
  put_text(out, "age", row.age);
  if (row.last_lost) out["last_loss"] = {{"time", format_utc(*row.last_lost)}, {"reason", row.last_loss}};
  if (row.uptime) out["uptime_s"] = row.uptime->count() / 1000;
  if (row.round_trip) out["round_trip_ms"] = double(row.round_trip->count()) / 1000;
  if (row.clock_ahead) out["clock_ahead_ms"] = row.clock_ahead->count();
  const auto put_kept = [&](std::string_view key, const std::optional<AgentRow::Kept>& kept) {
    if (kept) out[key] = {{"bytes", kept->bytes}, {"worst_percent", kept->worst_percent}};
  };
  put_kept("ring", row.ring);
  put_kept("spool", row.spool);
  for (const auto& stranger : row.unknown_senders) {
    if (!out.contains("unknown_senders")) out["unknown_senders"] = json::array();
    json::object one{{"listener", stranger.listener},
                     {"sender", stranger.sender},
                     {"messages", stranger.messages},
                     {"first", format_utc(stranger.first)},
                     {"last", format_utc(stranger.last)}};
    if (said) put_text(one, "said", stranger.said), put_text(one, "called", stranger.called);
    out["unknown_senders"].as_array().push_back(std::move(one));
  }
  return out;
}

json::object token_json(const std::string& agent, const EnrolToken& token) {
  json::object out{{"agent", agent}, {"token", token.token}, {"expires", format_utc(token.expires)}};
  put_text(out, "note", token.note);
  return out;
}

json::object inventory_json(const InventoryText& inventory) {
  json::object out;
  out["revision"] = inventory.revision;
  put_time(out, "applied", inventory.applied);
  put_text(out, "user", inventory.user);
  json::array& files = out["files"].emplace_array();
  for (const auto& [path, text] : inventory.files) files.push_back({{"path", path}, {"text", text}});
  return out;
}

json::object change_json(const InventoryChange& change) {
  json::object out{{"change", change_name(change.kind)}, {"name", change.name}, {"text", change.text}};
  put_text(out, "attached", change.attached);
  return out;
}

json::object revision_json(const InventoryRevision& revision) {
  return {{"revision", revision.number},
          {"applied", format_utc(revision.applied)},
          {"user", revision.user},
          {"why", revision.why},
          {"changes", revision.changes}};
}

json::object diff_json(const InventoryDiff& diff) {
  json::object out{{"from", diff.from}, {"to", diff.to}};
  json::array& problems = out["problems"].emplace_array();
  for (const InventoryProblem& problem : diff.problems) {
    problems.push_back({{"severity", problem.is_error ? "error" : "warning"}, {"text", problem.text}});
  }
  json::array& changes = out["changes"].emplace_array();
  for (const InventoryChange& change : diff.changes) changes.push_back(change_json(change));
  out["text"] = diff.text;
  return out;
}

json::object report_json(const InventoryReport& report) {
  json::object out;
  out["revision"] = report.revision;
  std::size_t errors = 0;
  json::array problems, changes;
  for (const InventoryProblem& problem : report.problems) {
    errors += problem.is_error;
    problems.push_back({{"severity", problem.is_error ? "error" : "warning"}, {"text", problem.text}});
  }
  for (const InventoryChange& change : report.changes) {
    changes.push_back(change_json(change));
  }
  out["errors"] = errors;
  out["warnings"] = report.problems.size() - errors;
  out["problems"] = std::move(problems);
  out["changes"] = std::move(changes);
  put_text(out, "asks", report.asks);
  return out;
}

json::object identity_json(const Identity& who) {
  json::object out{{"user", who.user}, {"from", who.from}};
  json::array rights;
  for (const Right right : kAllRights) {
    const bool bounded = who.token && who.token->rights && right != Right::List;
    if (!bounded || who.token->rights->contains(right)) rights.push_back(json::string(right_name(right)));
  }
  out["rights"] = std::move(rights);
  if (!who.token) return out;
  json::array consoles;
  for (const std::string& names : who.token->consoles) consoles.push_back(json::string(names));
  if (!consoles.empty()) out["on"] = std::move(consoles);
  out["token"] = who.token->id;
  put_text(out, "token_name", who.token->name);
  put_time(out, "expires", who.token->expires);
  return out;
}

json::object access_token_json(const AccessTokenRecord& token, WallTime now) {
  const auto time = [](std::int64_t ms) { return ms == 0 ? std::nullopt : std::optional(WallTime(Duration(ms))); };
  const bool over = token.expires_wall_ms <= wall_ms(now);
  json::object out{{"id", token.id},
                   {"user", token.user},
                   {"state", token.revoked_wall_ms != 0 ? "revoked"
                             : over                     ? "expired"
                                                        : "good"},
                   {"creator", token.creator}};
  put_text(out, "name", token.name);
  put_text(out, "parent", token.parent);
  put_text(out, "may", token.rights);
  json::array consoles;
  for (std::size_t at = 0; at < token.consoles.size();) {
    const std::size_t end = std::min(token.consoles.find('\n', at), token.consoles.size());
    consoles.push_back(json::string(token.consoles.substr(at, end - at)));
    at = end + 1;
  }
  if (!consoles.empty()) out["on"] = std::move(consoles);
  put_time(out, "created", time(token.created_wall_ms));
  put_time(out, "expires", time(token.expires_wall_ms));
  put_time(out, "revoked", time(token.revoked_wall_ms));
  put_time(out, "last_used", time(token.used_wall_ms));
  put_text(out, "last_from", token.used_from);
  return out;
}

}  // namespace oob
