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
  EXPECT_EQ(line.command, nullptr);
  EXPECT_NE(line.say.find("oob attach"), std::string::npos);
}

TEST(CommandLine, a_plain_name_is_attach) {
  const CommandLine line = parsed({"web01"});
  EXPECT_EQ(line.command->name, "attach");
  EXPECT_EQ(line.text("NAME"), "web01");
  EXPECT_TRUE(line.named_plainly);
  EXPECT_EQ(line.number("--lines"), 20u);
  EXPECT_FALSE(line.has("--read-only"));
}

TEST(CommandLine, a_plain_name_takes_attachs_options) {
  const CommandLine line = parsed({"-r", "-n", "5", "web01"});
  EXPECT_EQ(line.command->name, "attach");
  EXPECT_TRUE(line.has("--read-only"));
  EXPECT_EQ(line.number("--lines"), 5u);
  EXPECT_TRUE(parsed({"attach", "web01", "-f"}).has("--force"));
  for (const char* flag : {"-r", "-s", "-m"}) EXPECT_TRUE(parsed({"attach", flag, "x"}).has("--read-only")) << flag;
}

TEST(CommandLine, a_verb_that_wants_a_second_word_names_those_there_are) {
  EXPECT_EQ(refused({"inventory"}).text,
            "oob: `oob inventory` wants one more word: check, plan, apply, rollback, "
            "history, diff, export\n`oob help inventory` tells what they do\n");
}

TEST(CommandLine, looking_on_and_taking_over_exclude_each_other) {
  EXPECT_EQ(refused({"attach", "-r", "-f", "web01"}).status, Exit::Usage);
}

TEST(CommandLine, the_escape_can_be_chosen) {
  EXPECT_EQ(parsed({"web01", "-e", "^]q"}).text("--escape"), "^]q");
  EXPECT_EQ(parsed({"web01", "--escape-style", "ssh"}).text("--escape-style"), "ssh");
}

TEST(CommandLine, several_names_are_taken_and_all_is_the_default) {
  EXPECT_EQ(parsed({"ls", "web[01-03]", "db1"}).list("NAMES"), (std::vector<std::string>{"web[01-03]", "db1"}));
  EXPECT_TRUE(parsed({"ls"}).list("NAMES").empty());
  EXPECT_EQ(parsed({"who", "@rack3"}).text("NAMES"), "@rack3");
}

TEST(CommandLine, an_empty_name_is_refused_and_is_not_all) {
  EXPECT_EQ(refused({"ls", ""}).status, Exit::Usage);
  EXPECT_EQ(refused({"who", "web01", ""}).status, Exit::Usage);
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
    EXPECT_EQ(parsed(with).text("--output"), "json") << words[0];
    EXPECT_EQ(parsed(words).text("--output"), "") << words[0];
  }
  EXPECT_EQ(refused({"ls", "-o", "xml"}).status, Exit::Usage);
}

TEST(CommandLine, an_option_takes_one_word_and_so_does_an_argument_before_others) {
  const CommandLine line = parsed({"grep", "-C", "2", "panic", "web01", "web02"});
  EXPECT_EQ(line.number("--context"), 2u);
  EXPECT_EQ(line.text("PATTERN"), "panic");
  EXPECT_EQ(line.list("NAMES"), (std::vector<std::string>{"web01", "web02"}));
}

TEST(CommandLine, log_shows_a_hundred_lines_unless_told) {
  EXPECT_EQ(parsed({"log", "web01"}).number("--lines"), 100u);
  EXPECT_EQ(parsed({"log", "web01", "-n", "3"}).number("--lines"), 3u);
  EXPECT_EQ(refused({"log", "web01", "-n", "-3"}).status, Exit::Usage);
}

TEST(CommandLine, repeated_options_are_kept_in_the_order_they_came) {
  const CommandLine line =
      parsed({"run", "web[01-16]", "--send", "a", "--expect", "b", "--send", "c", "-f", "--expect", "d"});
  const std::vector<std::pair<std::string, std::string>> wanted{
      {"--send", "a"}, {"--expect", "b"}, {"--send", "c"}, {"--expect", "d"}};
  EXPECT_EQ(line.in_order, wanted);
}

TEST(CommandLine, each_argument_takes_one_word_unless_it_takes_many) {
  const CommandLine line = parsed({"msg", "web01", "some words"});
  EXPECT_EQ(line.text("NAMES"), "web01");
  EXPECT_EQ(line.text("TEXT"), "some words");
  EXPECT_EQ(parsed({"kick", "web01", "--all"}).text("USER"), "");
}

TEST(CommandLine, two_word_commands_are_understood) {
  EXPECT_EQ(parsed({"inventory", "check", "/tmp/x"}).text("DIR"), "/tmp/x");
  EXPECT_EQ(parsed({"inventory", "plan"}).command->name, "inventory plan");
  EXPECT_EQ(parsed({"inventory", "apply"}).command->name, "inventory apply");
  EXPECT_EQ(parsed({"agent", "enroll", "rack1"}).text("NAME"), "rack1");
  EXPECT_EQ(parsed({"agent", "ls"}).command->name, "agent ls");
  EXPECT_EQ(parsed({"agent", "revoke", "rack1"}).command->name, "agent revoke");
  EXPECT_EQ(refused({"agent"}).status, Exit::Usage);
  EXPECT_EQ(refused({"inventory", "bogus"}).status, Exit::Usage);
}

TEST(CommandLine, a_command_of_a_later_version_is_said_to_be_one) {
  EXPECT_NE(refused({"gang", "web01"}).text.find("not in this version"), std::string::npos);
  EXPECT_NE(refused({"kvm"}).text.find("not in this version"), std::string::npos);
}

TEST(CommandLine, help_for_an_unknown_command_names_the_nearest) {
  EXPECT_NE(refused({"help", "atach"}).text.find("\"attach\""), std::string::npos);
  EXPECT_NE(parsed({"help", "log"}).say.find("--time"), std::string::npos);
  EXPECT_NE(parsed({"attach", "--help"}).say.find("--escape"), std::string::npos);
}

TEST(CommandLine, what_is_refused_points_at_the_help_that_tells_more) {
  EXPECT_NE(refused({"inventory", "rollback"}).text.find("`oob help inventory rollback`"), std::string::npos);
  EXPECT_NE(refused({"log"}).text.find("`oob help log`"), std::string::npos);
  EXPECT_NE(refused({"help", "bogusbogus"}).text.find("`oob help` lists"), std::string::npos);
  EXPECT_NE(refused({"-o", "json"}).text.find("`oob ls -o json`"), std::string::npos);
  EXPECT_EQ(parsed({"-V"}).command->name, "version");
}

TEST(CommandLine, an_option_that_there_is_not_is_told_with_the_nearest) {
  EXPECT_EQ(refused({"tty", "--lnk", "x"}).text,
            "oob: no option \"--lnk\"; did you mean \"--link\"?\n`oob help tty` shows how it is used\n");
  EXPECT_EQ(refused({"ls", "--outptu=json"}).text,
            "oob: no option \"--outptu\"; did you mean \"--output\"?\n`oob help ls` shows how it is used\n");
  EXPECT_EQ(refused({"inventory", "apply", "--srever", "x"}).text.substr(0, 51),
            "oob: no option \"--srever\"; did you mean \"--server\"?");
  EXPECT_EQ(refused({"who", "-q"}).text.substr(0, 20), "oob: no option \"-q\"\n");
  EXPECT_NE(refused({"tty", "web01", "web02"}).text.find("web02"), std::string::npos);
}

TEST(CommandLine, what_is_refused_is_shown_escaped) {
  const std::string text = refused({"ls", "-o", "\x1b[31mxml"}).text;
  EXPECT_EQ(text.find('\x1b'), std::string::npos);
}

}  // namespace
}  // namespace oob
