// What a stranger can send on a callhome port before it is known: the first line, in pieces. What is accepted is
// accepted from the same bytes at once, and what is refused stays refused.
// links: oob_lines
#include "agents/lines/call_greeting.h"

#include <algorithm>

extern "C" int LLVMFuzzerTestOneInput(const unsigned char* data, std::size_t size) {
  using namespace oob;
  const std::string_view all(reinterpret_cast<const char*>(data), size);
  bool decided = false;
  for (std::size_t length = 0; length <= std::min<std::size_t>(size, 400); ++length) {
    const auto greeting = parse_call_greeting(all.substr(0, length));
    if (decided && greeting && !*greeting) __builtin_trap();
    if (!greeting || *greeting) decided = true;
    if (!greeting || !*greeting) continue;
    if ((*greeting)->length > length || (*greeting)->token.empty() || (*greeting)->token.size() > 264) __builtin_trap();
  }
  if (size > 400 && !decided) __builtin_trap();
  return 0;
}
