// The wire's messages: framing, the hand-written output path beside protobuf's own, and the golden bytes that keep
// proto/tunnel/PROTOCOL.md true for peers of another version.
#include "proto/tunnel/messages.h"

#include <gtest/gtest.h>

#include <fstream>
#include <random>
#include <sstream>

#include "tunnel.pb.h"

namespace oob {
namespace {

std::string hex(ByteView bytes) {
  std::string out;
  for (const std::byte b : bytes) {
    char two[3];
    std::snprintf(two, sizeof two, "%02x", std::to_integer<unsigned>(b));
    out += two;
  }
  return out;
}

Bytes output_frame(std::uint64_t offset, std::int64_t wall_ms, std::string_view data) {
  Bytes into(kOutputOverheadBytes + data.size());
  std::copy_n(as_bytes(data).begin(), data.size(), into.begin() + kOutputOverheadBytes);
  const std::size_t begin = frame_output(into, offset, wall_ms, data.size());
  return Bytes(into.begin() + std::ptrdiff_t(begin), into.end());
}

Bytes queue_frame(const google::protobuf::MessageLite& message) {
  MessageQueue queue(1 << 20);
  EXPECT_TRUE(queue.push(message));
  Bytes out(queue.waiting_bytes());
  EXPECT_EQ(queue.fill(out), out.size());
  return out;
}

TEST(Messages, output_written_by_hand_is_what_protobuf_writes) {
  for (const std::uint64_t offset : {0ull, 1ull, 127ull, 128ull, 1ull << 40, ~0ull}) {
    for (const std::int64_t wall : {0ll, 1ll, 1763690079123ll, -1ll}) {
      for (const std::size_t size : {std::size_t(1), std::size_t(80), std::size_t(127), std::size_t(8000)}) {
        const std::string data(size, 'x');
        wire::FromLine message;
        message.mutable_output()->set_offset(offset);
        message.mutable_output()->set_wall_ms(wall);
        message.mutable_output()->set_data(data);
        EXPECT_EQ(hex(output_frame(offset, wall, data)), hex(queue_frame(message)));
      }
    }
  }
}

TEST(Messages, output_of_protobuf_is_read_by_hand) {
  wire::FromLine message;
  message.mutable_output()->set_offset(1ull << 40);
  message.mutable_output()->set_wall_ms(1763690079123);
  message.mutable_output()->set_data("hello");
  const std::string text = message.SerializeAsString();
  const auto output = parse_output(as_bytes(text));
  ASSERT_TRUE(output);
  EXPECT_EQ(output->offset, 1ull << 40);
  EXPECT_EQ(output->wall_ms, 1763690079123);
  EXPECT_EQ(as_text(output->data), "hello");
}

TEST(Messages, other_messages_and_truncated_ones_are_not_output) {
  wire::FromLine event;
  event.mutable_event()->set_text("x");
  EXPECT_FALSE(parse_output(as_bytes(event.SerializeAsString())));
  const Bytes whole = output_frame(5, 6, "seven");
  for (std::size_t cut = kMessagePrefixBytes; cut < whole.size(); ++cut) {
    EXPECT_FALSE(parse_output(ByteView(whole).subspan(kMessagePrefixBytes, cut - kMessagePrefixBytes)));
  }
}

TEST(Messages, are_found_however_the_stream_is_cut) {
  Bytes all;
  for (int i = 0; i < 20; ++i)
    append(all, output_frame(std::uint64_t(i), 1, std::string(std::size_t(i * 37 + 1), 'a')));
  std::mt19937 random(7);
  for (int round = 0; round < 50; ++round) {
    MessageSplitter splitter(10'000);
    std::uint64_t next = 0;
    for (ByteView rest = all; !rest.empty();) {
      const std::size_t take = std::min<std::size_t>(rest.size(), random() % 60 + 1);
      ASSERT_TRUE(splitter.receive(rest.first(take), [&](ByteView message) {
        const auto output = parse_output(message);
        EXPECT_TRUE(output && output->offset == next);
        return ++next, true;
      }));
      rest = rest.subspan(take);
    }
    EXPECT_EQ(next, 20u);
    EXPECT_FALSE(splitter.in_message());
  }
}

TEST(Messages, too_long_or_unknown_prefix_is_refused_before_it_is_gathered) {
  MessageSplitter splitter(100);
  const auto never = [](ByteView) { return ADD_FAILURE(), true; };
  EXPECT_FALSE(splitter.receive(as_bytes(std::string("\0\0\0\0\x65", 5)), never));
  EXPECT_FALSE(MessageSplitter(100).receive(as_bytes(std::string("\1\0\0\0\1x", 6)), never));
}

TEST(Messages, a_full_queue_refuses) {
  wire::ToLine message;
  message.mutable_input()->set_data(std::string(50, 'x'));
  MessageQueue queue(100);
  EXPECT_TRUE(queue.push(message));
  EXPECT_FALSE(queue.push(message));
  Bytes out(200);
  queue.fill(out);
  EXPECT_TRUE(queue.push(message));
}

// One message of each kind with every field set, as tests/golden/tunnel.txt holds them: "name hex". A change there is a
// change of the protocol: old agents are still out there.
TEST(Messages, golden_bytes_hold) {
  std::map<std::string, std::string> messages;
  const auto put = [&](const char* name, const google::protobuf::MessageLite& m) {
    messages[name] = hex(queue_frame(m));
  };
  wire::FromAgent from;
  auto& hello = *from.mutable_hello();
  hello.set_protocol_min(1), hello.set_protocol_max(1), hello.set_version("0.1.0"), hello.set_name("rack1");
  hello.add_line_kinds("exec"), hello.set_revision(7), hello.set_steady_ms(1000), hello.set_wall_ms(1763690079123);
  put("hello", from);
  hello.add_line_keys("exec user"), put("hello-2", from);  // what protocol 2 added
  from.mutable_tick()->set_steady_ms(1500), put("tick", from);
  auto& state = *from.mutable_line();
  state.set_id(3), state.set_up(true), state.set_detail("/bin/sh"), state.set_since_wall_ms(1763690079123);
  state.set_pid(4711), state.set_name("web01"), put("line-state", from);
  auto& facts = *from.mutable_facts();
  facts.set_id(3);
  auto& fact = *facts.add_facts();
  fact.set_key("settings"), fact.set_value("9600 8N1"), put("line-facts", from);
  from.mutable_taken()->set_revision(7), put("assignment-taken", from);
  auto& status = *from.mutable_status();
  status.set_wall_ms(1763690079123), status.set_uptime_ms(60'000), status.set_ring_bytes(4096);
  status.set_spool_bytes(8192), status.set_ring_worst_percent(5), status.set_spool_worst_percent(7);
  put("status", from);
  auto& stranger = *status.add_unknown_senders();
  stranger.set_listener("netconsole 10.9.0.1:6666"), stranger.set_sender("10.9.1.7"), stranger.set_messages(3);
  stranger.set_first_wall_ms(1763690079123), stranger.set_last_wall_ms(1763690079456), put("status-2", from);
  from.mutable_certificate_request()->set_request("r"), put("certificate-request", from);
  auto& wanted = *from.mutable_secret_wanted();
  wanted.set_number(5), wanted.set_id(3), wanted.set_key("password-file"), put("secret-wanted", from);
  wire::ToAgent to;
  to.mutable_welcome()->set_protocol(1), to.mutable_welcome()->set_version("0.1.0"), put("welcome", to);
  auto& line = *to.mutable_assignment()->add_lines();
  to.mutable_assignment()->set_revision(7), line.set_id(3), line.set_name("web01"), line.set_kind("exec");
  (*line.mutable_settings())["user"] = "nobody", line.add_argv("/bin/sh"), put("assignment", to);
  auto& ack = *to.mutable_acks()->add_acks();
  ack.set_id(3), ack.set_incarnation(0x0123456789abcdef), ack.set_offset(300), ack.set_event(17);
  put("acks", to);
  to.mutable_order()->set_id(3), to.mutable_order()->set_kind(wire::LineOrder::RETRY), put("order", to);
  to.mutable_renew(), put("renew", to);
  to.mutable_renewed()->set_error("e"), to.mutable_renewed()->set_certificate("c"), put("renewed", to);
  auto& given = *to.mutable_secret_given();
  given.set_number(5), given.set_content("c"), given.set_error("e"), put("secret-given", to);
  wire::ToLine to_line;
  to_line.mutable_open()->set_incarnation(0x0123456789abcdef), to_line.mutable_open()->set_offset(300);
  put("open", to_line);
  auto& input = *to_line.mutable_input();
  input.set_session(9), input.set_sequence(1), input.set_deadline_ms(3500), input.set_data("ls\r");
  put("input", to_line);
  to_line.mutable_flush()->set_session(9), put("flush", to_line);
  auto& brk = *to_line.mutable_brk();
  brk.set_duration_ms(250), brk.set_session(9), brk.set_sequence(2), put("break", to_line);
  wire::FromLine from_line;
  from_line.mutable_opened()->set_incarnation(0x0123456789abcdef), from_line.mutable_opened()->set_offset(300);
  put("opened", from_line);
  auto& output = *from_line.mutable_output();
  output.set_offset(300), output.set_wall_ms(1763690079123), output.set_data("login: "), put("output", from_line);
  auto& event = *from_line.mutable_event();
  event.set_kind(wire::LineEvent::LOST), event.set_offset(307), event.set_wall_ms(1763690079123);
  event.set_bytes(12), event.set_text("ring full"), event.set_sequence(17);
  put("event", from_line);
  auto& done = *from_line.mutable_input();
  done.set_session(9), done.set_sequence(1), done.set_written(2), done.set_refused("late"),
      put("input-done", from_line);
  wire::BmcRequest bmc;
  bmc.set_node("n"), (*bmc.mutable_settings())["user"] = "u", bmc.add_argv("q"), (*bmc.mutable_secrets())["k"] = "s";
  bmc.set_act("off"), bmc.set_patience_ms(30'000), bmc.add_mends("m"), put("bmc-request", bmc);
  wire::BmcAnswer found_answer, outcome_answer;
  auto& found = *found_answer.mutable_found();
  found.set_topic("t"), found.set_verdict(wire::BmcFound::FAULT), found.set_value("v"), found.set_meaning("m");
  found.set_proposal("p"), found.set_mend("w"), put("bmc-found", found_answer);
  auto& outcome = *outcome_answer.mutable_outcome();
  outcome.set_kind(wire::BmcOutcome::FAILED), outcome.set_power("on"), outcome.set_text("t");
  put("bmc-outcome", outcome_answer);
  wire::JoinRequest join;
  join.set_name("rack1"), join.set_secret("s"), join.set_certificate_request("c"), join.set_version("0.1.0");
  put("join-request", join);
  wire::JoinReply reply;
  reply.set_error("e"), reply.set_certificate("c"), put("join-reply", reply);

  std::ifstream file(OOB_SOURCE_DIR "/tests/golden/tunnel.txt");
  std::map<std::string, std::string> golden;
  for (std::string name, bytes; file >> name >> bytes;) golden[name] = bytes;
  for (const auto& [name, bytes] : messages) EXPECT_EQ(golden[name], bytes) << name << " " << bytes;
  EXPECT_EQ(golden.size(), messages.size());
}

}  // namespace
}  // namespace oob
