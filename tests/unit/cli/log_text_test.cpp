// What `oob log` and the words about consoles promise.
#include "cli/log_text.h"

#include <gtest/gtest.h>

#include "cli/console_text.h"
#include "cli/rest_names.h"

namespace oob {
namespace {

json::object data(const char* base64) { return {{"offset", 0}, {"data", base64}}; }

TEST(LogText, bytes_pass_unchanged_into_a_pipe) {
  LogText text({});
  std::string out = text.add(data("G1szMW1yZWQKAA=="));  // ESC[31mred\n NUL
  out += text.end();
  EXPECT_EQ(out, std::string("\x1b[31mred\n\0", 10));
}

TEST(LogText, on_a_terminal_only_what_makes_lines_stays_a_control) {
  LogText text({.escape = true});
  std::string out = text.add(data("G1szMW1hXGIJYw0KZA=="));  // ESC[31ma\b\tc\r\nd
  out += text.end();
  EXPECT_EQ(out, "\\x1b[31ma\\b\tc\nd\n");
}

TEST(LogText, on_a_terminal_no_carriage_return_overwrites_what_stands_before_it) {
  EXPECT_EQ(escape_output("kernel panic\rdb01: all is well \n"), "kernel panic\\rdb01: all is well \n");
  EXPECT_EQ(escape_output("a\r\nb\r\r\n\rc"), "a\nb\n\\rc") << "those that end a line vanish";
  EXPECT_EQ(escape_output("a\r"), "a\\r");
}

TEST(LogText, what_is_followed_knows_a_line_end_that_comes_in_halves) {
  LogText text({.escape = true});
  std::string out = text.add(data("YQ0="));  // a\r
  out += text.flush();
  EXPECT_EQ(out, "a");
  EXPECT_EQ(text.add(data("Cg==")), "\n");
}

TEST(LogText, a_character_cut_between_two_pieces_is_whole) {
  LogText text({.escape = true});
  std::string out = text.add(data("YcM="));  // a, first half of U+00E4
  out += text.add(data("pAo="));             // second half, \n
  EXPECT_EQ(out + text.end(), "a\xc3\xa4\n");
}

TEST(LogText, a_gap_is_a_line_of_its_own_and_other_events_wait_to_be_asked_for) {
  LogText text({});
  std::string out = text.add(data("YWI="));  // ab
  out += text.add({{"offset", 2}, {"event", "up"}, {"text", "x"}, {"time", "2026-11-21T12:00:00.000Z"}});
  out += text.add({{"offset", 2}, {"event", "gap"}, {"bytes", 12}, {"text", "disk full"}});
  EXPECT_EQ(out + text.end(), "ab\n[12 bytes missing: disk full]\n");
}

TEST(LogText, with_times_each_event_is_shown) {
  LogText text({.time = true});
  const std::string out =
      text.add({{"offset", 2}, {"event", "up"}, {"text", "\x1b"}, {"time", "2026-11-21T12:00:00.000Z"}});
  EXPECT_NE(out.find("] up: \\x1b\n"), std::string::npos) << out;
}

TEST(LogText, with_times_each_line_bears_its_own) {
  ::setenv("TZ", "UTC", 1);
  ::tzset();
  const auto time = [](const char* utc) { return json::object{{"offset", 0}, {"event", "time"}, {"time", utc}}; };
  LogText text({.time = true});
  std::string out = text.add(data("YQo="));  // a\n
  text.begins_at("2026-11-21T12:00:00.000Z");
  out += text.add(data("YgpjCmQ="));  // b\nc\nd
  out += text.add(time("2026-11-21T12:00:05.000Z"));
  out += text.add(data("ZQpmCg=="));  // e\nf\n: the first goes on a line that began earlier
  EXPECT_EQ(out + text.end(),
            "(time not known) a\n2026-11-21 12:00:00+00:00 b\n2026-11-21 12:00:00+00:00 c\n"
            "2026-11-21 12:00:00+00:00 de\n2026-11-21 12:00:05+00:00 f\n");
}

TEST(LogText, what_is_followed_shows_a_line_before_it_ends_but_no_half_character) {
  LogText text({.escape = true});
  EXPECT_EQ(text.add(data("bG9naW46IMM=")), "");  // "login: ", first half of U+00E4
  EXPECT_EQ(text.flush(), "login: ");
  EXPECT_EQ(text.add(data("pAo=")), "\xc3\xa4\n");
}

TEST(Base64, is_read_as_the_rfc_says) {
  EXPECT_EQ(decode_base64(""), "");
  EXPECT_EQ(decode_base64("Zg=="), "f");
  EXPECT_EQ(decode_base64("Zm9vYmE="), "fooba");
  EXPECT_EQ(decode_base64("Zm9vYmFy"), "foobar");
  for (const char* wrong : {"Z", "Zg=", "Z===", "Zm9v!mFy", "===="}) EXPECT_FALSE(decode_base64(wrong)) << wrong;
}

TEST(ConsoleText, a_log_in_trouble_says_what_it_costs) {
  const auto console =
      json::parse(R"({"state":"up","detail":"/bin/sh","log":{"trouble":"disk full","unlogged_bytes":1200000}})");
  EXPECT_EQ(console_detail(console.as_object()), "not logged: disk full, 1.2 MB so far");
}

TEST(ConsoleText, a_line_that_is_down_says_why_and_one_that_is_up_says_nothing) {
  EXPECT_EQ(console_detail(json::parse(R"({"state":"down","detail":"refused\u001b","log":{}})").as_object()),
            "refused\\x1b");
  EXPECT_EQ(console_detail(json::parse(R"({"state":"up","detail":"/bin/sh","log":{}})").as_object()), "");
}

TEST(MatchName, several_that_begin_so_are_named) {
  const auto match = match_name("web", {"web01", "web02", "db1"}, {});
  ASSERT_FALSE(match);
  EXPECT_EQ(match.error().code, ErrorCode::NotFound);
  EXPECT_NE(match.error().message.find("web01, web02"), std::string::npos);
  EXPECT_EQ(*match_name("web01", {"web01", "web010"}, {}), "web01") << "the whole name is not ambiguous";
  EXPECT_EQ(*match_name("d", {"web01", "db1"}, {}), "db1");
}

}  // namespace
}  // namespace oob
