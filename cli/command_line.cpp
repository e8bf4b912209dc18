// Arguments into a CommandLine, by CLI11 in this file alone.
#include "cli/command_line.h"

#include <CLI/CLI.hpp>
#include <algorithm>
#include <sstream>

#include "cli/show.h"
#include "common/names.h"
#include "common/nearest.h"
#include "common/text.h"

namespace oob {
namespace {

constexpr std::size_t kReplayLines = 20;
constexpr std::size_t kLogLines = 100;
constexpr std::size_t kLinesMax = 100'000;  // the server bounds the bytes: limits::replay_bytes_max

// What the options write into, before it is known which verb was meant.
struct Parsed {
  CommandLine line;
  std::vector<std::string> names;
  std::string output, escape = "^Ec";
  std::size_t replay_lines = kReplayLines, log_lines = kLogLines;
};

CLI::App* verb(CLI::App& app, Parsed& into, Verb meaning, const std::string& name, const std::string& text) {
  CLI::App* out = app.add_subcommand(name, text);
  out->callback([&into, meaning] { into.line.verb = meaning; });
  return out;
}

void listing(CLI::App* app, Parsed& into) {
  app->add_option("-o,--output", into.output, "json: one line of JSON")->check(CLI::IsMember({"text", "json"}));
}

void add_names(CLI::App* app, Parsed& into) {
  app->add_option("NAMES", into.names, "names, ranges (web[01-16]), globs, @group, label=value; default: all");
}

void add_consoles(CLI::App& app, Parsed& into) {
  CLI::App* ls = verb(app, into, Verb::Ls, "ls", "consoles: state, who is on, last output");
  add_names(ls, into), listing(ls, into);
  CLI::App* info = verb(app, into, Verb::Info, "info", "all about one console");
  info->add_option("NAME", into.line.name, "the console")->required();
  listing(info, into);
  CLI::App* who = verb(app, into, Verb::Who, "who", "who is attached");
  add_names(who, into), listing(who, into);

  CLI::App* attach = verb(app, into, Verb::Attach, "attach", "attach this terminal to a console; `oob NAME` is short");
  attach->add_option("NAME", into.line.name, "the console; a unique beginning is enough")->required();
  auto* read_only = attach->add_flag("-r,-s,-m,--read-only", into.line.read_only, "only look on");
  attach->add_flag("-f,--force", into.line.force, "take over from whoever writes")->excludes(read_only);
  attach->add_option("-n,--lines", into.replay_lines, "lines of replay, default 20")
      ->check(CLI::Range(std::size_t{0}, kLinesMax));
  attach->add_option("-e,--escape", into.escape, "escape keys, default ^Ec");

  CLI::App* log = verb(app, into, Verb::Log, "log", "the last lines of a console's log");
  log->add_option("NAME", into.line.name, "the console")->required();
  log->add_option("-n,--lines", into.log_lines, "how many, default 100")->check(CLI::Range(std::size_t{1}, kLinesMax));
  log->add_flag("--time", into.line.time, "show times and events between the lines");
  log->add_flag("--raw", into.line.raw, "pass control characters to the terminal");
  listing(log, into);
}

void add_administration(CLI::App& app, Parsed& into) {
  CLI::App* inventory = app.add_subcommand("inventory", "what is managed: check, plan, apply")->require_subcommand(1);
  CLI::App* check = verb(*inventory, into, Verb::InventoryCheck, "check", "are the files right? changes nothing");
  check->add_option("DIR", into.line.folder, "a folder on the server; default: its own inventory.d");
  listing(check, into);
  listing(verb(*inventory, into, Verb::InventoryPlan, "plan", "what `apply` would change"), into);
  listing(verb(*inventory, into, Verb::InventoryApply, "apply", "make the files what is running"), into);

  CLI::App* agent = app.add_subcommand("agent", "agents: enroll, ls, revoke")->require_subcommand(1);
  CLI::App* enroll = verb(*agent, into, Verb::AgentEnroll, "enroll", "print a one-time token for `oob-agent join`");
  enroll->add_option("NAME", into.line.name, "the agent")->required();
  listing(enroll, into);
  listing(verb(*agent, into, Verb::AgentLs, "ls", "agents and whether they are connected"), into);
  CLI::App* revoke = verb(*agent, into, Verb::AgentRevoke, "revoke", "cut an agent off and refuse it from now on");
  revoke->add_option("NAME", into.line.name, "the agent")->required();
  listing(revoke, into);

  listing(verb(app, into, Verb::Version, "version", "versions of `oob` and of the server"), into);
}

bool known(const std::string& word) { return std::find(verbs().begin(), verbs().end(), word) != verbs().end(); }

// A verb of a later version: no console is called so, and "no such name" would mislead.
bool is_reserved(const std::string& word) { return !known(word) && check_name_letters(word) && !check_name(word); }

tl::unexpected<Refusal> refuse(const std::string& message) {
  return tl::unexpected(Refusal{Exit::Usage, "oob: " + escape_lines(message) + "\n"});
}

// `oob NAME` becomes `oob attach NAME`; `oob help X` becomes `oob X --help`. False: an unknown word for help.
bool spell_out(std::vector<std::string>& arguments, bool& plainly) {
  if (arguments[0] == "help") {
    arguments.erase(arguments.begin());
    if (!arguments.empty() && !known(arguments[0])) return false;
    arguments.emplace_back("--help");
  } else if (arguments[0] == "--version") {
    arguments[0] = "version";
  } else if (!known(arguments[0]) && arguments[0] != "-h" && arguments[0] != "--help") {
    plainly = true;
    arguments.insert(arguments.begin(), "attach");
  }
  return true;
}

tl::expected<CommandLine, Refusal> finish(Parsed parsed) {
  CommandLine& line = parsed.line;
  line.json = parsed.output == "json";
  line.lines = line.verb == Verb::Log ? parsed.log_lines : parsed.replay_lines;
  for (const std::string& part : parsed.names) line.names += (line.names.empty() ? "" : ",") + part;
  const auto escape = parse_escape(parsed.escape);
  if (!escape) return refuse("-e: " + escape.error().message);
  line.escape = *escape;
  return std::move(line);
}

}  // namespace

const std::vector<std::string>& verbs() {
  static const std::vector<std::string> all = {"ls",        "info",  "attach",  "who", "log",
                                               "inventory", "agent", "version", "help"};
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
         "  oob log NAME [-n LINES]          the last lines of its log\n"
         "  oob inventory check|plan|apply   what is managed\n"
         "  oob agent enroll|ls|revoke       the agents beside the equipment\n"
         "  oob help [COMMAND], oob version\n"
         "\n"
         "The server is the one at OOB_SOCKET (default /run/oob/oobd.sock). Listings know -o json.\n";
}

tl::expected<CommandLine, Refusal> parse_command_line(std::vector<std::string> arguments) {
  Parsed parsed;
  if (arguments.empty() || (arguments.size() == 1 && arguments[0] == "help")) {
    parsed.line.text = overview();
    return parsed.line;
  }
  if (is_reserved(arguments[0])) {
    return refuse("\"" + arguments[0] + "\" is not in this version yet; `oob help` lists what is");
  }
  if (!spell_out(arguments, parsed.line.named_plainly)) {
    return refuse("no command \"" + arguments[0] + "\"" + did_you_mean(nearest_of(arguments[0], verbs())));
  }
  try {
    CLI::App app("consoles of machines, out of band", "oob");
    app.require_subcommand(1);
    add_consoles(app, parsed);
    add_administration(app, parsed);
    try {
      std::reverse(arguments.begin(), arguments.end());  // CLI11 takes them from the end
      app.parse(arguments);
    } catch (const CLI::ParseError& error) {
      std::ostringstream out, err;
      if (app.exit(error, out, err) != 0) return refuse(error.what() + std::string("\n`oob help` lists the commands"));
      parsed.line.verb = Verb::Say;
      parsed.line.text = out.str();
      return parsed.line;
    }
  } catch (const std::exception& error) {
    return refuse(error.what());
  }
  return finish(std::move(parsed));
}

}  // namespace oob
