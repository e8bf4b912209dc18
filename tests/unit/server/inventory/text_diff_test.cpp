// Unified texts: what patch(1) would apply gives the other side.
#include "server/inventory/text_diff.h"

#include <gtest/gtest.h>

#include <random>
#include <vector>

namespace oob {
namespace {

// Applies a unified text to `a`, strictly.
std::string patched(const std::string& a, const std::string& diff) {
  std::vector<std::string> lines;
  for (std::size_t at = 0; at < a.size(); at = a.find('\n', at) + 1)
    lines.push_back(a.substr(at, a.find('\n', at) - at));
  std::string out;
  std::size_t next = 0;
  for (std::size_t at = 0; at < diff.size();) {
    const std::size_t end = diff.find('\n', at);
    const std::string line = diff.substr(at, end - at);
    at = end + 1;
    if (line.starts_with("---") || line.starts_with("+++")) continue;
    if (line.starts_with("@@ -")) {
      std::size_t first = std::stoul(line.substr(4));
      const std::string span = line.substr(4, line.find(' ', 4) - 4);
      if (!span.ends_with(",0")) --first;
      while (next < first) out += lines[next++] + "\n";
    } else if (line[0] == '+') {
      out += line.substr(1) + "\n";
    } else {
      EXPECT_EQ(lines.at(next), line.substr(1)) << diff;
      if (line[0] == ' ') out += lines[next] + "\n";
      ++next;
    }
  }
  while (next < lines.size()) out += lines[next++] + "\n";
  return out;
}

TEST(TextDiff, looks_as_diff_writes_it) {
  EXPECT_EQ(unified_diff("old/x", "a\nb\nc\n", "new/x", "a\nB\nc\n"),
            "--- old/x\n+++ new/x\n@@ -1,3 +1,3 @@\n a\n-b\n+B\n c\n");
  EXPECT_EQ(unified_diff("", "", "new/x", "a\n"), "--- /dev/null\n+++ new/x\n@@ -0,0 +1 @@\n+a\n");
  EXPECT_EQ(unified_diff("a", "same\n", "b", "same\n"), "");
  EXPECT_NE(unified_diff("a", "x", "b", "x\n").find("\\ no newline at the end\n"), std::string::npos);
}

TEST(TextDiff, applied_to_one_side_gives_the_other) {
  std::mt19937 random(3);
  for (int round = 0; round < 300; ++round) {
    std::string a, b;
    for (int i = 0; i < 40; ++i) {
      const std::string line = std::string(1, char('a' + random() % 6)) + "\n";
      if (random() % 8 != 0) a += line;
      if (random() % 8 != 0) b += line;
    }
    ASSERT_EQ(patched(a, unified_diff("a", a, "b", b)), b) << a << "--\n" << b;
  }
}

TEST(TextDiff, texts_without_anything_in_common_cost_bounded_memory) {
  std::string a, b;
  for (int i = 0; i < 20'000; ++i) a += "a" + std::to_string(i) + "\n", b += "b" + std::to_string(i) + "\n";
  EXPECT_EQ(patched(a, unified_diff("a", a, "b", b)), b);
}

}  // namespace
}  // namespace oob
