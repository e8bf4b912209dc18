// What the CA signs and what it refuses to sign; what certificates say about themselves.
#include "common/crypto/certificate.h"

#include <gtest/gtest.h>

#include <algorithm>

#include "common/crypto/digest.h"
#include "common/limits.h"

namespace oob {
namespace {

const WallTime kNow = SystemClock().wall();

const KeyAndCertificate& authority() {
  static const KeyAndCertificate made = make_authority(kNow).value();
  return made;
}

TEST(Certificate, an_agents_bears_its_name_its_own_key_and_ends_in_time) {
  const auto made = make_key_and_request("rack1").value();
  const auto pem = sign_request(authority(), made.request_der, "rack1", kNow);
  ASSERT_TRUE(pem) << pem.error().message;
  const auto facts = certificate_facts(*pem).value();
  EXPECT_EQ(facts.name, "rack1");
  EXPECT_EQ(facts.serial.size(), 32u);  // 128 bits
  EXPECT_EQ(facts.fingerprint, hex(sha256(*certificate_der(*pem))));
  EXPECT_EQ(facts.key_fingerprint.size(), 64u);
  EXPECT_EQ(facts.not_after_wall_ms / 1000, wall_ms(kNow + limits::certificate_life) / 1000);
  EXPECT_EQ(*certificate_pem(*certificate_der(*pem)), *pem);
}

TEST(Certificate, two_of_the_same_request_differ_in_serial_and_agree_in_key) {
  const auto made = make_key_and_request("rack1").value();
  const auto one = certificate_facts(*sign_request(authority(), made.request_der, "rack1", kNow)).value();
  const auto two = certificate_facts(*sign_request(authority(), made.request_der, "rack1", kNow)).value();
  EXPECT_NE(one.serial, two.serial);
  EXPECT_NE(one.fingerprint, two.fingerprint);
  EXPECT_EQ(one.key_fingerprint, two.key_fingerprint);
}

TEST(Certificate, a_request_for_another_name_is_refused) {
  const auto made = make_key_and_request("rack2").value();
  const auto refused = sign_request(authority(), made.request_der, "rack1", kNow);
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, ErrorCode::Usage);
  EXPECT_EQ(refused.error().message, "the certificate request is for another name");
}

TEST(Certificate, a_request_whose_name_was_changed_is_not_signed_by_its_key) {
  auto der = make_key_and_request("rack2").value().request_der;
  const auto name = as_bytes("rack2");
  const auto at = std::search(der.begin(), der.end(), name.begin(), name.end());
  ASSERT_NE(at, der.end());
  at[4] = std::byte{'1'};
  const auto refused = sign_request(authority(), der, "rack1", kNow);
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().message, "the certificate request is not signed by its own key");
}

TEST(Certificate, a_damaged_cut_or_lengthened_request_is_refused) {
  const auto whole = make_key_and_request("rack1").value().request_der;
  for (std::size_t size = 0; size < whole.size(); size += 7)
    EXPECT_FALSE(sign_request(authority(), ByteView(whole).first(size), "rack1", kNow)) << size;
  Bytes longer = whole;
  longer.push_back(std::byte{0});
  EXPECT_FALSE(sign_request(authority(), longer, "rack1", kNow));
  for (std::size_t at = 0; at < whole.size(); ++at) {
    Bytes damaged = whole;
    damaged[at] ^= std::byte{1};
    EXPECT_FALSE(sign_request(authority(), damaged, "rack1", kNow)) << at;
  }
}

TEST(Certificate, a_key_that_is_not_of_the_authority_signs_nothing) {
  const auto other = make_authority(kNow).value();
  const auto made = make_key_and_request("rack1").value();
  const KeyAndCertificate mixed{other.key_pem, authority().certificate_pem};
  EXPECT_FALSE(sign_request(mixed, made.request_der, "rack1", kNow));
}

TEST(Certificate, what_is_no_certificate_is_said_so) {
  EXPECT_FALSE(certificate_facts("hello"));
  EXPECT_FALSE(certificate_facts(""));
  EXPECT_FALSE(certificate_pem(as_bytes("hello")));
  Bytes behind = *certificate_der(authority().certificate_pem);
  behind.push_back(std::byte{1});
  EXPECT_FALSE(certificate_pem(behind));
}

}  // namespace
}  // namespace oob
