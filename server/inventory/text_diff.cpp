// The shortest edit script after E. W. Myers, "An O(ND) Difference Algorithm and Its Variations" (1986), on what is
// left when the common head and tail are taken away.
#include "server/inventory/text_diff.h"

#include <algorithm>
#include <vector>

namespace oob {
namespace {

constexpr int kEditsMax = 1000;  // bounds memory to their square
constexpr std::size_t kContext = 3;

using Lines = std::vector<std::string_view>;  // with their newlines

Lines lines_of(std::string_view text) {
  Lines out;
  while (!text.empty()) {
    const std::size_t end = std::min(text.find('\n'), text.size() - 1) + 1;
    out.push_back(text.substr(0, end));
    text.remove_prefix(end);
  }
  return out;
}

struct Edit {
  char kind;  // ' ', '-', '+'
  std::string_view line;
};

void replace_all(const Lines& a, const Lines& b, std::vector<Edit>& out) {
  for (const auto line : a) out.push_back({'-', line});
  for (const auto line : b) out.push_back({'+', line});
}

// `reach[k]`: how far in `a` diagonal k (x - y) comes with so many edits; `trace` keeps it for each number of edits.
void shortest_edits(const Lines& a, const Lines& b, std::vector<Edit>& out) {
  const int n = int(a.size()), m = int(b.size()), most = std::min(n + m, kEditsMax);
  std::vector<std::vector<int>> trace;
  std::vector<int> reach(std::size_t(2 * most + 3), 0);
  const auto at = [most](int k) { return std::size_t(k + most + 1); };
  int edits = 0;
  for (bool done = false; !done; ++edits) {
    if (edits > most) return replace_all(a, b, out);
    trace.emplace_back(reach.begin() + long(at(-edits - 1)), reach.begin() + long(at(edits + 1)) + 1);
    for (int k = -edits; k <= edits && !done; k += 2) {
      const bool down = k == -edits || (k != edits && reach[at(k - 1)] < reach[at(k + 1)]);
      int x = down ? reach[at(k + 1)] : reach[at(k - 1)] + 1;
      while (x < n && x - k < m && a[std::size_t(x)] == b[std::size_t(x - k)]) ++x;
      reach[at(k)] = x;
      done = x >= n && x - k >= m;
    }
  }
  std::vector<Edit> back;
  int x = n, y = m;
  for (int d = edits - 1; d >= 0; --d) {
    const auto& before = trace[std::size_t(d)];
    const auto was = [&](int k) { return before[std::size_t(k + d + 1)]; };
    const int k = x - y;
    const bool down = k == -d || (k != d && was(k - 1) < was(k + 1));
    const int from_x = d == 0 ? 0 : was(down ? k + 1 : k - 1), from_y = d == 0 ? 0 : from_x - (down ? k + 1 : k - 1);
    while (x > from_x && y > from_y) back.push_back({' ', a[std::size_t(--x)]}), --y;
    if (d > 0) back.push_back(down ? Edit{'+', b[std::size_t(--y)]} : Edit{'-', a[std::size_t(--x)]});
  }
  out.insert(out.end(), back.rbegin(), back.rend());
}

std::vector<Edit> edits_of(Lines a, Lines b) {
  const auto [a_head, b_head] = std::mismatch(a.begin(), a.end(), b.begin(), b.end());
  const auto [a_tail, b_tail] =
      std::mismatch(a.rbegin(), std::make_reverse_iterator(a_head), b.rbegin(), std::make_reverse_iterator(b_head));
  std::vector<Edit> out;
  for (auto line = a.begin(); line != a_head; ++line) out.push_back({' ', *line});
  shortest_edits({a_head, a_tail.base()}, {b_head, b_tail.base()}, out);
  for (auto line = a_tail.base(); line != a.end(); ++line) out.push_back({' ', *line});
  return out;
}

// "12,3" as a hunk's head counts: the first line, from 1, and how many; with none, the line before.
std::string span_of(std::size_t first, std::size_t count) {
  return std::to_string(count == 0 ? first : first + 1) + (count == 1 ? "" : "," + std::to_string(count));
}

}  // namespace

std::string unified_diff(std::string_view from, std::string_view a, std::string_view to, std::string_view b) {
  if (a == b && from.empty() == to.empty()) return {};
  const std::vector<Edit> edits = edits_of(lines_of(a), lines_of(b));
  const auto name = [](std::string_view side) { return side.empty() ? "/dev/null" : std::string(side); };
  std::string out = "--- " + name(from) + "\n+++ " + name(to) + "\n";
  std::size_t line_a = 0, line_b = 0;
  for (std::size_t i = 0; i < edits.size();) {
    if (edits[i].kind == ' ') {
      ++i, ++line_a, ++line_b;
      continue;
    }
    const std::size_t before = std::min(kContext, i);  // an earlier hunk ends further away than that
    std::size_t end = i, same = 0;  // the hunk goes on while fewer equal lines than two contexts come
    for (std::size_t j = i; j < edits.size() && same <= 2 * kContext; ++j) {
      same = edits[j].kind == ' ' ? same + 1 : 0;
      if (same == 0) end = j + 1;
    }
    end = std::min(end + kContext, edits.size());
    std::size_t count_a = 0, count_b = 0;
    std::string body;
    for (std::size_t j = i - before; j < end; ++j) {
      count_a += edits[j].kind != '+';
      count_b += edits[j].kind != '-';
      body += edits[j].kind + std::string(edits[j].line);
      if (!edits[j].line.ends_with('\n')) body += "\n\\ no newline at the end\n";
    }
    out += "@@ -" + span_of(line_a - before, count_a) + " +" + span_of(line_b - before, count_b) + " @@\n" + body;
    line_a += count_a - before;
    line_b += count_b - before;
    i = end;
  }
  return out;
}

}  // namespace oob
