// See help.h.
#include "cli/help.h"

#include <algorithm>
#include <sstream>

#include "cli/table.h"

namespace oob {
namespace {

constexpr std::size_t kColumnsMin = 20;
constexpr std::size_t kTermMax = 28;  // a longer one has a line of its own

// `pieces` behind `first`, further lines below `indent`.
std::string flow(std::string line, const std::vector<std::string>& pieces, std::size_t indent, std::size_t columns) {
  std::string out;
  bool fresh = true;  // nothing but the indentation is on the line
  for (const std::string& piece : pieces) {
    if (!fresh && width_of(line) + 1 + width_of(piece) > columns) {
      out += line + "\n";
      line.assign(indent, ' ');
      fresh = true;
    }
    line += (fresh ? "" : " ") + piece;
    fresh = false;
  }
  return out + line + "\n";
}

std::vector<std::string> words_of(std::string_view text) {
  std::istringstream in{std::string(text)};
  std::vector<std::string> out;
  for (std::string word; in >> word;) out.push_back(word);
  return out;
}

std::string term_of(const Option& option) {
  std::string out;
  for (const std::string& name : names_of(option)) out += (out.empty() ? "" : ", ") + name;
  return out + (option.takes.empty() ? "" : " " + std::string(option.takes));
}

}  // namespace

std::string terms_of(const std::vector<std::pair<std::string, std::string>>& rows, std::size_t columns) {
  columns = std::max(columns, kColumnsMin);
  std::size_t longest = 0;
  for (const auto& [term, text] : rows) {
    if (width_of(term) <= kTermMax) longest = std::max(longest, width_of(term));
  }
  const bool below = columns < longest + 30;
  const std::size_t indent = below ? 6 : longest + 4;
  std::string out;
  for (const auto& [term, text] : rows) {
    std::string line = "  " + term;
    if (below || width_of(line) + 2 > indent) {
      out += line + "\n";
      line.clear();
    }
    line.append(indent - width_of(line), ' ');
    out += flow(line, words_of(text), indent, columns);
  }
  return out;
}

std::vector<std::string> names_of(const Option& option) {
  std::vector<std::string> out;
  std::istringstream in{std::string(option.names)};
  for (std::string name; std::getline(in, name, ',');) out.push_back(name);
  return out;
}

std::vector<std::string> usage_of(const Command& command) {
  std::vector<std::string> out{"oob " + std::string(command.name)};
  for (const Option& option : command.options) {
    const std::string takes = option.takes.empty() ? "" : " " + std::string(option.takes);
    out.push_back("[" + names_of(option).front() + takes + "]" + (option.many ? "..." : ""));
  }
  for (const Argument& argument : command.arguments) {
    const std::string name = std::string(argument.name) + (argument.many ? "..." : "");
    out.push_back(argument.required ? name : "[" + name + "]");
  }
  return out;
}

std::string text_with_values(const Option& option) {
  std::string out(option.text), values;
  for (const std::string_view word : option.one_of) values += (values.empty() ? "" : ", ") + std::string(word);
  if (option.most > 0) values = std::to_string(option.least) + " to " + std::to_string(option.most);
  return values.empty() ? out : out + " (" + values + ")";
}

const Command* find_command(std::string_view name) {
  const auto& all = all_commands();
  const auto found = std::find_if(all.begin(), all.end(), [&](const Command& one) { return one.name == name; });
  return found == all.end() ? nullptr : &*found;
}

std::vector<std::string> second_words(std::string_view verb) {
  std::vector<std::string> out;
  for (const Command& command : all_commands()) {
    if (command.name.starts_with(std::string(verb) + " ")) out.emplace_back(command.name.substr(verb.size() + 1));
  }
  return out;
}

std::string help_of(const Command& command, std::size_t columns) {
  columns = std::max(columns, kColumnsMin);
  std::vector<std::string> head = words_of(command.text);
  head.insert(head.begin(), "oob " + std::string(command.name) + ":");
  std::string out = flow("", head, 2, columns) + "\n";
  const auto usage = usage_of(command);
  const std::size_t indent = std::min(columns / 2, 8 + usage.front().size());
  out += flow("usage: ", usage, indent, columns);
  std::vector<std::pair<std::string, std::string>> terms;
  for (const Argument& argument : command.arguments) terms.emplace_back(argument.name, argument.text);
  for (const Option& option : command.options) terms.emplace_back(term_of(option), text_with_values(option));
  if (const std::string text = terms_of(terms, columns); !text.empty()) out += "\n" + text;
  std::istringstream more{std::string(command.more)};
  std::string paragraph;
  const auto close = [&] {
    if (!paragraph.empty()) out += "\n" + flow("", words_of(paragraph), 0, columns);
    paragraph.clear();
  };
  for (std::string line; std::getline(more, line);) line.empty() ? close() : void(paragraph += line + "\n");
  close();
  if (!command.examples.empty()) out += "\nExamples:\n";
  for (const std::string_view example : command.examples) out += "  " + std::string(example) + "\n";
  return out;
}

std::string help_of_group(std::string_view verb, std::size_t columns) {
  columns = std::max(columns, kColumnsMin);
  std::vector<std::pair<std::string, std::string>> terms;
  for (const Command& command : all_commands()) {
    if (!command.name.starts_with(std::string(verb) + " ")) continue;
    const auto pieces = usage_of(command);
    std::string term = pieces.front();
    for (std::size_t i = 1; i < pieces.size(); ++i) term += pieces[i].starts_with("[-") ? "" : " " + pieces[i];
    terms.emplace_back(term, command.text);
  }
  return terms_of(terms, columns) + "\n" +
         flow("", words_of("`oob help " + std::string(verb) + " COMMAND` tells more about one."), 0, columns);
}

}  // namespace oob
