// Table: aligned columns for people. On a terminal it is cut to the width, with an ellipsis, never wrapped; in a pipe
// it is neither cut nor coloured. Cells are escaped by the caller.
#pragma once
#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

namespace oob {

// How the listing's terminal looks; the default is a pipe.
struct Screen {
  std::size_t columns = 0;  // 0: not a terminal, nothing is cut
  bool colour = false;
};
Screen screen_of(int fd);  // colour only on a terminal and without NO_COLOR

// Cells a terminal uses for UTF-8 text (wcwidth(3) in the current locale; what it does not know counts as one).
std::size_t width_of(std::string_view text);
// `text` in at most `columns` cells, ending in an ellipsis if anything was cut.
std::string cut(std::string_view text, std::size_t columns);

// Lines of `text` that are wider than `columns` broken between words, and gone on below `indent` spaces; a word that is
// wider is left whole.
std::string wrapped(std::string_view text, std::size_t columns, std::size_t indent);

class Table {
 public:
  enum class Tone { Plain, Good, Bad };
  explicit Table(std::vector<std::string> header) : header_(std::move(header)) {}
  void add(std::vector<std::string> cells, Tone tone = Tone::Plain);  // as many cells as the header; tone: whole row's
  // Remarks are never cut: on a terminal that is too narrow they stand below their rows, broken between words.
  void keep_remarks() { remarks_kept_ = true; }
  // Ends each line with a newline. An empty cell is shown as "-", so that columns can be counted; the last column, for
  // remarks, stays empty, and is left out with its header if no row has one.
  std::string text(const Screen& screen) const;

 private:
  struct Row {
    std::vector<std::string> cells;
    Tone tone;
  };
  std::vector<std::size_t> widths(const Screen& screen) const;
  std::string line(const std::vector<std::string>& cells, const std::vector<std::size_t>& widths) const;

  std::vector<std::string> header_;
  std::vector<Row> rows_;
  bool remarks_kept_ = false;
};

}  // namespace oob
