// Text for people's terminals and logs: nothing that came from a line, a name or a file is shown unescaped.
#pragma once
#include <string>
#include <string_view>

namespace oob {

// Control characters (C0, DEL, and C1 in UTF-8), invalid UTF-8 and a backslash become \xNN or \\; all else is kept.
std::string escape_controls(std::string_view text);

// What is no UTF-8 becomes U+FFFD; all else is kept, controls too: for JSON.
std::string valid_utf8(std::string_view text);

// "1 line", "2 lines".
std::string count_of(std::size_t n, std::string_view one, std::string_view many);

}  // namespace oob
