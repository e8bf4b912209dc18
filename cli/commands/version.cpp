// version: works without a server, for it is what one is asked for when nothing works.
#include "cli/commands/commands.h"
#include "cli/invocation.h"
#include "cli/show.h"
#include "common/text.h"

namespace oob {
namespace {

Exit version(Invocation& invocation) {
  const auto answer = invocation.rest().wait("GET", "/v1/version");
  if (invocation.json()) {
    json::object out{{"oob", OOB_VERSION}, {"oobd", answer ? *answer : json::value()}};
    if (invocation.server()) out["server"] = invocation.server_shown();
    if (!answer) out["error"] = answer.error().message;
    return invocation.print(json_line(out));
  }
  std::string text = "oob " OOB_VERSION "\n";
  if (answer && answer->is_object()) {
    const auto& server = answer->get_object();
    text += "oobd " + cell(server, "version") + ", at " + escape_controls(invocation.server_shown()) +
            ", knows you as " + cell(server, "user") + "\n";
  } else if (!answer) {
    text += answer.error().message + "\n";
  }
  return invocation.print(text);
}

}  // namespace

std::vector<Command> version_commands() {
  return {{"version", "versions of `oob` and of the server", {}, {output_option()}, version}};
}

}  // namespace oob
