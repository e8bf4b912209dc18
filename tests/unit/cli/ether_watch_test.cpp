// `oob ether watch`, with the test as the server: every line once, by its name or address, and nothing that a terminal
// would obey.
#include "cli/ether_watch.h"

#include <gtest/gtest.h>

#include "common/limits.h"

namespace oob {
namespace {

struct Watch : testing::Test {
  void begin(EtherWatch::Choices choices = {}, const std::string& consoles = kTwo) {
    watch = std::make_unique<EtherWatch>(
        std::move(choices),
        EtherWatch::Outside{.send = [this](const json::object& m) { sent.push_back(m); },
                            .print = [this](const std::string& text) { printed += text; },
                            .remark = [this](const std::string& text) { remarks += text + "\n"; }},
        clock);
    watch->consoles(json::parse(consoles));
    watch->connected();
    for (std::uint64_t i = 1; i <= sent.size(); ++i) attached(int(i));
  }
  void event(const json::object& message) { watch->message(as_bytes(json::serialize(message)), false); }
  void attached(int channel, int offset = 0, int log = 1) {
    event({{"type", "attached"}, {"channel", channel}, {"offset", offset}, {"log", log}});
  }
  void output(int channel, std::uint8_t at, const std::string& text) {
    Bytes frame{std::byte{2}, {}, {}, {}, std::byte(channel), {}, {}, {}, {}, {}, {}, {}, std::byte(at)};
    append(frame, text);
    watch->message(frame, true);
  }
  static std::string consoles(const std::string& rows) { return R"({"consoles": [)" + rows + "]}"; }
  static std::string sender(const std::string& more, const std::string& listener = "etherconsole eth1") {
    return R"({"agents": [{"name": "rack1", "state": "connected", "unknown_senders": [{"listener": ")" + listener +
           R"(", "sender": "02:00:00:00:00:09", "messages": 3, "last": "2026-11-21T14:02:11.000Z")" + more + "}]}]}";
  }
  std::string taken() {  // without its times
    std::string out;
    for (std::size_t at = 0, end = 0; at < printed.size(); at = end) {
      end = printed.find('\n', at) + 1;
      const bool timed = printed[at] != ' ';
      const std::string line = printed.substr(at, end - at);
      out += timed && line.find(' ') == 10 ? line.substr(20) : timed ? line.substr(9) : line;
    }
    printed.clear();
    return out;
  }

  static inline const std::string kWeb =
      R"({"name": "web01", "kind": "etherconsole", "agent": "rack1", "mac": "02:00:00:00:00:01"})";
  static inline const std::string kDb =
      R"({"name": "db1", "kind": "etherconsole", "agent": "rack2", "mac": "02:00:00:00:00:AA"})";
  static inline const std::string kTwo =
      consoles(kWeb + "," + kDb + R"(,{"name": "s", "kind": "serial", "agent": "rack1"})");
  ManualClock clock;
  std::unique_ptr<EtherWatch> watch;
  std::vector<json::object> sent;
  std::string printed, remarks;
};

TEST_F(Watch, only_looks_on_and_at_etherconsoles_alone) {
  begin();
  ASSERT_EQ(sent.size(), 2u);
  for (const auto& message : sent) {
    EXPECT_EQ(message.at("type"), "attach");
    EXPECT_EQ(message.at("write"), false);
    EXPECT_EQ(message.at("lines"), 0);
    EXPECT_NE(message.at("console"), "s");
  }
}

TEST_F(Watch, lines_are_whole_and_tagged_and_obey_nobody) {
  begin();  // channel 1 is db1, 2 is web01
  output(2, 0, "one \x1b[2J");
  output(1, 0, "other\r\n");
  output(2, 8, "\\\r\r\ntwo\rx\n\n");
  EXPECT_EQ(taken(), "db1: other\nweb01: one \\x1b[2J\\\nweb01: two\\rx\nweb01: \n");
}

TEST_F(Watch, a_line_without_an_end_is_shown_after_a_second_and_its_end_is_no_line) {
  begin();
  output(2, 0, "login: ");
  watch->tick();
  EXPECT_EQ(taken(), "");
  clock.advance(limits::ether_watch_line_waits);
  watch->tick();
  EXPECT_EQ(taken(), "web01: login: \n");
  output(2, 7, "\r\n");
  output(2, 9, std::string(limits::ether_watch_line_bytes_max + 1, 'x') + "\n");
  EXPECT_EQ(taken(), "web01: " + std::string(limits::ether_watch_line_bytes_max, 'x') + "\nweb01: x\n");
}

TEST_F(Watch, what_happens_to_a_line_or_is_missing_is_said_between_its_lines) {
  begin();
  output(2, 0, "half");
  event({{"type", "gap"}, {"channel", 2}, {"offset", 4}, {"bytes", 2}, {"text", "2 frames did not come\x1b"}});
  event({{"type", "down"}, {"channel", 2}, {"text", "silent"}});
  EXPECT_EQ(taken(), "web01: half\nweb01: [2 bytes missing: 2 frames did not come\\x1b]\nweb01: [down: silent]\n");
}

TEST_F(Watch, a_connection_that_was_lost_costs_no_line_and_repeats_none) {
  begin();
  output(2, 0, "one\n");
  watch->disconnected();
  sent.clear();
  watch->connected();
  ASSERT_EQ(sent.size(), 2u);
  EXPECT_EQ(sent[1].at("offset"), 4);
  attached(2, 2);  // a server that was killed stands a little behind, in the same log
  output(2, 2, "e\ntwo\n");
  EXPECT_EQ(taken(), "web01: one\nweb01: two\n");
  watch->disconnected();
  watch->connected();
  attached(2, 0, 7);  // another log
  output(2, 0, "new\n");
  EXPECT_EQ(taken(), "web01: new\n");
}

TEST_F(Watch, one_that_is_refused_is_said_once_and_the_others_go_on) {
  begin();
  event({{"type", "error"}, {"channel", 1}, {"code", "denied"}, {"text", "you lack read"}});
  sent.clear();
  watch->consoles(json::parse(kTwo));
  EXPECT_TRUE(sent.empty());
  EXPECT_EQ(remarks, "db1: you lack read\n");
  output(2, 0, "on\n");
  EXPECT_EQ(taken(), "web01: on\n");
}

TEST_F(Watch, leaving_is_said_to_the_server) {
  begin();
  sent.clear();
  watch->leave();
  EXPECT_EQ(sent.size(), 2u);
  EXPECT_EQ(sent[0], (json::object{{"type", "detach"}, {"channel", 1}}));
  output(2, 0, "too late\n");
  EXPECT_EQ(taken(), "");
}

TEST_F(Watch, agent_and_address_choose) {
  begin({.agent = "rack2"});
  EXPECT_EQ(sent.size(), 1u);
  EXPECT_FALSE(watch->agents(json::parse(R"({"agents": [{"name": "rack1"}]})")));
  sent.clear();
  begin({.mac = mac_prefix("02:00:00:00:00:A").value()});
  ASSERT_EQ(sent.size(), 1u);
  EXPECT_EQ(sent[0].at("console"), "db1");
  ASSERT_TRUE(watch->agents(json::parse(sender(""))));
  EXPECT_EQ(taken(), "");
  for (const char* wrong : {"x", "02-00", "0200", "02:00:00:00:00:011", "02::"})
    EXPECT_FALSE(mac_prefix(wrong)) << wrong;
}

TEST_F(Watch, an_unknown_sender_is_shown_when_it_says_something_new_and_once_how_to_adopt_it) {
  begin();
  ASSERT_TRUE(
      watch->agents(json::parse(sender(R"(, "said": "a\nDebian 12 tty\u001b\r\nlogin: ", "called": "web09")"))));
  EXPECT_EQ(
      taken(),
      "02:00:00:00:00:09 (rack1 eth1, calls itself \"web09\"): login:\n"
      "    # as a console, in the inventory:\n"
      "    [console.web09]\n    line = \"etherconsole\"\n    agent = \"rack1\"\n    interface = \"eth1\"\n"
      "    mac = \"02:00:00:00:00:09\"\n"
      "    insecure = true  # or key-file = \"secrets/NAME\", if the node has a key; plain = true, if it sends bare "
      "text\n");
  ASSERT_TRUE(watch->agents(json::parse(sender(R"(, "said": "login: ", "called": "web09")"))));
  EXPECT_EQ(taken(), "");
  ASSERT_TRUE(watch->agents(json::parse(sender(R"(, "said": "oops\u001b[2J\r\n")"))));
  EXPECT_EQ(taken(), "02:00:00:00:00:09 (rack1 eth1): oops\\x1b[2J\n");
  // An agent that is away does not say that it has gone; one that is named is looked for.
  EXPECT_FALSE(watch->agents(json::parse(R"({"agents": [{"name": "rack1", "state": "away"}]})")).value());
  EXPECT_TRUE(watch->agents(json::parse(R"({"agents": [{"name": "rack1", "state": "connected"}]})")).value());
  sent.clear();
  watch->consoles(json::parse(consoles(kWeb + R"(,{"name": "new", "kind": "etherconsole", "agent": "rack1"})")));
  ASSERT_EQ(sent.size(), 2u);
  EXPECT_EQ(sent[0].at("console"), "new");
  EXPECT_EQ(sent[0].at("lines"), 20);
  attached(3, 9);  // what it said since it has its name is not lost to who watches
  output(3, 4, "mine\n");
  EXPECT_EQ(taken(), "new: mine\n");
  EXPECT_EQ(sent[1], (json::object{{"type", "detach"}, {"channel", 1}}));
}

TEST_F(Watch, of_an_old_agent_there_is_no_text_and_of_netconsole_nothing) {
  begin();
  ASSERT_TRUE(watch->agents(json::parse(sender("", "etherconsole eth1 88b6"))));
  const std::string shown = taken();
  EXPECT_TRUE(shown.starts_with("02:00:00:00:00:09 (rack1 eth1 88b6): [3 messages]\n")) << shown;
  EXPECT_NE(shown.find("ether-type = 0x88b6\n"), std::string::npos) << shown;
  EXPECT_NE(shown.find("[console.NAME]\n"), std::string::npos) << shown;
  ASSERT_TRUE(watch->agents(json::parse(sender("", "netconsole 10.9.0.1:6666"))));
  EXPECT_EQ(taken(), "");
}

TEST_F(Watch, as_json_each_line_is_an_object) {
  begin({.json = true});
  output(2, 0, "a\xff\x7f\r\n");
  json::object line = json::parse(printed).as_object();
  EXPECT_EQ(printed.find('\x7f'), std::string::npos);
  line.erase("time");
  EXPECT_EQ(
      line,
      (json::object{
          {"console", "web01"}, {"agent", "rack1"}, {"mac", "02:00:00:00:00:01"}, {"text", "a\xef\xbf\xbd\x7f"}}));
  printed.clear();
  ASSERT_TRUE(watch->agents(json::parse(sender(R"(, "said": "login: ")"))));
  const json::object unknown = json::parse(printed).as_object();
  EXPECT_EQ(unknown.at("mac"), "02:00:00:00:00:09");
  EXPECT_EQ(unknown.at("text"), "login:");
  EXPECT_TRUE(unknown.contains("adopt"));
}

}  // namespace
}  // namespace oob
