// Searches: every hit once, in any slices; hostile patterns cost bounded time and memory.
#include "server/log/log_search.h"

#include <gtest/gtest.h>

#include "common/limits.h"

namespace oob {
namespace {

LogFound look(const std::string& text, LogSearchWanted wanted) {
  auto search = LogSearch::start(std::move(wanted));
  EXPECT_TRUE(search) << search.error().message;
  bool all = true;
  for (std::size_t at = 0; at < text.size() && all; at += 7) {  // in pieces that split lines
    all = (*search)->output(at, as_bytes(std::string_view(text).substr(at, 7)));
  }
  return (*search)->finish(all);
}

std::string lines_of(const LogFound& found) {
  std::string out;
  for (const LogLine& line : found.lines) out += (line.hit ? "+" : "-") + line.text + (line.cut ? "\\" : "") + "\n";
  return out;
}

TEST(LogSearch, finds_lines_and_says_where_in_them) {
  const LogFound found = look("one\r\ntwo two\nthree\nlast two", {.pattern = "t[wx]o"});
  EXPECT_EQ(lines_of(found), "+two two\n+last two\n");
  EXPECT_EQ(found.lines[0].log_offset, 5u);
  EXPECT_EQ(found.lines[0].matches, (std::vector<std::pair<std::size_t, std::size_t>>{{0, 3}, {4, 7}}));
  EXPECT_EQ(found.hits, 2u);
  EXPECT_TRUE(found.done);
  EXPECT_EQ(lines_of(look("a\r\nb\n", {.pattern = "a$"})), "+a\n");
  EXPECT_EQ(lines_of(look("ABC\n", {.pattern = "abc", .ignore_case = true})), "+ABC\n");
  EXPECT_EQ(lines_of(look("ab\ncd\n", {.pattern = "b.*c|b\\s"})), "");  // a match is within a line
}

TEST(LogSearch, lines_that_touch_are_known_however_they_end) {
  const LogFound found = look("a\r\nhit\r\nb\nc\nhit\n", {.pattern = "hit", .before = 1, .after = 1});
  ASSERT_EQ(found.lines.size(), 5u);
  for (std::size_t i = 1; i < 5; ++i) EXPECT_EQ(found.lines[i - 1].next, found.lines[i].log_offset) << i;
}

TEST(LogSearch, context_is_shown_once_and_goes_on_over_slices) {
  std::string text;
  for (int i = 0; i < 30; ++i) text += "line " + std::to_string(i) + (i % 10 == 3 ? " hit" : "") + "\n";
  const LogSearchWanted wanted{.pattern = "hit", .before = 2, .after = 2};
  const LogFound whole = look(text, wanted);
  EXPECT_EQ(whole.lines.size(), 15u);
  // Slices end anywhere, after any line: as if time was over there.
  for (std::size_t lines = 1; lines < 8; ++lines) {
    LogSearchWanted next = wanted;
    std::string got;
    for (std::size_t begin = 0, n = 0; begin < text.size(); ++n) {
      ASSERT_LT(n, 100u);
      std::size_t end = begin;
      for (std::size_t i = 0; i < lines && end < text.size(); ++i) end = text.find('\n', end) + 1;
      auto search = LogSearch::start(next);
      (*search)->output(next.context_from,
                        as_bytes(std::string_view(text).substr(next.context_from, end - next.context_from)));
      const LogFound found = (*search)->finish(false);
      got += lines_of(found);
      begin = next.from = found.next;
      next.context_from = found.context_next, next.after_left = found.after_next;
    }
    EXPECT_EQ(got, lines_of(whole)) << lines;
  }
}

TEST(LogSearch, a_line_that_is_too_long_is_cut_visibly) {
  const std::string text(limits::search_line_bytes_max + 5, 'x');
  const LogFound found = look(text + "\n", {.pattern = "x"});
  ASSERT_EQ(found.lines.size(), 2u);
  EXPECT_TRUE(found.lines[0].cut);
  EXPECT_EQ(found.lines[1].text, "xxxxx");
  EXPECT_FALSE(found.lines[1].cut);
}

TEST(LogSearch, a_pattern_that_is_wrong_or_too_large_is_refused_in_words) {
  for (const std::string& wrong :
       {std::string("("), std::string(), std::string("((a{1000}){1000}){1000}"),
        std::string(limits::search_pattern_bytes_max + 1, 'a'), std::string("\\C{999}{999}")}) {
    const auto search = LogSearch::start({.pattern = wrong});
    ASSERT_FALSE(search) << wrong;
    EXPECT_EQ(search.error().code, ErrorCode::Usage);
    EXPECT_NE(search.error().message.find("pattern"), std::string::npos);
  }
}

TEST(LogSearch, a_hostile_pattern_takes_its_slice_of_time_and_no_more) {
  std::string text;
  for (int i = 0; i < 2000; ++i) text += std::string(10'000, 'a') + "\n";
  const auto start = std::chrono::steady_clock::now();
  auto search = LogSearch::start({.pattern = "(x+x+)+y|(a|aa)+[^a]{0,900}(a?){300}b"});
  ASSERT_TRUE(search) << search.error().message;
  const bool all = (*search)->output(0, as_bytes(text));
  const LogFound found = (*search)->finish(all);
  EXPECT_EQ(found.hits, 0u);
  EXPECT_GT(found.next, 0u) << "no progress";
  EXPECT_LT(std::chrono::steady_clock::now() - start, std::chrono::seconds(5));
}

TEST(LogSearch, events_are_found_once_each_also_when_slices_end_among_them) {
  LogSearchWanted next{.pattern = "alice", .events = true, .hits_max = 1};
  std::string got;
  for (int slice = 0; slice < 3; ++slice) {
    auto search = LogSearch::start(next);
    bool all = true;
    for (const char* text : {"alice 1", "bob", "alice 2"}) {
      all = all && (*search)->marker({LogEvent::Kind::Attach, WallTime{}, {5, 1, 5}, {}, text});
    }
    const LogFound found = (*search)->finish(all);
    got += lines_of(found);
    next.from = next.context_from = found.next, next.skip_events = found.skip_next;
  }
  EXPECT_EQ(got, "+attach alice 1\n+attach alice 2\n");
}

}  // namespace
}  // namespace oob
