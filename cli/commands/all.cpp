// Every command, and the overview that `oob` alone prints.
#include "cli/command_line.h"
#include "cli/commands/commands.h"

namespace oob {

Option server_option() {
  return {
      .names = "--server", .text = "a server you logged in to, its URL, or the path of a socket", .takes = "SERVER"};
}

Option output_option() {
  return {.names = "-o,--output", .text = "json: one line of JSON", .takes = "FORM", .one_of = {"text", "json"}};
}

const std::vector<Command>& all_commands() {
  static const std::vector<Command> all = [] {
    std::vector<Command> out;
    for (const auto group :
         {console_commands, attach_commands, run_commands, log_commands, grep_commands, inventory_commands,
          revision_commands, agent_commands, access_commands, version_commands}) {
      for (Command& command : group()) out.push_back(std::move(command));
    }
    return out;
  }();
  return all;
}

std::string overview() {
  return "oob: consoles of machines, out of band\n"
         "\n"
         "  oob ls [NAMES]                   consoles: state, who is on, last output\n"
         "  oob NAME                         attach this terminal to a console (^Ec? lists the keys, ^Ec. leaves)\n"
         "  oob attach [-r|-f] NAME          the same; -r only looks on, -f takes over\n"
         "  oob info NAME                    all about one console\n"
         "  oob who [NAMES]                  who is attached\n"
         "  oob msg NAMES TEXT               say something to all on them; oob kick NAME USER ends sessions\n"
         "  oob run NAMES --send .. --expect ..   the same from a script, on one or many\n"
         "  oob log [-f] [--since 02:00] NAME   its log: the last lines, a span of time, what comes\n"
         "  oob grep PATTERN [NAMES]         look for a pattern in logs\n"
         "  oob inventory check|plan|apply   what is managed; also history, diff, rollback, export\n"
         "  oob agent enroll|ls|revoke       the agents beside the equipment\n"
         "  oob login URL, oob logout        a server elsewhere, by a token\n"
         "  oob token create|ls|revoke       tokens that let somebody in from elsewhere\n"
         "  oob whoami                       who the server knows you as\n"
         "  oob help [COMMAND], oob version\n"
         "\n"
         "The server: --server, else OOB_SERVER, else OOB_SOCKET, else the one logged in to, else this machine's.\n"
         "Listings know -o json.\n";
}

}  // namespace oob
