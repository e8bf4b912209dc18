// Frames that anyone in the agent's Ethernet can send, read without and with a key, and their order. What is read is
// written again as it was; text never reaches beyond the frame.
// links: oob_ether
#include "common/ether/console_frame.h"

extern "C" int LLVMFuzzerTestOneInput(const unsigned char* data, std::size_t size) {
  using namespace oob;
  static const Secret key{std::string(32, 'k')};
  static FrameOrder order(true);
  if (size < 1) return 0;
  const Bytes frame(reinterpret_cast<const std::byte*>(data + 1), reinterpret_cast<const std::byte*>(data + size));
  for (const Secret* with : {static_cast<const Secret*>(nullptr), &key}) {
    const auto read = read_console_frame(frame, with);
    if (!read) continue;
    const std::byte* begin = frame.data();
    if (read->text.data() < begin || read->text.data() + read->text.size() > begin + frame.size()) __builtin_trap();
    Bytes again(kConsoleFrameBytesMax);
    again.resize(write_console_frame(*read, with, again));
    const auto second = read_console_frame(again, with);
    if (!second || second->session != read->session || second->sequence != read->sequence ||
        as_text(second->text) != as_text(read->text) || second->flags != read->flags) {
      __builtin_trap();
    }
    std::uint32_t missing = 0;
    const auto is = data[0] % 2 == 0 ? order.take(read->session, read->sequence, missing)
                                     : order.take_last(read->session, read->sequence, missing);
    if (is == FrameOrder::Is::OfEarlierSession && missing != 0) __builtin_trap();
  }
  return 0;
}
