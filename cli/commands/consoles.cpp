// ls, info, who: consoles and the people on them.
#include "cli/commands/commands.h"
#include "cli/console_text.h"
#include "cli/invocation.h"
#include "cli/show.h"
#include "common/limits.h"
#include "common/text.h"

namespace oob {
namespace {

Exit ls(Invocation& invocation) {
  return invocation.listing(
      invocation.rest().wait("GET", "/v1/consoles", invocation.names_query()), [&](const json::value& answer) {
        Table table({"NAME", "STATE", "LINE", "AGENT", "WRITER", "READERS", "LAST-OUTPUT", "DETAIL"});
        const json::array& rows = rows_of(answer, "consoles");
        for (const auto& row : rows) {
          if (!row.is_object()) continue;
          const auto& console = row.get_object();
          const std::uint64_t readers = count_at(console, "readers").value_or(0);
          const std::string detail = console_detail(console);
          table.add({cell(console, "name"), cell(console, "state"), cell(console, "kind"), cell(console, "agent"),
                     cell(console, "writer"), std::to_string(readers), time_cell(console, "last_output"), detail},
                    detail.empty() ? Table::Tone::Plain : Table::Tone::Bad);
        }
        if (rows.empty()) {
          invocation.hint("no consoles yet: write some into inventory.d, then `oob inventory apply`\n");
        }
        return rows.empty() ? "" : shown(table);
      });
}

Exit info(Invocation& invocation) {
  const auto name = invocation.name();
  if (!name) return invocation.say(name.error());
  return invocation.listing(invocation.rest().wait("GET", "/v1/consoles/" + *name),
                            [](const json::value& answer) { return info_lines(answer) + "\n"; });
}

Exit who(Invocation& invocation) {
  return invocation.listing(
      invocation.rest().wait("GET", "/v1/sessions", invocation.names_query()), [&](const json::value& answer) {
        Table table({"CONSOLE", "USER", "MODE", "FROM", "SINCE", "LAST-INPUT"});
        const json::array& rows = rows_of(answer, "sessions");
        for (const auto& row : rows) {
          if (!row.is_object()) continue;
          const auto& session = row.get_object();
          const std::string input = time_cell(session, "last_input");
          table.add({cell(session, "console"), who_name(session), who_mode(session), cell(session, "from"),
                     time_cell(session, "since"), input.empty() ? "-" : input});
        }
        if (rows.empty()) invocation.hint("nobody is attached\n");
        return rows.empty() ? "" : shown(table);
      });
}

std::string said(const json::value& answer) {
  return answer.is_object() ? cell(answer.get_object(), "text") + "\n" : std::string();
}

Exit msg(Invocation& invocation) {
  const std::string text = invocation.line().text("TEXT");
  if (is_blank(text) || text.size() > limits::message_bytes_max) {
    return invocation.say({ErrorCode::Usage, "TEXT has to say something, in 1 to " +
                                                 std::to_string(limits::message_bytes_max) +
                                                 " bytes; in a script quote it: oob msg NAMES \"some words\""});
  }
  const json::object body{{"names", invocation.line().text("NAMES")}, {"text", text}};
  return invocation.listing(invocation.rest().wait("POST", "/v1/messages", {}, json::serialize(body)), said);
}

Exit kick(Invocation& invocation) {
  const auto name = invocation.name();
  if (!name) return invocation.say(name.error());
  const std::string user = invocation.line().text("USER");
  const bool all = invocation.line().has("--all");
  if (user.empty() != all) {
    return invocation.say({ErrorCode::Usage, "kick whom? either USER or --all; `oob who " + *name + "` lists them"});
  }
  const json::object body = all ? json::object{{"all", true}} : json::object{{"user", user}};
  return invocation.listing(
      invocation.rest().wait("POST", "/v1/consoles/" + *name + "/kick", {}, json::serialize(body)), said);
}

}  // namespace

std::vector<Command> console_commands() {
  return {
      {"ls",
       "consoles: state, who is on, last output",
       {{"NAMES", kNamesText, Value::Names, false, true}},
       {output_option()},
       ls},
      {"info", "all about one console", {{"NAME", "the console", Value::Console}}, {output_option()}, info},
      {"who", "who is attached", {{"NAMES", kNamesText, Value::Names, false, true}}, {output_option()}, who},
      {"msg",
       "say something to everybody on some consoles",
       {{"NAMES", "consoles, as everywhere: web[01-16], @group, db*", Value::Names}, {"TEXT", "what; one argument"}},
       {output_option()},
       msg},
      {"kick",
       "end the sessions of a user, or of all, on a console",
       {{"NAME", "the console", Value::Console}, {"USER", "whose sessions", Value::User, false}},
       {{.names = "--all", .text = "everybody's"}, output_option()},
       kick},
  };
}

}  // namespace oob
