// The envelopes of IPMI over a network: RMCP (ASF 2.0 section 3.2), the session headers of IPMI 1.5 (13.6, table 13-8)
// and 2.0 (same table), and the presence ping. Numbers are little-endian. Nothing here keeps secrets or state.
#pragma once
#include <cstdint>
#include <optional>

#include "common/bytes.h"

namespace oob::ipmi {

enum class PayloadType : std::uint8_t {
  Message = 0x00,
  Sol = 0x01,
  OpenRequest = 0x10,
  OpenResponse = 0x11,
  Rakp1 = 0x12,
  Rakp2 = 0x13,
  Rakp3 = 0x14,
  Rakp4 = 0x15,
};

inline constexpr std::uint8_t kAuthNone = 0, kAuthMd5 = 2, kAuthPassword = 4, kAuthRmcpPlus = 6;

// A received datagram; the views are into it.
struct Packet {
  bool v20 = false;
  std::uint8_t auth15 = 0;  // IPMI 1.5: the kind of code below
  PayloadType type = PayloadType::Message;
  bool encrypted = false, authenticated = false;
  std::uint32_t session = 0, sequence = 0;
  ByteView payload;
  ByteView code15;   // 16 bytes, unless auth15 is none
  ByteView covered;  // IPMI 2.0: from the session header to the end; its last bytes are the integrity code
};
// Nothing if it is not IPMI, is cut off, or says that it is longer than it is.
std::optional<Packet> parse_packet(ByteView datagram);

void put16(Bytes& to, std::uint32_t value);
void put32(Bytes& to, std::uint32_t value);
std::uint32_t get16(ByteView from, std::size_t at);  // the caller has looked at the length
std::uint32_t get32(ByteView from, std::size_t at);
inline unsigned byte_at(ByteView from, std::size_t at) { return std::to_integer<unsigned>(from[at]); }

// `code` is empty or 16 bytes, as `auth` wants.
Bytes packet15(std::uint8_t auth, std::uint32_t session, std::uint32_t sequence, ByteView code, ByteView payload);
// The header and the payload; a trailer may follow.
Bytes packet20(PayloadType type, bool secured, std::uint32_t session, std::uint32_t sequence, ByteView payload);

Bytes presence_ping(std::uint8_t tag);  // ASF 2.0 section 3.2.4.2
// Whether it is the answer to that ping and claims to speak IPMI.
bool is_presence_pong(ByteView datagram, std::uint8_t tag);

}  // namespace oob::ipmi
