// TOML documents and the table reader: every mistake with its place and exact words.
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>

#include "common/limits.h"
#include "common/toml/table.h"

namespace oob {
namespace {

std::string complaints(std::string_view text) {
  Diagnostics to;
  toml_file::parse(text, "a.toml", to);
  return to.text();
}

// Reads a table as a program would that knows these keys.
std::string read(std::string_view text) {
  Diagnostics to;
  const auto document = toml_file::parse(text, "a.toml", to);
  if (document) {
    TableReader table(*document, "[top]", to);
    table.require("name");
    table.text("name");
    table.integer("rate", 0, 100);
    table.boolean("on");
    table.duration("wait");
    table.texts("list");
    table.one_of("level", {"debug", "info"});
    table.table("sub");
    table.finish();
  }
  return to.text();
}

TEST(Toml, values_carry_their_positions) {
  Diagnostics to;
  const auto document = toml_file::parse("b = 1\n\n[t.u]\n  a = \"x\"\n", "a.toml", to);
  ASSERT_TRUE(document);
  ASSERT_EQ(document->entries.size(), 2u);
  EXPECT_EQ(document->entries[0].key, "b");  // in the order of the file
  const auto* a = document->find("t")->value.find("u")->value.find("a");
  EXPECT_EQ(to_string(a->at), "a.toml:4:3");
  EXPECT_EQ(to_string(a->value.at), "a.toml:4:7");
  EXPECT_EQ(a->value.text, "x");
}

TEST(Toml, a_syntax_error_is_named_with_its_place) {
  EXPECT_EQ(complaints("a = \n"), "a.toml:1:5: error: in this key-value pair: expected value, saw '\\n'\n");
  EXPECT_EQ(complaints("x = 1\nb = 2 c\n"),
            "a.toml:2:7: error: in this key-value pair: expected a comment or whitespace, saw 'c'\n");
  EXPECT_EQ(complaints("a = \"\xff\"\n"), "a.toml:1:5: error: here is something that is not UTF-8 text\n");
  EXPECT_NE(complaints("a = { b = 1,\n c = 2 }\n").find("{ .. } stands on one line"), std::string::npos);
  EXPECT_EQ(complaints("a = 1\n"), "");
  EXPECT_EQ(complaints(""), "");
  EXPECT_EQ(complaints("\xef\xbb\xbf"
                       "a = 1\r\nb = 2\r\n"),
            "");
}

TEST(Toml, a_key_that_is_there_twice_names_both_places) {
  EXPECT_NE(complaints("[n.a]\nx = 1\n[n.b]\nx = 1\n[n.a]\n").find("it is there first at a.toml:1:1"),
            std::string::npos);
  EXPECT_NE(complaints("[n.b]\nx = 1\n[n.a]\nx = 1\nx = 2\n").find("it is there first at a.toml:4:1"),
            std::string::npos);
}

TEST(Toml, control_characters_of_a_file_are_not_shown) {
  EXPECT_EQ(complaints("a = \x1b[31m\n").find('\x1b'), std::string::npos);
  EXPECT_EQ(complaints("\"\\u001b\" = 1\n\"\\u001b\" = 2\n").find('\x1b'), std::string::npos);
}

TEST(Toml, depth_is_bounded_before_anything_recurses) {
  const auto dots = [](std::size_t n) {
    std::string key = "a";
    for (std::size_t i = 0; i < n; ++i) key += ".a";
    return key;
  };
  EXPECT_EQ(complaints(dots(16) + " = 1\n"), "");
  const std::string wanted =
      "a.toml:2:1: error: nests too deep: a key has at most 16 dots, lists and tables stand in "
      "each other at most 64 deep\n";
  EXPECT_EQ(complaints("\n" + dots(1'000'000) + " = 1\n"), wanted);
  EXPECT_EQ(complaints("\n[" + dots(17) + "]\n"), wanted);
  EXPECT_EQ(complaints("\na = " + std::string(100'000, '[')), wanted);
  EXPECT_EQ(complaints("a = \"" + dots(40) + "[[[\" # " + dots(40) + "\nb = '''" + dots(40) + "\n''''\n"), "");
}

TEST(Toml, a_file_that_is_too_large_is_refused) {
  EXPECT_EQ(complaints(std::string(limits::config_file_bytes_max + 1, '\n')),
            "a.toml: error: is larger than 8 MB; split it into several files\n");
}

TEST(Toml, a_file_that_cannot_be_read_is_named) {
  const std::string folder = ::testing::TempDir() + "toml_test." + std::to_string(::getpid());
  std::filesystem::create_directory(folder);
  Diagnostics to;
  EXPECT_FALSE(toml_file::load(folder + "/none.toml", to));
  EXPECT_FALSE(toml_file::load(folder, to));
  ::mkfifo((folder + "/fifo").c_str(), 0600);
  EXPECT_FALSE(toml_file::load(folder + "/fifo", to));
  std::ofstream(folder + "/good.toml") << "a = 1\n";
  EXPECT_TRUE(toml_file::load(folder + "/good.toml", to));
  EXPECT_EQ(to.text(), folder + "/none.toml: error: cannot be opened: No such file or directory\n" + folder +
                           ": error: is not a regular file\n" + folder + "/fifo: error: is not a regular file\n");
  std::filesystem::remove_all(folder);
}

struct Mistake {
  const char* text;
  const char* wanted;
};

class EveryMistake : public ::testing::TestWithParam<Mistake> {};

TEST_P(EveryMistake, is_told_with_its_place_and_what_is_wanted) { EXPECT_EQ(read(GetParam().text), GetParam().wanted); }

INSTANTIATE_TEST_SUITE_P(
    Table, EveryMistake,
    ::testing::Values(
        Mistake{"name = 'x'\nrate = 5\non = true\nwait = '5m'\nlist = ['a']\nlevel = 'info'\n[sub]\n", ""},
        Mistake{"rate = 5\n", "a.toml:1:1: error: the key \"name\" is missing in [top]\n"},
        Mistake{"name = 5\n", "a.toml:1:8: error: \"name\" wants text in quotes, this is a whole number\n"},
        Mistake{"name = \"a\\u0000b\"\n", "a.toml:1:8: error: \"name\" holds a zero byte\n"},
        Mistake{"name = ''\nrate = 101\n", "a.toml:2:8: error: \"rate\" is from 0 to 100, this is 101\n"},
        Mistake{"name = ''\nrate = 1.5\n",
                "a.toml:2:8: error: \"rate\" wants a whole number, this is a number with a fraction\n"},
        Mistake{"name = ''\non = 'yes'\n", "a.toml:2:6: error: \"on\" wants true or false, this is text in quotes\n"},
        Mistake{"name = ''\nwait = '5 m'\n",
                "a.toml:2:8: error: \"wait\" wants a time as \"250ms\", \"30s\", \"5m\", \"2h\" or \"7d\", this is \"5 "
                "m\"\n"},
        Mistake{"name = ''\nwait = '99999999h'\n",
                "a.toml:2:8: error: \"wait\" is longer than 366 days: \"99999999h\"\n"},
        Mistake{"name = ''\nwait = '-5s'\n",
                "a.toml:2:8: error: \"wait\" wants a time as \"250ms\", \"30s\", \"5m\", \"2h\" or \"7d\", this is "
                "\"-5s\"\n"},
        Mistake{"name = ''\nlist = ['a', 1]\n",
                "a.toml:2:14: error: \"list\" wants a list of text in quotes, here is a whole number\n"},
        Mistake{"name = ''\nlevel = 'inof'\n",
                "a.toml:2:9: error: \"level\" is one of debug, info; this is \"inof\"; did you mean \"info\"?\n"},
        Mistake{"name = ''\nsub = 2020-01-01\n", "a.toml:2:7: error: \"sub\" wants a table, this is a date or time\n"},
        Mistake{"name = ''\nraet = 1\n", "a.toml:2:1: error: unknown key \"raet\" in [top]; did you mean \"rate\"?\n"},
        Mistake{"name = ''\n\"x\\u001b\" = 1\n", "a.toml:2:1: error: unknown key \"x\\x1b\" in [top]\n"},
        Mistake{"name = ''\n[sbu]\n", "a.toml:2:2: error: unknown table \"sbu\" in [top]; did you mean \"sub\"?\n"}));

TEST(Diagnostics, are_bounded_and_the_rest_is_counted) {
  Diagnostics to;
  for (std::size_t i = 0; i < limits::diagnostics_max + 5; ++i) to.error({}, "x");
  EXPECT_EQ(to.list().size(), limits::diagnostics_max);
  EXPECT_EQ(to.errors(), limits::diagnostics_max + 5);
  EXPECT_TRUE(to.text().ends_with("and 5 more\n"));
}

TEST(Diagnostics, a_warning_is_no_failure) {
  Diagnostics to;
  to.warning(position_in("a\x1b.toml", 2, 3), "x");
  EXPECT_FALSE(to.failed());
  EXPECT_EQ(to.text(), "a\\x1b.toml:2:3: warning: x\n");
}

TEST(Toml, paths_are_relative_to_the_file) {
  EXPECT_EQ(path_beside("/etc/oob/oobd.toml", "inventory.d"), "/etc/oob/inventory.d");
  EXPECT_EQ(path_beside("oobd.toml", "inventory.d"), "inventory.d");
  EXPECT_EQ(path_beside("/etc/oob/oobd.toml", "/var/lib"), "/var/lib");
}

}  // namespace
}  // namespace oob
