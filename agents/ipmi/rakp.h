// The login of RMCP+ (IPMI 2.0 sections 13.17 to 13.24, 13.28, 13.31, 13.32): who proves what to whom, and the keys
// that come of it. RAKP alone is one attempt to log in; Keys then seal and open each packet. Sans-IO, no clock.
#pragma once
#include <array>
#include <optional>
#include <random>

#include "agents/ipmi/login.h"
#include "agents/ipmi/packet.h"
#include "common/crypto/mac.h"

namespace oob::ipmi {

// A cipher suite (table 22-20): which algorithms it names, by number and as we compute them.
struct Suite {
  Protection protection;
  std::uint8_t authentication, integrity, confidentiality;  // numbers of tables 13-17 to 13-19
  Hash hash;                                                // of the login and of each packet
  std::size_t code_bytes;                                   // of that hash, in each packet
};
const Suite& suite_of(Protection protection);  // not for IPMI 1.5

// The keys of an open session.
class Keys {
 public:
  Keys(const Suite& suite, ByteView session_integrity_key);
  ~Keys();
  Keys(const Keys&) = delete;
  Keys& operator=(const Keys&) = delete;

  // A whole packet: encrypted, then authenticated.
  Bytes seal(PayloadType type, std::uint32_t session, std::uint32_t sequence, ByteView payload) const;
  // The payload of a received packet; nothing unless its code is right and its padding as it must be.
  std::optional<Bytes> open(const Packet& packet) const;

 private:
  const Suite& suite_;
  Bytes integrity_;                   // K1
  std::array<std::byte, 16> cipher_;  // the start of K2
};

class Rakp {
 public:
  // `role` is the privilege wanted and, unless the device cannot, 0x10: the user is looked up by name alone.
  // `random` is our number Rm, `console_id` our name for the session.
  Rakp(const Suite& suite, const Login& login, std::uint8_t role, std::uint32_t console_id,
       const std::array<std::byte, 16>& random);
  ~Rakp();

  Bytes open_request(std::uint8_t tag, std::uint8_t privilege) const;
  // Why the BMC refused, in words with what to do; success keeps its name for the session.
  Result<> open_response(ByteView payload);
  Bytes message1(std::uint8_t tag) const;
  // Denied: it does not know the password (or K_g does not matter here), or says no.
  Result<> message2(ByteView payload);
  Bytes message3(std::uint8_t tag, std::uint8_t status) const;  // status 0, or why we do not go on (table 13-15)
  Result<> message4(ByteView payload);
  std::unique_ptr<Keys> keys() const;  // after message4()

  std::uint32_t bmc_id() const { return bmc_id_; }
  // Of the last failure: the BMC's status, table 13-15; 0 if it was ours.
  std::uint8_t status() const { return status_; }

 private:
  Result<> take_status(ByteView payload, std::size_t least);
  void derive();

  const Suite& suite_;
  const Login& login_;  // outlives us
  std::uint8_t role_, status_ = 0;
  std::uint32_t console_id_, bmc_id_ = 0;
  std::array<std::byte, 16> console_random_, bmc_random_{}, guid_{};
  Bytes session_key_;  // SIK
};

// A status of table 13-15, with what to do about it.
Error rakp_error(std::uint8_t status);

}  // namespace oob::ipmi
