// Promises of callhome lines: who is let in, and what becomes of whom; with real sockets on loopback.
#include <fcntl.h>
#include <sys/socket.h>

#include "agents/lines/callhome_listener.h"
#include "common/crypto/certificate.h"
#include "tests/unit/agents/lines/recorder.h"

namespace oob {
namespace {

const std::string kToken(32, 't');

// A line on a shard of its own that may be opened again, as its host does.
struct Home {
  explicit Home(std::map<std::string, std::string> settings, std::map<std::string, std::string> secrets = {}) {
    Listener probe(shard);
    EXPECT_TRUE(probe.listen("127.0.0.1:0", 0, nullptr));
    address = probe.address();
    probe.close();
    settings["listen"] = address;
    config = {"web01", "callhome", std::move(settings), {}};
    for (auto& [key, value] : secrets) config.secrets[key] = value;
    open();
  }
  void open() {
    events = std::make_unique<Waiting>();
    const LineKind* kind = find_line_kind("callhome");
    line = kind->make(shard, config, *events);
    line->start();
    EXPECT_TRUE(until([&] { return !events->waits.empty() || events->down; }));
    if (events->waits.empty()) events->waits.push_back("down: " + events->down.value_or(""));
  }
  bool until(const std::function<bool()>& happened) { return pump_until(shard, happened); }
  struct Waiting : Recorder {
    void line_waits(std::string for_what) override { waits.push_back(std::move(for_what)); }
    std::vector<std::string> waits;
  };

  Shard shard;
  std::string address;
  LineConfig config;
  std::unique_ptr<Waiting> events;
  std::unique_ptr<Line> line;
};

struct Node {
  Node(Home& to, const std::string& greeting, const std::string& address = "") : home(to), connector(to.shard) {
    connector.connect(address.empty() ? home.address : address, Duration(5000), [this](Result<int> fd) {
      if (fd) peer = std::make_unique<Descriptor>(home.shard, *fd);
    });
    EXPECT_TRUE(home.until([&] { return peer != nullptr; }));
    says(greeting);
  }
  void says(const std::string& text) const { EXPECT_EQ(peer->write(as_bytes(text)).value_or(0), text.size()); }
  bool closed() {
    Bytes room(1000);
    return home.until([&] {
      const auto n = peer->read(room);
      if (n) got += as_text(ByteView(room).first(*n));
      return !n;
    });
  }
  bool hears(const std::string& text) {
    Bytes room(1000);
    return home.until([&] {
      got += as_text(ByteView(room).first(peer->read(room).value_or(0)));
      return got == text;
    });
  }
  Home& home;
  Connector connector;
  std::unique_ptr<Descriptor> peer;
  std::string got;
};

TEST(CallGreeting, is_a_token_and_a_way) {
  const auto parsed = [](std::string_view text) { return parse_call_greeting(text); };
  EXPECT_FALSE(parsed("")->has_value());
  EXPECT_FALSE(parsed("abc")->has_value());
  EXPECT_EQ(parsed("abc\nrest").value()->token, "abc");
  EXPECT_EQ(parsed("abc\r\nrest").value()->length, 5u);
  EXPECT_EQ(parsed("abc out\n").value()->way, CallGreeting::Way::Out);
  EXPECT_EQ(parsed("abc in\r\n").value()->way, CallGreeting::Way::In);
  for (const char* bad : {"\n", "abc both\n", "abc  out\n", " abc\n", "a\tb\n", "abc \n"})
    EXPECT_FALSE(parsed(bad)) << bad;
  EXPECT_FALSE(parsed(std::string(1000, 'x')));
  EXPECT_FALSE(parsed(std::string(300, 'x') + "\n"));
}

TEST(Callhome, one_call_with_the_token_carries_both_ways) {
  Home home({{"token-file", "t"}}, {{"token-file", kToken}});
  ASSERT_EQ(home.events->waits.front(), "waits for a call to " + home.address);
  Node node(home, kToken + "\nlogin: ");
  ASSERT_TRUE(home.until([&] { return home.events->output == "login: "; }));
  EXPECT_TRUE(home.events->up->starts_with("called from 127.0.0.1:")) << *home.events->up;
  EXPECT_EQ(home.line->write(as_bytes("root\r")), 5u);
  EXPECT_TRUE(node.hears("root\r"));
  node.says("# ");
  EXPECT_TRUE(home.until([&] { return home.events->output == "login: # "; }));
  node.peer.reset();
  EXPECT_TRUE(home.until([&] { return home.events->down.has_value(); }));
}

TEST(Callhome, two_calls_are_one_line_and_one_alone_is_none) {
  Home home({{"token-file", "t"}}, {{"token-file", kToken}});
  Node out(home, kToken + " out\nspoke early");
  ASSERT_TRUE(home.until([&] { return home.events->waits.size() == 2; }));
  EXPECT_NE(home.events->waits.back().find("one call of two"), std::string::npos);
  EXPECT_FALSE(home.events->up);
  Node in(home, kToken + " in\n");
  ASSERT_TRUE(home.until([&] { return home.events->output == "spoke early"; }));
  EXPECT_EQ(home.line->write(as_bytes("typed")), 5u);
  EXPECT_TRUE(in.hears("typed"));
  EXPECT_EQ(out.got, "");
  in.peer.reset();
  EXPECT_TRUE(home.until([&] { return home.events->down.has_value(); }));
  EXPECT_TRUE(out.closed());
}

TEST(Callhome, a_half_whose_partner_goes_is_forgotten) {
  Home home({{"token-file", "t"}}, {{"token-file", kToken}});
  {
    Node out(home, kToken + " out\n");
    ASSERT_TRUE(home.until([&] { return home.events->waits.size() == 2; }));
  }
  ASSERT_TRUE(home.until([&] { return home.events->waits.size() == 3; }));
  EXPECT_EQ(home.events->waits.back(), "waits for a call to " + home.address);
  Node in(home, kToken + " in\n");
  ASSERT_TRUE(home.until([&] { return home.events->waits.size() == 4; }));
  EXPECT_FALSE(home.events->up);
}

TEST(Callhome, a_wrong_token_is_refused_and_the_line_waits_on) {
  Home home({{"token-file", "t"}}, {{"token-file", kToken}});
  Node wrong(home, std::string(32, 'x') + "\nhello");
  EXPECT_TRUE(wrong.closed());
  Node endless(home, std::string(2000, 'x'));
  EXPECT_TRUE(endless.closed());
  EXPECT_EQ(wrong.got + endless.got, "");
  EXPECT_FALSE(home.events->up || home.events->down);
  Node right(home, kToken + "\n");
  EXPECT_TRUE(home.until([&] { return home.events->up.has_value(); }));
}

TEST(Callhome, without_a_token_the_address_decides) {
  Home home({{"source", "127.0.0.0/30"}});
  Node node(home, "at once");
  EXPECT_TRUE(home.until([&] { return home.events->output == "at once"; }));
  Home other({{"source", "127.0.0.2"}});
  Node stranger(other, "");
  EXPECT_TRUE(stranger.closed());
  EXPECT_FALSE(other.events->up);
}

TEST(Callhome, lines_of_one_listener_are_told_apart_by_tokens_or_addresses) {
  Shard shard;
  CallhomeListener listener(shard);
  const auto join = [&](const std::string& name, const char* source, const std::string& token) {
    CallhomeListener::Terms terms;
    if (source != nullptr) terms.source = *parse_sender_rule(source);
    terms.token = Secret(token);
    const auto joined = listener.join(name, std::move(terms), [] {});
    return joined ? std::string() : joined.error().message;
  };
  EXPECT_EQ(join("open", "10.9.0.0/16", ""), "");
  EXPECT_EQ(join("open", "10.9.0.0/16", ""), "") << "the same line once more";
  EXPECT_NE(join("keyed", "10.9.3.7", kToken).find("has no token-file"), std::string::npos)
      << "its token would be the open one's output";
  EXPECT_NE(join("keyed", nullptr, kToken).find("has no token-file"), std::string::npos);
  EXPECT_NE(join("wider", "10.0.0.0/8", "").find("has no token-file"), std::string::npos);
  EXPECT_EQ(join("elsewhere", "10.8.0.0/16", kToken), "");
  EXPECT_NE(join("twice", "10.8.0.0/16", kToken).find("the same token"), std::string::npos);
  EXPECT_EQ(join("another", "10.8.0.0/16", kToken + "2"), "");
}

TEST(Callhome, lines_of_one_listener_have_one_tls_file_that_may_be_renewed) {
  Shard shard;
  CallhomeListener listener(shard);
  const auto pem = [] {
    const auto made = make_front_certificate({"127.0.0.1"}, SystemClock().wall()).value();
    return made.certificate_pem + std::string(made.key_pem.reveal());
  };
  const auto join = [&](const std::string& name, const std::string& place) {
    CallhomeListener::Terms terms;
    terms.token = Secret(kToken + name), terms.tls = Secret(pem()), terms.tls_place = place;
    const auto joined = listener.join(name, std::move(terms), [] {});
    return joined ? std::string() : joined.error().message;
  };
  EXPECT_EQ(join("a", "one.pem"), "");
  EXPECT_EQ(join("b", "one.pem"), "") << "the file holds another certificate now";
  EXPECT_NE(join("c", "another.pem").find("with another tls-file"), std::string::npos);
}

TEST(Callhome, a_node_that_calls_anew_takes_the_place_of_its_dead_call) {
  Home home({{"token-file", "t"}}, {{"token-file", kToken}});
  Node before(home, kToken + "\nold");
  ASSERT_TRUE(home.until([&] { return home.events->output == "old"; }));
  Node after(home, kToken + "\nnew");
  ASSERT_TRUE(home.until([&] { return home.events->down.has_value(); }));
  EXPECT_EQ(*home.events->down, "the node called anew");
  EXPECT_TRUE(before.closed());
  const auto old_events = std::move(home.events);
  home.line.reset();
  home.open();
  EXPECT_TRUE(home.until([&] { return home.events->output == "new"; }));
}

TEST(Callhome, who_says_nothing_costs_little) {
  Home home({{"token-file", "t"}}, {{"token-file", kToken}});
  std::vector<std::unique_ptr<Node>> silent;
  for (std::size_t i = 0; i < limits::callhome_logins_of_address_max; ++i)
    silent.push_back(std::make_unique<Node>(home, ""));
  Node one_more(home, "");
  EXPECT_TRUE(one_more.closed());
  silent.pop_back();
  EXPECT_TRUE(home.until([&] {
    Node again(home, kToken + "\n");
    pump_ready(home.shard);
    return home.events->up.has_value();
  }));
}

TEST(Callhome, with_tls_a_plain_caller_gets_nowhere) {
  const auto made = make_front_certificate({"127.0.0.1"}, SystemClock().wall()).value();
  const std::string pem = made.certificate_pem + std::string(made.key_pem.reveal());
  Home home({{"token-file", "t"}, {"tls-file", "c"}}, {{"token-file", kToken}, {"tls-file", pem}});
  ASSERT_FALSE(home.events->down) << *home.events->down;
  Node plain(home, kToken + "\n");
  EXPECT_TRUE(plain.closed());
  EXPECT_FALSE(home.events->up);
  Home broken({{"token-file", "t"}, {"tls-file", "c"}}, {{"token-file", kToken}, {"tls-file", "no PEM"}});
  ASSERT_TRUE(broken.events->down);
  EXPECT_TRUE(broken.events->down->starts_with("tls-file: ")) << *broken.events->down;
}

TEST(Callhome, a_token_that_is_too_short_is_no_token) {
  Home home({{"token-file", "t"}}, {{"token-file", "short"}});
  ASSERT_TRUE(home.events->down);
  EXPECT_NE(home.events->down->find("16 to 256"), std::string::npos);
  EXPECT_EQ(home.events->down->find("short"), std::string::npos);
}

}  // namespace
}  // namespace oob
