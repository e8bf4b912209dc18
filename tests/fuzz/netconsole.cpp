// Datagrams of a netconsole sender, any bytes in any order, with time passing between them. Two bytes before each: its
// length, and how many milliseconds later it comes. What waits must end; nothing is held beyond the limits.
// links: oob_lines
#include "agents/lines/netconsole_decoder.h"
#include "common/limits.h"

namespace {

struct Nobody : oob::LineEvents {
  void line_up(std::string, int) override {}
  void line_output(oob::ByteView bytes) override { said += bytes.size(); }
  void line_writable() override {}
  void line_down(std::string) override { __builtin_trap(); }
  void line_note(std::string) override { ++marks; }
  void line_lost(std::string) override { ++marks; }
  void line_facts(oob::LineFacts) override {}
  std::size_t said = 0, marks = 0;
};

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const unsigned char* data, std::size_t size) {
  using namespace oob;
  Nobody events;
  NetconsoleDecoder decoder(events);
  SteadyTime now = ManualClock().now();
  std::size_t datagrams = 0;
  while (size >= 2) {
    const std::size_t length = std::min<std::size_t>(data[0], size - 2);
    now += Duration(data[1]);
    if (const auto deadline = decoder.next_deadline(); deadline && now >= *deadline) decoder.tick(now);
    decoder.receive(ByteView(reinterpret_cast<const std::byte*>(data + 2), length), data[0] == 255, now);
    data += 2 + length, size -= 2 + length, ++datagrams;
  }
  for (int i = 0; i < 100 && decoder.next_deadline(); ++i) {
    now += std::chrono::seconds(1);
    decoder.tick(now);
  }
  if (decoder.next_deadline()) __builtin_trap();
  if (events.marks > 4 * datagrams + 100) __builtin_trap();
  return 0;
}
