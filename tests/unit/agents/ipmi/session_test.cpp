// Promises of a session with a BMC: how it logs in and what it says when it cannot, repeats, silence, replay, the end.
#include "agents/ipmi/session.h"

#include "tests/unit/agents/ipmi/fake_bmc.h"

namespace oob::ipmi {
namespace {

struct Talk : Wire, SessionEvents, Conversation {
  explicit Talk(Login l = good(), unsigned seed = 1) : Wire(seed), session(l, clock, *this, seed) {}
  static Login good() {
    Login out;
    out.user = "oob";
    out.password = Secret("secret");
    return out;
  }
  void session_send(ByteView datagram) override {
    sent.emplace_back(datagram.begin(), datagram.end());
    to_bmc(datagram);
  }
  void session_open() override { ++opened; }
  void session_closed(const Error& why) override { closed.push_back(why); }
  void session_sol(ByteView, bool) override {}
  void receive(ByteView datagram) override {
    received.emplace_back(datagram.begin(), datagram.end());
    session.receive(datagram);
  }
  void tick() override { session.tick(); }
  std::optional<SteadyTime> next_deadline() const override { return session.next_deadline(); }

  bool log_in() {
    session.open();
    return run(*this, [&] { return opened > 0 || !closed.empty(); }) && opened == 1;
  }
  std::string why() const { return closed.empty() ? "" : closed[0].message; }

  Session session;
  std::vector<Bytes> sent, received;
  int opened = 0;
  std::vector<Error> closed;
};

bool has(const std::string& text, const std::string& part) { return text.find(part) != std::string::npos; }

TEST(Session, logs_in_by_the_best_suite_and_asks) {
  Talk talk;
  ASSERT_TRUE(talk.log_in()) << talk.why();
  EXPECT_EQ(talk.session.protection(), Protection::Suite17);
  EXPECT_EQ(talk.session.privilege(), Privilege::Administrator);
  std::optional<Answer> answer;
  talk.session.request(request_of(kApp, kGetDeviceId), [&](Result<Answer> a) { answer = *a; });
  ASSERT_TRUE(talk.run(talk, [&] { return answer.has_value(); }));
  EXPECT_EQ(answer->code, 0);
  EXPECT_EQ(answer->data.size(), 11u);
  EXPECT_FALSE(talk.next_deadline());
}

TEST(Session, takes_the_next_suite_if_the_bmc_refuses_one) {
  for (const Protection only : {Protection::Suite3, Protection::Suite8}) {
    Login login = Talk::good();
    login.protections = {Protection::Suite17, only};
    Talk talk(login);
    talk.bmc.suites = {only};
    ASSERT_TRUE(talk.log_in()) << talk.why();
    EXPECT_EQ(talk.session.protection(), only);
  }
}

TEST(Session, says_which_suites_were_refused_and_what_to_do) {
  Talk talk;
  talk.bmc.suites = {Protection::Suite8};
  EXPECT_FALSE(talk.log_in());
  EXPECT_TRUE(has(talk.why(), "suite 17") && has(talk.why(), "suite 3") && has(talk.why(), "name another"))
      << talk.why();
  EXPECT_EQ(talk.closed[0].code, ErrorCode::Denied);
}

TEST(Session, tells_a_wrong_password_and_tells_the_bmc) {
  Login login = Talk::good();
  login.password = Secret("Secret");
  Talk talk(login);
  EXPECT_FALSE(talk.log_in());
  EXPECT_TRUE(has(talk.why(), "password is wrong")) << talk.why();
  EXPECT_FALSE(has(talk.why(), "Secret"));
  talk.pass(talk, Duration(100));
  EXPECT_EQ(talk.bmc.challenges_failed, 1);
}

TEST(Session, tells_an_unknown_user) {
  Login login = Talk::good();
  login.user = "nobody";
  Talk talk(login);
  EXPECT_FALSE(talk.log_in());
  EXPECT_TRUE(has(talk.why(), "no such user")) << talk.why();
}

TEST(Session, takes_less_privilege_unless_it_was_named) {
  Talk talk;
  talk.bmc.limit = Privilege::Operator;
  ASSERT_TRUE(talk.log_in()) << talk.why();
  EXPECT_EQ(talk.session.privilege(), Privilege::Operator);

  Login login = Talk::good();
  login.or_less = false;
  Talk strict(login);
  strict.bmc.limit = Privilege::Operator;
  EXPECT_FALSE(strict.log_in());
  EXPECT_TRUE(has(strict.why(), "privilege")) << strict.why();
}

TEST(Session, uses_the_key_of_the_bmc_and_says_when_it_is_wanting) {
  Login login = Talk::good();
  login.kg = Secret("a key of the BMC");
  Talk talk(login);
  talk.bmc.kg = "a key of the BMC";
  EXPECT_TRUE(talk.log_in()) << talk.why();

  Talk without;
  without.bmc.kg = "a key of the BMC";
  EXPECT_FALSE(without.log_in());
  EXPECT_TRUE(has(without.why(), "kg-file")) << without.why();
}

TEST(Session, a_dead_bmc_is_given_up_within_four_seconds) {
  Talk talk;
  talk.bmc.dead = true;
  const SteadyTime begun = talk.clock.now();
  EXPECT_FALSE(talk.log_in());
  EXPECT_TRUE(has(talk.why(), "does not answer")) << talk.why();
  EXPECT_EQ(talk.closed[0].code, ErrorCode::Unavailable);
  EXPECT_LE(talk.clock.now() - begun, Duration(4000));
  EXPECT_GE(talk.sent.size(), 4u);
  EXPECT_LE(talk.sent.size(), 11u);  // presence pings among them
}

TEST(Session, a_bmc_that_only_answers_pings_is_told_from_one_that_is_not_there) {
  Talk talk;
  talk.bmc.only_pings = true;
  EXPECT_FALSE(talk.log_in());
  EXPECT_TRUE(has(talk.why(), "enable IPMI over LAN")) << talk.why();
}

TEST(Session, a_bmc_of_ipmi_15_is_named_as_such) {
  Talk talk;
  talk.bmc.speaks_v20 = false;
  EXPECT_FALSE(talk.log_in());
  EXPECT_TRUE(has(talk.why(), "1.5") && has(talk.why(), "authcap")) << talk.why();

  Login login = Talk::good();
  login.quirks.authcap = true;
  Talk all_the_same(login);
  all_the_same.bmc.speaks_v20 = false;
  EXPECT_TRUE(all_the_same.log_in()) << all_the_same.why();
}

TEST(Session, loss_doubling_and_reordering_change_nothing) {
  for (unsigned seed = 1; seed <= 200; ++seed) {
    Talk talk(Talk::good(), seed);
    talk.loss = talk.doubling = talk.reordering = 0.1;
    ASSERT_TRUE(talk.log_in()) << "seed " << seed << ": " << talk.why();
    int answered = 0;
    for (int i = 0; i < 20; ++i)
      talk.session.request(request_of(kApp, kGetDeviceId), [&](const Result<Answer>& a) {
        ASSERT_TRUE(a) << a.error().message;
        EXPECT_EQ(a->data.size(), 11u);
        ++answered;
      });
    ASSERT_TRUE(talk.run(talk, [&] { return answered == 20; })) << "seed " << seed << ": " << talk.why();
    EXPECT_EQ(talk.opened, 1);
  }
}

TEST(Session, a_slow_bmc_is_given_time_and_logs_us_in_by_the_first_suite) {
  for (const int ms : {0, 300, 600, 1500, 2500, 3500}) {
    Talk talk;
    talk.bmc.one_login_at_a_time = true;
    talk.bmc_takes = Duration(ms);
    ASSERT_TRUE(talk.log_in()) << ms << " ms: " << talk.why();
    EXPECT_EQ(talk.session.protection(), Protection::Suite17) << ms << " ms";
  }
}

TEST(Session, a_packet_that_comes_again_or_was_changed_is_not_believed) {
  Talk talk;
  ASSERT_TRUE(talk.log_in());
  int answers = 0;
  talk.session.request(request_of(kApp, kGetDeviceId), [&](const Result<Answer>&) { ++answers; });
  ASSERT_TRUE(talk.run(talk, [&] { return answers == 1; }));
  const Bytes again = talk.received.back();
  const SteadyTime heard = talk.session.heard();
  talk.clock.advance(Duration(1000));
  talk.session.receive(again);
  EXPECT_EQ(talk.session.heard(), heard);
  for (std::size_t i = 0; i < again.size(); ++i) {
    Bytes changed = again;
    changed[i] ^= std::byte(0x10);
    talk.session.receive(changed);
    EXPECT_EQ(talk.session.heard(), heard) << "byte " << i;
  }
}

TEST(Session, a_command_that_may_not_be_repeated_is_sent_once) {
  Talk talk;
  ASSERT_TRUE(talk.log_in());
  talk.bmc.dead = true;
  const std::size_t before = talk.sent.size();
  Request cycle = request_of(kChassis, 0x02, {2});
  cycle.repeatable = false;
  std::optional<Error> failed;
  talk.session.request(cycle, [&](const Result<Answer>& a) { failed = a.error(); });
  ASSERT_TRUE(talk.run(talk, [&] { return failed.has_value(); }));
  EXPECT_EQ(talk.sent.size(), before + 1);
  EXPECT_TRUE(has(failed->message, "not known")) << failed->message;
  EXPECT_TRUE(talk.session.is_open());
}

TEST(Session, all_commands_fail_before_the_end_is_told) {
  Talk talk;
  ASSERT_TRUE(talk.log_in());
  talk.bmc.dead = true;
  int failed = 0;
  for (int i = 0; i < 3; ++i)
    talk.session.request(request_of(kApp, kGetDeviceId), [&](const Result<Answer>& a) {
      EXPECT_FALSE(a);
      EXPECT_TRUE(talk.closed.empty());
      ++failed;
    });
  ASSERT_TRUE(talk.run(talk, [&] { return !talk.closed.empty(); }));
  EXPECT_EQ(failed, 3);
}

TEST(Session, closing_frees_the_bmcs_session) {
  Talk talk;
  ASSERT_TRUE(talk.log_in());
  EXPECT_EQ(talk.bmc.sessions.size(), 1u);
  talk.session.close();
  talk.pass(talk, Duration(100));
  EXPECT_EQ(talk.bmc.sessions.size(), 0u);
  EXPECT_TRUE(talk.closed.empty());
}

}  // namespace
}  // namespace oob::ipmi
