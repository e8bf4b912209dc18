// A command of `oob` as data: what it is called, what it takes, what it does. The tables in cli/commands/ are the one
// source of the parser (command_line.cpp), of `oob help`, of the man pages and of shell completion.
#pragma once
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "cli/exit_status.h"

namespace oob {

class Invocation;

// What a value is, for the shell that completes it.
enum class Value { Text, Console, Names, Agent, Server, Rights, User, Token, Revision, File, Folder };

struct Argument {
  std::string_view name;  // as the help shows it: "NAME"
  std::string_view text;
  Value value = Value::Text;
  bool required = true;
  bool many = false;  // takes all that follow
};

struct Option {
  std::string_view names;  // "-n,--lines"; the last long one is what Invocation is asked for: "--lines"
  std::string_view text;
  std::string_view takes = "";                // "LINES"; "": a flag
  std::string_view otherwise = "";            // its value if it is not given
  std::vector<std::string_view> one_of = {};  // the words it takes; empty: any
  std::uint64_t least = 0, most = 0;          // most > 0: a whole number between the two, inclusive
  std::string_view excludes = "";             // "--read-only": not together with that one
  Value value = Value::Text;
  bool many = false;  // may be given more than once
};

struct Command {
  std::string_view name;  // "attach", "agent ls"
  std::string_view text;  // one line, for overviews
  std::vector<Argument> arguments;
  std::vector<Option> options;
  Exit (*run)(Invocation&);
  std::string_view more = "";                   // paragraphs, a blank line between them, for the help and the manual
  std::vector<std::string_view> examples = {};  // whole command lines
};

inline constexpr std::string_view kNamesText = "names, ranges (web[01-16]), globs, @group, label=value; default: all";

// The option of every listing: `-o json`.
Option output_option();
// The one of every command: which server. It may stand before the command, too.
Option server_option();

// All of them, in the order of the overview.
const std::vector<Command>& all_commands();
const std::vector<std::string>& verbs();  // their first words and "help": what a name may be a misspelling of

}  // namespace oob
