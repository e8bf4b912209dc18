// The codes and the cipher that old protocols ask for by name (IPMI): HMAC (RFC 2104), plain digests, AES-128 in CBC
// mode. SHA-1 and MD5 are here because peers know nothing better; nothing of ours begins to use them.
#pragma once
#include <initializer_list>

#include "common/bytes.h"

namespace oob {

enum class Hash { Md5, Sha1, Sha256 };

// Over the parts one after another. Ends the program if OpenSSL has no such hash.
Bytes digest(Hash hash, std::initializer_list<ByteView> parts);
Bytes hmac(Hash hash, ByteView key, std::initializer_list<ByteView> parts);

// In place, without padding: `bytes` are a multiple of 16, key and vector 16. False if not.
bool aes128_cbc_encrypt(ByteView key, ByteView vector, MutableBytes bytes);
bool aes128_cbc_decrypt(ByteView key, ByteView vector, MutableBytes bytes);

}  // namespace oob
