// agent: the agents beside the equipment.
#include "cli/commands/commands.h"
#include "cli/invocation.h"
#include "cli/show.h"
#include "common/names.h"
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

Exit ls(Invocation& invocation) {
  return invocation.listing(invocation.rest().wait("GET", "/v1/agents"), [](const json::value& answer) {
    Table table({"NAME", "STATE", "CONSOLES", "SINCE", "VERSION", "CERTIFICATE-UNTIL", "DETAIL"});
    const json::array& rows = rows_of(answer, "agents");
    for (const auto& row : rows) {
      if (!row.is_object()) continue;
      const auto& agent = row.get_object();
      table.add({cell(agent, "name"), cell(agent, "state"), std::to_string(count_at(agent, "consoles").value_or(0)),
                 time_cell(agent, "since"), cell(agent, "version"), time_cell(agent, "certificate_until"),
                 cell(agent, "detail")},
                text_of(agent, "state") == "connected" ? Table::Tone::Plain : Table::Tone::Bad);
    }
    return rows.empty() ? "" : shown(table);
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
      {"agent ls", "agents and whether they are connected", {}, {output_option()}, ls},
      {"agent revoke",
       "cut an agent off and refuse it from now on",
       {{"NAME", "the agent", Value::Agent}},
       {output_option()},
       revoke},
  };
}

}  // namespace oob
