// The difference of two texts by lines, as `diff -u` writes it. Sans-IO; time and memory are bounded: texts that have
// too little in common are shown as one replaced part.
#pragma once
#include <string>
#include <string_view>

namespace oob {

// "" if they are equal. `from` and `to` name the two sides in the head ("revision 3/web.toml"); an empty one means that
// the file is not there (/dev/null). Lines are given as they are: the caller escapes.
std::string unified_diff(std::string_view from, std::string_view a, std::string_view to, std::string_view b);

}  // namespace oob
