// SecureStream's promises, with real engines over a socket pair: data, closing, callbacks that destroy.
#include "common/tls/secure_stream.h"

#include <sys/socket.h>
#include <unistd.h>

#include "common/limits.h"
#include "tests/unit/common/tls/pair.h"

namespace oob {
namespace {

const Realm& realm() {
  static const Realm made;
  return made;
}

struct TlsPair : Pair {
  TlsPair() : Pair(realm().agent_context(realm().enrol("rack1"))->engine(), realm().server_context()->engine()) {}
};

Bytes pattern(std::size_t size, unsigned seed) {
  Bytes out(size);
  for (auto& b : out) b = static_cast<std::byte>((seed = seed * 1103515245u + 12345u) >> 16);
  return out;
}

void ten_megabytes_each_way(Pair& pair) {
  pair.start();
  pair.agent.to_send = pattern(10'000'000, 1);
  pair.server.to_send = pattern(10'000'000, 2);
  ASSERT_TRUE(pair.until([&] { return pair.agent.got.size() == 10'000'000 && pair.server.got.size() == 10'000'000; }));
  EXPECT_EQ(pair.agent.got, pair.server.to_send);
  EXPECT_EQ(pair.server.got, pair.agent.to_send);
  EXPECT_EQ(pair.agent.largest_pull, limits::tunnel_send_buffer_bytes);
}

TEST(SecureStream, carries_ten_megabytes_each_way_at_once_under_tls) {
  TlsPair pair;
  ten_megabytes_each_way(pair);
}

TEST(SecureStream, carries_ten_megabytes_each_way_at_once_without_tls) {
  Pair pair(std::nullopt, std::nullopt);
  ten_megabytes_each_way(pair);
}

TEST(SecureStream, both_ends_know_protocol_and_peer_when_ready) {
  TlsPair pair;
  pair.start();
  ASSERT_TRUE(pair.until_ready());
  EXPECT_EQ(pair.agent.stream->alpn(), kAlpnTunnel);
  EXPECT_EQ(pair.server.stream->alpn(), kAlpnTunnel);
  ASSERT_TRUE(pair.server.stream->peer());
  EXPECT_EQ(pair.server.stream->peer()->name, "rack1");
  EXPECT_EQ(pair.server.stream->peer()->fingerprint.size(), 64u);
  ASSERT_TRUE(pair.agent.stream->peer());
  EXPECT_EQ(pair.agent.stream->peer()->name, "oobd");
}

TEST(SecureStream, start_flush_and_close_call_nobody_back) {
  Pair pair(std::nullopt, std::nullopt);
  pair.start();
  pair.agent.stream->flush();
  EXPECT_FALSE(pair.agent.ready);
  EXPECT_EQ(pair.agent.pulls, 0u);
  ASSERT_TRUE(pair.until_ready());
  pair.agent.stream->close("enough");
  EXPECT_FALSE(pair.agent.stream->is_open());
  EXPECT_EQ(pair.agent.closed, 0u);
  ASSERT_TRUE(pair.until_closed());
  EXPECT_EQ(pair.agent.reason, "enough");
  EXPECT_EQ(pair.server.reason, "peer closed the connection");
}

TEST(SecureStream, what_was_sent_before_a_half_close_arrives_and_then_closed_once) {
  for (const bool tls : {false, true}) {
    Shard shard;
    End end, far;
    const auto fds = Pair::sockets();
    const int raw = dup(fds[1]);
    end.open(shard, fds[0], tls ? std::optional(realm().server_context()->engine()) : std::nullopt);
    far.open(shard, fds[1],
             tls ? std::optional(realm().agent_context(realm().enrol("rack1"))->engine()) : std::nullopt);
    end.stream->start(end.events()), far.stream->start(far.events());
    ASSERT_TRUE(pump_until(shard, [&] { return end.ready && far.ready; }));
    far.send("last words");
    shutdown(raw, SHUT_WR);
    ASSERT_TRUE(pump_until(shard, [&] { return end.closed > 0; }));
    pump_ready(shard);
    EXPECT_EQ(as_text(end.got), "last words");
    EXPECT_EQ(end.closed, 1u);
    EXPECT_EQ(end.reason, "peer closed the connection");
    close(raw);
  }
}

TEST(SecureStream, the_last_pull_before_close_reaches_a_peer_whose_bytes_were_not_read) {
  TlsPair pair;
  pair.start();
  ASSERT_TRUE(pair.until_ready());
  pair.agent.send(std::string(100'000, 'x'));  // more than is read before the close
  pair.server.send("refused, because");
  pair.server.stream->close("refused");
  ASSERT_TRUE(pair.until_closed());
  EXPECT_EQ(as_text(pair.agent.got), "refused, because");
  EXPECT_TRUE(pair.server.got.empty());
}

TEST(SecureStream, a_peer_that_never_closes_is_cut_after_the_goodbye) {
  Shard shard;
  End end;
  const auto fds = Pair::sockets();
  end.open(shard, fds[0], std::nullopt);
  end.stream->start(end.events());
  ASSERT_TRUE(pump_until(shard, [&] { return end.ready; }));
  end.stream->close("enough");
  ASSERT_TRUE(pump_until(shard, [&] { return end.closed > 0; }));
  EXPECT_EQ(end.reason, "enough");
  close(fds[1]);
}

TEST(SecureStream, every_callback_may_destroy_its_stream) {
  const std::vector<std::string> places{"ready", "bytes", "closed", "fill"};
  for (const auto& place : places) {
    TlsPair pair;
    auto events = pair.server.events();
    bool destroyed = false;
    const auto destroy = [&] { pair.server.stream.reset(), destroyed = true; };
    if (place == "ready") events.ready = destroy;
    if (place == "bytes") events.bytes = [&](ByteView) { destroy(); };
    if (place == "closed") events.closed = [&](const std::string&) { destroy(); };
    if (place == "fill")
      events.fill = [&](MutableBytes) {
        destroy();
        return std::size_t{1};
      };
    pair.agent.stream->start(pair.agent.events());
    pair.server.stream->start(std::move(events));
    append(pair.agent.to_send, "hello");
    if (place == "closed") {
      ASSERT_TRUE(pair.until([&] { return pair.agent.ready; }));
      pair.agent.stream->close("done");
    }
    ASSERT_TRUE(pair.until([&] { return destroyed && pair.agent.closed > 0; })) << place;
  }
}

TEST(SecureStream, flush_and_close_from_inside_callbacks_are_sound) {
  TlsPair pair;
  auto events = pair.server.events();
  events.bytes = [&](ByteView bytes) {
    append(pair.server.to_send, bytes);  // an echo
    pair.server.stream->flush();
  };
  auto fill = events.fill;
  events.fill = [&, fill](MutableBytes into) {
    pair.server.stream->flush();
    const auto n = fill(into);
    if (n > 0) pair.server.stream->close("echoed");
    return n;
  };
  pair.agent.stream->start(pair.agent.events());
  pair.server.stream->start(std::move(events));
  append(pair.agent.to_send, "ping");
  ASSERT_TRUE(pair.until_closed());
  EXPECT_EQ(pair.server.reason, "echoed");
  EXPECT_EQ(pair.agent.reason, "peer closed the connection");
}

TEST(SecureStream, closed_from_inside_fill_says_its_last_words_at_once) {
  Shard shard;
  End end;
  const auto fds = Pair::sockets();
  end.open(shard, fds[0], std::nullopt);
  auto events = end.events();
  events.fill = [&](MutableBytes) {
    end.stream->close("enough");
    return std::size_t{0};
  };
  end.stream->start(std::move(events));
  pump_ready(shard);
  std::byte nothing{};
  EXPECT_EQ(recv(fds[1], &nothing, 1, MSG_DONTWAIT), 0);  // its end, without waiting for any time-out
  close(fds[1]);
}

TEST(SecureStream, a_pull_is_not_made_while_the_peer_does_not_read) {
  Shard shard;
  End end;
  const auto fds = Pair::sockets();
  end.open(shard, fds[0], std::nullopt);
  end.to_send = pattern(10'000'000, 3);
  end.stream->start(end.events());
  ASSERT_TRUE(pump_until(shard, [&] { return end.ready; }));
  pump_ready(shard);
  const auto pulls = end.pulls;
  EXPECT_LT(end.sent, 2'000'000u);  // the socket's buffer and one pull
  end.stream->flush();
  pump_ready(shard);
  EXPECT_EQ(end.pulls, pulls);
  close(fds[1]);
  ASSERT_TRUE(pump_until(shard, [&] { return end.closed > 0; }));
}

}  // namespace
}  // namespace oob
