// Promises of the netconsole decoder: order, fragments, continuations, and what is missing.
#include "agents/lines/netconsole_decoder.h"

#include "common/limits.h"
#include "tests/unit/agents/lines/recorder.h"

namespace oob {
namespace {

struct Sender {
  Sender() { events.line_up("here", 0); }
  void says(std::string_view datagram, bool cut = false) { decoder.receive(as_bytes(datagram), cut, now); }
  // Message number n, at n milliseconds.
  void says(std::uint64_t n, const std::string& text, char flag = '-') {
    says("6," + std::to_string(n) + "," + std::to_string(n * 1000) + "," + flag + ";" + text + "\n");
  }
  void fragment(std::uint64_t n, const std::string& whole, std::size_t from, std::size_t to) {
    says("6," + std::to_string(n) + "," + std::to_string(n * 1000) + ",-,ncfrag=" + std::to_string(from) + "/" +
         std::to_string(whole.size()) + ";" + whole.substr(from, to - from));
  }
  void passes(Duration time) {
    now += time;
    if (const auto deadline = decoder.next_deadline(); deadline && now >= *deadline) decoder.tick(now);
  }
  std::string said() { return std::exchange(events.output, ""); }

  Recorder events;
  NetconsoleDecoder decoder{events};
  SteadyTime now = ManualClock().now();
};

// One whose first message has its place for certain.
struct Begun : Sender {
  Begun() {
    says(1, "one");
    passes(limits::netconsole_window);
    EXPECT_EQ(said(), "[    0.001000] one\r\n");
  }
};

TEST(Netconsole, basic_text_passes_as_it_comes_with_the_line_ends_of_a_serial_port) {
  Sender sender;
  sender.says("[    1.0] a; b\nc\r\nhal");
  sender.says("f\r");
  sender.says("\n6,not,a,header;x\n");
  EXPECT_EQ(sender.said(), "[    1.0] a; b\r\nc\r\nhalf\r\n6,not,a,header;x\r\n");
  EXPECT_EQ(sender.decoder.counters().basic, 3u);
}

TEST(Netconsole, extended_text_looks_as_on_a_serial_port) {
  Begun sender;
  sender.says(
      "6,2,12345678,-,caller=T1;usb 1-1: new\\x0atwo lines, \\x5c and \\xc3\\xa4\n SUBSYSTEM=usb\n DEVICE=c189:1\n");
  EXPECT_EQ(sender.said(), "[   12.345678] usb 1-1: new\r\n[   12.345678] two lines, \\ and \xc3\xa4\r\n");
  sender.says("6.4.0,6,3,12345679,-;with the kernel's version before it\n");
  EXPECT_EQ(sender.said(), "[   12.345679] with the kernel's version before it\r\n");
  EXPECT_TRUE(sender.events.lost.empty() && sender.events.notes.empty());
}

TEST(Netconsole, what_overtook_waits_for_its_turn) {
  Begun sender;
  sender.says(4, "four");
  sender.says(3, "three");
  EXPECT_EQ(sender.said(), "");
  sender.says(2, "two");
  EXPECT_EQ(sender.said(), "[    0.002000] two\r\n[    0.003000] three\r\n[    0.004000] four\r\n");
  EXPECT_TRUE(sender.events.lost.empty());
  EXPECT_FALSE(sender.decoder.next_deadline());
}

TEST(Netconsole, the_first_heard_need_not_be_the_first) {
  Sender sender;
  sender.says(8, "eight");
  sender.says(7, "seven");
  sender.passes(limits::netconsole_window);
  EXPECT_EQ(sender.said(), "[    0.007000] seven\r\n[    0.008000] eight\r\n");
  EXPECT_TRUE(sender.events.lost.empty());
}

TEST(Netconsole, what_does_not_come_in_time_is_counted_where_it_is_missing) {
  Begun sender;
  sender.says(4, "four");
  sender.passes(limits::netconsole_window - Duration(1));
  EXPECT_EQ(sender.said(), "");
  sender.passes(Duration(1));
  EXPECT_EQ(sender.said(), "[    0.004000] four\r\n");
  ASSERT_EQ(sender.events.lost.size(), 1u);
  EXPECT_TRUE(sender.events.lost[0].starts_with("2 messages did not come")) << sender.events.lost[0];
  EXPECT_EQ(sender.decoder.counters().missing, 2u);
}

TEST(Netconsole, what_comes_after_its_place_was_given_up_is_told_all_the_same_and_once) {
  Begun sender;
  sender.says(3, "three");
  sender.passes(limits::netconsole_window);
  sender.said();
  sender.says(2, "two");
  sender.says(2, "two");
  EXPECT_EQ(sender.said(), "[    0.002000] two\r\n");
  ASSERT_EQ(sender.events.notes.size(), 1u);
  EXPECT_EQ(sender.decoder.counters().late, 1u);
  EXPECT_EQ(sender.decoder.counters().repeated, 1u);
}

TEST(Netconsole, a_repeat_is_dropped) {
  Begun sender;
  sender.says(1, "one");
  sender.says(3, "three");
  sender.says(3, "three");
  sender.says(2, "two");
  EXPECT_EQ(sender.said(), "[    0.002000] two\r\n[    0.003000] three\r\n");
  EXPECT_EQ(sender.decoder.counters().repeated, 2u);
}

TEST(Netconsole, fragments_are_put_together_in_any_order) {
  Begun sender;
  const std::string whole = "0123456789abcdef\n KEY=value\n";
  sender.fragment(2, whole, 10, 20);
  sender.fragment(2, whole, 20, whole.size());
  sender.fragment(2, whole, 10, 20);
  EXPECT_EQ(sender.said(), "");
  sender.fragment(2, whole, 0, 10);
  EXPECT_EQ(sender.said(), "[    0.002000] 0123456789abcdef\r\n");
}

TEST(Netconsole, a_fragment_that_never_comes_leaves_a_counted_hole) {
  Begun sender;
  const std::string whole = "0123456789abcdef\n";
  sender.fragment(2, whole, 0, 4);
  sender.fragment(2, whole, 10, whole.size());
  sender.passes(limits::netconsole_window);
  EXPECT_EQ(sender.said(), "[    0.002000] 0123abcdef\r\n");
  ASSERT_EQ(sender.events.lost.size(), 1u);
  EXPECT_EQ(sender.events.lost[0], "6 bytes of this message did not come");
}

TEST(Netconsole, a_fragment_that_contradicts_itself_is_left_out_and_counted) {
  Begun sender;
  for (const char* bad : {"6,2,2000,-,ncfrag=5/4;x", "6,2,2000,-,ncfrag=0/999999999999;x", "6,2,2000,-,ncfrag=0/1;xx",
                          "6,2,2000,-,ncfrag=a/b;x", "6,2,2000,-,ncfrag=0/;x", "6,2,2000,-,ncfrag=0/0;"}) {
    sender.says(bad);
  }
  sender.fragment(2, "0123", 0, 2);
  sender.says("6,2,2000,-,ncfrag=2/9;45");
  EXPECT_EQ(sender.decoder.counters().malformed, 7u);
  sender.fragment(2, "0123", 2, 4);
  EXPECT_EQ(sender.said(), "[    0.002000] 0123\r\n");
}

TEST(Netconsole, a_continued_line_is_one_line_and_never_waits_for_long) {
  Begun sender;
  sender.says(2, "a", 'c');
  sender.says(3, "b", '+');
  sender.says(4, "c", '+');
  sender.says(5, "next");
  EXPECT_EQ(sender.said(), "[    0.002000] abc\r\n[    0.005000] next\r\n");
  sender.says(6, "alone", 'c');
  EXPECT_EQ(sender.said(), "[    0.006000] alone");
  sender.passes(limits::netconsole_window);
  EXPECT_EQ(sender.said(), "\r\n");
}

TEST(Netconsole, a_sender_that_was_started_again_is_followed) {
  Sender sender;
  for (std::uint64_t n = 0; n < 200; ++n) sender.says(n, "old");
  sender.passes(limits::netconsole_window);
  sender.said();
  sender.says(std::uint64_t{0}, "Linux version");
  sender.passes(limits::netconsole_window);
  EXPECT_EQ(sender.said(), "[    0.000000] Linux version\r\n");
  EXPECT_EQ(sender.decoder.counters().restarts, 1u);
  EXPECT_TRUE(sender.events.lost.empty());
  // One whose first messages are not heard is known by its clock.
  sender.says(1, "x");
  sender.says("6,2,90000000,-;late in its life\n");
  sender.says("6,900,1000,-;a new life\n");
  sender.passes(limits::netconsole_window);
  EXPECT_EQ(sender.decoder.counters().restarts, 2u);
  EXPECT_TRUE(sender.events.lost.empty());
}

TEST(Netconsole, gaps_without_end_are_marked_so_often_and_counted_all) {
  Begun sender;
  std::uint64_t marked = 0;
  const auto count = [&] {
    for (const std::string& text : std::exchange(sender.events.lost, {})) marked += std::stoull(text);
  };
  for (std::uint64_t n = 3; n < 2003; n += 2) sender.says(n, "x");
  EXPECT_GE(sender.decoder.counters().missing, 1000u - limits::netconsole_held_max - 1) << "more were held";
  sender.passes(limits::netconsole_window);
  EXPECT_LE(sender.events.lost.size(), std::size_t(limits::netconsole_marks_at_once));
  count();
  for (int s = 0; s < 3; ++s) sender.passes(limits::netconsole_marks_gathered);
  count();
  EXPECT_EQ(marked, 1000u);
  EXPECT_EQ(sender.decoder.counters().missing, 1000u);
}

TEST(Netconsole, what_waits_is_bounded) {
  Begun sender;
  const std::string big(limits::netconsole_message_bytes_max, 'x');
  for (std::uint64_t n = 10; n < 10'000; n += 2) sender.fragment(n, big, 0, 1);
  EXPECT_GE(sender.decoder.counters().missing, 9'000u / 2 - limits::netconsole_held_max);
}

TEST(Netconsole, a_datagram_that_was_too_long_is_said_to_be_cut) {
  Sender sender;
  sender.says("long", true);
  EXPECT_EQ(sender.said(), "long");
  EXPECT_EQ(sender.events.notes.size(), 1u);
  EXPECT_EQ(sender.decoder.counters().malformed, 1u);
}

}  // namespace
}  // namespace oob
