// ls, info, who: consoles and the people on them.
#include "cli/commands/commands.h"
#include "cli/console_text.h"
#include "cli/invocation.h"
#include "cli/show.h"

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
      invocation.rest().wait("GET", "/v1/sessions", invocation.names_query()), [](const json::value& answer) {
        Table table({"CONSOLE", "USER", "MODE", "FROM", "SINCE", "LAST-INPUT"});
        const json::array& rows = rows_of(answer, "sessions");
        for (const auto& row : rows) {
          if (!row.is_object()) continue;
          const auto& session = row.get_object();
          const std::string input = time_cell(session, "last_input");
          table.add({cell(session, "console"), cell(session, "user"),
                     text_of(session, "mode") == "writer" ? "read-write" : "read-only", cell(session, "from"),
                     time_cell(session, "since"), input.empty() ? "-" : input});
        }
        return rows.empty() ? "" : shown(table);
      });
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
  };
}

}  // namespace oob
