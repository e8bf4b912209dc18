// Hashes, random bytes, and the two ways bytes are written as text: hex for fingerprints, base64url for tokens.
#pragma once
#include <array>
#include <string>
#include <string_view>

#include "common/bytes.h"
#include "common/result.h"

namespace oob {

inline constexpr std::size_t kSha256Bytes = 32;
using Sha256 = std::array<std::byte, kSha256Bytes>;

Sha256 sha256(ByteView bytes);
void fill_random(MutableBytes out);  // from the kernel's generator, through OpenSSL; ends the program if there is none

// Compares without telling by its duration where the two differ. Lengths are no secret.
bool same_bytes(ByteView a, ByteView b);

std::string hex(ByteView bytes);                       // lower case
Result<Bytes> parse_hex(std::string_view text);        // lower case only, even length
std::string base64url(ByteView bytes);                 // RFC 4648 section 5, without padding
Result<Bytes> parse_base64url(std::string_view text);  // strictly: each value has one text

}  // namespace oob
