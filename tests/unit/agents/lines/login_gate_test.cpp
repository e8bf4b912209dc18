// Promises of the gate between a driver and the line's host, over real sockets.
#include "agents/lines/login_gate.h"

#include "common/limits.h"
#include "common/runtime/descriptor.h"
#include "tests/unit/agents/lines/recorder.h"

namespace oob {
namespace {

// A device on loopback: a listener on the bench's own shard.
struct Device {
  explicit Device(Shard& shard) : listener(shard) {
    EXPECT_TRUE(listener.listen("127.0.0.1:0", 0600, [this, &shard](int fd, const std::string&) {
      peer = std::make_unique<Descriptor>(shard, fd);
      peer->start_reading([this] {
        Bytes some(1000);
        const auto n = peer->read(some);
        if (n) heard += as_text(ByteView(some).first(*n));
        if (!n) peer->stop_reading();
      });
    }));
  }
  void say(std::string_view text) { EXPECT_TRUE(peer->write(as_bytes(text))); }
  Listener listener;
  std::unique_ptr<Descriptor> peer;
  std::string heard;
};

struct Site {
  explicit Site(const std::string& login) : device(shard) {
    LineConfig config{"web01", "tcp", {{"address", device.listener.address()}, {"login", login}}, {}};
    config.secrets["password-file"] = Secret("hunter2");
    line = find_line_kind("tcp")->make(shard, config, events);
    line->start();
    EXPECT_TRUE(until([this] { return device.peer != nullptr; }));
  }
  bool until(const std::function<bool()>& happened) { return pump_until(shard, happened); }

  Shard shard;
  Recorder events;
  Device device;
  std::unique_ptr<Line> line;
};

const std::string kLogin =
    "expect \"login: \" 10000 send \"oob\\x0d\"\nexpect \"word: \" 10000 secret password-file\nexpect \"Enter\" 10000";

TEST(LoginGate, the_line_is_up_when_the_script_is_through_and_begins_behind_it) {
  Site site(kLogin);
  site.device.say("login: ");
  ASSERT_TRUE(site.until([&] { return site.device.heard == "oob\r"; }));
  EXPECT_FALSE(site.events.up);
  EXPECT_EQ(site.line->write(as_bytes("x")), 0u);
  site.device.say("Password: ");
  ASSERT_TRUE(site.until([&] { return site.device.heard == "oob\rhunter2\r"; }));
  site.device.say("Enter to begin\r\n");
  ASSERT_TRUE(site.until([&] { return !site.events.output.empty(); }));
  EXPECT_EQ(site.events.output, " to begin\r\n");
  ASSERT_EQ(site.events.notes.size(), 1u);
  EXPECT_EQ(site.events.notes[0],
            "logged in by its login script; the 22 bytes that the device said until then are no output of the console");
  EXPECT_EQ(site.line->write(as_bytes("ls\r")), 3u);
  EXPECT_TRUE(site.until([&] { return site.device.heard == "oob\rhunter2\rls\r"; }));
}

TEST(LoginGate, a_device_that_hangs_up_after_the_password_makes_the_line_rest) {
  Site site(kLogin);
  site.device.say("login: Password: ");
  ASSERT_TRUE(site.until([&] { return site.device.heard == "oob\rhunter2\r"; }));
  site.device.peer.reset();
  ASSERT_TRUE(site.until([&] { return site.events.down.has_value(); }));
  EXPECT_EQ(
      site.events.down->find("the peer closed the connection at login step 3 of 3; the device said last \"login: "), 0u)
      << *site.events.down;
  EXPECT_NE(site.events.down->find("lest the account is locked"), std::string::npos);
  EXPECT_EQ(site.events.rest, Duration(limits::login_refused_rest));
}

TEST(LoginGate, a_device_that_hangs_up_before_the_password_is_tried_again_soon) {
  Site site(kLogin);
  site.device.say("login: ");
  ASSERT_TRUE(site.until([&] { return site.device.heard == "oob\r"; }));
  site.device.peer.reset();
  ASSERT_TRUE(site.until([&] { return site.events.down.has_value(); }));
  EXPECT_EQ(site.events.rest, Duration(0));
}

TEST(LoginGate, a_script_that_fails_closes_the_connection) {
  Site site("expect \"sc>\" 50");
  ASSERT_TRUE(site.until([&] { return site.events.down.has_value(); }));
  EXPECT_EQ(*site.events.down, "login step 1 of 1: waited 50 ms for \"sc>\"; the device said nothing");
  Bytes some(10);
  EXPECT_TRUE(site.until([&] { return !site.device.peer->read(some); }));
}

// Takes a byte whenever it is asked to.
struct SlowDriver final : Line {
  explicit SlowDriver(LineEvents& e) : events(e) {}
  void start() override {}
  std::size_t write(ByteView bytes) override {
    if (!std::exchange(takes, false)) return 0;
    taken += as_text(bytes.first(1));
    return 1;
  }
  void set_reading(bool) override {}
  LineEvents& events;
  std::string taken;
  bool takes = false;
};
SlowDriver* slow = nullptr;
std::unique_ptr<Line> make_slow(Shard&, const LineConfig&, LineEvents& events) {
  auto made = std::make_unique<SlowDriver>(events);
  slow = made.get();
  return made;
}

TEST(LoginGate, what_the_script_types_is_with_the_device_before_anybody_else_may_type) {
  Shard shard;
  Recorder events;
  const LineConfig config{"web01", "tcp", {{"login", "send \"vsp\""}}, {}};
  const auto line = behind_login(shard, config, events, make_slow);
  line->start();
  slow->events.line_up("there", 0);
  for (const char* so_far : {"v", "vs", "vsp"}) {
    EXPECT_FALSE(events.up) << so_far;
    slow->takes = true;
    slow->events.line_writable();
    EXPECT_EQ(slow->taken, so_far);
  }
  EXPECT_EQ(events.up, "there");
  slow->takes = true;
  EXPECT_EQ(line->write(as_bytes("x")), 1u);
}

TEST(LoginGate, a_script_that_only_a_broken_server_sends_is_told_in_words) {
  Shard shard;
  Recorder events;
  const LineConfig config{"web01", "tcp", {{"address", "127.0.0.1:1"}, {"login", "rm -rf"}}, {}};
  const auto line = find_line_kind("tcp")->make(shard, config, events);
  line->start();
  EXPECT_FALSE(events.down);
  ASSERT_TRUE(pump_until(shard, [&] { return events.down.has_value(); }));
  EXPECT_EQ(*events.down, "the server sent a bad line: step 1 of the login script: cannot be read: \"rm -rf\"");
}

}  // namespace
}  // namespace oob
