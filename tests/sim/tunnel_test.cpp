// The tunnel in simulation: both muxes, a link between them that cuts the bytes as a seed says, time by hand. Each test
// prints its seed on failure; OOB_SEED=n repeats it.
#include <gtest/gtest.h>

#include <cstdlib>
#include <deque>
#include <map>
#include <random>
#include <set>

#include "common/limits.h"
#include "proto/tunnel/messages.h"
#include "proto/tunnel/mux.h"
#include "tunnel.pb.h"

namespace oob {
namespace {

unsigned seed() {
  const char* set = std::getenv("OOB_SEED");
  return set != nullptr ? unsigned(std::atoi(set)) : std::random_device()();
}
#define WITH_SEED(random)            \
  const unsigned used_seed = seed(); \
  std::mt19937 random(used_seed);    \
  SCOPED_TRACE("OOB_SEED=" + std::to_string(used_seed))

// One end of a stream that sends a flood, or what it is told to, and counts what it gets.
class End final : public StreamOwner {
 public:
  Result<> stream_message(ByteView message) override {
    const auto output = parse_output(message);
    if (!output) return fail(ErrorCode::Usage, "not output");
    EXPECT_EQ(output->offset, received_bytes);
    received_bytes += output->data.size();
    ++received_messages;
    if (on_message) on_message();
    return {};
  }
  std::size_t stream_fill(MutableBytes into) override {
    std::size_t data = std::min(to_send_bytes, into.size() - kOutputOverheadBytes);
    if (data == 0) return 0;
    const std::size_t begin = frame_output(into, sent_bytes, 1, data);
    const std::size_t size = kOutputOverheadBytes + data - begin;
    std::memmove(into.data(), into.data() + begin, size);
    sent_bytes += data, to_send_bytes -= data;
    return size;
  }
  void stream_closed(const std::string&) override { closed = true; }

  std::size_t to_send_bytes = 0;
  std::uint64_t sent_bytes = 0, received_bytes = 0, received_messages = 0;
  bool closed = false;
  std::function<void()> on_message;
};

// Server and agent with a link that carries `link_bytes` at most in flight each way (as the socket's buffers would).
struct Tunnel {
  explicit Tunnel(std::mt19937& r, std::size_t link = limits::tunnel_send_buffer_bytes) : random(r), link_bytes(link) {}
  std::mt19937& random;
  std::size_t link_bytes;
  ManualClock clock;
  std::map<StreamId, std::unique_ptr<End>> agent_ends, server_ends;
  std::size_t closed_streams = 0;
  std::string failed;
  Mux server{Mux::Role::Opener, clock, {}};
  Mux agent{Mux::Role::Accepter,
            clock,
            {.opened =
                 [this](StreamId id, const std::string& path) {
                   auto& end = *(agent_ends[id] = std::make_unique<End>());
                   const bool keys = path.starts_with("/v1/keys");
                   return Mux::Accepted{&end, keys ? StreamClass::Keystroke : StreamClass::Console, 64 * 1024};
                 },
             .wants_fill = {}}};
  Bytes to_agent, to_server;

  StreamId open(const std::string& path, StreamClass stream_class) {
    auto end = std::make_unique<End>();
    const StreamId id = server.open(path, stream_class, 64 * 1024, *end);
    server_ends[id] = std::move(end);
    return id;
  }

  void fill(Mux& from, Bytes& link, std::size_t room) {
    if (link.size() >= room) return;
    const std::size_t old = link.size();
    link.resize(room);
    const auto filled = from.fill(MutableBytes(link).subspan(old));
    if (!filled) failed = filled.error().message;
    link.resize(old + (filled ? *filled : 0));
  }
  bool deliver(Bytes& link, Mux& to, std::size_t most) {
    if (link.empty()) return false;
    const std::size_t take = std::min<std::size_t>(link.size(), 1 + random() % most);
    if (const auto taken = to.receive(ByteView(link).first(take)); !taken) failed = taken.error().message;
    link.erase(link.begin(), link.begin() + std::ptrdiff_t(take));
    return true;
  }
  // One round: each side sends what the link holds, then random parts arrive. False: nothing moved.
  bool step() {
    fill(server, to_agent, link_bytes);
    fill(agent, to_server, link_bytes);
    const bool a = deliver(to_agent, agent, link_bytes), b = deliver(to_server, server, link_bytes);
    return failed.empty() && (a || b);
  }
  void settle() {
    while (step()) {
    }
    ASSERT_EQ(failed, "");
  }
};

TEST(TunnelSim, every_byte_arrives_once_and_in_order_however_the_link_cuts) {
  WITH_SEED(random);
  Tunnel tunnel(random);
  std::vector<StreamId> ids;
  for (int i = 0; i < 40; ++i) ids.push_back(tunnel.open("/v1/console/c" + std::to_string(i), StreamClass::Keystroke));
  tunnel.settle();
  std::map<StreamId, std::size_t> up, down;
  for (const StreamId id : ids) {
    up[id] = random() % 300'000, down[id] = random() % 300'000;
    tunnel.agent_ends[id]->to_send_bytes = up[id];
    tunnel.server_ends[id]->to_send_bytes = down[id];
    tunnel.agent.wake(id), tunnel.server.wake(id);
  }
  tunnel.settle();
  for (const StreamId id : ids) {
    EXPECT_EQ(tunnel.server_ends[id]->received_bytes, up[id]);
    EXPECT_EQ(tunnel.agent_ends[id]->received_bytes, down[id]);
  }
}

// `ahead`: bytes the sender puts on the wire between the moment a keystroke is queued and the keystroke itself.
void keystroke_waits_for_one_frame(bool from_server) {
  WITH_SEED(random);
  Tunnel tunnel(random, 4 * limits::tunnel_frame_bytes);
  const StreamId keys = tunnel.open("/v1/keys", StreamClass::Keystroke);
  std::vector<StreamId> bulk;
  for (int i = 0; i < 20; ++i) bulk.push_back(tunnel.open("/v1/bulk", StreamClass::Bulk));
  tunnel.settle();
  Mux& sender = from_server ? tunnel.server : tunnel.agent;
  Mux& receiver = from_server ? tunnel.agent : tunnel.server;
  auto& senders = from_server ? tunnel.server_ends : tunnel.agent_ends;
  auto& receivers = from_server ? tunnel.agent_ends : tunnel.server_ends;
  for (const StreamId id : bulk) senders[id]->to_send_bytes = 1 << 30, sender.wake(id);
  Bytes chunk(limits::tunnel_frame_bytes / 3);  // the socket takes less than a frame at a time
  for (int round = 0; round < 500; ++round) {
    const auto before = sender.fill(chunk);
    ASSERT_TRUE(before);
    if (*before > 0) ASSERT_TRUE(receiver.receive(ByteView(chunk).first(*before)));
    if (random() % 4 == 0) tunnel.deliver(from_server ? tunnel.to_server : tunnel.to_agent, sender, 100'000);
    tunnel.fill(receiver, from_server ? tunnel.to_server : tunnel.to_agent, 100'000);
    tunnel.deliver(from_server ? tunnel.to_server : tunnel.to_agent, sender, 100'000);
    // A key is typed in the middle of it.
    const std::uint64_t had = receivers[keys]->received_messages;
    senders[keys]->to_send_bytes = 1;
    sender.wake(keys);
    std::size_t ahead = 0;
    while (receivers[keys]->received_messages == had) {
      const auto filled = sender.fill(chunk);
      ASSERT_TRUE(filled);
      ASSERT_GT(*filled, 0u);
      ASSERT_TRUE(receiver.receive(ByteView(chunk).first(*filled)));
      if (receivers[keys]->received_messages == had) ahead += *filled;
    }
    EXPECT_LE(ahead, limits::tunnel_frame_bytes + chunk.size()) << "round " << round;
  }
}
TEST(TunnelSim, a_keystroke_waits_for_one_frame_at_most_from_server_to_agent) { keystroke_waits_for_one_frame(true); }
TEST(TunnelSim, a_keystroke_waits_for_one_frame_at_most_from_agent_to_server) { keystroke_waits_for_one_frame(false); }

TEST(TunnelSim, bulk_streams_share_evenly) {
  WITH_SEED(random);
  Tunnel tunnel(random);
  std::vector<StreamId> ids;
  for (int i = 0; i < 30; ++i) ids.push_back(tunnel.open("/v1/bulk", StreamClass::Bulk));
  tunnel.settle();
  for (const StreamId id : ids) tunnel.agent_ends[id]->to_send_bytes = 1 << 30, tunnel.agent.wake(id);
  std::size_t least = 0, most = 0;
  for (int i = 0; i < 20'000; ++i) tunnel.step();
  ASSERT_EQ(tunnel.failed, "");
  least = most = tunnel.server_ends[ids[0]]->received_bytes;
  for (const StreamId id : ids) {
    least = std::min<std::size_t>(least, tunnel.server_ends[id]->received_bytes);
    most = std::max<std::size_t>(most, tunnel.server_ends[id]->received_bytes);
  }
  EXPECT_GT(least, 1'000'000u);
  EXPECT_LE(most - least, limits::tunnel_stream_window_bytes_max);
  EXPECT_GT(double(least) / double(most), 0.9);
}

TEST(TunnelSim, an_echo_among_500_floods_waits_for_at_most_one_quantum) {
  WITH_SEED(random);
  Tunnel tunnel(random, limits::tunnel_frame_bytes);
  const StreamId echo = tunnel.open("/v1/console/echo", StreamClass::Keystroke);
  std::vector<StreamId> floods;
  for (int i = 0; i < 500; ++i) floods.push_back(tunnel.open("/v1/console/f", StreamClass::Keystroke));
  tunnel.settle();
  for (const StreamId id : floods) tunnel.agent_ends[id]->to_send_bytes = 1 << 30, tunnel.agent.wake(id);
  for (int i = 0; i < 3000; ++i) tunnel.step();
  Bytes chunk(1024);
  for (int round = 0; round < 300; ++round) {
    for (unsigned i = random() % 40; i > 0; --i) tunnel.step();
    while (tunnel.deliver(tunnel.to_server, tunnel.server, 100'000)) {
    }
    ASSERT_EQ(tunnel.failed, "");
    tunnel.agent_ends[echo]->to_send_bytes = 1;
    tunnel.agent.wake(echo);
    std::uint64_t ahead = 0;
    const std::uint64_t had = tunnel.server_ends[echo]->received_messages;
    while (tunnel.server_ends[echo]->received_messages == had) {
      const auto filled = tunnel.agent.fill(chunk);
      ASSERT_TRUE(filled && *filled > 0);
      ASSERT_TRUE(tunnel.server.receive(ByteView(chunk).first(*filled)));
      ahead += *filled;
    }
    // What nghttp2 was in the middle of, the quantum, and window updates of the streams that were paid meanwhile.
    EXPECT_LE(ahead, 2 * limits::tunnel_frame_bytes + chunk.size()) << "round " << round;
  }
}

TEST(TunnelSim, five_thousand_streams_closed_at_once_do_not_end_the_connection) {
  WITH_SEED(random);
  Tunnel tunnel(random, 1 << 20);
  std::vector<StreamId> ids;
  for (int i = 0; i < 5000; ++i) ids.push_back(tunnel.open("/v1/console/c", StreamClass::Keystroke));
  tunnel.settle();
  ASSERT_EQ(tunnel.agent_ends.size(), 5000u);
  for (const StreamId id : ids) tunnel.agent_ends[id]->to_send_bytes = random() % 40'000, tunnel.agent.wake(id);
  for (int i = 0; i < 5; ++i) tunnel.step();
  for (const StreamId id : ids) tunnel.server.close(id);
  tunnel.settle();
  for (const StreamId id : ids) EXPECT_TRUE(tunnel.agent_ends[id]->closed);
  EXPECT_EQ(tunnel.server.open_streams(), 0u);
  EXPECT_EQ(tunnel.agent.open_streams(), 0u);
  const StreamId again = tunnel.open("/v1/console/c", StreamClass::Keystroke);
  tunnel.server_ends[again]->to_send_bytes = 100;
  tunnel.server.wake(again);
  tunnel.settle();
  EXPECT_EQ(tunnel.agent_ends[again]->received_bytes, 100u);
}

TEST(TunnelSim, a_held_stream_stalls_alone) {
  WITH_SEED(random);
  Tunnel tunnel(random);
  const StreamId held = tunnel.open("/v1/console/held", StreamClass::Console);
  const StreamId other = tunnel.open("/v1/console/other", StreamClass::Console);
  tunnel.settle();
  tunnel.server.hold(held, true);
  for (const StreamId id : {held, other}) tunnel.agent_ends[id]->to_send_bytes = 3'000'000, tunnel.agent.wake(id);
  tunnel.settle();
  EXPECT_LE(tunnel.server_ends[held]->received_bytes, limits::tunnel_stream_window_bytes);
  EXPECT_EQ(tunnel.server_ends[other]->received_bytes, 3'000'000u);
  tunnel.server.hold(held, false);
  tunnel.settle();
  EXPECT_EQ(tunnel.server_ends[held]->received_bytes, 3'000'000u);
}

TEST(TunnelSim, a_silent_peer_is_found_dead_and_a_quiet_one_is_not) {
  WITH_SEED(random);
  Tunnel tunnel(random);
  tunnel.settle();
  for (int i = 0; i < 100; ++i) {  // 100 s without a stream, pings answered
    tunnel.clock.advance(Duration(1000));
    ASSERT_TRUE(tunnel.server.tick() && tunnel.agent.tick());
    tunnel.settle();
  }
  Result<> alive;
  int seconds = 0;
  for (; alive && seconds < 100; ++seconds) {  // the link swallows everything
    tunnel.clock.advance(Duration(1000));
    alive = tunnel.server.tick();
    tunnel.fill(tunnel.server, tunnel.to_agent, 1 << 20);
  }
  EXPECT_FALSE(alive);
  EXPECT_LE(seconds, 26);
}

TEST(TunnelSim, a_ping_measures_the_round_trip) {
  WITH_SEED(random);
  Tunnel tunnel(random);
  tunnel.settle();
  EXPECT_FALSE(tunnel.server.round_trip());
  tunnel.server.ping();
  tunnel.fill(tunnel.server, tunnel.to_agent, 1 << 20);
  tunnel.clock.advance(Duration(30));
  tunnel.settle();
  ASSERT_TRUE(tunnel.server.round_trip());
  EXPECT_EQ(*tunnel.server.round_trip(), std::chrono::milliseconds(30));
}

TEST(TunnelSim, random_bytes_end_the_connection_and_nothing_else) {
  WITH_SEED(random);
  for (int round = 0; round < 200; ++round) {
    Tunnel tunnel(random);
    const StreamId id = tunnel.open("/v1/console/c", StreamClass::Console);
    tunnel.settle();
    Bytes noise(random() % 4000 + 100);
    for (auto& b : noise) b = std::byte(random());
    noise[3] = std::byte(0x7F);  // an absurd frame length in any case
    noise[0] = std::byte(0x7F);
    const bool taken = tunnel.agent.receive(noise).has_value();
    Bytes out(100'000);
    EXPECT_FALSE(taken && tunnel.agent.fill(out));
    tunnel.agent.fail_all("broken");
    EXPECT_TRUE(tunnel.agent_ends[id]->closed);
  }
}

TEST(TunnelSim, an_unknown_path_is_refused_and_the_connection_goes_on) {
  WITH_SEED(random);
  ManualClock clock;
  Tunnel tunnel(random);
  Mux agent{Mux::Role::Accepter,
            clock,
            {.opened = [](StreamId, const std::string&) { return Mux::Accepted{}; }, .wants_fill = {}}};
  const StreamId id = tunnel.open("/v2/unknown", StreamClass::Console);
  Bytes bytes(65536);
  for (int i = 0; i < 10; ++i) {
    auto n = tunnel.server.fill(bytes);
    ASSERT_TRUE(n);
    if (*n > 0) ASSERT_TRUE(agent.receive(ByteView(bytes).first(*n)));
    n = agent.fill(bytes);
    ASSERT_TRUE(n);
    if (*n > 0) ASSERT_TRUE(tunnel.server.receive(ByteView(bytes).first(*n)));
  }
  EXPECT_TRUE(tunnel.server_ends[id]->closed);
  EXPECT_EQ(tunnel.server.open_streams(), 0u);
}

}  // namespace
}  // namespace oob
