// agent: the agents beside the equipment.
#include <algorithm>
#include <cstdio>

#include "cli/commands/commands.h"
#include "cli/invocation.h"
#include "cli/log_text.h"
#include "cli/show.h"
#include "common/names.h"
#include "common/nearest.h"
#include "common/text.h"

namespace oob {
namespace {

Exit enroll(Invocation& invocation) {
  const std::string name = invocation.line().text("NAME");
  if (const auto possible = check_name_letters(name); !possible) return invocation.say(possible.error());
  return invocation.listing(
      invocation.rest().wait("POST", "/v1/agents/" + name + "/enroll"), [&](const json::value& token) {
        const auto* object = token.if_object();
        if (object == nullptr) return std::string();
        invocation.hint("This token lets one machine join as \"" + escape_controls(name) + "\", once, until " +
                        time_cell(*object, "expires") +
                        ".\nGive it to `oob-agent join` there, by a file or on standard input:\n");
        if (object->contains("note")) invocation.note("oob: " + cell(*object, "note") + "\n");
        return cell(*object, "token") + "\n";
      });
}

// What GET /v1/agents says, of the agents in `names` only; none: all. NotFound names the nearest.
Result<json::value> agents(Invocation& invocation, const std::vector<std::string>& names) {
  auto answer = invocation.rest().wait("GET", "/v1/agents");
  if (!answer || names.empty()) return answer;
  json::array chosen;
  std::vector<std::string> known;
  for (const auto& row : rows_of(*answer, "agents")) {
    if (!row.is_object()) continue;
    known.push_back(text_of(row.get_object(), "name"));
    if (std::ranges::find(names, known.back()) != names.end()) chosen.push_back(row);
  }
  for (const std::string& name : names) {
    if (std::ranges::find(known, name) != known.end()) continue;
    return fail(ErrorCode::NotFound, "no agent " + in_quotes(name) + did_you_mean(nearest_of(name, known)));
  }
  json::object out;
  out["agents"] = std::move(chosen);
  return json::value(std::move(out));
}

const json::object* object_at(const json::object& from, std::string_view key) {
  const auto* value = from.if_contains(key);
  return value == nullptr ? nullptr : value->if_object();
}

std::string version_cell(const json::object& agent) {
  const std::string age = cell(agent, "age");
  return cell(agent, "version") + (age.empty() ? "" : " (" + age + ")");
}

// "3d 4h", "12m", "40s"
std::string span_text(std::uint64_t s) {
  const auto two = [](std::uint64_t big, const char* unit, std::uint64_t small, const char* small_unit) {
    return std::to_string(big) + unit + (small == 0 ? "" : " " + std::to_string(small) + small_unit);
  };
  if (s >= 86400) return two(s / 86400, "d", s % 86400 / 3600, "h");
  if (s >= 3600) return two(s / 3600, "h", s % 3600 / 60, "m");
  return s >= 60 ? std::to_string(s / 60) + "m" : std::to_string(s) + "s";
}

std::string uptime_cell(const json::object& agent) {
  const auto seconds = count_at(agent, "uptime_s");
  return seconds ? span_text(*seconds) : "";
}

std::string round_trip_cell(const json::object& agent) {
  const auto* value = agent.if_contains("round_trip_ms");
  if (value == nullptr || !value->is_number()) return "";
  char text[32];
  std::snprintf(text, sizeof text, "%.1f ms", value->to_number<double>());
  return text;
}

// "1.2 MB (35%)", the part being that of the line that has most; "0" if nothing waits.
std::string kept_cell(const json::object& agent, std::string_view key) {
  const auto* kept = object_at(agent, key);
  if (kept == nullptr) return "";
  const std::uint64_t bytes = count_at(*kept, "bytes").value_or(0);
  if (bytes == 0) return "0";
  return size_text(bytes) + " (" + std::to_string(count_at(*kept, "worst_percent").value_or(0)) + "%)";
}

// Its clock against the server's, if that is worth a word.
std::string clock_cell(const json::object& agent) {
  const std::int64_t ms = number_of(agent, "clock_ahead_ms");
  if (ms > -1000 && ms < 1000) return "";
  return (ms > 0 ? "+" : "-") + span_text(std::uint64_t(ms > 0 ? ms : -ms) / 1000);
}

bool is_connected(const json::object& agent) { return text_of(agent, "state") == "connected"; }

Exit ls(Invocation& invocation) {
  return invocation.listing(agents(invocation, invocation.line().list("NAME")), [](const json::value& answer) {
    Table table(
        {"NAME", "STATE", "SINCE", "CONSOLES", "VERSION", "UPTIME", "ROUND-TRIP", "RING", "SPOOL", "CLOCK", "DETAIL"});
    const json::array& rows = rows_of(answer, "agents");
    for (const auto& row : rows) {
      if (!row.is_object()) continue;
      const auto& agent = row.get_object();
      table.add({cell(agent, "name"), cell(agent, "state"), time_cell(agent, "since"),
                 std::to_string(count_at(agent, "consoles").value_or(0)), version_cell(agent), uptime_cell(agent),
                 round_trip_cell(agent), kept_cell(agent, "ring"), kept_cell(agent, "spool"), clock_cell(agent),
                 cell(agent, "detail")},
                is_connected(agent) ? Table::Tone::Plain : Table::Tone::Bad);
    }
    return rows.empty() ? "" : shown(table);
  });
}

Exit info(Invocation& invocation) {
  auto answer = agents(invocation, {invocation.line().text("NAME")});
  if (answer) {
    json::value only = rows_of(*answer, "agents").at(0);
    answer = std::move(only);
  }
  return invocation.listing(answer, [](const json::value& row) {
    const auto& agent = row.get_object();
    std::string out;
    const auto line = [&](std::string_view label, const std::string& text) {
      if (!text.empty()) out += std::string(label) + ":" + std::string(16 - label.size(), ' ') + text + "\n";
    };
    const bool connected = is_connected(agent);
    line("agent", cell(agent, "name"));
    line("state", cell(agent, "state") + (agent.contains("since") ? " since " + time_cell(agent, "since") : ""));
    line(connected ? "from" : "reason", cell(agent, "detail"));
    if (const auto* loss = object_at(agent, "last_loss"); loss != nullptr && connected)
      line("last lost", time_cell(*loss, "time") + ": " + cell(*loss, "reason"));
    line("consoles", std::to_string(count_at(agent, "consoles").value_or(0)));
    line("version", version_cell(agent));
    line("uptime", uptime_cell(agent));
    line("round trip", round_trip_cell(agent));
    line("clock", connected && clock_cell(agent).empty() ? "as ours" : clock_cell(agent));
    line("not yet logged", kept_cell(agent, "ring") + (agent.contains("ring") ? " in memory, " : "") +
                               kept_cell(agent, "spool") + (agent.contains("spool") ? " on disk" : ""));
    for (const auto& row_of : rows_of(row, "unknown_senders")) {
      if (!row_of.is_object()) continue;
      const auto& stranger = row_of.get_object();
      const std::uint64_t messages = count_at(stranger, "messages").value_or(0);
      line("unknown sender",
           cell(stranger, "sender") + " on " + cell(stranger, "listener") + ", " +
               count_of(messages, "message", "messages") + ", last " + time_cell(stranger, "last") +
               (stranger.contains("called") ? ", calls itself \"" + cell(stranger, "called") + "\"" : "") +
               (stranger.contains("said") ? ": " + escape_output(last_line(text_of(stranger, "said"))) : ""));
    }
    line("certificate", agent.contains("certificate_until") ? "until " + time_cell(agent, "certificate_until") : "");
    return out;
  });
}

Exit revoke(Invocation& invocation) {
  const std::string name = invocation.line().text("NAME");
  if (const auto possible = check_name_letters(name); !possible) return invocation.say(possible.error());
  return invocation.listing(invocation.rest().wait("POST", "/v1/agents/" + name + "/revoke"),
                            [](const json::value& answer) {
                              return answer.is_object() ? cell(answer.get_object(), "text") + "\n" : std::string();
                            });
}

}  // namespace

std::vector<Command> agent_commands() {
  return {
      {"agent enroll",
       "print a one-time token for `oob-agent join`",
       {{"NAME", "the agent", Value::Agent}},
       {output_option()},
       enroll},
      {"agent info", "all about one agent", {{"NAME", "the agent", Value::Agent}}, {output_option()}, info},
      {"agent ls",
       "agents, whether they are connected, and how it goes there",
       {{"NAME", "agents; default: all", Value::Agent, false, true}},
       {output_option()},
       ls,
       "RING and SPOOL are output that is in no log yet, in the agent's memory and on its disk, and how full that of "
       "the fullest line is. CLOCK is shown when the agent's differs from the server's by more than a second."},
      {"agent revoke",
       "cut an agent off and refuse it from now on",
       {{"NAME", "the agent", Value::Agent}},
       {output_option()},
       revoke},
  };
}

}  // namespace oob
