// Text for people's terminals and logs: nothing that came from a line, a name or a file is shown unescaped.
#pragma once
#include <string>
#include <string_view>

namespace oob {

// Control characters (C0, DEL, C1 in UTF-8, and those that turn the direction of text), invalid UTF-8 and a backslash
// become \xNN or \\; all else is kept.
std::string escape_controls(std::string_view text);

// What is no UTF-8 becomes U+FFFD; all else is kept, controls too: for JSON.
std::string valid_utf8(std::string_view text);

// Does it begin with a control character of more than one byte: C1, or one that turns the direction of text, so that it
// reads as something else (Unicode's Bidi_Control)? How many bytes it has; 0: it does not.
std::size_t wide_control(std::string_view text);

// Nothing to be seen: empty, or of spaces, tabs and line ends only.
bool is_blank(std::string_view text);

// "1 line", "2 lines".
std::string count_of(std::size_t n, std::string_view one, std::string_view many);

}  // namespace oob
