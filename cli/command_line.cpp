// Arguments into a CommandLine, by CLI11 in this file alone; what it is told comes from the tables of commands.
#include "cli/command_line.h"

#include <unistd.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <charconv>
#include <map>
#include <sstream>

#include "cli/help.h"
#include "cli/show.h"
#include "cli/table.h"
#include "common/names.h"
#include "common/nearest.h"
#include "common/text.h"

namespace oob {
namespace {

std::string last_name(std::string_view names) {
  const auto comma = names.rfind(',');
  return std::string(comma == std::string_view::npos ? names : names.substr(comma + 1));
}
std::string first_word(std::string_view name) { return std::string(name.substr(0, name.find(' '))); }

bool known(const std::string& word) { return std::find(verbs().begin(), verbs().end(), word) != verbs().end(); }

// A verb of a later version: no console is called so, and "no such name" would mislead.
bool is_reserved(const std::string& word) { return !known(word) && check_name_letters(word) && !check_name(word); }

tl::unexpected<Refusal> refuse(const std::string& message) {
  return tl::unexpected(Refusal{Exit::Usage, "oob: " + escape_lines(message) + "\n"});
}

// As wide as standard output.
std::size_t help_columns() {
  const std::size_t screen = screen_of(STDOUT_FILENO).columns;
  return screen == 0 ? 80 : screen;
}

// Help for the command that the words begin with.
std::string help_for(const std::string& verb, const std::string& second) {
  const std::size_t columns = help_columns();
  const Command* command = find_command(verb);
  if (command == nullptr) command = find_command(verb + " " + second);
  return command != nullptr ? help_of(*command, columns) : help_of_group(verb, columns);
}

std::string joined(const std::vector<std::string>& words) {
  std::string out;
  for (const std::string& word : words) out += (out.empty() ? "" : ", ") + word;
  return out;
}

// What was given more than once or could have been, as it came.
void put_in_order(const CLI::App& app, const Command& command, CommandLine& into) {
  std::map<const CLI::Option*, std::size_t> taken;
  for (const CLI::Option* given : app.parse_order()) {
    for (const Option& option : command.options) {
      const std::string key = last_name(option.names);
      if (!option.many || app.get_option_no_throw(key) != given) continue;
      const std::size_t at = taken[given]++;
      if (at < given->results().size()) into.in_order.emplace_back(key, given->results()[at]);
    }
  }
}

void declare(CLI::App& app, const Command& command, CommandLine& into) {
  app.callback([&app, &into, &command] {
    into.command = &command;
    put_in_order(app, command, into);
  });
  for (const Argument& argument : command.arguments) {
    auto& values = into.values[std::string(argument.name)];
    auto* option = app.add_option(std::string(argument.name), values, std::string(argument.text));
    option->required(argument.required)->expected(argument.required ? 1 : 0, argument.many ? 1 << 16 : 1);
    option->allow_extra_args(argument.many || !argument.required);  // else what follows is the next one's
  }
  const Option server = server_option();  // for the help; it was taken out before
  app.add_option(std::string(server.names))
      ->type_name(std::string(server.takes))
      ->description(std::string(server.text));
  for (const Option& option : command.options) {
    const std::string key = last_name(option.names);
    auto& values = into.values[key];
    if (option.takes.empty()) {
      app.add_flag_callback(
          std::string(option.names), [&values] { values.assign(1, ""); }, std::string(option.text));
    } else {
      auto* added = app.add_option(std::string(option.names), values, std::string(option.text));
      added->type_name(std::string(option.takes))->expected(1)->allow_extra_args(false);
      if (option.many) added->take_all();
      if (!option.one_of.empty()) {
        added->check(CLI::IsMember(std::vector<std::string>(option.one_of.begin(), option.one_of.end())));
      }
      if (option.most > 0) added->check(CLI::Range(option.least, option.most));
    }
    if (!option.excludes.empty()) {
      app.get_option(key)->excludes(app.get_option(std::string(option.excludes)));
    }
  }
}

// Takes --server out, wherever it stands. Error: it names none.
Result<std::string> take_server(std::vector<std::string>& arguments) {
  const std::string name(server_option().names);
  std::string server;
  for (auto at = arguments.begin(); at != arguments.end() && *at != "--";) {
    const bool joined = at->starts_with(name + "=");
    if (*at != name && !joined) {
      ++at;
      continue;
    }
    if (!joined && std::next(at) == arguments.end()) return fail(ErrorCode::Usage, name + " wants a server after it");
    server = joined ? at->substr(name.size() + 1) : *std::next(at);
    if (server.empty()) return fail(ErrorCode::Usage, name + " wants a server after it");
    at = arguments.erase(at, std::next(at, joined ? 1 : 2));
  }
  return server;
}

// Declares the commands of one verb; others are not worth the time on each call.
void declare_verb(CLI::App& app, const std::string& verb, CommandLine& into) {
  CLI::App* group = nullptr;
  for (const Command& command : all_commands()) {
    if (first_word(command.name) != verb) continue;
    if (command.name == verb) {
      declare(*app.add_subcommand(verb, std::string(command.text)), command, into);
      continue;
    }
    if (group == nullptr) group = app.add_subcommand(verb, "")->require_subcommand(1);
    const std::string second(command.name.substr(verb.size() + 1));
    declare(*group->add_subcommand(second, std::string(command.text)), command, into);
  }
}

// What is wrong with words that no option or argument has taken.
std::string not_expected(const CLI::App& app, const Command* command, const std::string& otherwise) {
  const auto left = app.remaining(true);
  const auto wrong = std::ranges::find_if(left, [](const auto& word) { return word.size() > 1 && word[0] == '-'; });
  if (wrong == left.end() || command == nullptr) return otherwise;
  const std::string name = wrong->substr(0, wrong->find('='));
  Nearest nearest(name);
  nearest.consider(server_option().names);
  for (const Option& option : command->options) nearest.consider(last_name(option.names));
  return "no option \"" + name + "\"" + did_you_mean(nearest.best());
}

// `oob NAME` becomes `oob attach NAME`; `oob help X` becomes `oob X --help`. False: an unknown word for help.
bool spell_out(std::vector<std::string>& arguments, bool& plainly) {
  if (arguments[0] == "help") {
    arguments.erase(arguments.begin());
    if (!known(arguments[0])) return false;
    arguments.emplace_back("--help");
  } else if (arguments[0] == "--version" || arguments[0] == "-V") {
    arguments[0] = "version";
  } else if (!known(arguments[0])) {
    plainly = true;
    arguments.insert(arguments.begin(), "attach");
  }
  return true;
}

}  // namespace

std::vector<std::string> CommandLine::list(std::string_view name) const {
  const auto found = values.find(name);
  return found == values.end() ? std::vector<std::string>{} : found->second;
}

std::string CommandLine::text(std::string_view name) const {
  if (const auto found = values.find(name); found != values.end() && !found->second.empty()) {
    return found->second.back();
  }
  if (command != nullptr) {
    for (const Option& option : command->options) {
      if (last_name(option.names) == name) return std::string(option.otherwise);
    }
  }
  return {};
}

std::uint64_t CommandLine::number(std::string_view name) const {
  const std::string digits = text(name);
  std::uint64_t out = 0;
  std::from_chars(digits.data(), digits.data() + digits.size(), out);  // its form was checked on parsing
  return out;
}

const std::vector<std::string>& verbs() {
  static const std::vector<std::string> all = [] {
    std::vector<std::string> out;
    for (const Command& command : all_commands()) {
      if (out.empty() || out.back() != first_word(command.name)) out.push_back(first_word(command.name));
    }
    out.emplace_back("help");
    return out;
  }();
  return all;
}

tl::expected<CommandLine, Refusal> parse_command_line(std::vector<std::string> arguments) {
  CommandLine line;
  const auto server = take_server(arguments);
  if (!server) return refuse(server.error().message);
  line.server = *server;
  if (arguments.size() == 2 && arguments[0] == "help" && arguments[1] == "help") arguments.pop_back();
  const bool for_help =
      !arguments.empty() && (arguments[0] == "help" || arguments[0] == "-h" || arguments[0] == "--help");
  if (arguments.empty() || (for_help && arguments.size() == 1)) {
    line.say = overview(help_columns());
    return line;
  }
  if (arguments[0] == "-o" || arguments[0].starts_with("--output")) {
    return refuse("-o stands behind a command, as in `oob ls -o json`; `oob help` lists the commands");
  }
  if (is_reserved(arguments[0])) {
    return refuse("\"" + arguments[0] + "\" is not in this version yet; `oob help` lists what is");
  }
  if (!spell_out(arguments, line.named_plainly)) {
    const auto nearest = nearest_of(arguments[0], verbs());
    return refuse("no command \"" + arguments[0] + "\"" +
                  (nearest ? did_you_mean(nearest) : "; `oob help` lists those that there are"));
  }
  const std::string verb = arguments[0], second_word = arguments.size() > 1 ? arguments[1] : "";
  const auto seconds = second_words(verb);
  if (!seconds.empty() && arguments.size() == 1 && find_command(verb) == nullptr) {
    std::string choices;
    for (const std::string& one : seconds) choices += (choices.empty() ? "" : ", ") + one;
    return refuse("`oob " + verb + "` wants one more word: " + choices + "\n`oob help " + verb +
                  "` tells what they do");
  }
  if (!seconds.empty() && arguments.size() > 1) {
    const std::string& second = arguments[1];
    if (!second.starts_with('-') && std::find(seconds.begin(), seconds.end(), second) == seconds.end()) {
      return refuse("no command \"" + verb + " " + second + "\"" + did_you_mean(nearest_of(second, seconds)) +
                    "\n`oob help " + verb + "` lists the commands: " + joined(seconds));
    }
  }
  try {
    CLI::App app("consoles of machines, out of band", "oob");
    app.require_subcommand(1);
    declare_verb(app, verb, line);
    try {
      std::reverse(arguments.begin(), arguments.end());  // CLI11 takes them from the end
      app.parse(arguments);
    } catch (const CLI::ParseError& error) {
      std::ostringstream out, err;
      if (app.exit(error, out, err) != 0) {
        const bool of_two = find_command(verb) == nullptr && find_command(verb + " " + second_word) != nullptr;
        const std::string name = of_two ? verb + " " + second_word : verb;
        const bool extra = dynamic_cast<const CLI::ExtrasError*>(&error) != nullptr;
        return refuse((extra ? not_expected(app, find_command(name), error.what()) : error.what()) + "\n`oob help " +
                      name + "` shows how it is used");
      }
      line.command = nullptr;
      line.say = help_for(verb, second_word);
      return line;
    }
  } catch (const std::exception& error) {
    return refuse(error.what());
  }
  // From a script's variable that was not set; it does not mean all.
  for (const Argument& argument : line.command != nullptr ? line.command->arguments : std::vector<Argument>{}) {
    const auto given = line.list(argument.name);
    if (argument.value == Value::Names && std::find(given.begin(), given.end(), "") != given.end()) {
      return refuse(std::string(argument.name) + " is empty; leave it out for all");
    }
  }
  // What was declared but not given is not there.
  std::erase_if(line.values, [](const auto& entry) { return entry.second.empty(); });
  return line;
}

}  // namespace oob
