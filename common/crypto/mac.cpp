// See mac.h; by OpenSSL.
#include "common/crypto/mac.h"

#include <openssl/evp.h>
#include <openssl/hmac.h>

#include <cstdio>
#include <cstdlib>
#include <memory>

#include "common/crypto/secret.h"

namespace oob {
namespace {

constexpr std::size_t kBlockBytes = 16;

const EVP_MD* openssl_hash(Hash hash) {
  switch (hash) {
    case Hash::Md5:
      return EVP_md5();
    case Hash::Sha1:
      return EVP_sha1();
    case Hash::Sha256:
      break;
  }
  return EVP_sha256();
}

Bytes joined(std::initializer_list<ByteView> parts) {
  Bytes out;
  for (const ByteView part : parts) append(out, part);
  return out;
}

[[noreturn]] void no_such_hash() {
  std::fprintf(stderr, "fatal: OpenSSL cannot compute a hash that a peer's protocol needs\n");
  std::abort();
}

const unsigned char* raw(ByteView bytes) { return reinterpret_cast<const unsigned char*>(bytes.data()); }

bool aes128_cbc(ByteView key, ByteView vector, MutableBytes bytes, int encrypt) {
  if (key.size() != kBlockBytes || vector.size() != kBlockBytes || bytes.size() % kBlockBytes != 0) return false;
  const std::unique_ptr<EVP_CIPHER_CTX, decltype(&EVP_CIPHER_CTX_free)> context(EVP_CIPHER_CTX_new(),
                                                                                EVP_CIPHER_CTX_free);
  auto* to = reinterpret_cast<unsigned char*>(bytes.data());
  int n = 0, rest = 0;
  return context && EVP_CipherInit_ex(context.get(), EVP_aes_128_cbc(), nullptr, raw(key), raw(vector), encrypt) == 1 &&
         EVP_CIPHER_CTX_set_padding(context.get(), 0) == 1 &&
         EVP_CipherUpdate(context.get(), to, &n, to, static_cast<int>(bytes.size())) == 1 &&
         EVP_CipherFinal_ex(context.get(), to + n, &rest) == 1 && static_cast<std::size_t>(n + rest) == bytes.size();
}

}  // namespace

Bytes digest(Hash hash, std::initializer_list<ByteView> parts) {
  Bytes all = joined(parts), out(EVP_MAX_MD_SIZE);
  unsigned size = 0;
  const int done = EVP_Digest(all.data(), all.size(), reinterpret_cast<unsigned char*>(out.data()), &size,
                              openssl_hash(hash), nullptr);
  wipe(MutableBytes(all));
  if (done != 1) no_such_hash();
  out.resize(size);
  return out;
}

Bytes hmac(Hash hash, ByteView key, std::initializer_list<ByteView> parts) {
  static constexpr std::byte kNothing[1] = {};
  const Bytes all = joined(parts);
  Bytes out(EVP_MAX_MD_SIZE);
  unsigned size = 0;
  // To HMAC() a null key means "the last one".
  const void* key_bytes = key.empty() ? kNothing : key.data();
  if (HMAC(openssl_hash(hash), key_bytes, static_cast<int>(key.size()), raw(all), all.size(),
           reinterpret_cast<unsigned char*>(out.data()), &size) == nullptr)
    no_such_hash();
  out.resize(size);
  return out;
}

bool aes128_cbc_encrypt(ByteView key, ByteView vector, MutableBytes bytes) { return aes128_cbc(key, vector, bytes, 1); }
bool aes128_cbc_decrypt(ByteView key, ByteView vector, MutableBytes bytes) { return aes128_cbc(key, vector, bytes, 0); }

}  // namespace oob
