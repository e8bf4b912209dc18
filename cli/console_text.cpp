// Consoles and people in words.
#include "cli/console_text.h"

#include "cli/show.h"
#include "common/text.h"

namespace oob {
namespace {

constexpr std::size_t kLabelWidth = 17;  // "breaks-received:" and a space

const json::object* object_at(const json::object& from, std::string_view key) {
  const auto* value = from.if_contains(json::string_view(key.data(), key.size()));
  return value != nullptr ? value->if_object() : nullptr;
}

const json::array* array_at(const json::object& from, std::string_view key) {
  const auto* value = from.if_contains(json::string_view(key.data(), key.size()));
  return value != nullptr ? value->if_array() : nullptr;
}

std::string session_text(const json::object& session) {
  const std::string input = text_of(session, "last_input");
  std::string out = who_name(session) + " " + who_mode(session);
  out += " from " + shown(session, "from") + " since " + local_time_full(text_of(session, "since"));
  return input.empty() ? out : out + ", last typed " + local_time_full(input);
}

std::string log_trouble(const json::object& console) {
  const auto* log = object_at(console, "log");
  if (log == nullptr) return {};
  const std::string trouble = text_of(*log, "trouble");
  const std::uint64_t lost = count_at(*log, "unlogged_bytes").value_or(0);
  if (trouble.empty()) return lost == 0 ? "" : size_text(lost) + " never logged";
  return "not logged: " + shown(*log, "trouble") + ", " + size_text(lost) + " so far";
}

}  // namespace

std::string who_name(const json::object& session) {
  const std::string tool = text_of(session, "tool");
  return shown(session, "user") + (tool.empty() ? "" : " (" + shown(session, "tool") + ")");
}

std::string who_mode(const json::object& session) {
  const std::string until = text_of(session, "kept_until");
  if (!until.empty()) return "lost the connection, seat kept until " + local_time(until, SystemClock().wall());
  return text_of(session, "mode") == "writer" ? "read-write" : "read-only";
}

std::string who_lines(const json::value& sessions, WallTime now) {
  std::string out;
  const auto* object = sessions.if_object();
  const auto* list = object != nullptr ? array_at(*object, "sessions") : nullptr;
  if (list == nullptr || list->empty()) return "nobody is on";
  for (const auto& row : *list) {
    if (!row.is_object()) continue;
    const auto& session = row.get_object();
    if (!out.empty()) out += '\n';
    out += who_name(session) + " " + who_mode(session) + " since " + local_time(text_of(session, "since"), now) +
           " from " + shown(session, "from");
  }
  return out;
}

std::string console_detail(const json::object& console) {
  std::string detail;
  if (text_of(console, "state") != "up") detail = shown(console, "detail");
  const std::string log = log_trouble(console);
  return detail + (detail.empty() || log.empty() ? "" : "; ") + log;
}

std::string info_lines(const json::value& answer) {
  const auto* console = answer.if_object();
  if (console == nullptr) return "the server sent nothing about it";
  std::string out;
  const auto line = [&](std::string_view label, const std::string& value) {
    if (value.empty()) return;
    if (!out.empty()) out += '\n';
    out += std::string(label) + ":" + std::string(label.size() < kLabelWidth ? kLabelWidth - label.size() : 1, ' ') +
           value;
  };
  const auto text = [&](std::string_view key) { return shown(*console, key); };
  const auto time = [&](std::string_view key) {
    const std::string utc = text_of(*console, key);
    return utc.empty() ? utc : local_time_full(utc);
  };
  line("name", text("name"));
  line("node", text("node"));
  const std::string since = time("since");
  line("state", text("state") + (since.empty() ? "" : " since " + since));
  line("detail", text("detail"));
  line("line", text("kind"));
  line("agent", text("agent") + (flag_of(*console, "agent_connected") ? "" : " (not connected)"));
  if (const auto pid = count_at(*console, "pid"); pid && *pid > 0) line("process", std::to_string(*pid));
  // What the line's driver knows: settings, modem lines, counters.
  if (const auto* facts = object_at(*console, "facts"); facts != nullptr) {
    for (const auto& [key, value] : *facts) {
      const std::string name(key.data(), key.size());
      line(escape_controls(name), shown(*facts, name));
    }
  }
  std::string labels;
  if (const auto* all = object_at(*console, "labels"); all != nullptr) {
    for (const auto& [key, value] : *all) {
      const std::string name(key.data(), key.size());
      labels += (labels.empty() ? "" : ", ") + escape_controls(name) + "=" + shown(*all, name);
    }
  }
  line("labels", labels);
  line("last output", time("last_output"));
  line("output", size_text(count_at(*console, "bytes_in").value_or(0)) + " since the server started");
  const auto* log = object_at(*console, "log");
  if (log != nullptr) {
    const std::uint64_t oldest = count_at(*log, "oldest").value_or(0), end = count_at(*log, "end").value_or(0);
    line("log", "bytes " + std::to_string(oldest) + " to " + std::to_string(end));
    line("log trouble", log_trouble(*console));
  }
  if (const auto* sessions = array_at(*console, "sessions"); sessions != nullptr) {
    for (const auto& session : *sessions) {
      if (session.is_object()) line("attached", session_text(session.get_object()));
    }
  }
  return out;
}

}  // namespace oob
