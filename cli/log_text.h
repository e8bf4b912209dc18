// LogText: pieces of a console's log, as the API gives them, into what `oob log` prints. No I/O.
#pragma once
#include <optional>
#include <string>
#include <string_view>

#include "common/json/json.h"

namespace oob {

class LogText {
 public:
  struct Choices {
    bool time = false;    // show each line's time, and events; without it only gaps
    bool escape = false;  // control characters but \n and \t: for a terminal
  };
  explicit LogText(Choices choices) : choices_(choices) {}
  // Text of one piece. Bytes after the last newline wait (a character may be cut in two), 64 KB at most.
  std::string add(const json::object& piece);
  // When what comes first was said, in UTC; "" if nobody knows.
  void begins_at(const std::string& utc);
  std::string flush();  // what waited, but for half a character or half of CR LF
  std::string end();    // what waited; on a terminal a last line without an end gets one

 private:
  std::string output(std::string_view bytes);
  std::string event(const json::object& piece);
  std::string take(std::size_t bytes);

  Choices choices_;
  std::string waiting_;
  std::string time_, line_time_;  // of what comes, and of the line that waits; local
  bool line_open_ = false;        // what was given out does not end in a newline
};

// As escape_controls, but newlines and tabs stay, and a backslash is only a backslash. Carriage returns that end a line
// vanish; any other is shown as \r, as it would let a line overwrite what stands before it: its name, its time.
std::string escape_output(std::string_view bytes);

// The last line that has something in it; unescaped.
std::string last_line(std::string_view text);

// RFC 4648, section 4. Empty: not base64.
std::optional<std::string> decode_base64(std::string_view text);

}  // namespace oob
