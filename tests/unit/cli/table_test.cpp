// What tables promise: aligned in a pipe, never wider than the terminal, text from others harmless.
#include "cli/table.h"

#include <gtest/gtest.h>

#include <clocale>

#include "cli/show.h"

namespace oob {
namespace {

std::vector<std::string> lines_of(const std::string& text) {
  std::vector<std::string> out;
  std::size_t from = 0;
  for (auto end = text.find('\n'); end != std::string::npos; end = text.find('\n', from = end + 1)) {
    out.push_back(text.substr(from, end - from));
  }
  EXPECT_EQ(from, text.size()) << "each line ends";
  return out;
}

TEST(EscapedLines, keep_backslashes_in_a_files_text_and_let_no_control_through) {
  const std::string text = "+send = \"\\r\\n\"\r\n+\x1b[2J \xC3\xB6 \xFF";
  EXPECT_EQ(escape_text_lines(text), "+send = \"\\r\\n\"\\x0d\n+\\x1b[2J \xC3\xB6 \\xff");
  EXPECT_EQ(escape_lines("\\r\n\x1b"), "\\\\r\n\\x1b");
}

TEST(Wrapped, breaks_lines_between_words_only_and_only_those_that_are_too_wide) {
  EXPECT_EQ(wrapped("[web01: read-write as alice, line exec]", 20, 1), "[web01: read-write\n as alice, line\n exec]");
  EXPECT_EQ(wrapped("two  columns\nshort", 20, 1), "two  columns\nshort");
  EXPECT_EQ(wrapped("  a-word-that-is-wider-than-all and more", 20, 4),
            "  a-word-that-is-wider-than-all\n    and more");
  EXPECT_EQ(wrapped("", 20, 1), "");
  const std::string trailing = "trailing blanks are not a word         ";
  EXPECT_EQ(wrapped(trailing, 30, 0), trailing);
}

Table sample() {
  Table table({"NAME", "STATE", "DETAIL"});
  table.add({"web01", "up", ""}, Table::Tone::Good);
  table.add({"a-console-with-a-long-name", "down", "agent rack1 is not connected since this morning"},
            Table::Tone::Bad);
  return table;
}

TEST(Table, a_pipe_gets_aligned_uncut_columns_without_tabs_or_colour) {
  EXPECT_EQ(sample().text({}),
            "NAME                        STATE  DETAIL\n"
            "web01                       up\n"
            "a-console-with-a-long-name  down   agent rack1 is not connected since this morning\n");
}

TEST(Table, no_line_is_wider_than_the_terminal_however_narrow) {
  for (std::size_t columns = 1; columns < 100; ++columns) {
    for (const std::string& line : lines_of(sample().text({columns, false})))
      EXPECT_LE(width_of(line), columns) << line;
  }
}

TEST(Table, what_is_cut_ends_in_an_ellipsis_and_short_columns_stay_whole) {
  const auto lines = lines_of(sample().text({50, false}));
  EXPECT_EQ(lines[2].substr(lines[2].size() - 3), "\xe2\x80\xa6");
  EXPECT_NE(lines[1].find("web01"), std::string::npos);
  EXPECT_NE(lines[1].find("up"), std::string::npos);
}

TEST(Table, remarks_that_are_kept_lose_nothing_and_stand_below_where_they_do_not_fit) {
  Table table = sample();
  table.keep_remarks();
  EXPECT_EQ(table.text({100, false}), sample().text({100, false}));
  EXPECT_EQ(table.text({40, false}),
            "NAME                        STATE\n"
            "web01                       up\n"
            "a-console-with-a-long-name  down\n"
            "    agent rack1 is not connected since\n"
            "    this morning\n");
  EXPECT_EQ(table.text({12, false}),
            "NAME      S\xe2\x80\xa6\n"
            "web01     up\n"
            "a-conso\xe2\x80\xa6  d\xe2\x80\xa6\n"
            "    agent\n    rack1 is\n    not\n    connected\n    since\n    this\n    morning\n");
}

TEST(Table, colour_is_only_there_when_asked_for) {
  EXPECT_EQ(sample().text({80, false}).find('\x1b'), std::string::npos);
  EXPECT_NE(sample().text({80, true}).find("\x1b[31m"), std::string::npos);
}

TEST(Table, columns_can_be_counted_and_remarks_nobody_made_take_no_room) {
  Table table({"NAME", "WRITER", "DETAIL"});
  table.add({"web01", "", ""});
  EXPECT_EQ(table.text({}), "NAME   WRITER\nweb01  -\n");
}

TEST(Table, cutting_never_splits_a_character) {
  EXPECT_EQ(cut("\xc3\xa4\xc3\xb6\xc3\xbc", 2), "\xc3\xa4\xe2\x80\xa6");
  EXPECT_EQ(cut("abc", 3), "abc");
  EXPECT_EQ(cut("abc", 0), "");
}

TEST(Show, json_carries_no_byte_that_a_terminal_obeys) {
  const std::string line = json_line(json::object{{"a",
                                                   "\x1b[31m\x7f\xc2\x9b"
                                                   "1m\xc2\xa0x"}});
  EXPECT_EQ(line, "{\"a\":\"\\u001b[31m\\u007f\\u009b1m\xc2\xa0x\"}\n");
  EXPECT_EQ(json::parse(line).at("a"),
            "\x1b[31m\x7f\xc2\x9b"
            "1m\xc2\xa0x");
}

TEST(Show, text_of_the_server_obeys_nobody_and_keeps_its_backslashes) {
  const json::object row{{"detail", "from \\\\host\\d+\x1b[2J\n\xc2\x9b"}};
  EXPECT_EQ(shown(row, "detail"), "from \\\\host\\d+\\x1b[2J\\x0a\\xc2\\x9b");
}

TEST(Show, sizes_are_short_and_never_round_to_four_digits) {
  EXPECT_EQ(size_text(0), "0 bytes");
  EXPECT_EQ(size_text(1'234'567), "1.2 MB");
  EXPECT_EQ(size_text(999'999), "1.0 MB");
}

TEST(Show, a_time_of_another_day_bears_its_date) {
  WallTime noon, later;
  ASSERT_TRUE(parse_utc("2026-11-21T12:00:00.000Z", noon));
  ASSERT_TRUE(parse_utc("2026-11-25T12:00:00.000Z", later));
  EXPECT_EQ(local_time("2026-11-21T12:00:00.000Z", noon).size(), 8u);
  EXPECT_EQ(local_time("2026-11-21T12:00:00.000Z", later).size(), 19u);
  EXPECT_EQ(local_time("\x1b[2J", noon), "\\x1b[2J");
}

}  // namespace
}  // namespace oob
