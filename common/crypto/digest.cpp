// SHA-256 and randomness by OpenSSL; the text forms by hand, strictly.
#include "common/crypto/digest.h"

#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/rand.h>

#include <cstdio>
#include <cstdlib>

namespace oob {
namespace {

constexpr std::string_view kBase64 = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
constexpr std::string_view kHex = "0123456789abcdef";

// Nothing can be kept secret or told apart from here on: better no server than that one.
[[noreturn]] void crypto_is_broken(const char* what) {
  std::fprintf(stderr, "fatal: OpenSSL cannot give %s\n", what);
  std::abort();
}

unsigned char* raw(std::byte* bytes) { return reinterpret_cast<unsigned char*>(bytes); }

}  // namespace

Sha256 sha256(ByteView bytes) {
  Sha256 out;
  if (EVP_Digest(bytes.data(), bytes.size(), raw(out.data()), nullptr, EVP_sha256(), nullptr) != 1)
    crypto_is_broken("SHA-256");
  return out;
}

void fill_random(MutableBytes out) {
  if (RAND_bytes(raw(out.data()), static_cast<int>(out.size())) != 1) crypto_is_broken("random numbers");
}

bool same_bytes(ByteView a, ByteView b) {
  return a.size() == b.size() && CRYPTO_memcmp(a.data(), b.data(), a.size()) == 0;
}

std::string hex(ByteView bytes) {
  std::string out;
  out.reserve(bytes.size() * 2);
  for (const std::byte b : bytes) {
    out += kHex[std::to_integer<unsigned>(b) >> 4];
    out += kHex[std::to_integer<unsigned>(b) & 15];
  }
  return out;
}

Result<Bytes> parse_hex(std::string_view text) {
  Bytes out;
  for (std::size_t i = 0; i < text.size(); i += 2) {
    const auto high = kHex.find(text[i]);
    const auto low = i + 1 < text.size() ? kHex.find(text[i + 1]) : std::string_view::npos;
    if (high == std::string_view::npos || low == std::string_view::npos)
      return fail(ErrorCode::Usage, "not an even number of hexadecimal digits");
    out.push_back(static_cast<std::byte>(high << 4 | low));
  }
  return out;
}

std::string base64url(ByteView bytes) {
  std::string out;
  std::uint32_t bits = 0;
  int count = 0;
  for (const std::byte b : bytes) {
    bits = bits << 8 | std::to_integer<std::uint32_t>(b);
    for (count += 8; count >= 6; count -= 6) out += kBase64[bits >> (count - 6) & 63];
  }
  if (count > 0) out += kBase64[bits << (6 - count) & 63];
  return out;
}

Result<Bytes> parse_base64url(std::string_view text) {
  Bytes out;
  std::uint32_t bits = 0;
  int count = 0;
  for (const char c : text) {
    const auto value = kBase64.find(c);
    if (value == std::string_view::npos) return fail(ErrorCode::Usage, "not base64url");
    bits = bits << 6 | static_cast<std::uint32_t>(value);
    count += 6;
    if (count < 8) continue;
    count -= 8;
    out.push_back(static_cast<std::byte>(bits >> count & 255));
  }
  // What is left over must be less than a digit's worth, and zero.
  if (count >= 6 || (bits & ((1u << count) - 1)) != 0) return fail(ErrorCode::Usage, "not base64url");
  return out;
}

}  // namespace oob
