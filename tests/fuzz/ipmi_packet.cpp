// links: oob_ipmi
// Datagrams, sealed payloads and answers of a BMC as arbitrary bytes: parsed without a crash, and never longer than
// they came.
#include "agents/ipmi/packet.h"

#include <cstdlib>

#include "agents/ipmi/message.h"
#include "agents/ipmi/rakp.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace oob;
  using namespace oob::ipmi;
  const ByteView bytes(reinterpret_cast<const std::byte*>(data), size);
  static const Keys keys(suite_of(Protection::Suite17), as_bytes("a key"));
  if (const auto packet = parse_packet(bytes)) {
    if (packet->payload.size() > size) std::abort();
    (void)keys.open(*packet);
    (void)parse_response(packet->payload);
  }
  if (const auto response = parse_response(bytes); response && response->data.size() + 8 != size) std::abort();
  (void)is_presence_pong(bytes, 1);
  // What lies behind the integrity code, which no fuzzer guesses: ours, around its bytes.
  const Bytes sealed = keys.seal(PayloadType::Message, 1, 1, bytes.first(std::min<std::size_t>(size, 1000)));
  const auto packet = parse_packet(sealed);
  if (!packet || keys.open(*packet)->size() != std::min<std::size_t>(size, 1000)) std::abort();
  return 0;
}
