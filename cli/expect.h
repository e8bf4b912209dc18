// Expect: the text of a console in which a script looks for what it expects, whatever pieces it comes in. Terminal
// sequences and carriage returns are left out of it; it is kept up to a limit from the last match on. RE2 (linear time)
// is seen only in the .cpp; `^` and `$` mean lines. Sans-IO.
#pragma once
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "common/bytes.h"
#include "common/result.h"

namespace oob {

class Pattern {
 public:
  // Usage: not a regular expression (RE2's syntax), or one that matches nothing at all ("").
  static Result<Pattern> parse(std::string_view regex);
  const std::string& text() const { return text_; }

 private:
  friend class Expect;
  struct Compiled;
  std::string text_;
  std::shared_ptr<const Compiled> compiled_;
};

class Expect {
 public:
  void add(ByteView output);
  // Looks in what came since the last match. Found: returns what came before the line in which the match begins, and
  // forgets all up to the match's end. A match is at most limits::run_window_bytes long and away from the text's end.
  std::optional<std::string> find(const Pattern& pattern);
  void forget();  // all that came so far
  const std::string& text() const { return text_; }
  std::string last_line() const;     // the last that is not empty
  bool cut() const { return cut_; }  // more came since the last match than limits::run_capture_bytes: its begin is gone

 private:
  void add_plain(char c);

  // ECMA-48: after ESC, in a CSI sequence, in a string (OSC and the like), after ESC in a string.
  enum class State { Text, Escape, Csi, String, StringEscape };
  State state_ = State::Text;
  std::string text_;
  bool cut_ = false;
};

}  // namespace oob
