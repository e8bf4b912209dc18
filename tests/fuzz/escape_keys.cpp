// EscapeKeys under any typing: nothing is invented, order is kept, and at most one key is held.
// links: oob_common
#include "common/escape_keys.h"

extern "C" int LLVMFuzzerTestOneInput(const unsigned char* data, std::size_t size) {
  using namespace oob;
  if (size < 2) return 0;
  EscapeKeys escape({std::byte(data[0]), std::byte(data[1]), EscapeStyle(size % 3)});
  Bytes passed;
  std::size_t commands = 0, at = 0;
  for (std::size_t i = 2; i < size; ++i) {
    const EscapeStep step = escape.next(std::byte(data[i]));
    append(passed, step.keys);
    if (step.command != EscapeStep::Command::None) ++commands;
    if (step.command != EscapeStep::Command::None && !step.keys.empty()) __builtin_trap();
    if (data[i] % 7 == 0) append(passed, escape.take_held());
  }
  // what passed is a subsequence of what was typed, and a command eats two to five keys (^E c ^E x, ^E c l x)
  for (const std::byte key : passed) {
    while (at < size - 2 && std::byte(data[2 + at]) != key) ++at;
    if (at++ >= size - 2) __builtin_trap();
  }
  const std::size_t command_keys = size % 3 == 0 ? 3 : 2;
  if (passed.size() + commands * command_keys > size - 2) __builtin_trap();
  (void)parse_escape(as_text(ByteView(reinterpret_cast<const std::byte*>(data), size)));
  return 0;
}
