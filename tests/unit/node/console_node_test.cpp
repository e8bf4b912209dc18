// Promises of the etherconsole's node: what it sends, what it obeys, and whom.
#include "node/console_node.h"

#include <gtest/gtest.h>

#include <chrono>

#include "common/limits.h"
#include "node/kernel_log.h"

namespace oob {
namespace {

using Type = ConsoleFrame::Type;
const MacAddress kNode{2, 0, 0, 0, 0, 1}, kAgent{2, 0, 0, 0, 0, 2}, kOther{2, 0, 0, 0, 0, 3};

struct Far : ConsoleNode::Events {
  bool send(ByteView frame) override {
    if (!room) return false;
    sent.emplace_back(frame.begin(), frame.end());
    return true;
  }
  std::size_t input(ByteView bytes) override {
    const std::size_t taken = std::min(bytes.size(), takes);
    typed += as_text(bytes.first(taken));
    return taken;
  }
  void sysrq(char letter) override { letters += letter; }
  void ctrl_alt_del() override { ++restarts; }

  ConsoleFrame last(const Secret* key = nullptr) const { return read_console_frame(sent.back(), key).value(); }
  std::string output() const {
    std::string out;
    for (const Bytes& bytes : sent) {
      const auto frame = read_console_frame(bytes, nullptr).value();
      if (frame.type == Type::Output) out += as_text(frame.text);
    }
    return out;
  }
  std::vector<Bytes> sent;
  std::string typed, letters;
  int restarts = 0;
  bool room = true;
  std::size_t takes = 10'000;  // at once
};

struct Node {
  explicit Node(std::optional<Secret> key = {}, MacAddress to = kBroadcastMac)
      : node({.own = kNode, .to = to, .key = std::move(key), .name = "web01", .session = 77}, far) {}
  void gets(Type type, std::uint32_t sequence, std::string_view text, const ConsoleFrame& but = {}) {
    ConsoleFrame frame;
    frame.to = kNode, frame.from = but.from == MacAddress{} ? kAgent : but.from;
    frame.session = but.session == 0 ? 5 : but.session, frame.peer = but.peer == 0 ? 77 : but.peer;
    frame.type = type, frame.sequence = sequence, frame.text = as_bytes(text);
    Bytes bytes(kConsoleFrameBytesMax);
    bytes.resize(write_console_frame(frame, key, bytes));
    node.received(bytes, now);
  }
  Far far;
  ConsoleNode node;
  const Secret* key = nullptr;
  SteadyTime now = ManualClock().now();
};

TEST(ConsoleNode, says_hello_first_and_every_so_often) {
  Node node;
  node.node.tick(node.now);
  ASSERT_EQ(node.far.sent.size(), 1u);
  EXPECT_EQ(node.far.last().type, Type::Hello);
  EXPECT_EQ(as_text(node.far.last().text), "web01");
  EXPECT_EQ(node.far.last().to, kBroadcastMac);
  EXPECT_EQ(node.node.next_deadline(node.now), node.now + limits::ether_hello_every);
  node.node.output(as_bytes("x"), false, node.now);
  node.now += limits::ether_hello_every;
  node.node.tick(node.now);
  EXPECT_EQ(node.far.last().type, Type::Hello);
  EXPECT_EQ(node.far.last().sequence, 1u) << "the number of the last output";
}

TEST(ConsoleNode, numbers_its_output_and_marks_what_was_said_early) {
  Node node;
  node.node.output(as_bytes("early"), true, node.now);
  EXPECT_EQ(node.far.last().flags, ConsoleFrame::kEarly);
  node.node.output(as_bytes("now"), false, node.now);
  EXPECT_EQ(node.far.last().flags, 0);
  EXPECT_EQ(node.far.last().sequence, 2u);
}

TEST(ConsoleNode, without_room_it_keeps_what_it_can_and_says_what_it_could_not) {
  Node node;
  node.far.room = false;
  const std::string block(1000, 'x');
  for (std::size_t i = 0; i < limits::node_ring_bytes / block.size() + 100; ++i) {
    node.node.output(as_bytes(block), false, node.now);
  }
  EXPECT_EQ(node.node.waiting_bytes(), limits::node_ring_bytes);
  node.far.room = true;
  for (int i = 0; i < 1000 && node.node.waiting_bytes() > 0; ++i) {
    node.now += limits::node_pace;
    node.node.tick(node.now);
  }
  const std::string said = node.far.output();
  const std::size_t at = said.find("\r\n[");
  ASSERT_NE(at, std::string::npos);
  EXPECT_EQ(at, limits::node_ring_bytes);
  EXPECT_EQ(said.substr(at),
            "\r\n[" + std::to_string((limits::node_ring_bytes / 1000 + 100) * 1000 - limits::node_ring_bytes) +
                " bytes of this console were said too fast to be sent]\r\n");
}

TEST(ConsoleNode, sends_no_faster_than_it_may) {
  Node node;
  for (int i = 0; i < 5000; ++i) node.node.output(as_bytes("x"), false, node.now);
  EXPECT_LE(node.far.sent.size(), std::size_t(limits::node_frames_at_once));
}

TEST(ConsoleNode, does_what_it_is_told_once_and_confirms_each_time) {
  Node node;
  node.gets(Type::Input, 1, "ls\r");
  node.gets(Type::Input, 1, "ls\r");
  EXPECT_EQ(node.far.typed, "ls\r");
  ASSERT_EQ(node.far.sent.size(), 2u);
  EXPECT_EQ(node.far.last().type, Type::Ack);
  EXPECT_EQ(node.far.last().to, kAgent);
  EXPECT_EQ(node.far.last().peer, 5u);
  EXPECT_EQ(node.far.last().sequence, 1u);
  node.gets(Type::Input, 1, "of a new session\r", {.session = 6});
  EXPECT_EQ(node.far.typed, "ls\rof a new session\r");
}

TEST(ConsoleNode, what_it_cannot_take_it_does_not_confirm) {
  Node node;
  node.far.takes = 0;
  node.gets(Type::Input, 1, "x");
  EXPECT_TRUE(node.far.sent.empty());
  node.far.takes = 1;
  node.gets(Type::Input, 1, "x");
  EXPECT_EQ(node.far.typed, "x");
  EXPECT_EQ(node.far.last().type, Type::Ack);
}

TEST(ConsoleNode, what_it_takes_in_parts_it_confirms_when_it_has_taken_the_last_while_it_is_asked_to) {
  Node node;
  node.far.takes = 2;
  node.gets(Type::Input, 1, "abc");
  EXPECT_TRUE(node.far.sent.empty());
  node.gets(Type::Input, 1, "abc");
  EXPECT_EQ(node.far.typed, "abc");
  EXPECT_EQ(node.far.sent.size(), 1u);
  // Its sender has given up "fg": nobody asks for the rest any more.
  node.gets(Type::Input, 2, "defg");
  node.gets(Type::Input, 3, "h");
  EXPECT_EQ(node.far.typed, "abcdeh");
  EXPECT_EQ(node.far.last().sequence, 3u);
  node.gets(Type::Input, 4, "ijk");
  node.now += limits::input_age_max + Duration(1);
  node.gets(Type::Input, 4, "ijk");
  EXPECT_EQ(node.far.typed, "abcdehij") << "recorded, and sent again";
  EXPECT_EQ(node.far.last().sequence, 3u);
}

TEST(ConsoleNode, what_is_for_another_session_or_machine_is_nothing_to_it) {
  Node node;
  node.gets(Type::Input, 1, "typed for what ran before", {.peer = 76});
  ConsoleFrame frame;
  frame.to = kOther, frame.from = kAgent, frame.type = Type::Input, frame.session = 5, frame.peer = 77,
  frame.sequence = 1;
  Bytes bytes(kConsoleFrameBytesMax);
  bytes.resize(write_console_frame(frame, nullptr, bytes));
  node.node.received(bytes, node.now);
  node.gets(Type::Output, 1, "another node's broadcast");
  EXPECT_TRUE(node.far.sent.empty() && node.far.typed.empty());
  Node choosy({}, kOther);
  choosy.gets(Type::Input, 1, "x");
  EXPECT_TRUE(choosy.far.sent.empty());
  choosy.gets(Type::Input, 1, "x", {.from = kOther});
  EXPECT_EQ(choosy.far.typed, "x");
}

TEST(ConsoleNode, with_a_key_only_its_bearer_types_and_nothing_twice) {
  const Secret key{std::string(32, 'k')};
  Node node{key};
  node.gets(Type::Input, 1, "no key");
  EXPECT_EQ(node.far.typed, "");
  node.key = &key;
  node.gets(Type::Input, 1, "a");
  node.gets(Type::Input, 1, "b", {.session = 9});
  node.gets(Type::Input, 2, "c", {.session = 5});  // recorded earlier
  EXPECT_EQ(node.far.typed, "ab");
}

TEST(ConsoleNode, a_break_and_a_letter_are_sysrq) {
  Node node;
  node.gets(Type::Break, 1, "250");
  node.gets(Type::Input, 2, "hls\r");
  EXPECT_EQ(node.far.letters, "h");
  EXPECT_EQ(node.far.typed, "ls\r");
  node.gets(Type::Break, 3, "250");
  node.now += std::chrono::seconds(6);
  node.gets(Type::Input, 4, "b");
  EXPECT_EQ(node.far.letters, "h") << "a letter long after the break";
  node.gets(Type::SysRq, 5, "s");
  EXPECT_EQ(node.far.letters, "hs");
}

TEST(ConsoleNode, ctrl_alt_del_is_done_once_however_often_it_is_sent) {
  Node node;
  node.gets(Type::CtrlAltDel, 1, "");
  node.gets(Type::CtrlAltDel, 1, "");
  EXPECT_EQ(node.far.last().type, Type::Ack);
  EXPECT_EQ(node.far.restarts, 1);
  node.gets(Type::CtrlAltDel, 2, "", {.peer = 78});  // for an earlier start of this node
  EXPECT_EQ(node.far.restarts, 1);
  EXPECT_EQ(node.far.letters, "");
}

TEST(ConsoleNode, a_flood_of_input_is_not_obeyed) {
  Node node;
  for (std::uint32_t n = 1; n <= 10'000; ++n) node.gets(Type::Input, n, "x");
  EXPECT_LE(node.far.typed.size(), std::size_t(limits::node_inputs_at_once));
}

TEST(KernelLog, looks_as_on_a_serial_console) {
  EXPECT_EQ(kernel_log_text("6,12,3456789,-;hello \\xc3\\xa4\\x0aworld\n SUBSYSTEM=x\n"),
            "[    3.456789] hello \xc3\xa4\r\n[    3.456789] world\r\n");
  EXPECT_EQ(kernel_log_text("6,12,3,-,caller=T1;a\\b\n"), "[    0.000003] a\\b\r\n");
  for (const char* bad : {"", ";", "6;x", "6,12;x", "nothing"}) EXPECT_EQ(kernel_log_text(bad), "") << bad;
}

}  // namespace
}  // namespace oob
