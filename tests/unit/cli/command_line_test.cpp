// What the command line of `oob` promises to people and scripts.
#include "cli/command_line.h"

#include <gtest/gtest.h>

namespace oob {
namespace {

CommandLine parsed(std::vector<std::string> arguments) {
  auto line = parse_command_line(std::move(arguments));
  EXPECT_TRUE(line) << (line ? "" : line.error().text);
  return line ? *line : CommandLine{};
}
Refusal refused(std::vector<std::string> arguments) {
  auto line = parse_command_line(std::move(arguments));
  EXPECT_FALSE(line);
  return line ? Refusal{Exit::Done, ""} : line.error();
}

TEST(CommandLine, no_arguments_give_an_overview_and_no_error) {
  const CommandLine line = parsed({});
  EXPECT_EQ(line.verb, Verb::Say);
  EXPECT_NE(line.text.find("oob attach"), std::string::npos);
}

TEST(CommandLine, a_plain_name_is_attach) {
  const CommandLine line = parsed({"web01"});
  EXPECT_EQ(line.verb, Verb::Attach);
  EXPECT_EQ(line.name, "web01");
  EXPECT_TRUE(line.named_plainly);
  EXPECT_EQ(line.lines, 20u);
  EXPECT_FALSE(line.read_only);
}

TEST(CommandLine, a_plain_name_takes_attachs_options) {
  const CommandLine line = parsed({"-r", "-n", "5", "web01"});
  EXPECT_EQ(line.verb, Verb::Attach);
  EXPECT_TRUE(line.read_only);
  EXPECT_EQ(line.lines, 5u);
  EXPECT_TRUE(parsed({"attach", "web01", "-f"}).force);
  for (const char* flag : {"-r", "-s", "-m"}) EXPECT_TRUE(parsed({"attach", flag, "x"}).read_only) << flag;
}

TEST(CommandLine, looking_on_and_taking_over_exclude_each_other) {
  EXPECT_EQ(refused({"attach", "-r", "-f", "web01"}).status, Exit::Usage);
}

TEST(CommandLine, the_escape_can_be_chosen_and_nonsense_is_refused) {
  EXPECT_EQ(escape_text(parsed({"web01", "-e", "^]q"}).escape), "^]q");
  EXPECT_EQ(escape_text(parsed({"web01"}).escape), "^Ec");
  EXPECT_EQ(refused({"web01", "-e", "x"}).status, Exit::Usage);
}

TEST(CommandLine, names_are_joined_and_all_is_the_default) {
  EXPECT_EQ(parsed({"ls", "web[01-03]", "db1"}).names, "web[01-03],db1");
  EXPECT_EQ(parsed({"ls"}).names, "");
  EXPECT_EQ(parsed({"who", "@rack3"}).names, "@rack3");
}

TEST(CommandLine, each_listing_knows_json) {
  for (const auto& words : std::vector<std::vector<std::string>>{{"ls"},
                                                                 {"info", "x"},
                                                                 {"who"},
                                                                 {"log", "x"},
                                                                 {"inventory", "check"},
                                                                 {"inventory", "plan"},
                                                                 {"inventory", "apply"},
                                                                 {"agent", "ls"},
                                                                 {"agent", "enroll", "x"},
                                                                 {"version"}}) {
    auto with = words;
    with.insert(with.end(), {"-o", "json"});
    EXPECT_TRUE(parsed(with).json) << words[0];
    EXPECT_FALSE(parsed(words).json) << words[0];
  }
  EXPECT_EQ(refused({"ls", "-o", "xml"}).status, Exit::Usage);
}

TEST(CommandLine, log_shows_a_hundred_lines_unless_told) {
  EXPECT_EQ(parsed({"log", "web01"}).lines, 100u);
  EXPECT_EQ(parsed({"log", "web01", "-n", "3"}).lines, 3u);
  EXPECT_EQ(refused({"log", "web01", "-n", "-3"}).status, Exit::Usage);
}

TEST(CommandLine, two_word_commands_are_understood) {
  EXPECT_EQ(parsed({"inventory", "check", "/tmp/x"}).folder, "/tmp/x");
  EXPECT_EQ(parsed({"inventory", "plan"}).verb, Verb::InventoryPlan);
  EXPECT_EQ(parsed({"inventory", "apply"}).verb, Verb::InventoryApply);
  EXPECT_EQ(parsed({"agent", "enroll", "rack1"}).name, "rack1");
  EXPECT_EQ(parsed({"agent", "ls"}).verb, Verb::AgentLs);
  EXPECT_EQ(parsed({"agent", "revoke", "rack1"}).verb, Verb::AgentRevoke);
  EXPECT_EQ(refused({"agent"}).status, Exit::Usage);
  EXPECT_EQ(refused({"inventory", "bogus"}).status, Exit::Usage);
}

TEST(CommandLine, a_command_of_a_later_version_is_said_to_be_one) {
  EXPECT_NE(refused({"gang", "web01"}).text.find("not in this version"), std::string::npos);
  EXPECT_NE(refused({"power"}).text.find("not in this version"), std::string::npos);
}

TEST(CommandLine, help_for_an_unknown_command_names_the_nearest) {
  EXPECT_NE(refused({"help", "atach"}).text.find("\"attach\""), std::string::npos);
  EXPECT_NE(parsed({"help", "log"}).text.find("--time"), std::string::npos);
  EXPECT_NE(parsed({"attach", "--help"}).text.find("--escape"), std::string::npos);
}

TEST(CommandLine, what_is_refused_is_shown_escaped) {
  const std::string text = refused({"ls", "-o", "\x1b[31mxml"}).text;
  EXPECT_EQ(text.find('\x1b'), std::string::npos);
}

}  // namespace
}  // namespace oob
