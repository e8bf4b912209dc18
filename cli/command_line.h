// The command line of `oob`: which command was asked for, with what; or what to tell the caller instead. CLI11 is seen
// only in the .cpp.
#pragma once
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "cli/command.h"
#include "common/result.h"

namespace oob {

struct CommandLine {
  const Command* command = nullptr;  // null: nothing to do but print `say`: overview or help
  std::string say;
  bool named_plainly = false;  // `oob NAME`: a mistyped verb looks the same
  // By the last name of an option ("--lines") or an argument's name ("NAME"). Flags that were given have an empty list.
  std::map<std::string, std::vector<std::string>, std::less<>> values;

  std::string server;  // --server
  // Options that may be given more than once, each with its value, in the order of the command line: steps of a script.
  std::vector<std::pair<std::string, std::string>> in_order;

  bool has(std::string_view name) const { return values.contains(name); }
  // The value; what the table says it is otherwise; "".
  std::string text(std::string_view name) const;
  std::uint64_t number(std::string_view name) const;  // of an option with bounds
  std::vector<std::string> list(std::string_view name) const;
};

struct Refusal {
  Exit status = Exit::Usage;
  std::string text;  // complete lines for standard error, escaped
};

// `arguments` without the program's name. `oob NAME` is `oob attach NAME`, options included.
tl::expected<CommandLine, Refusal> parse_command_line(std::vector<std::string> arguments);

std::string overview(std::size_t columns);

}  // namespace oob
