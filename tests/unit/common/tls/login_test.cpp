// Who gets in and who does not, with real engines over a socket pair: each refusal is told to both sides in words.
#include <sys/socket.h>
#include <unistd.h>

#include "common/limits.h"
#include "common/tls/length_prefix.h"
#include "tests/unit/common/tls/pair.h"

namespace oob {
namespace {

const Realm& realm() {
  static const Realm made;
  return made;
}
const Realm& stranger() {
  static const Realm made;
  return made;
}

// Both ends until closed, each with its words.
void expect_refused(std::shared_ptr<TlsContext> agent, std::shared_ptr<TlsContext> server,
                    const std::string& agent_says, const std::string& server_says) {
  Pair pair(agent->engine(), server->engine());
  pair.start();
  ASSERT_TRUE(pair.until_closed());
  EXPECT_EQ(pair.agent.reason, agent_says);
  EXPECT_EQ(pair.server.reason, server_says);
  EXPECT_FALSE(pair.server.ready);
}

TEST(Login, an_agent_of_another_ca_is_refused_and_can_log_why) {
  const auto agent = stranger().enrol("rack1");
  const auto context = TlsContext::agent(agent.certificate_pem, agent.key_pem, realm().authority.certificate_pem);
  ASSERT_TRUE(context);
  expect_refused(*context, realm().server_context(), "peer refused our certificate: to it, it is of another CA",
                 "peer's certificate is of another CA");
}

TEST(Login, a_server_of_another_ca_is_refused_and_can_log_why) {
  expect_refused(stranger().agent_context(stranger().enrol("rack1")), realm().server_context(),
                 "peer's certificate is of another CA", "peer refused our certificate: to it, it is of another CA");
}

TEST(Login, an_expired_certificate_is_refused_and_said_so_on_both_sides) {
  const auto expired = realm().enrol("rack1", wall_now() - limits::certificate_life - std::chrono::hours(1));
  expect_refused(
      realm().agent_context(expired), realm().server_context(),
      "the server refused our certificate: it has expired; run `oob agent enroll NAME` there, then "
      "`oob-agent join` here with that token",
      "the certificate of agent rack1 has expired; run `oob agent enroll rack1`, then `oob-agent join` there "
      "with that token (or is this machine's clock wrong?)");
}

TEST(Login, a_client_that_asks_for_none_of_our_protocols_is_refused) {
  const auto agent = realm().enrol("rack1");
  auto server = realm().server_context()->engine();
  auto engine = realm().agent_context(agent)->engine();
  Bytes hello = std::exchange(engine.output(), {}), plain;
  const auto name = as_text(hello).find(kAlpnTunnel);
  ASSERT_NE(name, std::string_view::npos);
  hello[name] = std::byte{'x'};
  const auto refused = server.receive(hello, plain);
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().message, "peer asked for none of our protocols");
  const auto told = engine.receive(server.output(), plain);
  ASSERT_FALSE(told);
  EXPECT_EQ(told.error().message, "peer does not speak our protocol (another service, or a newer version)");
}

TEST(Login, another_agents_certificate_does_not_pass_as_the_servers) {
  const auto evil = realm().enrol("evil");
  const auto context = TlsContext::server(evil.certificate_pem, evil.key_pem, realm().authority.certificate_pem);
  ASSERT_TRUE(context);
  expect_refused(realm().agent_context(realm().enrol("rack1")), *context, "peer's certificate is not a server's",
                 "peer refused our certificate: it does not serve for this (or clocks differ)");
  expect_refused(*TlsContext::join(realm().fingerprint()), *context, "peer's certificate is not a server's",
                 "peer refused our certificate: it does not serve for this (or clocks differ)");
}

TEST(Login, the_servers_certificate_does_not_pass_as_an_agents) {
  const auto context =
      TlsContext::agent(realm().server.certificate_pem, realm().server.key_pem, realm().authority.certificate_pem);
  ASSERT_TRUE(context);
  expect_refused(*context, realm().server_context(),
                 "peer refused our certificate: it does not serve for this (or clocks differ)",
                 "peer's certificate is not an agent's");
}

TEST(Login, joining_with_the_right_fingerprint_gets_in_without_a_certificate_and_learns_the_ca) {
  const auto joining = *TlsContext::join(realm().fingerprint());
  auto engine = joining->engine();
  auto server = realm().server_context()->engine();
  Bytes plain;
  for (int turn = 0; turn < 4; ++turn) {
    const Bytes there = std::exchange(engine.output(), {});
    ASSERT_TRUE(server.receive(there, plain));
    const Bytes back = std::exchange(server.output(), {});
    ASSERT_TRUE(engine.receive(back, plain));
  }
  ASSERT_TRUE(engine.handshake_done() && server.handshake_done());
  EXPECT_EQ(server.alpn(), kAlpnJoin);
  EXPECT_FALSE(server.peer());
  EXPECT_EQ(joining->ca_pem_seen(engine), realm().authority.certificate_pem);
}

TEST(Login, joining_a_server_the_token_is_not_of_is_refused) {
  expect_refused(*TlsContext::join(stranger().fingerprint()), realm().server_context(),
                 "this server is not the one the token was made by",
                 "peer refused our certificate: to it, it is of another CA");
}

TEST(Login, a_ca_certificate_sent_along_by_a_server_that_is_not_of_it_wins_nothing) {
  // The fingerprint's CA is in the chain, but did not sign the server's certificate.
  auto raw =
      TlsContext::server(realm().server.certificate_pem, realm().server.key_pem, stranger().authority.certificate_pem);
  EXPECT_FALSE(raw);
}

TEST(Login, random_bytes_instead_of_tls_are_told_apart_and_closed) {
  for (const std::string text :
       {"GET / HTTP/1.1\r\n\r\n", "SSH-2.0-OpenSSH_9.2\r\n", "\x16\x03\x01\xff\xff garbage "}) {
    Shard shard;
    End end;
    const auto fds = Pair::sockets();
    end.open(shard, fds[0], realm().server_context()->engine());
    end.stream->start(end.events());
    ASSERT_EQ(write(fds[1], text.data(), text.size()), static_cast<ssize_t>(text.size()));
    shutdown(fds[1], SHUT_WR);
    ASSERT_TRUE(pump_until(shard, [&] { return end.closed > 0; }));
    EXPECT_TRUE(end.reason.starts_with("peer sent no TLS")) << end.reason;
    EXPECT_FALSE(end.ready);
    close(fds[1]);
  }
}

TEST(Login, an_older_tls_is_refused_in_words) {
  // A ClientHello of TLS 1.2 (RFC 5246) without extensions.
  std::string hello("\x03\x03", 2);
  hello += std::string(32, 'r') + std::string("\0\0\x02\xc0\x2b\x01\0", 7);
  const auto size = static_cast<char>(hello.size());
  const std::string record =
      std::string("\x16\x03\x01\0", 4) + static_cast<char>(size + 4) + std::string("\x01\0\0", 3) + size + hello;
  auto server = realm().server_context()->engine();
  Bytes plain;
  const auto refused = server.receive(as_bytes(record), plain);
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().message, "peer does not speak TLS 1.3");
  EXPECT_FALSE(server.output().empty());  // the alert
}

TEST(Login, a_peer_gone_in_the_handshake_is_said_so) {
  Shard shard;
  End end;
  const auto fds = Pair::sockets();
  end.open(shard, fds[0], realm().server_context()->engine());
  end.stream->start(end.events());
  close(fds[1]);
  ASSERT_TRUE(pump_until(shard, [&] { return end.closed > 0; }));
  EXPECT_EQ(end.reason, "peer closed the connection during the TLS handshake");
}

TEST(LengthPrefix, a_message_is_found_however_it_is_cut) {
  const Bytes wire = with_length(as_bytes("hello"));
  for (std::size_t cut = 0; cut <= wire.size(); ++cut) {
    LengthPrefixed in(5);
    ASSERT_TRUE(in.receive(ByteView(wire).first(cut)));
    EXPECT_EQ(in.message().has_value(), cut == wire.size());
    ASSERT_TRUE(in.receive(ByteView(wire).subspan(cut)));
    ASSERT_TRUE(in.message());
    EXPECT_EQ(as_text(*in.message()), "hello");
  }
}

TEST(LengthPrefix, too_long_a_message_is_refused_at_its_length_and_bytes_behind_it_too) {
  LengthPrefixed in(4);
  EXPECT_FALSE(in.receive(ByteView(with_length(as_bytes("hello"))).first(4)));
  LengthPrefixed more(5);
  Bytes wire = with_length(as_bytes("hello"));
  append(wire, "x");
  EXPECT_FALSE(more.receive(wire));
}

}  // namespace
}  // namespace oob
