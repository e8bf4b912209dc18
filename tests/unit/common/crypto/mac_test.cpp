// Promises of the codes that old protocols ask for: RFC 1321, 2202, 4231 and FIPS 197 / SP 800-38A say what they give.
#include "common/crypto/mac.h"

#include <gtest/gtest.h>

#include "common/crypto/digest.h"

namespace oob {
namespace {

TEST(Mac, gives_what_the_standards_examples_say) {
  const ByteView jefe = as_bytes("Jefe"), a = as_bytes("what do ya want "), b = as_bytes("for nothing?");
  EXPECT_EQ(hex(hmac(Hash::Md5, jefe, {a, b})), "750c783e6ab0b503eaa86e310a5db738");
  EXPECT_EQ(hex(hmac(Hash::Sha1, jefe, {a, b})), "effcdf6ae5eb2fa2d27416d5f184df9c259a7c79");
  EXPECT_EQ(hex(hmac(Hash::Sha256, jefe, {a, b})), "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843");
  EXPECT_EQ(hex(digest(Hash::Md5, {as_bytes("a"), as_bytes("bc")})), "900150983cd24fb0d6963f7d28e17f72");
  EXPECT_EQ(hex(digest(Hash::Md5, {})), "d41d8cd98f00b204e9800998ecf8427e");
}

TEST(Mac, an_empty_key_is_a_key_and_not_the_last_one) {
  (void)hmac(Hash::Sha1, as_bytes("another"), {as_bytes("x")});
  EXPECT_EQ(hex(hmac(Hash::Sha1, {}, {})), "fbdb1d1b18aa6c08324b7d64b71fb76370690e1d");
}

TEST(Mac, aes_in_cbc_mode_gives_what_nist_says_and_back) {
  const Bytes key = *parse_hex("2b7e151628aed2a6abf7158809cf4f3c"),
              vector = *parse_hex("000102030405060708090a0b0c0d0e0f");
  Bytes text = *parse_hex("6bc1bee22e409f96e93d7e117393172aae2d8a571e03ac9c9eb76fac45af8e51");
  const Bytes plain = text;
  ASSERT_TRUE(aes128_cbc_encrypt(key, vector, text));
  EXPECT_EQ(hex(text), "7649abac8119b246cee98e9b12e9197d5086cb9b507219ee95db113a917678b2");
  ASSERT_TRUE(aes128_cbc_decrypt(key, vector, text));
  EXPECT_EQ(text, plain);
  EXPECT_FALSE(aes128_cbc_encrypt(key, vector, MutableBytes(text).first(15)));
  EXPECT_FALSE(aes128_cbc_encrypt(MutableBytes(text).first(15), vector, text));
}

}  // namespace
}  // namespace oob
