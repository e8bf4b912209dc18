// See packet.h.
#include "agents/ipmi/packet.h"

#include <initializer_list>

namespace oob::ipmi {
namespace {

constexpr unsigned kRmcpVersion = 0x06, kNoRmcpAck = 0xff, kClassAsf = 0x06, kClassIpmi = 0x07;
constexpr std::uint32_t kAsfEnterprise = 0xbe110000;  // 4542 in network order
constexpr unsigned kPing = 0x80, kPong = 0x40;
constexpr std::size_t kRmcpBytes = 4, kCode15Bytes = 16;

void put(Bytes& to, std::initializer_list<unsigned> values) {
  for (const unsigned value : values) to.push_back(static_cast<std::byte>(value));
}

std::optional<Packet> parse20(ByteView from) {
  constexpr std::size_t header = 12;
  if (from.size() < header) return std::nullopt;
  Packet out;
  out.v20 = true;
  const unsigned type = byte_at(from, 1);
  out.encrypted = (type & 0x80) != 0;
  out.authenticated = (type & 0x40) != 0;
  out.type = static_cast<PayloadType>(type & 0x3f);  // OEM payloads have a longer header; nobody asks for them
  out.session = get32(from, 2);
  out.sequence = get32(from, 6);
  const std::size_t length = get16(from, 10);
  if (length > from.size() - header) return std::nullopt;
  out.payload = from.subspan(header, length);
  out.covered = from;
  return out;
}

std::optional<Packet> parse15(ByteView from) {
  Packet out;
  out.auth15 = static_cast<std::uint8_t>(byte_at(from, 0) & 0x0f);
  const std::size_t code = out.auth15 == kAuthNone ? 0 : kCode15Bytes, header = 9 + code + 1;
  if (from.size() < header) return std::nullopt;
  out.sequence = get32(from, 1);
  out.session = get32(from, 5);
  out.code15 = from.subspan(9, code);
  const std::size_t length = byte_at(from, 9 + code);
  if (length > from.size() - header) return std::nullopt;  // a pad of one byte may follow (section 13.6)
  out.payload = from.subspan(header, length);
  return out;
}

}  // namespace

std::optional<Packet> parse_packet(ByteView datagram) {
  if (datagram.size() <= kRmcpBytes || byte_at(datagram, 0) != kRmcpVersion || byte_at(datagram, 3) != kClassIpmi)
    return std::nullopt;
  const ByteView from = datagram.subspan(kRmcpBytes);
  return (byte_at(from, 0) & 0x0f) == kAuthRmcpPlus ? parse20(from) : parse15(from);
}

void put16(Bytes& to, std::uint32_t value) { put(to, {value & 255, value >> 8 & 255}); }
void put32(Bytes& to, std::uint32_t value) {
  put16(to, value);
  put16(to, value >> 16);
}
std::uint32_t get16(ByteView from, std::size_t at) { return byte_at(from, at) | byte_at(from, at + 1) << 8; }
std::uint32_t get32(ByteView from, std::size_t at) { return get16(from, at) | get16(from, at + 2) << 16; }

Bytes packet15(std::uint8_t auth, std::uint32_t session, std::uint32_t sequence, ByteView code, ByteView payload) {
  Bytes out;
  put(out, {kRmcpVersion, 0, kNoRmcpAck, kClassIpmi, auth});
  put32(out, sequence);
  put32(out, session);
  append(out, code);
  put(out, {static_cast<unsigned>(payload.size())});
  append(out, payload);
  return out;
}

Bytes packet20(PayloadType type, bool secured, std::uint32_t session, std::uint32_t sequence, ByteView payload) {
  Bytes out;
  out.reserve(payload.size() + 48);
  put(out, {kRmcpVersion, 0, kNoRmcpAck, kClassIpmi, kAuthRmcpPlus});
  put(out, {static_cast<unsigned>(type) | (secured ? 0xc0u : 0u)});
  put32(out, session);
  put32(out, sequence);
  put16(out, static_cast<std::uint32_t>(payload.size()));
  append(out, payload);
  return out;
}

Bytes presence_ping(std::uint8_t tag) {
  Bytes out;
  put(out, {kRmcpVersion, 0, kNoRmcpAck, kClassAsf});
  put32(out, kAsfEnterprise);
  put(out, {kPing, tag, 0, 0});
  return out;
}

bool is_presence_pong(ByteView datagram, std::uint8_t tag) {
  constexpr std::size_t header = 12, entities = header + 8;
  return datagram.size() > entities && byte_at(datagram, 0) == kRmcpVersion && byte_at(datagram, 3) == kClassAsf &&
         get32(datagram, 4) == kAsfEnterprise && byte_at(datagram, 8) == kPong && byte_at(datagram, 9) == tag &&
         (byte_at(datagram, entities) & 0x80) != 0;
}

}  // namespace oob::ipmi
