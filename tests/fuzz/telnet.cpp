// Telnet, from both ends, under any bytes: cut anywhere it comes apart the same, what is said arrives as it was said,
// answers are bounded, and RFC 2217's client and its words stand any message.
// links: oob_lines
#include "agents/lines/com_port_client.h"
#include "common/limits.h"
#include "common/telnet_codec.h"
#include "common/text.h"

namespace {
using namespace oob;

struct End {
  TelnetCodec codec;
  ComPortClient port{{.speed = 9600, .data_bits = 5, .stop_bits = 2, .parity = SerialSettings::Parity::Even}};
  std::size_t answer_bytes = 0, items = 0;
  std::string heard;  // a letter for each thing that is not said
  explicit End(Clock& clock) : codec(clock, {0, 3, 44}, {0, 1, 3}) {}
  void hear(ByteView bytes) {
    while (true) {
      const TelnetItem item = codec.next(bytes);
      if (item.kind == TelnetItem::Kind::None) break;
      ++items;
      if (item.kind == TelnetItem::Kind::Stream) heard += as_text(item.bytes);
      if (item.kind != TelnetItem::Kind::Stream) heard += "COMT"[int(item.kind) - 2];
      if (item.kind == TelnetItem::Kind::Message) {
        (void)port.receive(item.bytes);
        (void)escape_controls(port.signature());
      }
    }
    if (!bytes.empty()) __builtin_trap();
    answer_bytes += codec.take_answers().size();
  }
};
}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const unsigned char* data, std::size_t size) {
  ManualClock clock;
  const ByteView all(reinterpret_cast<const std::byte*>(data), size);
  const std::size_t cut = size > 0 ? 1 + data[0] % 7 : 1;
  End whole(clock), pieces(clock);
  whole.hear(all);
  for (std::size_t at = 0; at < size; at += cut) pieces.hear(all.subspan(at, std::min(cut, size - at)));
  if (whole.heard != pieces.heard || whole.answer_bytes != pieces.answer_bytes) __builtin_trap();
  // An answer has three bytes, as its question.
  if (whole.answer_bytes > size || whole.answer_bytes > 3 * limits::telnet_answers_at_once) __builtin_trap();
  if (whole.heard.size() > size + 1) __builtin_trap();
  if (whole.port.settings().size() > 100 || whole.port.modem_text().size() > 100) __builtin_trap();
  (void)whole.port.take_refusals();

  // What this end says now, the other hears: a fresh one in the mode that this one believes in.
  Bytes wire;
  for (const std::byte byte : all) whole.codec.encode(byte, wire);
  End other(clock);
  if (whole.codec.ours(0)) {
    constexpr std::byte kWillBinary[] = {std::byte{255}, std::byte{251}, std::byte{0}};
    other.hear(kWillBinary);
  }
  other.heard.clear();
  other.hear(wire);
  if (other.heard != as_text(all)) __builtin_trap();
  return 0;
}
