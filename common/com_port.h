// The numbers of telnet's COM port option (RFC 2217), and its messages: how a client sets and watches a serial port at
// the other end. Both ends are ours: the client is agents/lines/com_port_client.h, the server cli/tty_port.h.
#pragma once
#include "common/bytes.h"

namespace oob::com_port {

// Codes of messages to the server; its own are higher by kFromServer.
inline constexpr std::uint8_t kSignature = 0, kSpeed = 1, kDataBits = 2, kParity = 3, kStopBits = 4, kControl = 5,
                              kLineState = 6, kModemState = 7, kSuspend = 8, kResume = 9, kLineStateMask = 10,
                              kModemStateMask = 11, kPurge = 12, kFromServer = 100;

// kParity: 1 none, 2 odd, 3 even, 4 mark, 5 space. kStopBits: 1, 2, and 3 for one and a half. Everywhere 0 asks.
// kControl:
inline constexpr std::uint8_t kAskFlow = 0, kFlowNone = 1, kFlowXonXoff = 2, kFlowHardware = 3, kAskBreak = 4,
                              kBreakOn = 5, kBreakOff = 6, kAskDtr = 7, kDtrOn = 8, kDtrOff = 9, kAskRts = 10,
                              kRtsOn = 11, kRtsOff = 12, kAskInboundFlow = 13;
// Bits of kLineState:
inline constexpr std::uint8_t kBreakSeen = 16, kFramingError = 8, kParityError = 4, kOverrun = 2;
// Bits of kModemState:
inline constexpr std::uint8_t kCarrier = 128, kRing = 64, kDsr = 32, kCts = 16;
// kPurge:
inline constexpr std::uint8_t kPurgeReceived = 1, kPurgeUnsent = 2, kPurgeBoth = 3;

inline Bytes byte_message(std::uint8_t code, std::uint8_t value) { return {std::byte(code), std::byte(value)}; }

inline Bytes text_message(std::uint8_t code, std::string_view text) {
  Bytes out{std::byte(code)};
  append(out, text);
  return out;
}

inline Bytes speed_message(std::uint8_t code, std::uint32_t speed) {
  Bytes out{std::byte(code)};
  for (int shift = 24; shift >= 0; shift -= 8) out.push_back(std::byte(speed >> shift & 0xFF));
  return out;
}

// The speed of such a message, 0 if it is too short.
inline std::uint32_t speed_of(ByteView message) {
  if (message.size() < 5) return 0;
  std::uint32_t out = 0;
  for (const std::byte byte : message.subspan(1, 4)) out = out << 8 | std::to_integer<std::uint32_t>(byte);
  return out;
}

}  // namespace oob::com_port
