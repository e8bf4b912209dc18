// Hashes and ciphers of RMCP+ by OpenSSL.
#include "tests/simulators/keys.h"

#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <openssl/rand.h>

#include <cstdlib>
#include <memory>

namespace rude {
namespace {

constexpr Suite kSuites[] = {
    {0, RakpAlgorithm::None, 0, 0},    {1, RakpAlgorithm::Sha1, 0, 0},    {2, RakpAlgorithm::Sha1, 1, 0},
    {3, RakpAlgorithm::Sha1, 1, 1},    {6, RakpAlgorithm::Md5, 0, 0},     {7, RakpAlgorithm::Md5, 2, 0},
    {8, RakpAlgorithm::Md5, 2, 1},     {15, RakpAlgorithm::Sha256, 0, 0}, {16, RakpAlgorithm::Sha256, 4, 0},
    {17, RakpAlgorithm::Sha256, 4, 1},
};
constexpr std::size_t kBlock = 16;

// One pass of AES-128-CBC without OpenSSL's own padding; `in` is whole blocks.
Bytes aes(bool seal, const Bytes& key, const std::uint8_t* iv, const std::uint8_t* in, std::size_t size) {
  const std::unique_ptr<EVP_CIPHER_CTX, decltype(&EVP_CIPHER_CTX_free)> context(EVP_CIPHER_CTX_new(),
                                                                                EVP_CIPHER_CTX_free);
  Bytes out(size + kBlock);
  int count = 0;
  if (!context || EVP_CipherInit_ex(context.get(), EVP_aes_128_cbc(), nullptr, key.data(), iv, seal ? 1 : 0) != 1 ||
      EVP_CIPHER_CTX_set_padding(context.get(), 0) != 1 ||
      EVP_CipherUpdate(context.get(), out.data(), &count, in, static_cast<int>(size)) != 1) {
    std::abort();
  }
  out.resize(static_cast<std::size_t>(count));
  return out;
}

}  // namespace

std::span<const Suite> suites() { return kSuites; }

const Suite* find_suite(std::uint8_t rakp, std::uint8_t integrity, std::uint8_t secrecy) {
  for (const auto& suite : kSuites) {
    if (static_cast<std::uint8_t>(suite.rakp) == rakp && suite.integrity == integrity && suite.secrecy == secrecy) {
      return &suite;
    }
  }
  return nullptr;
}

Bytes hmac(RakpAlgorithm algorithm, const Bytes& key, const Bytes& what) {
  if (algorithm == RakpAlgorithm::None) return {};
  Bytes out(EVP_MAX_MD_SIZE);
  unsigned size = 0;
  const EVP_MD* hash = algorithm == RakpAlgorithm::Sha1  ? EVP_sha1()
                       : algorithm == RakpAlgorithm::Md5 ? EVP_md5()
                                                         : EVP_sha256();
  HMAC(hash, key.data(), static_cast<int>(key.size()), what.data(), what.size(), out.data(), &size);
  out.resize(size);
  return out;
}

std::size_t integrity_bytes(std::uint8_t algorithm) { return algorithm == 0 ? 0 : algorithm == 1 ? 12 : 16; }

std::size_t rakp4_bytes(RakpAlgorithm algorithm) {
  return algorithm == RakpAlgorithm::None ? 0 : algorithm == RakpAlgorithm::Sha1 ? 12 : 16;
}

Bytes md5(const Bytes& what) {
  Bytes out(16);
  if (EVP_Digest(what.data(), what.size(), out.data(), nullptr, EVP_md5(), nullptr) != 1) std::abort();
  return out;
}

Bytes random_bytes(std::size_t count) {
  Bytes out(count);
  if (RAND_bytes(out.data(), static_cast<int>(count)) != 1) std::abort();
  return out;
}

bool same(const Bytes& one, const Bytes& other) {
  return one.size() == other.size() && CRYPTO_memcmp(one.data(), other.data(), one.size()) == 0;
}

Bytes aes_seal(const Bytes& key, const Bytes& plain) {
  Bytes padded = plain;
  for (std::uint8_t i = 1; (padded.size() + 1) % kBlock != 0; ++i) padded.push_back(i);
  padded.push_back(static_cast<std::uint8_t>(padded.size() - plain.size()));
  Bytes out = random_bytes(kBlock);
  put(out, aes(true, key, out.data(), padded.data(), padded.size()));
  return out;
}

std::optional<Bytes> aes_open(const Bytes& key, const Bytes& sealed) {
  if (sealed.size() < 2 * kBlock || sealed.size() % kBlock != 0) return {};
  Bytes plain = aes(false, key, sealed.data(), sealed.data() + kBlock, sealed.size() - kBlock);
  const std::size_t pad = plain.back();
  if (pad >= kBlock || pad + 1 > plain.size()) return {};
  for (std::size_t i = 0; i < pad; ++i) {
    if (plain[plain.size() - 1 - pad + i] != i + 1) return {};
  }
  plain.resize(plain.size() - 1 - pad);
  return plain;
}

}  // namespace rude
