// Promises of tcp and unix lines, with real sockets on loopback.
#include <sys/socket.h>
#include <unistd.h>

#include <filesystem>

#include "common/runtime/descriptor.h"
#include "tests/unit/agents/lines/recorder.h"

namespace oob {
namespace {

// The far end: a listener on a shard that the bench pumps too.
struct Far {
  explicit Far(const std::string& address) : listener(shard) {
    EXPECT_TRUE(listener.listen(
        address, 0600, [this](int fd, const std::string&) { peer = std::make_unique<Descriptor>(shard, fd); }));
  }
  bool until_peer() {
    return pump_until(shard, [this] { return peer != nullptr; });
  }
  Shard shard;
  Listener listener;
  std::unique_ptr<Descriptor> peer;
};

LineConfig tcp_to(const std::string& address) { return {"web01", "tcp", {{"address", address}}, {}}; }

TEST(TcpLine, carries_bytes_both_ways_unchanged) {
  Far far("127.0.0.1:0");
  Bench bench(tcp_to(far.listener.address()));
  ASSERT_TRUE(bench.until_up() && far.until_peer());
  EXPECT_EQ(*bench.events.up, far.listener.address());
  std::string all;
  for (int c = 0; c < 256; ++c) all += static_cast<char>(c);
  EXPECT_EQ(bench.line->write(as_bytes(all)), 256u);
  Bytes got(1000);
  std::size_t n = 0;
  EXPECT_TRUE(pump_until(far.shard, [&] { return (n = far.peer->read(got).value_or(0)) > 0; }));
  EXPECT_EQ(as_text(ByteView(got).first(n)), all);
  EXPECT_EQ(far.peer->write(as_bytes(all)).value(), 256u);
  EXPECT_TRUE(bench.until([&] { return bench.events.output == all; }));
}

TEST(TcpLine, the_peers_end_is_told_after_what_it_said) {
  Far far("127.0.0.1:0");
  Bench bench(tcp_to(far.listener.address()));
  ASSERT_TRUE(bench.until_up() && far.until_peer());
  ASSERT_TRUE(far.peer->write(as_bytes("bye")));
  shutdown(far.peer->fd(), SHUT_WR);  // half-closed: it would still read, but a console that says nothing is no console
  ASSERT_TRUE(bench.until_down());
  EXPECT_EQ(bench.events.output, "bye");
  EXPECT_EQ(*bench.events.down, "the peer closed the connection");
}

TEST(TcpLine, a_refused_connection_is_told_in_words) {
  Bench bench(tcp_to("127.0.0.1:1"));
  ASSERT_TRUE(bench.until_down());
  EXPECT_EQ(*bench.events.down, "cannot connect to 127.0.0.1:1: Connection refused");
}

TEST(TcpLine, a_peer_is_held_up_while_reading_is_off) {
  Far far("127.0.0.1:0");
  Bench bench(tcp_to(far.listener.address()));
  ASSERT_TRUE(bench.until_up() && far.until_peer());
  bench.line->set_reading(false);
  const Bytes block(65536);
  std::size_t sent = 0;
  for (std::size_t n = 1; n > 0; sent += n) n = far.peer->write(block).value();
  pump_ready(bench.shard);
  EXPECT_EQ(bench.events.output, "");
  bench.line->set_reading(true);
  EXPECT_TRUE(bench.until([&] { return bench.events.output.size() == sent; }));
}

TEST(TcpLine, may_be_destroyed_while_it_connects) {
  Far far("127.0.0.1:0");
  Bench bench(tcp_to(far.listener.address()));
  bench.line.reset();
  pump_ready(bench.shard);
  EXPECT_FALSE(bench.events.up || bench.events.down);
}

TEST(UnixLine, carries_bytes_and_tells_the_end) {
  char name[] = "/tmp/oob-test-XXXXXX";
  const std::string folder = mkdtemp(name), path = folder + "/vm.sock";
  {
    Far far("unix:" + path);
    Bench bench({"vm", "unix", {{"path", path}}, {}});
    ASSERT_TRUE(bench.until_up() && far.until_peer());
    EXPECT_EQ(*bench.events.up, path);
    ASSERT_TRUE(far.peer->write(as_bytes("login: ")));
    EXPECT_TRUE(bench.until([&] { return bench.events.output == "login: "; }));
    far.peer.reset();
    ASSERT_TRUE(bench.until_down());
    EXPECT_EQ(*bench.events.down, "the peer closed the connection");
  }
  Bench absent({"vm", "unix", {{"path", path}}, {}});
  ASSERT_TRUE(absent.until_down());
  EXPECT_EQ(*absent.events.down, "cannot connect to unix:" + path + ": No such file or directory");
  std::filesystem::remove_all(folder);
}

}  // namespace
}  // namespace oob
