// The command line of `oob`: what was asked for, or what to tell the caller instead. CLI11 is seen only in the .cpp.
#pragma once
#include <string>
#include <string_view>
#include <vector>

#include "cli/exit_status.h"
#include "common/escape_keys.h"

namespace oob {

enum class Verb {
  Say,  // nothing to do but print `text`: overview, help, version's usage
  Ls,
  Info,
  Attach,
  Who,
  Log,
  InventoryCheck,
  InventoryPlan,
  InventoryApply,
  AgentEnroll,
  AgentLs,
  AgentRevoke,
  Version,
};

struct CommandLine {
  Verb verb = Verb::Say;
  std::string text;            // Say
  std::string name;            // a console or an agent
  std::string names;           // NAMES, joined by commas; empty: all
  std::string folder;          // inventory check DIR; empty: the server's own
  bool json = false;           // -o json
  bool named_plainly = false;  // `oob NAME`: a mistyped verb looks the same
  bool read_only = false, force = false;
  std::size_t lines = 0;
  EscapeSequence escape;
  bool time = false, raw = false;
};

struct Refusal {
  Exit status = Exit::Usage;
  std::string text;  // complete lines for standard error, escaped
};

// `arguments` without the program's name. `oob NAME` is `oob attach NAME`, options included.
tl::expected<CommandLine, Refusal> parse_command_line(std::vector<std::string> arguments);

std::string overview();
const std::vector<std::string>& verbs();  // what a name may be a misspelling of

}  // namespace oob
