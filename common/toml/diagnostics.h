// What is wrong with files people write, like a good compiler says it: `file:line:column: error: text`. Collects; the
// caller prints and decides. At most limits::diagnostics_max are kept, the rest counted. One thread at a time.
#pragma once
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "common/nearest.h"

namespace oob {

// Where in a file; line and column count from 1, 0 means "the file as a whole". The column counts characters.
struct Position {
  std::shared_ptr<const std::string> file;  // as shown to people; null: no file
  unsigned line = 0;
  unsigned column = 0;
};
Position position_in(std::string file, unsigned line = 0, unsigned column = 0);
std::string to_string(const Position& at);  // "web.toml:7:11", escaped

struct Diagnostic {
  enum class Severity { Error, Warning };
  Severity severity;
  Position at;
  std::string text;
};
std::string to_string(const Diagnostic& diagnostic);  // one line, without a newline

class Diagnostics {
 public:
  // `text` is shown as it is: names and values in it have passed escape_controls() or in_quotes().
  void error(Position at, std::string text);
  void warning(Position at, std::string text);
  // The same with `; did you mean "x"?` where one of `known` is near `word`.
  void error_about(Position at, std::string text, std::string_view word, const std::vector<std::string>& known);

  bool failed() const { return errors_ > 0; }
  std::size_t errors() const { return errors_; }
  const std::vector<Diagnostic>& list() const { return list_; }
  std::string text() const;  // all, one a line, sorted as they came; ends with a count of those left out

 private:
  bool full() const;
  std::vector<Diagnostic> list_;
  std::size_t errors_ = 0, left_out_ = 0;
};

}  // namespace oob
