// Promises of IPMI 1.5 sessions, for power on old BMCs: a scripted BMC of sections 22.13 to 22.18, whose codes are
// computed here by the formula of section 22.17.1.
#include <gtest/gtest.h>

#include "agents/ipmi/session.h"

namespace oob::ipmi {
namespace {

constexpr std::uint32_t kTemporary = 0x11111111, kSession = 0x22222222;

struct Old : SessionEvents {
  explicit Old(Protection protection) {
    Login login;
    login.user = "oob";
    login.password = Secret("secret");
    login.protections = {protection};
    session.emplace(login, clock, *this, 1);
    session->open();
  }
  void session_send(ByteView datagram) override { last.assign(datagram.begin(), datagram.end()); }
  void session_open() override { ++opened; }
  void session_closed(const Error& error) override { why = error.message; }

  static Bytes code(std::uint8_t auth, std::uint32_t id, std::uint32_t sequence, ByteView message) {
    Bytes key, numbers;
    append(key, "secret");
    key.resize(16);
    put32(numbers, id), put32(numbers, sequence);
    if (auth == kAuthPassword) return key;
    if (auth == kAuthNone) return {};
    return digest(Hash::Md5, {key, ByteView(numbers).first(4), message, ByteView(numbers).last(4), key});
  }
  // Answers what was sent last, after having looked at it.
  void answer(std::uint8_t auth, std::uint32_t id, std::uint32_t sequence, unsigned command, const Bytes& data,
              unsigned completion = 0) {
    const auto sent = parse_packet(last);
    ASSERT_TRUE(sent && !sent->v20);
    ASSERT_EQ(byte_at(sent->payload, 5), command);
    ASSERT_EQ(sent->auth15, auth);
    ASSERT_EQ(sent->session, id);
    ASSERT_EQ(Bytes(sent->code15.begin(), sent->code15.end()), code(auth, id, sent->sequence, sent->payload));
    Bytes m{std::byte(0x81),  std::byte(0x1c),  std::byte(0x63),      std::byte(0x20),
            sent->payload[4], sent->payload[5], std::byte(completion)};
    append(m, data);
    unsigned sum = 0;
    for (std::size_t i = 3; i < m.size(); ++i) sum += byte_at(m, i);
    m.push_back(std::byte(-sum & 255));
    session->receive(packet15(auth, id, sequence, code(auth, id, sequence, m), m));
  }
  void log_in(std::uint8_t auth) {
    answer(kAuthNone, 0, 0, kGetAuthCapabilities, {std::byte(1), std::byte(0x15), {}, {}, {}, {}, {}, {}});
    Bytes challenge;
    put32(challenge, kTemporary);
    challenge.resize(20, std::byte(0xab));
    answer(kAuthNone, 0, 0, kGetSessionChallenge, challenge);
    Bytes activated{std::byte(auth)};
    put32(activated, kSession), put32(activated, 0x1000);
    activated.push_back(std::byte(4));
    answer(auth, kTemporary, 0, kActivateSession, activated);
    EXPECT_EQ(parse_packet(last)->sequence, 0x1000u);
    answer(auth, kSession, 5, kSetSessionPrivilege, {std::byte(4)});
  }

  ManualClock clock;
  Bytes last;
  int opened = 0;
  std::string why;
  std::optional<Session> session;
};

TEST(Session15, logs_in_by_each_kind_of_proof) {
  const std::pair<Protection, std::uint8_t> kinds[] = {
      {Protection::Lan15Md5, kAuthMd5}, {Protection::Lan15Password, kAuthPassword}, {Protection::Lan15None, kAuthNone}};
  for (const auto& [protection, auth] : kinds) {
    Old bmc(protection);
    bmc.log_in(auth);
    EXPECT_EQ(bmc.opened, 1) << protection_word(protection) << " " << bmc.why;
    EXPECT_EQ(bmc.session->id(), kSession);
  }
}

TEST(Session15, a_wrong_code_or_a_packet_that_comes_again_is_not_believed) {
  Old bmc(Protection::Lan15Md5);
  bmc.log_in(kAuthMd5);
  int answers = 0;
  bmc.session->request(request_of(kApp, kGetDeviceId), [&](const Result<Answer>&) { ++answers; });
  bmc.answer(kAuthMd5, kSession, 5, kGetDeviceId, {});  // the number of the answer before
  EXPECT_EQ(answers, 0);
  bmc.answer(kAuthMd5, kSession, 6, kGetDeviceId, {});
  EXPECT_EQ(answers, 1);
}

TEST(Session15, a_bmc_that_wants_less_proof_than_was_asked_for_gets_no_password) {
  Old bmc(Protection::Lan15Md5);
  bmc.answer(kAuthNone, 0, 0, kGetAuthCapabilities, {std::byte(1), std::byte(0x15), {}, {}, {}, {}, {}, {}});
  Bytes challenge;
  put32(challenge, kTemporary);
  challenge.resize(20);
  bmc.answer(kAuthNone, 0, 0, kGetSessionChallenge, challenge);
  Bytes activated{std::byte(kAuthPassword)};
  put32(activated, kSession), put32(activated, 1);
  activated.push_back(std::byte(4));
  bmc.answer(kAuthMd5, kTemporary, 0, kActivateSession, activated);
  EXPECT_EQ(bmc.opened, 0);
  EXPECT_NE(bmc.why.find("protected otherwise"), std::string::npos) << bmc.why;
}

}  // namespace
}  // namespace oob::ipmi
