// The verbs: ask the server, print for a person or a script.
#include "cli/commands.h"

#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <filesystem>
#include <optional>

#include "cli/attach.h"
#include "cli/command_line.h"
#include "cli/console_text.h"
#include "cli/log_text.h"
#include "cli/rest.h"
#include "cli/rest_names.h"
#include "cli/show.h"
#include "cli/table.h"
#include "cli/terminal.h"
#include "common/limits.h"
#include "common/names.h"
#include "common/text.h"

namespace oob {
namespace {

const json::array& rows_of(const json::value& answer, const char* list) {
  static const json::array none;
  const auto* object = answer.if_object();
  const auto* rows = object != nullptr ? object->if_contains(list) : nullptr;
  return rows != nullptr && rows->is_array() ? rows->get_array() : none;
}

std::string cell(const json::object& row, std::string_view key) { return escape_controls(text_of(row, key)); }

class Commands {
 public:
  explicit Commands(CommandLine line) : line_(std::move(line)), socket_(server_socket()), rest_(shard_, socket_) {}
  Exit run();

 private:
  Exit ls();
  Exit info();
  Exit attach();
  Exit who();
  Exit log();
  Exit inventory();
  Exit agent_enroll();
  Exit agent_ls();
  Exit agent_revoke();
  Exit version();

  Exit print(const std::string& text);
  Exit say(const Error& error);
  Result<> name_is_possible();
  Rest::Query names_query() const { return line_.names.empty() ? Rest::Query{} : Rest::Query{{"names", line_.names}}; }
  // One listing: the answer as JSON, or what `text` makes of it.
  template <typename Text>
  Exit listing(const Result<json::value>& answer, Text text);
  std::string time(const json::object& row, std::string_view key) const {
    const std::string utc = text_of(row, key);
    return utc.empty() ? utc : local_time(utc, SystemClock().wall());
  }

  CommandLine line_;
  std::string socket_;
  bool reader_gone_ = false;
  Shard shard_;
  Rest rest_;
};

Exit Commands::print(const std::string& text) {
  if (write_all(STDOUT_FILENO, text)) return Exit::Done;
  reader_gone_ = errno == EPIPE;
  if (reader_gone_) return Exit::Done;  // who stops reading has seen enough
  write_all(STDERR_FILENO, "oob: standard output cannot be written\n");
  return Exit::SomeFailed;
}

Exit Commands::say(const Error& error) {
  write_all(STDERR_FILENO, "oob: " + error.message + "\n");
  return exit_of(error.code);
}

// A name that cannot be one is refused here: it must not become another path of the API.
Result<> Commands::name_is_possible() {
  if (check_name_letters(line_.name)) return {};
  return fail(ErrorCode::NotFound,
              "\"" + escape_controls(line_.name) + "\" cannot be a name; `oob ls` lists the consoles");
}

template <typename Text>
Exit Commands::listing(const Result<json::value>& answer, Text text) {
  if (!answer) return say(answer.error());
  return print(line_.json ? json_line(*answer) : text(*answer));
}

Exit Commands::ls() {
  return listing(rest_.wait("GET", "/v1/consoles", names_query()), [&](const json::value& answer) {
    Table table({"NAME", "STATE", "LINE", "AGENT", "WRITER", "READERS", "LAST-OUTPUT", "DETAIL"});
    const json::array& rows = rows_of(answer, "consoles");
    for (const auto& row : rows) {
      if (!row.is_object()) continue;
      const auto& console = row.get_object();
      const std::uint64_t readers = count_at(console, "readers").value_or(0);
      const std::string detail = console_detail(console);
      table.add({cell(console, "name"), cell(console, "state"), cell(console, "kind"), cell(console, "agent"),
                 cell(console, "writer"), std::to_string(readers), time(console, "last_output"), detail},
                detail.empty() ? Table::Tone::Plain : Table::Tone::Bad);
    }
    if (rows.empty() && ::isatty(STDERR_FILENO) != 0) {
      write_all(STDERR_FILENO, "no consoles yet: write some into inventory.d, then `oob inventory apply`\n");
    }
    return rows.empty() ? "" : table.text(screen_of(STDOUT_FILENO));
  });
}

Exit Commands::info() {
  if (const auto possible = name_is_possible(); !possible) return say(possible.error());
  return listing(rest_.wait("GET", "/v1/consoles/" + line_.name),
                 [](const json::value& answer) { return info_lines(answer) + "\n"; });
}

Exit Commands::attach() {
  AttachChoices choices;
  choices.console = line_.name;
  choices.write = !line_.read_only;
  choices.force = line_.force;
  choices.lines = line_.lines;
  choices.escape = line_.escape;
  if (line_.named_plainly) choices.also_meant = verbs();
  choices.seed = static_cast<unsigned>(::getpid());
  return run_attach(shard_, socket_, std::move(choices));
}

Exit Commands::who() {
  return listing(rest_.wait("GET", "/v1/sessions", names_query()), [&](const json::value& answer) {
    Table table({"CONSOLE", "USER", "MODE", "FROM", "SINCE", "LAST-INPUT"});
    const json::array& rows = rows_of(answer, "sessions");
    for (const auto& row : rows) {
      if (!row.is_object()) continue;
      const auto& session = row.get_object();
      const std::string input = time(session, "last_input");
      table.add({cell(session, "console"), cell(session, "user"),
                 text_of(session, "mode") == "writer" ? "read-write" : "read-only", cell(session, "from"),
                 time(session, "since"), input.empty() ? "-" : input});
    }
    return rows.empty() ? "" : table.text(screen_of(STDOUT_FILENO));
  });
}

Exit Commands::log() {
  if (const auto possible = name_is_possible(); !possible) return say(possible.error());
  LogText text({line_.time, ::isatty(STDOUT_FILENO) != 0 && !line_.raw});
  Rest::Query query{{"lines", std::to_string(line_.lines)}};
  json::object whole;
  std::uint64_t reached = 0;
  std::optional<std::uint64_t> asked_at;  // the log's end then: a line that floods would never be caught up with
  while (true) {
    auto answer = rest_.wait("GET", "/v1/consoles/" + line_.name + "/log", query);
    if (!answer) return say(answer.error());
    if (!answer->is_object()) return say({ErrorCode::Internal, "the server sent no log"});
    json::object& page = answer->get_object();
    const auto next = count_at(page, "next"), end = count_at(page, "end");
    if (!next || !end) return say({ErrorCode::Internal, "the server's answer does not say where the log goes on"});
    for (const auto& piece : rows_of(*answer, "pieces")) {
      if (line_.json || !piece.is_object()) continue;
      const Exit exit = print(text.add(piece.get_object()));
      if (exit != Exit::Done || reader_gone_) return exit;
    }
    const json::array pieces = whole.empty() ? json::array() : rows_of(*answer, "pieces");
    if (whole.empty()) {
      whole = std::move(page);
    } else if (line_.json) {
      auto& all = whole["pieces"].as_array();
      all.insert(all.end(), pieces.begin(), pieces.end());
      whole["next"] = *next, whole["end"] = *end;
    }
    if (!asked_at) asked_at = end;
    if (*next >= *asked_at || *next <= reached) break;
    reached = *next;
    const auto bytes = std::min<std::uint64_t>(*asked_at - *next, limits::replay_bytes_max);
    query = {{"from", std::to_string(*next)}, {"max", std::to_string(bytes)}};
  }
  return print(line_.json ? json_line(whole) : text.end());
}

std::string report_lines(const json::value& report, Verb verb) {
  const auto* object = report.if_object();
  if (object == nullptr) return {};
  std::string out;
  for (const auto& problem : rows_of(report, "problems")) {
    if (problem.is_object()) out += escape_lines(text_of(problem.get_object(), "text")) + "\n";
  }
  const std::uint64_t errors = count_at(*object, "errors").value_or(0);
  const std::uint64_t warnings = count_at(*object, "warnings").value_or(0);
  if (errors == 0 && verb != Verb::InventoryCheck) {
    const json::array& changes = rows_of(report, "changes");
    for (const auto& row : changes) {
      if (!row.is_object()) continue;
      const auto& change = row.get_object();
      const std::string kind = text_of(change, "change"), text = cell(change, "text");
      out += std::string(kind == "add"      ? "+ "
                         : kind == "remove" ? "- "
                                            : "~ ") +
             cell(change, "name") + (text.empty() ? "" : ": " + text) + "\n";
    }
    if (changes.empty()) out += "nothing to change\n";
  }
  out += count_of(errors, "error", "errors") + ", " + count_of(warnings, "warning", "warnings");
  return out + "; revision " + std::to_string(count_at(*object, "revision").value_or(0)) + " is running\n";
}

Exit Commands::inventory() {
  const bool check = line_.verb == Verb::InventoryCheck;
  const char* what = check ? "check" : line_.verb == Verb::InventoryPlan ? "plan" : "apply";
  std::string body;
  if (!line_.folder.empty()) {  // the server has another working directory
    std::error_code wrong;
    const auto folder = std::filesystem::absolute(line_.folder, wrong);
    if (wrong) return say({ErrorCode::Usage, "\"" + escape_controls(line_.folder) + "\": " + wrong.message()});
    body = json::serialize(json::object{{"dir", folder.lexically_normal().string()}});
  }
  json::value refused;
  auto report = rest_.wait("POST", std::string("/v1/inventory/") + what, {}, body, &refused);
  if (!report && rows_of(refused, "problems").empty()) return say(report.error());
  const json::value& shown = report ? *report : refused;
  const Exit printed = print(line_.json ? json_line(shown) : report_lines(shown, line_.verb));
  if (printed != Exit::Done) return printed;
  if (!report) return say(report.error());
  return count_at(shown.as_object(), "errors").value_or(0) > 0 ? Exit::Usage : Exit::Done;
}

Exit Commands::agent_enroll() {
  if (const auto possible = check_name_letters(line_.name); !possible) return say(possible.error());
  const auto answer = rest_.wait("POST", "/v1/agents/" + line_.name + "/enroll");
  return listing(answer, [&](const json::value& token) {
    const auto* object = token.if_object();
    if (object == nullptr) return std::string();
    if (::isatty(STDERR_FILENO) != 0) {
      write_all(STDERR_FILENO, "This token lets one machine join as \"" + escape_controls(line_.name) +
                                   "\", once, until " + time(*object, "expires") +
                                   ".\nGive it to `oob-agent join` there, by a file or on standard input:\n");
    }
    if (object->contains("note")) write_all(STDERR_FILENO, "oob: " + cell(*object, "note") + "\n");
    return cell(*object, "token") + "\n";
  });
}

Exit Commands::agent_ls() {
  return listing(rest_.wait("GET", "/v1/agents"), [&](const json::value& answer) {
    Table table({"NAME", "STATE", "CONSOLES", "SINCE", "VERSION", "CERTIFICATE-UNTIL", "DETAIL"});
    const json::array& rows = rows_of(answer, "agents");
    for (const auto& row : rows) {
      if (!row.is_object()) continue;
      const auto& agent = row.get_object();
      table.add({cell(agent, "name"), cell(agent, "state"), std::to_string(count_at(agent, "consoles").value_or(0)),
                 time(agent, "since"), cell(agent, "version"), time(agent, "certificate_until"), cell(agent, "detail")},
                text_of(agent, "state") == "connected" ? Table::Tone::Plain : Table::Tone::Bad);
    }
    return rows.empty() ? "" : table.text(screen_of(STDOUT_FILENO));
  });
}

Exit Commands::agent_revoke() {
  if (const auto possible = check_name_letters(line_.name); !possible) return say(possible.error());
  return listing(rest_.wait("POST", "/v1/agents/" + line_.name + "/revoke"), [](const json::value& answer) {
    return answer.is_object() ? cell(answer.get_object(), "text") + "\n" : std::string();
  });
}

// Works without a server: it is what one is asked for when nothing works.
Exit Commands::version() {
  const auto answer = rest_.wait("GET", "/v1/version");
  if (line_.json) {
    json::object out{{"oob", OOB_VERSION}, {"oobd", answer ? *answer : json::value()}};
    if (!answer) out["error"] = answer.error().message;
    return print(json_line(out));
  }
  std::string text = "oob " OOB_VERSION "\n";
  if (answer && answer->is_object()) {
    const auto& server = answer->get_object();
    text += "oobd " + cell(server, "version") + ", knows you as " + cell(server, "user") + "\n";
  } else if (!answer) {
    text += answer.error().message + "\n";
  }
  return print(text);
}

Exit Commands::run() {
  switch (line_.verb) {
    case Verb::Say:
      return print(line_.text);
    case Verb::Ls:
      return ls();
    case Verb::Info:
      return info();
    case Verb::Attach:
      return attach();
    case Verb::Who:
      return who();
    case Verb::Log:
      return log();
    case Verb::InventoryCheck:
    case Verb::InventoryPlan:
    case Verb::InventoryApply:
      return inventory();
    case Verb::AgentEnroll:
      return agent_enroll();
    case Verb::AgentLs:
      return agent_ls();
    case Verb::AgentRevoke:
      return agent_revoke();
    case Verb::Version:
      return version();
  }
  return Exit::Usage;
}

}  // namespace

int run_oob(std::vector<std::string> arguments) {
  auto line = parse_command_line(std::move(arguments));
  if (!line) {
    write_all(STDERR_FILENO, line.error().text);
    return static_cast<int>(line.error().status);
  }
  try {
    return static_cast<int>(Commands(std::move(*line)).run());
  } catch (const std::exception& error) {
    write_all(STDERR_FILENO, "oob: " + escape_controls(error.what()) + "\n");
    return static_cast<int>(Exit::SomeFailed);
  }
}

}  // namespace oob
