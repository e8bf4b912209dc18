// Every command, and the overview that `oob` alone prints.
#include "cli/command_line.h"
#include "cli/commands/commands.h"
#include "cli/help.h"
#include "cli/table.h"

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
    for (const auto group : {console_commands, attach_commands, tty_commands, run_commands, log_commands, grep_commands,
                             power_commands, bmc_commands, inventory_commands, revision_commands, agent_commands,
                             ether_commands, access_commands, version_commands}) {
      for (Command& command : group()) out.push_back(std::move(command));
    }
    return out;
  }();
  return all;
}

std::string overview(std::size_t columns) {
  const std::vector<std::pair<std::string, std::string>> rows = {
      {"oob ls [NAMES]", "consoles: state, who is on, last output"},
      {"oob NAME", "attach this terminal to a console (^Ec? lists the keys, ^Ec. leaves)"},
      {"oob attach [-r|-f] NAME", "the same; -r only looks on, -f takes over"},
      {"oob tty NAME", "the same as a serial port of this machine, for other programs"},
      {"oob info NAME", "all about one console"},
      {"oob who [NAMES]", "who is attached"},
      {"oob msg NAMES TEXT", "say something to all on them; `oob kick NAME USER` ends sessions"},
      {"oob run NAMES --send ..", "type and expect from a script, on one or many"},
      {"oob log [-f] NAME", "its log: the last lines, a span of time (--since), what comes"},
      {"oob grep PATTERN [NAMES]", "look for a pattern in logs"},
      {"oob power ACT NAMES", "the power of nodes, by their BMCs: status, on, off, cycle, reset, soft, nmi"},
      {"oob bmc COMMAND NAME", "a node's BMC: info, doctor"},
      {"oob inventory COMMAND", "what is managed: check, plan, apply; history, diff, rollback, export"},
      {"oob agent COMMAND", "the agents beside the equipment: enroll, ls, info, revoke"},
      {"oob ether watch", "who speaks on the agents' Ethernets, and what they say"},
      {"oob login URL, oob logout", "a server elsewhere, by a token"},
      {"oob token COMMAND", "tokens that let somebody in from elsewhere: create, ls, revoke"},
      {"oob whoami", "who the server knows you as"},
      {"oob help [COMMAND]", "more about a command; `oob version`: which versions these are"},
  };
  return "oob: consoles of machines, out of band\n\n" + terms_of(rows, columns) + "\n" +
         wrapped(
             "The server: --server, else OOB_SERVER, else OOB_SOCKET, else the one logged in to, else this machine's.\n"
             "Listings know -o json.\n",
             columns, 0);
}

}  // namespace oob
