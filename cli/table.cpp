// Layout of tables: the widest column gives way first. Remarks that are kept go below their rows.
#include "cli/table.h"

#include <sys/ioctl.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <cwchar>
#include <numeric>

namespace oob {
namespace {

constexpr std::size_t kGap = 2;        // cells between columns
constexpr std::size_t kNarrowest = 8;  // of a column that has more to show
constexpr std::size_t kRemarkIndent = 4;
constexpr std::string_view kEllipsis = "\xe2\x80\xa6";

// The next character of valid UTF-8 (input was escaped, so it is), its bytes and its cells.
std::pair<std::size_t, std::size_t> character(std::string_view text) {
  const auto first = static_cast<unsigned char>(text[0]);
  std::size_t length = first < 0x80 ? 1 : first < 0xE0 ? 2 : first < 0xF0 ? 3 : 4;
  length = std::min(length, text.size());
  wchar_t code = length == 1 ? first : static_cast<wchar_t>(first & (0x7F >> length));
  for (std::size_t i = 1; i < length; ++i) code = static_cast<wchar_t>((code << 6) | (text[i] & 0x3F));
  const int cells = ::wcwidth(code);
  return {length, cells < 0 ? 1 : static_cast<std::size_t>(cells)};
}

}  // namespace

Screen screen_of(int fd) {
  Screen screen;
  if (::isatty(fd) == 0) return screen;
  winsize size{};
  screen.columns = ::ioctl(fd, TIOCGWINSZ, &size) == 0 && size.ws_col > 0 ? size.ws_col : 80;
  const char* no_color = std::getenv("NO_COLOR");
  screen.colour = no_color == nullptr || *no_color == '\0';
  return screen;
}

std::size_t width_of(std::string_view text) {
  std::size_t cells = 0;
  while (!text.empty()) {
    const auto [bytes, width] = character(text);
    cells += width;
    text.remove_prefix(bytes);
  }
  return cells;
}

std::string cut(std::string_view text, std::size_t columns) {
  if (width_of(text) <= columns) return std::string(text);
  std::string out;
  if (columns == 0) return out;
  std::size_t used = 0;
  while (true) {
    const auto [bytes, width] = character(text);
    if (used + width > columns - 1) break;
    out += text.substr(0, bytes);
    used += width;
    text.remove_prefix(bytes);
  }
  return out + std::string(kEllipsis);
}

std::string wrapped(std::string_view text, std::size_t columns, std::size_t indent) {
  std::string out;
  while (true) {
    const std::size_t end = text.find('\n');
    std::string line(text.substr(0, end));
    while (width_of(line) > columns) {
      std::size_t at = std::string::npos;
      for (std::size_t space = line.find(' ', line.find_first_not_of(' ')); space != std::string::npos;
           space = line.find(' ', space + 1)) {
        if (at != std::string::npos && width_of(line.substr(0, space)) > columns) break;
        at = space;
      }
      const std::size_t word = line.find_first_not_of(' ', at);
      if (at == std::string::npos || word == std::string::npos) break;
      out += line.substr(0, at) + "\n";
      line = std::string(indent, ' ') + line.substr(word);
    }
    out += line;
    if (end == std::string_view::npos) return out;
    out += '\n';
    text.remove_prefix(end + 1);
  }
}

void Table::add(std::vector<std::string> cells, Tone tone) {
  cells.resize(header_.size());
  for (std::size_t i = 0; i + 1 < cells.size(); ++i) {
    if (cells[i].empty()) cells[i] = "-";
  }
  rows_.push_back({std::move(cells), tone});
}

std::vector<std::size_t> Table::widths(const Screen& screen) const {
  std::vector<std::size_t> widths(header_.size(), 0);
  for (const Row& row : rows_) {
    for (std::size_t i = 0; i < widths.size(); ++i) widths[i] = std::max(widths[i], width_of(row.cells[i]));
  }
  std::size_t shown = 0;
  for (std::size_t i = 0; i < widths.size(); ++i) {
    if (widths[i] == 0) continue;
    widths[i] = std::max(widths[i], width_of(header_[i]));
    ++shown;
  }
  if (screen.columns == 0 || shown == 0) return widths;
  const std::size_t gaps = (shown - 1) * kGap;
  while (std::accumulate(widths.begin(), widths.end(), gaps) > screen.columns) {
    const auto widest = std::max_element(widths.begin(), widths.end());
    if (*widest <= kNarrowest) break;  // the line as a whole is cut then
    --*widest;
  }
  return widths;
}

std::string Table::line(const std::vector<std::string>& cells, const std::vector<std::size_t>& widths) const {
  std::string out;
  for (std::size_t i = 0; i < cells.size(); ++i) {
    if (widths[i] == 0) continue;
    const std::string cell = cut(cells[i], widths[i]);
    out += cell;
    out.append(widths[i] - width_of(cell) + kGap, ' ');
  }
  out.erase(out.find_last_not_of(' ') + 1);
  return out;
}

std::string Table::text(const Screen& screen) const {
  auto columns = widths({});
  const std::size_t natural = std::accumulate(columns.begin(), columns.end(), kGap * (columns.size() - 1));
  const bool below = remarks_kept_ && screen.columns > 0 && natural > screen.columns;
  columns = widths(screen);
  if (below) {
    Table others({header_.begin(), header_.end() - 1});
    for (const Row& row : rows_) others.add({row.cells.begin(), row.cells.end() - 1});
    columns = others.widths(screen);
    columns.push_back(0);
  }
  const auto fitted = [&](std::string row) { return screen.columns == 0 ? row : cut(row, screen.columns); };
  const auto toned = [&](const std::string& row, const char* sgr) {
    return screen.colour && *sgr != '\0' ? std::string("\x1b[") + sgr + "m" + row + "\x1b[0m\n" : row + "\n";
  };
  std::string out = toned(fitted(line(header_, columns)), "1");
  for (const Row& row : rows_) {
    std::string shown = fitted(line(row.cells, columns));
    if (below && !row.cells.back().empty()) {
      const std::string indent(kRemarkIndent, ' ');
      shown += "\n" + wrapped(indent + row.cells.back(), screen.columns, kRemarkIndent);
    }
    out += toned(shown, row.tone == Tone::Bad ? "31" : row.tone == Tone::Good ? "32" : "");
  }
  return out;
}

}  // namespace oob
