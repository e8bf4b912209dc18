// The bytes of IPMI over a LAN, for the simulated BMC: little-endian fields, the IPMI message with its two checksums,
// RMCP's header and ASF's presence pong. After the IPMI specification, v2.0 revision 1.1, chapters 13 and 5.4. Nothing
// here is shared with the product, so that both do not make the same mistake.
#pragma once
#include <cstdint>
#include <optional>
#include <string_view>
#include <vector>

namespace rude {

using Bytes = std::vector<std::uint8_t>;

// Takes fields in order. Past the end it gives zeros, and ok() is false from then on.
class Reader {
 public:
  explicit Reader(const Bytes& bytes, std::size_t at = 0) : bytes_(bytes), at_(at) {}
  std::uint8_t u8() { return static_cast<std::uint8_t>(number(1)); }
  std::uint16_t u16() { return static_cast<std::uint16_t>(number(2)); }
  std::uint32_t u32() { return number(4); }
  Bytes take(std::size_t count);
  Bytes rest() { return take(left()); }
  std::size_t left() const { return at_ < bytes_.size() ? bytes_.size() - at_ : 0; }
  std::size_t at() const { return at_; }
  bool ok() const { return ok_; }

 private:
  std::uint32_t number(int count);

  const Bytes& bytes_;
  std::size_t at_;
  bool ok_ = true;
};

void put16(Bytes& to, std::uint16_t value);
void put32(Bytes& to, std::uint32_t value);
void put(Bytes& to, const Bytes& more);
Bytes bytes_of(std::string_view text);

// An IPMI request message; a response goes back to whom it names.
struct Request {
  std::uint8_t netfn = 0, lun = 0, command = 0;
  std::uint8_t requester = 0, sequence = 0, requester_lun = 0;
  Bytes data;
};
std::optional<Request> parse_request(const Bytes& message);  // nothing: too short, or a checksum is wrong
Bytes make_response(const Request& request, std::uint8_t code, const Bytes& data);

enum class RmcpClass : std::uint8_t { Asf = 6, Ipmi = 7 };
Bytes with_rmcp(RmcpClass what, const Bytes& body);
// The answer to a presence ping with this tag.
Bytes presence_pong(std::uint8_t tag);

}  // namespace rude
