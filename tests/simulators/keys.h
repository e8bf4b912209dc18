// The cipher suites of RMCP+ and what they are made of, for the simulated BMC; OpenSSL's own functions, not the
// product's, so that both do not make the same mistake. IPMI v2.0 revision 1.1, 13.28 (algorithms), 13.29
// (AES), 22.15.2 (suites).
#pragma once
#include <cstdint>
#include <optional>
#include <span>

#include "tests/simulators/packet.h"

namespace rude {

// Numbers as on the wire. Integrity 1 is HMAC-SHA1-96, 2 HMAC-MD5-128, 4 HMAC-SHA256-128; secrecy 1 is AES-CBC-128; 0
// is none.
enum class RakpAlgorithm : std::uint8_t { None = 0, Sha1 = 1, Md5 = 2, Sha256 = 3 };
struct Suite {
  std::uint8_t number;
  RakpAlgorithm rakp;
  std::uint8_t integrity, secrecy;
};
std::span<const Suite> suites();
const Suite* find_suite(std::uint8_t rakp, std::uint8_t integrity, std::uint8_t secrecy);  // null: none we know

// HMAC of the suite's hash, whole; empty for None.
Bytes hmac(RakpAlgorithm algorithm, const Bytes& key, const Bytes& what);
std::size_t integrity_bytes(std::uint8_t algorithm);  // of the AuthCode in a packet: 0, 12 or 16
std::size_t rakp4_bytes(RakpAlgorithm algorithm);     // of the check value in RAKP message 4
Bytes md5(const Bytes& what);
Bytes random_bytes(std::size_t count);
bool same(const Bytes& one, const Bytes& other);

// IV, ciphertext with IPMI's padding inside. `key`: K2, its first 16 bytes are used.
Bytes aes_seal(const Bytes& key, const Bytes& plain);
std::optional<Bytes> aes_open(const Bytes& key, const Bytes& sealed);

}  // namespace rude
