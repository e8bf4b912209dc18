// Promises of Descriptor, Connector and Listener, with real sockets on loopback.
#include "common/runtime/descriptor.h"

#include <fcntl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <cstdlib>
#include <filesystem>
#include <optional>

#include "tests/unit/common/runtime/pump.h"

namespace oob {
namespace {

struct Pair {
  Pair() { EXPECT_EQ(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends.data()), 0); }
  std::array<int, 2> ends{};
};

// A folder that is gone after the test.
struct Folder {
  Folder() {
    char name[] = "/tmp/oob-test-XXXXXX";
    path = mkdtemp(name);
  }
  ~Folder() { std::filesystem::remove_all(path); }
  std::string path;
};

Result<int> connect_now(Shard& shard, const std::string& address) {
  std::optional<Result<int>> result;
  Connector connector(shard);
  connector.connect(address, Duration(5000), [&](Result<int> r) { result = r; });
  EXPECT_FALSE(result.has_value()) << "done was called from inside connect()";
  EXPECT_TRUE(pump_until(shard, [&] { return result.has_value(); }));
  return result.value_or(-1);
}

TEST(Descriptor, ready_is_called_again_while_something_is_unread) {
  Shard shard;
  Pair pair;
  Descriptor reader(shard, pair.ends[0]), writer(shard, pair.ends[1]);
  std::string got;
  reader.start_reading([&] {
    std::byte one[1];
    const auto n = reader.read(one);
    if (n) got += as_text(ByteView(one, *n));
  });
  ASSERT_EQ(writer.write(as_bytes("abc")).value(), 3u);
  EXPECT_TRUE(pump_until(shard, [&] { return got == "abc"; }));
}

TEST(Descriptor, nothing_is_called_after_stop_reading_or_close) {
  Shard shard;
  Pair pair;
  Descriptor reader(shard, pair.ends[0]), writer(shard, pair.ends[1]);
  int calls = 0;
  reader.start_reading([&] { ++calls; });
  ASSERT_TRUE(writer.write(as_bytes("x")));
  reader.stop_reading();
  pump_ready(shard);
  EXPECT_EQ(calls, 0);
  reader.start_reading([&] { ++calls; });
  reader.when_writable([&] { ++calls; });
  reader.close();
  pump_ready(shard);
  EXPECT_EQ(calls, 0);
}

TEST(Descriptor, reading_again_after_a_stop_finds_what_came_meanwhile) {
  Shard shard;
  Pair pair;
  Descriptor reader(shard, pair.ends[0]), writer(shard, pair.ends[1]);
  int first = 0, second = 0;
  reader.start_reading([&] { ++first; });
  reader.stop_reading();
  ASSERT_TRUE(writer.write(as_bytes("x")));
  pump_ready(shard);  // the wait that was under way ends here
  reader.start_reading([&] { ++second; });
  EXPECT_TRUE(pump_until(shard, [&] { return second > 0; }));
  EXPECT_EQ(first, 0);
}

TEST(Descriptor, a_callback_may_destroy_its_descriptor) {
  Shard shard;
  Pair pair;
  Descriptor writer(shard, pair.ends[1]);
  auto reader = std::make_unique<Descriptor>(shard, pair.ends[0]);
  int calls = 0;
  reader->start_reading([&calls, &reader, keep = std::string(100, 'x')] {
    reader.reset();
    calls += keep[50] == 'x';  // what the callback captured outlives the Descriptor
  });
  ASSERT_TRUE(writer.write(as_bytes("xy")));
  EXPECT_TRUE(pump_until(shard, [&] { return calls > 0; }));
  pump_ready(shard);
  EXPECT_EQ(calls, 1);
}

TEST(Descriptor, the_end_of_the_stream_reads_as_closed_and_writing_to_it_raises_no_signal) {
  Shard shard;
  Pair pair;
  Descriptor reader(shard, pair.ends[0]);
  ::close(pair.ends[1]);
  std::string error;
  reader.start_reading([&] {
    std::byte bytes[8];
    const auto n = reader.read(bytes);
    if (!n) error = n.error().message, reader.stop_reading();
  });
  EXPECT_TRUE(pump_until(shard, [&] { return error == "closed"; }));
  EXPECT_EQ(reader.write(as_bytes("x")).error().message, "closed");
}

TEST(Descriptor, a_full_peer_takes_nothing_and_says_when_it_takes_again) {
  Shard shard;
  Pair pair;
  Descriptor writer(shard, pair.ends[0]), reader(shard, pair.ends[1]);
  const Bytes block(65536);
  while (writer.write(block).value() > 0) {
  }
  int writable = 0;
  writer.when_writable([&] { ++writable; });
  pump_ready(shard);
  EXPECT_EQ(writable, 0);
  Bytes drained(1 << 20);
  while (reader.read(drained).value() > 0) {
  }
  EXPECT_TRUE(pump_until(shard, [&] { return writable == 1; }));
  pump_ready(shard);
  EXPECT_EQ(writable, 1) << "called more than once";
}

TEST(Descriptor, a_plain_file_and_dev_null_are_always_ready) {
  Shard shard;
  for (const char* path : {"/etc/passwd", "/dev/null"}) {
    Descriptor file(shard, ::open(path, O_RDWR));
    bool closed = false, writable = false;
    file.start_reading([&] {
      Bytes bytes(4096);
      closed = closed || !file.read(bytes).has_value();
    });
    file.when_writable([&] { writable = true; });
    EXPECT_TRUE(pump_until(shard, [&] { return closed && writable; })) << path;
  }
}

TEST(Listener, tcp_tells_its_port_and_its_peers_address) {
  Shard shard;
  Listener listener(shard);
  int accepted = -1;
  std::string peer;
  const auto take = [&](int fd, std::string who) { accepted = fd, peer = std::move(who); };
  ASSERT_TRUE(listener.listen("127.0.0.1:0", 0, take));
  EXPECT_NE(listener.address(), "127.0.0.1:0");
  const int fd = connect_now(shard, listener.address()).value();
  EXPECT_TRUE(pump_until(shard, [&] { return accepted >= 0; }));
  EXPECT_TRUE(peer.starts_with("127.0.0.1:")) << peer;
  EXPECT_FALSE(peer_credentials(accepted).has_value());
  ::close(fd), ::close(accepted);
}

TEST(Listener, unix_socket_has_its_mode_tells_the_peers_uid_and_is_removed_at_close) {
  Shard shard;
  const Folder folder;
  const std::string path = folder.path + "/s";
  Listener listener(shard);
  int accepted = -1;
  std::string peer;
  const auto take = [&](int fd, std::string who) { accepted = fd, peer = std::move(who); };
  ASSERT_TRUE(listener.listen("unix:" + path, 0640, take));
  struct stat status {};
  ASSERT_EQ(lstat(path.c_str(), &status), 0);
  EXPECT_EQ(status.st_mode & 07777, 0640u);
  const int fd = connect_now(shard, "unix:" + path).value();
  EXPECT_TRUE(pump_until(shard, [&] { return accepted >= 0; }));
  EXPECT_EQ(peer, "unix, uid " + std::to_string(getuid()));
  EXPECT_EQ(peer_credentials(accepted).value().pid, getpid());
  ::close(fd), ::close(accepted);
  listener.close();
  EXPECT_FALSE(std::filesystem::exists(path));
}

TEST(Listener, a_stale_socket_is_replaced_a_live_one_and_a_file_are_not) {
  Shard shard;
  const Folder folder;
  const std::string path = folder.path + "/s", address = "unix:" + path;
  const auto ignore = [](int fd, const std::string&) { ::close(fd); };
  Listener first(shard), second(shard);
  ASSERT_TRUE(first.listen(address, 0600, ignore));
  const auto refused = second.listen(address, 0600, ignore);
  ASSERT_FALSE(refused);
  EXPECT_NE(refused.error().message.find("another process listens"), std::string::npos) << refused.error().message;
  EXPECT_TRUE(std::filesystem::exists(path)) << "the live listener lost its socket file";

  std::filesystem::rename(path, path + ".kept");  // so that close() does not find it
  first.close();
  std::filesystem::rename(path + ".kept", path);  // now nobody answers there
  EXPECT_TRUE(second.listen(address, 0600, ignore));
  second.close();

  ::close(::creat(path.c_str(), 0600));
  const auto file = second.listen(address, 0600, ignore);
  ASSERT_FALSE(file);
  EXPECT_NE(file.error().message.find("not a socket"), std::string::npos) << file.error().message;
}

TEST(Listener, accepted_may_destroy_the_listener) {
  Shard shard;
  auto listener = std::make_unique<Listener>(shard);
  int calls = 0;
  ASSERT_TRUE(listener->listen("127.0.0.1:0", 0, [&](int fd, const std::string&) {
    ::close(fd), ++calls;
    listener.reset();
  }));
  const std::string address = listener->address();
  Connector one(shard), two(shard);
  for (Connector* connector : {&one, &two}) {
    connector->connect(address, Duration(5000), [](Result<int> r) {
      if (r) ::close(*r);
    });
  }
  EXPECT_TRUE(pump_until(shard, [&] { return calls > 0; }));
  pump_ready(shard);
  EXPECT_EQ(calls, 1);
}

// Not built under UBSan, which itself needs descriptors and takes their lack for a bad object.
#if !__has_feature(undefined_behavior_sanitizer)
TEST(Listener, out_of_descriptors_it_rests_and_then_accepts) {
  Shard shard;
  Listener listener(shard);
  int accepted = -1;
  ASSERT_TRUE(listener.listen("127.0.0.1:0", 0, [&](int fd, const std::string&) { accepted = fd; }));
  const int fd = connect_now(shard, listener.address()).value();
  if (accepted >= 0) ::close(std::exchange(accepted, -1));
  rlimit before{};
  getrlimit(RLIMIT_NOFILE, &before);
  const int second = ::socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
  rlimit tight = before;
  tight.rlim_cur = static_cast<rlim_t>(second) + 1;
  setrlimit(RLIMIT_NOFILE, &tight);
  sockaddr_storage where{};
  socklen_t length = sizeof where;
  getpeername(fd, reinterpret_cast<sockaddr*>(&where), &length);
  ::connect(second, reinterpret_cast<sockaddr*>(&where), length);
  const auto turns = [&] {
    std::size_t n = 0;
    const auto end = std::chrono::steady_clock::now() + std::chrono::milliseconds(80);
    while (std::chrono::steady_clock::now() < end) n += shard.io().run_one_for(std::chrono::milliseconds(20));
    return n;
  }();
  EXPECT_LT(turns, 20u) << "it spins";
  setrlimit(RLIMIT_NOFILE, &before);
  EXPECT_TRUE(pump_until(shard, [&] { return accepted >= 0; }));
  ::close(fd), ::close(second), ::close(accepted);
}
#endif

TEST(Connector, says_whom_it_could_not_reach_and_why) {
  Shard shard;
  const auto refused = connect_now(shard, "127.0.0.1:1");
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().message, "cannot connect to 127.0.0.1:1: Connection refused");
  const auto missing = connect_now(shard, "unix:/nonexistent/socket");
  ASSERT_FALSE(missing);
  EXPECT_EQ(missing.error().message, "cannot connect to unix:/nonexistent/socket: No such file or directory");
  EXPECT_EQ(connect_now(shard, "nonsense").error().code, ErrorCode::Usage);
  EXPECT_EQ(connect_now(shard, "unix:" + std::string(200, 'x')).error().code, ErrorCode::Usage);
}

TEST(Connector, a_name_is_tried_address_by_address) {
  Shard shard;
  Listener listener(shard);  // localhost is ::1 too, where nobody listens
  ASSERT_TRUE(listener.listen("127.0.0.1:0", 0, [](int fd, const std::string&) { ::close(fd); }));
  const auto port = parse_host_port(listener.address()).value().port;
  const auto fd = connect_now(shard, "localhost:" + port);
  ASSERT_TRUE(fd) << fd.error().message;
  ::close(*fd);
}

TEST(Connector, a_datagram_goes_to_each_address_of_a_name) {
  Shard shard;
  const int peer = ::socket(AF_INET, SOCK_DGRAM | SOCK_NONBLOCK, 0);
  sockaddr_in where{};
  where.sin_family = AF_INET;
  where.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t length = sizeof where;
  ASSERT_EQ(::bind(peer, reinterpret_cast<sockaddr*>(&where), length), 0);
  ASSERT_EQ(::getsockname(peer, reinterpret_cast<sockaddr*>(&where), &length), 0);
  Connector connector(shard);
  bool called = false;
  connector.connect_datagrams("localhost:" + std::to_string(ntohs(where.sin_port)), Duration(5000),
                              [&](const Result<std::vector<int>>& fds) {
                                called = true;
                                ASSERT_TRUE(fds) << fds.error().message;
                                for (const int fd : *fds) {
                                  EXPECT_EQ(::send(fd, "x", 1, MSG_NOSIGNAL), 1);
                                  ::close(fd);
                                }
                              });
  EXPECT_FALSE(called);
  ASSERT_TRUE(pump_until(shard, [&] { return called; }));
  char got = 0;
  EXPECT_EQ(::recv(peer, &got, 1, 0), 1);
  ::close(peer);
  std::string why;
  connector.connect_datagrams("localhost", Duration(5000), [&](const auto& fds) { why = fds.error().message; });
  ASSERT_TRUE(pump_until(shard, [&] { return !why.empty(); }));
  EXPECT_NE(why.find("port is missing"), std::string::npos) << why;
}

TEST(Connector, a_peer_that_does_not_answer_is_given_up_after_the_time_out) {
  Shard shard;
  const Folder folder;
  const std::string path = folder.path + "/s";
  Listener listener(shard);
  ASSERT_TRUE(listener.listen("unix:" + path, 0600, [](int, const std::string&) { FAIL(); }));
  // A UNIX socket with a full backlog refuses nobody and takes nobody: it is never pumped outside of its own shard.
  Shard other;
  std::vector<int> waiting;
  std::optional<Result<int>> result;
  Connector connector(other);
  while (!result || *result) {
    result.reset();
    connector.connect("unix:" + path, Duration(120), [&](Result<int> r) { result = r; });
    ASSERT_TRUE(pump_until(other, [&] { return result.has_value(); }));
    if (*result) waiting.push_back(**result);
    ASSERT_LT(waiting.size(), 6000u);
  }
  EXPECT_NE(result->error().message.find("timed out"), std::string::npos) << result->error().message;
  for (const int fd : waiting) ::close(fd);
}

TEST(Connector, nothing_is_called_after_cancel_or_destruction) {
  Shard shard;
  int calls = 0;
  {
    Connector destroyed(shard);
    destroyed.connect("127.0.0.1:1", Duration(1000), [&](Result<int>) { ++calls; });
  }
  Connector cancelled(shard);
  cancelled.connect("localhost:1", Duration(1000), [&](Result<int>) { ++calls; });
  shard.io().poll_one();
  cancelled.cancel();
  bool later = false;
  cancelled.connect("127.0.0.1:1", Duration(1000), [&](Result<int>) { later = true; });
  EXPECT_TRUE(pump_until(shard, [&] { return later; }));
  pump_ready(shard);
  EXPECT_EQ(calls, 0);
}

TEST(Address, host_and_port_are_told_apart_and_mistakes_named) {
  EXPECT_EQ(parse_host_port("cs1.example:7001").value().host, "cs1.example");
  EXPECT_EQ(parse_host_port("[::1]:7001").value().host, "::1");
  EXPECT_EQ(parse_host_port("[::1]:7001").value().port, "7001");
  const auto says = [](std::string_view address, std::string_view what) {
    const auto parsed = parse_host_port(address);
    return !parsed && parsed.error().message.find(what) != std::string::npos;
  };
  EXPECT_TRUE(says("cs1", "port is missing"));
  EXPECT_TRUE(says("::1:7001", "in brackets"));
  EXPECT_TRUE(says("[::1:7001", "closing ]"));
  EXPECT_TRUE(says("[::1]7001", "port is missing"));
  EXPECT_TRUE(says(":7001", "host is missing"));
  EXPECT_TRUE(says("cs1:", "number"));
  EXPECT_TRUE(says("cs1:65536", "65535"));
  EXPECT_TRUE(says("cs1:70o1", "number"));
  EXPECT_TRUE(says("a b:1", "character"));
  EXPECT_TRUE(says("\x1b[1m:1", "\\x1b"));
}

}  // namespace
}  // namespace oob
