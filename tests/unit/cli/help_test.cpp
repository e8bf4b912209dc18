// What `oob help COMMAND` promises: the whole table, on any terminal.
#include "cli/help.h"

#include <gtest/gtest.h>

#include <sstream>

#include "cli/command_line.h"
#include "cli/table.h"

namespace oob {
namespace {

std::vector<std::string> lines_of(const std::string& text) {
  std::istringstream in(text);
  std::vector<std::string> out;
  for (std::string line; std::getline(in, line);) out.push_back(line);
  return out;
}
std::string words_only(const std::string& text) {
  std::istringstream in(text);
  std::string out;
  for (std::string word; in >> word;) out += word + " ";
  return out;
}

TEST(Help, tells_every_argument_and_option_of_every_command) {
  for (const Command& command : all_commands()) {
    const std::string help = help_of(command, 80);
    EXPECT_NE(help.find("usage: oob " + std::string(command.name)), std::string::npos) << help;
    for (const auto& argument : command.arguments) EXPECT_NE(help.find(argument.name), std::string::npos) << help;
    for (const auto& option : command.options) {
      for (const auto& name : names_of(option)) EXPECT_NE(help.find(name), std::string::npos) << help;
    }
  }
}

TEST(Help, is_as_wide_as_the_terminal_and_breaks_no_word) {
  const std::string whole = words_only(help_of(*find_command("log"), 1000));
  for (const std::size_t columns : {40u, 60u, 80u, 132u}) {
    const std::string help = help_of(*find_command("log"), columns);
    for (const std::string& line : lines_of(help)) EXPECT_LE(width_of(line), columns) << line;
    EXPECT_EQ(words_only(help), whole);
  }
}

TEST(Help, no_piece_of_the_usage_is_broken) {
  for (const std::string& line : lines_of(help_of(*find_command("log"), 30))) {
    EXPECT_EQ(line.find("[-n") != std::string::npos, line.find("LINES]") != std::string::npos) << line;
  }
}

TEST(Help, the_overview_is_as_wide_as_the_terminal_too) {
  const std::string whole = words_only(overview(1000));
  for (const std::size_t columns : {40u, 80u}) {
    for (const std::string& line : lines_of(overview(columns))) EXPECT_LE(width_of(line), columns) << line;
    EXPECT_EQ(words_only(overview(columns)), whole);
  }
}

TEST(Help, of_a_verb_with_several_commands_lists_them) {
  const std::string help = help_of_group("agent", 80);
  for (const auto& second : second_words("agent")) EXPECT_NE(help.find("oob agent " + second), std::string::npos);
}

TEST(Help, ends_with_paragraphs_and_examples_where_a_command_has_them) {
  const Command command{.name = "x",
                        .text = "does it",
                        .arguments = {},
                        .options = {},
                        .run = nullptr,
                        .more = "First\nparagraph.\n\nSecond.",
                        .examples = {"oob x 'web[01-16]'"}};
  EXPECT_EQ(help_of(command, 80),
            "oob x: does it\n\nusage: oob x\n\nFirst paragraph.\n\nSecond.\n\nExamples:\n  oob x 'web[01-16]'\n");
}

}  // namespace
}  // namespace oob
