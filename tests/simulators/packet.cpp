// Fields, messages and headers of IPMI over a LAN.
#include "tests/simulators/packet.h"

#include <numeric>

namespace rude {
namespace {

constexpr std::uint8_t kOurAddress = 0x20;  // the BMC on the IPMB

std::uint8_t checksum(const Bytes& bytes, std::size_t from, std::size_t to) {
  const auto begin = bytes.begin();
  return static_cast<std::uint8_t>(
      -std::accumulate(begin + static_cast<std::ptrdiff_t>(from), begin + static_cast<std::ptrdiff_t>(to), 0));
}

}  // namespace

Bytes Reader::take(std::size_t count) {
  if (count > left()) {
    ok_ = false;
    at_ = bytes_.size();
    return {};
  }
  const auto begin = bytes_.begin() + static_cast<std::ptrdiff_t>(at_);
  at_ += count;
  return {begin, begin + static_cast<std::ptrdiff_t>(count)};
}

std::uint32_t Reader::number(int count) {
  const auto bytes = take(static_cast<std::size_t>(count));
  std::uint32_t value = 0;
  for (std::size_t i = bytes.size(); i > 0; --i) value = value << 8 | bytes[i - 1];
  return value;
}

void put16(Bytes& to, std::uint16_t value) {
  for (int shift = 0; shift < 16; shift += 8) to.push_back(static_cast<std::uint8_t>(value >> shift));
}

void put32(Bytes& to, std::uint32_t value) {
  for (int shift = 0; shift < 32; shift += 8) to.push_back(static_cast<std::uint8_t>(value >> shift));
}

void put(Bytes& to, const Bytes& more) { to.insert(to.end(), more.begin(), more.end()); }

Bytes bytes_of(std::string_view text) { return {text.begin(), text.end()}; }

std::optional<Request> parse_request(const Bytes& message) {
  constexpr std::size_t kLeast = 7;
  if (message.size() < kLeast || message[0] != kOurAddress) return {};
  if (message[2] != checksum(message, 0, 2) || message.back() != checksum(message, 3, message.size() - 1)) return {};
  Request request;
  request.netfn = message[1] >> 2;
  request.lun = message[1] & 3;
  request.requester = message[3];
  request.sequence = message[4] >> 2;
  request.requester_lun = message[4] & 3;
  request.command = message[5];
  request.data.assign(message.begin() + 6, message.end() - 1);
  return request;
}

Bytes make_response(const Request& request, std::uint8_t code, const Bytes& data) {
  Bytes out{request.requester, static_cast<std::uint8_t>((request.netfn | 1) << 2 | request.requester_lun)};
  out.push_back(checksum(out, 0, 2));
  out.push_back(kOurAddress);
  out.push_back(static_cast<std::uint8_t>(request.sequence << 2 | request.lun));
  out.push_back(request.command);
  out.push_back(code);
  put(out, data);
  out.push_back(checksum(out, 3, out.size()));
  return out;
}

Bytes with_rmcp(RmcpClass what, const Bytes& body) {
  Bytes out{0x06, 0x00, 0xFF, static_cast<std::uint8_t>(what)};
  put(out, body);
  return out;
}

Bytes presence_pong(std::uint8_t tag) {
  Bytes out{0x00, 0x00, 0x11, 0xBE, 0x40, tag, 0x00, 0x10};  // ASF's enterprise number, pong, 16 bytes follow
  put(out, {0x00, 0x00, 0x11, 0xBE, 0, 0, 0, 0, 0x81, 0, 0, 0, 0, 0, 0, 0});  // IPMI is supported, ASF 1.0
  return with_rmcp(RmcpClass::Asf, out);
}

}  // namespace rude
