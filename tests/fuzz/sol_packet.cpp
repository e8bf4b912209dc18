// links: oob_ipmi
// What a BMC may say in serial over LAN, mixed with our typing and the passing of time. Every byte it sends is output
// at most once; input is never sent later than two seconds after it was taken.
#include <cstdlib>

#include "agents/ipmi/sol.h"

namespace {

using namespace oob;

struct Events final : ipmi::SolEvents {
  void sol_send(ByteView) override {}
  void sol_output(ByteView bytes) override { output += bytes.size(); }
  void sol_lost(std::string) override {}
  void sol_note(std::string) override {}
  void sol_writable() override {}
  void sol_confirmed(std::size_t) override {}
  void sol_unanswered() override {}
  void sol_ended() override { ended = true; }
  void sol_stuck() override { ended = true; }
  std::size_t output = 0;
  bool ended = false;
};

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  ManualClock clock;
  Events events;
  ipmi::SolStream stream(clock, events, 16, 1);
  std::size_t given = 0;
  for (std::size_t at = 0; at + 1 < size && !events.ended;) {
    const unsigned what = data[at] & 7, length = data[at] >> 3;
    ++at;
    const std::size_t take = std::min<std::size_t>(length, size - at);
    const ByteView bytes(reinterpret_cast<const std::byte*>(data + at), take);
    at += take;
    if (what < 4) {
      given += take;
      stream.receive(bytes, what != 0);
    } else if (what == 4) {
      if (stream.write(bytes) > 16) std::abort();
    } else if (what == 5) {
      stream.send_break();
    } else {
      clock.advance(Duration(length * 37));
      stream.tick();
    }
  }
  if (events.output > given) std::abort();
  return 0;
}
