// Promises of LineHost for lines whose peer comes to them: what waits is no failure, and after an end they are open
// again at once; and for lines that take no input.
#include <stdlib.h>
#include <unistd.h>

#include <filesystem>

#include "agents/line_host.h"
#include "common/limits.h"
#include "common/runtime/descriptor.h"
#include "common/toml/table.h"
#include "tests/unit/common/runtime/pump.h"

namespace oob {
namespace {

struct Heard : LineHostEvents {
  void line_changed(LineHost& line) override { states.push_back(line.state()); }
  void line_has_output(LineHost&) override {}
  void line_told_facts(LineHost&) override {}
  void line_input_done(LineHost&, const InputQueue::Fate& fate) override { fates.push_back(fate); }
  bool line_wants_secret(LineHost&, const std::string&, std::function<void(Result<Secret>)>) override { return false; }
  std::vector<LineHost::State> states;
  std::vector<InputQueue::Fate> fates;
};

class Listening : public testing::Test {
 protected:
  Listening() {
    char name[] = "/tmp/oob-test-XXXXXX";
    folder = mkdtemp(name);
    Diagnostics to;
    const auto text =
        toml_file::parse("callhome = [\"127.0.0.1:*\"]\nnetconsole = [\"127.0.0.1:*\"]\n", "agent.toml", to);
    TableReader allow(*text, "[allow]", to);
    policy = Policy::read(allow, to);
    Listener probe(shard);
    EXPECT_TRUE(probe.listen("127.0.0.1:0", 0, nullptr));
    address = probe.address();
  }
  ~Listening() override {
    host.reset();
    pump_ready(shard);
    std::filesystem::remove_all(folder);
  }
  void serve(const std::string& kind) {
    auto store = LineStore::open(folder + "/rings", folder + "/spool", "web01");
    const LineConfig config{"web01", kind, {{"listen", address}, {"source", "127.0.0.1"}}, {}};
    host = std::make_unique<LineHost>(shard, config, std::move(*store), policy, heard);
    host->start();
  }
  bool until(const std::function<bool()>& happened) { return pump_until(shard, happened); }
  bool waits() const { return !host->state().up && host->state().detail == "waits for a call to " + address; }

  Shard shard;
  Heard heard;
  Policy policy;
  std::string folder, address;
  std::unique_ptr<LineHost> host;
};

TEST_F(Listening, a_line_that_waits_for_its_peer_is_open_again_at_once_when_that_has_gone) {
  serve("callhome");
  ASSERT_TRUE(until([&] { return waits(); })) << host->state().detail;
  for (int call = 0; call < 3; ++call) {
    Connector connector(shard);
    int fd = -1;
    connector.connect(address, Duration(5000), [&](Result<int> done) { fd = done.value_or(-1); });
    ASSERT_TRUE(until([&] { return fd >= 0 && host->state().up; })) << host->state().detail;
    const SteadyTime hung_up = shard.clock().now();
    ::close(fd);
    ASSERT_TRUE(until([&] { return waits(); }));
    EXPECT_LT(shard.clock().now() - hung_up, limits::reconnect_delay_min / 2);
  }
  // What waits is told, and stands in no log.
  std::string told;
  auto at = host->store().cursor_at(0);
  while (const auto record = host->store().read(at)) {
    told += record->kind == RingRecord::Kind::Up ? "u" : record->kind == RingRecord::Kind::Down ? "d" : "?";
    host->store().advance(at, record->payload.size());
  }
  EXPECT_EQ(told, "ududud");
}

TEST_F(Listening, a_line_that_takes_no_input_says_so_at_once) {
  serve("netconsole");
  ASSERT_TRUE(until([&] { return host->state().up; })) << host->state().detail;
  host->input(1, 1, shard.clock().now() + std::chrono::seconds(2), as_bytes("reboot\r"));
  ASSERT_EQ(heard.fates.size(), 1u);
  EXPECT_NE(heard.fates[0].refused.find("one way"), std::string::npos);
}

}  // namespace
}  // namespace oob
