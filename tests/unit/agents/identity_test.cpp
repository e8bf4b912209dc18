// An agent's files: whatever instant it is killed at while its certificate is renewed, what is left logs in.
#include "agents/identity.h"

#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>

#include "common/crypto/certificate.h"
#include "common/crypto/tls.h"

namespace oob {
namespace {
namespace fs = std::filesystem;

class Identities : public testing::Test {
 protected:
  Identities() : ca(make_authority(SystemClock().wall()).value()), old(enrolled()), renewed(enrolled()) {
    std::string name = "/tmp/oob-identity-XXXXXX";
    state = ::mkdtemp(name.data());
    EXPECT_TRUE(write_private_file(state + "/ca.pem", ca.certificate_pem));
    put(old);
  }
  ~Identities() override { fs::remove_all(state); }
  KeyAndCertificate enrolled() const {
    const auto made = make_key_and_request("rack1").value();
    return {made.key_pem, sign_request(ca, made.request_der, "rack1", SystemClock().wall()).value()};
  }
  void put(const KeyAndCertificate& pair) const {
    EXPECT_TRUE(write_private_file(state + "/agent.key", pair.key_pem.reveal()));
    EXPECT_TRUE(write_private_file(state + "/agent.pem", pair.certificate_pem));
  }
  static bool is(const Result<AgentIdentity>& identity, const KeyAndCertificate& pair) {
    return identity && identity->certificate_pem == pair.certificate_pem && identity->name == "rack1" &&
           TlsContext::agent(identity->certificate_pem, identity->key_pem, identity->ca_pem).has_value() &&
           identity->key_pem.reveal() == pair.key_pem.reveal();
  }

  std::string state;
  KeyAndCertificate ca, old, renewed;
};

TEST_F(Identities, a_renewed_one_stands_whole_and_private_beside_the_old_one) {
  EXPECT_EQ(load_renewed(state).error().code, ErrorCode::NotFound);
  ASSERT_TRUE(save_renewed(state, renewed.key_pem, renewed.certificate_pem));
  EXPECT_TRUE(is(load_renewed(state), renewed));
  EXPECT_TRUE(is(load_identity(state), old));
  struct stat status {};
  ASSERT_EQ(::stat((state + "/renewed.pem").c_str(), &status), 0);
  EXPECT_EQ(status.st_mode & 07777, 0600u);
}

TEST_F(Identities, once_it_has_logged_in_it_is_the_only_one) {
  ASSERT_TRUE(save_renewed(state, renewed.key_pem, renewed.certificate_pem));
  ASSERT_TRUE(adopt_renewed(state));
  EXPECT_TRUE(is(load_identity(state), renewed));
  EXPECT_FALSE(fs::exists(state + "/renewed.pem"));
}

TEST_F(Identities, killed_between_any_two_writes_the_renewed_one_is_whole) {
  ASSERT_TRUE(save_renewed(state, renewed.key_pem, renewed.certificate_pem));
  ASSERT_TRUE(write_private_file(state + "/agent.key", renewed.key_pem.reveal()));  // and killed
  EXPECT_FALSE(is(load_identity(state), old)) << "key and certificate are not of one another";
  EXPECT_TRUE(is(load_renewed(state), renewed));
  ASSERT_TRUE(write_private_file(state + "/agent.pem", renewed.certificate_pem));  // and killed again
  EXPECT_TRUE(is(load_renewed(state), renewed));
  ASSERT_TRUE(adopt_renewed(state));
  EXPECT_TRUE(is(load_identity(state), renewed));
}

TEST_F(Identities, a_damaged_renewed_one_is_said_so_and_the_old_one_stays) {
  ASSERT_TRUE(write_private_file(state + "/renewed.pem", "nonsense"));
  EXPECT_EQ(load_renewed(state).error().code, ErrorCode::Usage);
  EXPECT_TRUE(is(load_identity(state), old));
  drop_renewed(state);
  EXPECT_EQ(load_renewed(state).error().code, ErrorCode::NotFound);
}

}  // namespace
}  // namespace oob
