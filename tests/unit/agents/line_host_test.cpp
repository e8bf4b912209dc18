// Promises of LineHost for a line whose device speaks on while nobody listens, with a pty as the serial port.
#include "agents/line_host.h"

#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

#include <filesystem>

#include "common/runtime/descriptor.h"
#include "common/toml/table.h"
#include "tests/unit/common/runtime/pump.h"

namespace oob {
namespace {
namespace fs = std::filesystem;

struct Heard : LineHostEvents {
  void line_changed(LineHost&) override {}
  void line_has_output(LineHost&) override {}
  void line_told_facts(LineHost& line) override { ++facts, last = line.state().facts; }
  void line_input_done(LineHost&, const InputQueue::Fate& fate) override { fates.push_back(fate); }
  bool line_wants_secret(LineHost&, const std::string& key, std::function<void(Result<Secret>)> done) override {
    if (server) asked.emplace_back(key, std::move(done));
    return server;
  }
  bool server = true;
  std::vector<std::pair<std::string, std::function<void(Result<Secret>)>>> asked;
  int facts = 0;
  LineFacts last;
  std::vector<InputQueue::Fate> fates;
};

Policy allow_all_ports() {
  Diagnostics to;
  const auto text = toml_file::parse("serial = [\"/tmp/*/*\"]\ntcp = [\"127.0.0.1:*\"]\n", "agent.toml", to);
  TableReader allow(*text, "[allow]", to);
  Policy policy = Policy::read(allow, to);
  EXPECT_FALSE(to.failed()) << to.text();
  return policy;
}

// The device is a link to a pty, as udev makes links to an adapter.
class Ports : public testing::Test {
 protected:
  Ports() {
    char name[] = "/tmp/oob-test-XXXXXX";
    folder = mkdtemp(name);
    plug();
  }
  ~Ports() override {
    host.reset();
    pump_ready(shard);
    unplug();
    fs::remove_all(folder);
  }
  void plug() {
    master = posix_openpt(O_RDWR | O_NOCTTY | O_NONBLOCK | O_CLOEXEC);
    EXPECT_TRUE(grantpt(master) == 0 && unlockpt(master) == 0);
    fs::create_symlink(ptsname(master), folder / "port0");
  }
  void unplug() {
    fs::remove(folder / "port0");
    if (master >= 0) ::close(std::exchange(master, -1));
  }
  void serve(const std::string& flow = "none") {
    auto store = LineStore::open((folder / "rings").string(), (folder / "spool").string(), "sw1");
    const LineConfig config{"sw1", "serial", {{"device", (folder / "port0").string()}, {"flow", flow}}, {}};
    host = std::make_unique<LineHost>(shard, config, std::move(*store), policy, heard);
    host->start();
    ASSERT_TRUE(pump_until(shard, [&] { return host->state().up; })) << host->state().detail;
  }
  // What the store holds, events as "[kind text]".
  std::string told() {
    std::string out;
    auto at = host->store().cursor_at(0);
    while (const auto record = host->store().read(at)) {
      const std::string text(as_text(record->payload));
      out += record->kind == RingRecord::Kind::Data ? text : "[" + std::to_string(int(record->kind)) + " " + text + "]";
      host->store().advance(at, record->payload.size());
    }
    return out;
  }
  static std::string event(RingRecord::Kind kind, const std::string& text) {
    return "[" + std::to_string(int(kind)) + " " + text + "]";
  }
  // Says so much, as long as it is taken; how much was.
  std::size_t say(std::size_t bytes) {
    const std::string block(4096, 'x');
    std::size_t said = 0;
    const auto end = std::chrono::steady_clock::now() + std::chrono::seconds(10);
    for (int refused = 0; said < bytes && refused < 50 && std::chrono::steady_clock::now() < end;) {
      const ssize_t n = ::write(master, block.data(), block.size());
      if (n > 0) said += std::size_t(n), refused = 0;
      if (n <= 0) ++refused;
      shard.io().run_one_for(std::chrono::milliseconds(n > 0 ? 0 : 10));
    }
    return said;
  }

  Shard shard;
  Policy policy = allow_all_ports();
  Heard heard;
  fs::path folder;
  int master = -1;
  std::unique_ptr<LineHost> host;
};

TEST_F(Ports, a_port_that_comes_back_is_opened_at_once_and_the_time_between_is_a_gap) {
  serve();
  ASSERT_EQ(::write(master, "one", 3), 3);
  ASSERT_TRUE(pump_until(shard, [&] { return host->store().end() == 3; }));
  unplug();
  ASSERT_TRUE(pump_until(shard, [&] { return !host->state().up; }));
  // The backoff grows while the port is away, and is not what brings it back.
  ASSERT_TRUE(
      pump_until(shard, [&] { return host->state().detail.find("there is no such device") != std::string::npos; }));
  const auto until = std::chrono::steady_clock::now() + std::chrono::seconds(3);
  while (std::chrono::steady_clock::now() < until) shard.io().run_one_for(std::chrono::milliseconds(100));
  const auto from = std::chrono::steady_clock::now();
  plug();
  ASSERT_TRUE(pump_until(shard, [&] { return host->state().up; }));
  EXPECT_LT(std::chrono::steady_clock::now() - from, std::chrono::milliseconds(500));
  ASSERT_EQ(::write(master, "two", 3), 3);
  ASSERT_TRUE(pump_until(shard, [&] { return host->store().end() == 6; }));
  const std::string all = told(), port = (folder / "port0").string();
  EXPECT_TRUE(all.starts_with(event(RingRecord::Kind::Up, port + ", 9600 8N1, flow none") + "one" +
                              event(RingRecord::Kind::Down, port + " has gone")))
      << all;
  EXPECT_TRUE(all.ends_with(event(RingRecord::Kind::Unknown, "said while the line was down") +
                            event(RingRecord::Kind::Up, port + ", 9600 8N1, flow none") + "two"))
      << all;
}

TEST_F(Ports, a_line_that_ends_as_soon_as_it_is_up_is_told_of_once) {
  Listener far(shard);
  int attempts = 0;
  std::unique_ptr<Descriptor> last;
  bool stay = false;
  ASSERT_TRUE(far.listen("127.0.0.1:0", 0, [&](int fd, const std::string&) {
    ++attempts;
    last = std::make_unique<Descriptor>(shard, fd);
    if (!stay) last.reset();
  }));
  auto store = LineStore::open((folder / "rings").string(), (folder / "spool").string(), "sw1");
  const LineConfig config{"sw1", "tcp", {{"address", far.address()}}, {}};
  host = std::make_unique<LineHost>(shard, config, std::move(*store), policy, heard);
  host->start();
  ASSERT_TRUE(pump_until(shard, [&] { return attempts == 4 && !host->state().up; }));
  const std::string up = event(RingRecord::Kind::Up, far.address());
  const std::string down = event(RingRecord::Kind::Down, "the peer closed the connection");
  EXPECT_EQ(told(), up + down);
  stay = true;
  ASSERT_TRUE(pump_until(shard, [&] { return host->state().up && attempts == 5; }));
  EXPECT_EQ(told(), up + down) << "it may end at once again";
  ASSERT_TRUE(pump_until(shard, [&] { return told() == up + down + up; })) << "it holds: " << told();
  last.reset();
  ASSERT_TRUE(pump_until(shard, [&] { return told() == up + down + up + down; })) << told();
}

TEST_F(Ports, without_flow_control_a_full_ring_is_read_on_and_with_it_the_device_is_held) {
  constexpr std::size_t kMuch = 3 * 1024 * 1024;
  serve("none");
  host->server_here(true);
  EXPECT_GE(say(kMuch), kMuch);
  host.reset();
  pump_ready(shard);
  fs::remove_all(folder / "rings");
  serve("rtscts");
  host->server_here(true);
  EXPECT_LT(say(kMuch), 1024u * 1024u);
  host->server_here(false);
  EXPECT_GE(say(kMuch), kMuch) << "with the server away it is read on";
}

TEST_F(Ports, facts_are_told_and_those_of_a_line_that_is_down_forgotten) {
  serve();
  ASSERT_TRUE(pump_until(shard, [&] { return heard.facts > 0; }));
  EXPECT_EQ(heard.last.front(), std::pair(std::string("settings"), std::string("9600 8N1, flow none")));
  host->down();
  EXPECT_TRUE(host->state().facts.empty());
}

TEST_F(Ports, a_break_is_logged_with_the_time_it_takes) {
  serve();
  host->send_break(7, 1, Duration(0));
  ASSERT_EQ(heard.fates.size(), 1u);
  EXPECT_EQ(heard.fates[0].refused, "");
  EXPECT_TRUE(told().ends_with(event(RingRecord::Kind::Break, "250 ms"))) << told();
}

TEST_F(Ports, what_was_typed_before_a_break_and_waits_is_refused_and_never_comes_behind_it) {
  serve();
  const std::string much(1000, 'x');  // more than the port is given at once
  host->input(7, 1, shard.clock().now() + std::chrono::seconds(60), as_bytes(much));
  ASSERT_TRUE(heard.fates.empty());
  host->send_break(7, 2, Duration(10));
  ASSERT_EQ(heard.fates.size(), 2u);
  EXPECT_EQ(heard.fates[0].sequence, 1u);
  EXPECT_EQ(heard.fates[0].refused, "a break was sent before the device took it");
  EXPECT_LT(heard.fates[0].written, much.size());
  EXPECT_EQ(heard.fates[1].refused, "");
  // by one who knows of the refusal, which is a new session
  host->input(8, 1, shard.clock().now() + std::chrono::seconds(60), as_bytes("h"));
  EXPECT_TRUE(pump_until(shard, [&] { return heard.fates.size() == 3; })) << "input does not go on after a break";
  EXPECT_EQ(heard.fates[2].written, 1u);
}

// A line of kind test that wants a secret, and says how long it was.
class Secrets : public testing::Test {
 protected:
  Secrets() {
    char name[] = "/tmp/oob-test-XXXXXX";
    folder = mkdtemp(name);
  }
  ~Secrets() override {
    host.reset();
    pump_ready(shard);
    fs::remove_all(folder);
  }
  void serve(const std::string& place) {
    Diagnostics to;
    const auto text = toml_file::parse("secrets = [\"" + folder.string() + "/*\"]\n", "agent.toml", to);
    TableReader allow(*text, "[allow]", to);
    policy = Policy::read(allow, to);
    auto store = LineStore::open((folder / "rings").string(), (folder / "spool").string(), "c");
    host = std::make_unique<LineHost>(shard, LineConfig{"c", "test", {{"secret-file", place}}, {}}, std::move(*store),
                                      policy, heard);
    host->start();
  }
  void put(const std::string& text) { ASSERT_TRUE(write_private_file((folder / "s").string(), text)); }
  bool up() {
    return pump_until(shard, [&] { return host->state().up && host->store().end() > 0; });
  }
  std::string said() {
    std::string out;
    auto at = host->store().cursor_at(0);
    while (const auto record = host->store().read(at)) {
      if (record->kind == RingRecord::Kind::Data) out += as_text(record->payload);
      host->store().advance(at, record->payload.size());
    }
    return out;
  }

  Shard shard;
  Policy policy;
  Heard heard;
  fs::path folder;
  std::unique_ptr<LineHost> host;
};

TEST_F(Secrets, a_line_is_not_dialled_before_its_secret_has_come_and_asks_for_it_each_time) {
  serve("secrets/c");
  pump_ready(shard);
  ASSERT_EQ(heard.asked.size(), 1u);
  EXPECT_EQ(heard.asked[0].first, "secret-file");
  EXPECT_FALSE(host->state().up);
  host->retry();
  EXPECT_EQ(heard.asked.size(), 1u) << "who is impatient makes no second question";
  heard.asked[0].second(Secret(std::string("12345")));
  ASSERT_TRUE(up()) << host->state().detail;
  EXPECT_EQ(said(), "a secret of 5 bytes\r\n");
  EXPECT_TRUE(host->config().secrets.empty()) << "it is not kept";
  host->down();
  host->up();
  ASSERT_EQ(heard.asked.size(), 2u);
  heard.asked[1].second(Secret(std::string("1234567")));
  ASSERT_TRUE(up());
  EXPECT_TRUE(said().ends_with("a secret of 7 bytes\r\n")) << said();
}

TEST_F(Secrets, with_the_server_away_a_line_waits_says_so_and_dials_as_soon_as_it_is_back) {
  heard.server = false;
  serve("secrets/c");
  EXPECT_EQ(host->state().detail,
            "it needs its secret-file from the server, which is not connected; it waits for that");
  heard.server = true;
  host->server_can_be_asked();
  ASSERT_EQ(heard.asked.size(), 1u);
  host->server_can_be_asked();
  ASSERT_EQ(heard.asked.size(), 1u);
  heard.asked[0].second(Secret(std::string("1")));
  EXPECT_TRUE(up());
}

TEST_F(Secrets, an_answer_that_is_an_error_is_the_reason_and_one_that_is_late_is_dropped) {
  serve("secrets/c");
  const auto late = heard.asked.at(0).second;
  heard.asked[0].second(fail(ErrorCode::NotFound, "there is none"));
  EXPECT_EQ(host->state().detail, "its secret-file: there is none");
  host->retry();
  ASSERT_EQ(heard.asked.size(), 2u);
  late(Secret(std::string("of before")));
  pump_ready(shard);
  EXPECT_FALSE(host->state().up);
  host->down();
  heard.asked[1].second(Secret(std::string("1")));
  pump_ready(shard);
  EXPECT_EQ(host->state().detail, "taken down");
}

TEST_F(Secrets, a_file_on_the_agents_machine_is_read_there_if_its_policy_and_its_mode_allow) {
  put("123\n");
  serve("agent:" + (folder / "s").string());
  ASSERT_TRUE(up()) << host->state().detail;
  EXPECT_EQ(said(), "a secret of 3 bytes\r\n");
  EXPECT_TRUE(heard.asked.empty());
  fs::permissions(folder / "s", fs::perms::group_read, fs::perm_options::add);
  host->down();
  host->up();
  EXPECT_NE(host->state().detail.find("has mode 0640"), std::string::npos) << host->state().detail;
  host->reconfigure({"c", "test", {{"secret-file", "agent:/etc/shadow"}}, {}});
  EXPECT_NE(host->state().detail.find("below [allow]: secrets = [\"/etc/shadow\"]"), std::string::npos)
      << host->state().detail;
}

}  // namespace
}  // namespace oob
