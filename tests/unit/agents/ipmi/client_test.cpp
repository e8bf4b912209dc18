// Promises of the client for power and the doctor, over a socket: answers in words, callbacks from a later turn, no
// session left behind.
#include "agents/ipmi/client.h"

#include "tests/unit/agents/ipmi/udp_bmc.h"
#include "tests/unit/common/runtime/pump.h"

namespace oob::ipmi {
namespace {

struct Power {
  explicit Power(const std::string& password = "secret") {
    Login login;
    login.user = "oob";
    login.password = Secret(password);
    client = std::make_unique<Client>(shard, "127.0.0.1:" + udp.port, std::move(login));
  }
  bool until(const std::function<bool()>& happened) {
    return pump_until(shard, [&] {
      udp.serve();
      return happened();
    });
  }
  bool open() {
    client->open([this](const Result<>& result) { opened = result; });
    EXPECT_FALSE(opened) << "called from inside";
    return until([&] { return opened.has_value(); }) && *opened;
  }

  Shard shard;
  UdpBmc udp;
  std::unique_ptr<Client> client;
  std::optional<Result<>> opened;
};

TEST(Client, opens_asks_in_order_and_closes) {
  Power power;
  ASSERT_TRUE(power.open()) << power.opened->error().message;
  EXPECT_EQ(power.client->session().protection(), Protection::Suite17);
  std::string order;
  power.client->command(request_of(kApp, kGetDeviceId),
                        [&](const Result<Answer>& a) { order += a->code == 0 ? "1" : "x"; });
  power.client->command(request_of(kChassis, 1),
                        [&](const Result<Answer>& a) { order += a->code == 0xc1 ? "2" : "x"; });
  EXPECT_EQ(order, "");
  ASSERT_TRUE(power.until([&] { return order == "12"; })) << order;
  power.client.reset();
  EXPECT_TRUE(power.until([&] { return power.udp.bmc.sessions.empty(); }));
}

TEST(Client, says_why_it_could_not_open_and_refuses_what_is_asked_then) {
  Power power("wrong");
  EXPECT_FALSE(power.open());
  EXPECT_NE(power.opened->error().message.find("password is wrong"), std::string::npos);
  EXPECT_NE(power.opened->error().message.find("127.0.0.1:" + power.udp.port), std::string::npos);
  std::optional<Result<Answer>> answer;
  power.client->command(request_of(kChassis, 1), [&](const Result<Answer>& a) { answer = a; });
  EXPECT_FALSE(answer);
  ASSERT_TRUE(power.until([&] { return answer.has_value(); }));
  EXPECT_EQ(answer->error().message, power.opened->error().message);
}

TEST(Client, asks_without_a_session_what_a_stranger_may_ask) {
  Power power;
  std::optional<Result<Answer>> answer;
  power.client->ask_as_stranger(request_of(kApp, kGetAuthCapabilities, {0x8e, 4}),
                                [&](const Result<Answer>& a) { answer = a; });
  ASSERT_TRUE(power.until([&] { return answer.has_value(); }));
  ASSERT_TRUE(*answer) << answer->error().message;
  EXPECT_EQ((*answer)->data.size(), 8u);
  EXPECT_TRUE(power.udp.bmc.sessions.empty());
}

TEST(Client, may_be_destroyed_by_each_of_its_callbacks) {
  Power first;
  first.client->open([&](const Result<>&) { first.client.reset(); });
  ASSERT_TRUE(first.until([&] { return !first.client; }));
  Power second;
  ASSERT_TRUE(second.open());
  second.client->command(request_of(kApp, kGetDeviceId), [&](const Result<Answer>&) { second.client.reset(); });
  second.client->command(request_of(kApp, kGetDeviceId),
                         [&](const Result<Answer>&) { ADD_FAILURE() << "it was gone"; });
  ASSERT_TRUE(second.until([&] { return !second.client && second.udp.bmc.sessions.empty(); }));
  pump_ready(second.shard);
}

}  // namespace
}  // namespace oob::ipmi
