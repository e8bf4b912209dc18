// Promises of the bytes of serial over LAN: nothing twice, nothing missing without a word, nothing typed late.
#include "agents/ipmi/sol.h"

#include <gtest/gtest.h>

namespace oob::ipmi {
namespace {

struct Stream : SolEvents {
  void sol_send(ByteView payload) override { sent.emplace_back(payload.begin(), payload.end()); }
  void sol_output(ByteView bytes) override { said += as_text(bytes); }
  void sol_lost(std::string why) override { lost.push_back(std::move(why)); }
  void sol_note(std::string text) override { notes.push_back(std::move(text)); }
  void sol_writable() override { ++writable; }
  void sol_confirmed(std::size_t bytes) override { confirmed += bytes; }
  void sol_unanswered() override { ++unanswered; }
  void sol_ended() override { ++ended; }
  void sol_stuck() override { ++stuck; }

  void come(unsigned sequence, std::string_view text, bool newest = true, unsigned status = 0) {
    Bytes packet{std::byte(sequence), {}, {}, std::byte(status)};
    append(packet, text);
    stream.receive(packet, newest);
  }
  void ack(unsigned sequence, unsigned accepted, unsigned status = 0) {
    const Bytes packet{{}, std::byte(sequence), std::byte(accepted), std::byte(status)};
    stream.receive(packet, true);
  }
  // The last packet sent, as "SEQ ACK COUNT OP text".
  std::string last() const {
    if (sent.empty()) return "";
    std::string out;
    for (std::size_t i = 0; i < 4; ++i) out += std::to_string(std::to_integer<unsigned>(sent.back()[i])) + " ";
    return out + std::string(as_text(ByteView(sent.back()).subspan(4)));
  }
  void pass(Duration time) {
    const SteadyTime end = clock.now() + time;
    while (true) {
      const auto due = stream.next_deadline();
      if (!due || *due > end) break;
      if (*due > clock.now()) clock.advance(std::chrono::ceil<Duration>(*due - clock.now()));
      stream.tick();
    }
    if (clock.now() < end) clock.advance(std::chrono::ceil<Duration>(end - clock.now()));
  }

  ManualClock clock;
  std::vector<Bytes> sent;
  std::string said;
  std::vector<std::string> lost, notes;
  int writable = 0, unanswered = 0, ended = 0, stuck = 0;
  std::size_t confirmed = 0;
  SolStream stream{clock, *this, 10, 1};
};

TEST(SolStream, acknowledges_and_drops_repeats) {
  Stream s;
  s.come(1, "abc");
  EXPECT_EQ(s.last(), "0 1 3 0 ");
  s.come(1, "abc");
  EXPECT_EQ(s.sent.size(), 2u);
  s.come(2, "d");
  EXPECT_EQ(s.said, "abcd");
  EXPECT_TRUE(s.lost.empty());
}

TEST(SolStream, a_repeat_that_carries_more_gives_only_what_is_new) {
  Stream s;
  s.come(4, "abc");
  s.come(4, "abcde");
  EXPECT_EQ(s.last(), "0 4 5 0 ");
  s.come(4, "abcde");
  s.come(4, "ab");
  EXPECT_EQ(s.said, "abcde");
}

TEST(SolStream, a_number_left_out_is_a_loss_and_fifteen_comes_before_one) {
  Stream s;
  for (unsigned n = 1; n <= 31; ++n) s.come((n - 1) % 15 + 1, "x");
  EXPECT_TRUE(s.lost.empty());
  s.come(4, "y");  // after 1
  ASSERT_EQ(s.lost.size(), 1u);
  EXPECT_EQ(s.lost[0], "2 packets of the BMC never came");
  EXPECT_EQ(s.said.back(), 'y');
}

TEST(SolStream, a_late_packet_is_dropped_and_a_bmc_that_counts_anew_is_followed) {
  Stream s;
  s.come(2, "b");
  s.come(3, "c");
  s.come(2, "b", false);
  EXPECT_EQ(s.said, "bc");
  EXPECT_TRUE(s.lost.empty());
  s.come(1, "d");
  EXPECT_EQ(s.said, "bcd");
  EXPECT_EQ(s.lost.size(), 1u);
}

TEST(SolStream, an_overrun_is_a_loss_and_a_break_is_told) {
  Stream s;
  s.come(1, "a", true, 0x08 | 0x04);
  EXPECT_EQ(s.lost.size(), 1u);
  ASSERT_EQ(s.notes.size(), 1u);
  EXPECT_EQ(s.notes[0], "break received");
  s.come(0, "", true, 0x10);
  EXPECT_EQ(s.ended, 1);
}

TEST(SolStream, a_storm_of_overruns_is_told_at_once_and_then_as_a_sum_every_ten_seconds) {
  Stream s;
  for (unsigned n = 0; n < 2500; ++n) {
    s.come(n % 15 + 1, "x", true, 0x08);
    s.pass(Duration(10));
  }
  ASSERT_EQ(s.lost.size(), 3u);
  EXPECT_EQ(s.lost[0], "the BMC's buffer overran");
  EXPECT_EQ(s.lost[1], "the BMC's buffer overran 999 times in the last 10 s");
  s.pass(Duration(10'000));
  ASSERT_EQ(s.lost.size(), 4u) << "the last ones were not told";
  EXPECT_FALSE(s.stream.next_deadline());
}

TEST(SolStream, input_goes_packet_by_packet_as_it_is_acknowledged) {
  Stream s;
  EXPECT_EQ(s.stream.write(as_bytes("0123456789abc")), 10u);
  EXPECT_EQ(s.last(), "1 0 0 0 0123456789");
  EXPECT_EQ(s.stream.write(as_bytes("abc")), 0u);
  s.ack(1, 10);
  EXPECT_EQ(s.writable, 1);
  EXPECT_EQ(s.stream.write(as_bytes("abc")), 3u);
  EXPECT_EQ(s.last(), "2 0 0 0 abc");
  s.ack(2, 3);
  EXPECT_EQ(s.writable, 1);
  EXPECT_FALSE(s.stream.next_deadline());
}

TEST(SolStream, the_first_number_is_agreed_before_anything_is_typed) {
  for (const bool knows : {true, false}) {  // a BMC that remembers number 1 of the session before acknowledges it
    Stream s;
    s.stream.start();
    EXPECT_EQ(s.last(), "1 0 0 0 ");
    EXPECT_EQ(s.stream.write(as_bytes("a")), 0u);
    knows ? s.ack(1, 7) : s.pass(Duration(400));
    EXPECT_EQ(s.writable, 1);
    EXPECT_EQ(s.stream.write(as_bytes("a")), 1u);
    EXPECT_EQ(s.last(), knows ? "2 0 0 0 a" : "1 0 0 0 a");
  }
}

TEST(SolStream, unacknowledged_input_is_repeated_with_its_number) {
  Stream s;
  s.stream.write(as_bytes("a"));
  s.pass(Duration(1500));
  EXPECT_GE(s.sent.size(), 3u);
  for (const Bytes& one : s.sent) EXPECT_EQ(one, s.sent[0]);
  s.ack(1, 1);
  EXPECT_TRUE(s.notes.empty());
}

TEST(SolStream, a_bmc_that_answers_fast_is_repeated_to_soon_and_often_within_the_two_seconds) {
  Stream s;
  for (unsigned n = 1; n <= 10; ++n) {
    s.stream.write(as_bytes("a"));
    s.pass(Duration(5));
    s.ack(n, 1);
  }
  const std::size_t before = s.sent.size();
  s.stream.write(as_bytes("b"));
  s.pass(Duration(115));
  EXPECT_EQ(s.sent.size(), before + 2);
  s.pass(Duration(1850));
  EXPECT_GE(s.sent.size(), before + 7);
  EXPECT_LE(s.sent.size(), before + 11);
}

TEST(SolStream, what_was_accepted_in_part_goes_on_with_a_number_of_its_own) {
  Stream s;
  s.stream.write(as_bytes("abcdef"));
  s.ack(1, 4);
  EXPECT_EQ(s.confirmed, 4u);
  s.pass(Duration(1));
  EXPECT_EQ(s.last(), "2 0 0 0 ef");
  s.ack(2, 0, 0x40);
  EXPECT_EQ(s.last(), "2 0 0 0 ef");
  s.pass(Duration(250));
  EXPECT_EQ(s.last(), "3 0 0 0 ef");
  s.ack(3, 2);
  EXPECT_TRUE(s.notes.empty());
  EXPECT_EQ(s.confirmed, 6u);
}

TEST(SolStream, a_repeat_accepted_behind_a_refusal_is_not_typed_again) {
  Stream s;
  s.stream.write(as_bytes("abc"));
  s.pass(Duration(500));
  EXPECT_GT(s.sent.size(), 1u);
  s.ack(1, 0, 0x40);  // of the first
  s.ack(1, 3);        // of its repeat
  EXPECT_FALSE(s.stream.next_deadline());

  // But a repeat of what was taken in part is only acknowledged again.
  s.stream.write(as_bytes("defg"));
  s.ack(2, 2, 0x40);
  s.ack(2, 2, 0x40);
  s.pass(Duration(1100));
  EXPECT_EQ(s.last(), "3 0 0 0 fg");
}

TEST(SolStream, input_that_the_bmc_refuses_for_two_seconds_is_dropped_with_a_note) {
  Stream s;
  s.stream.write(as_bytes("abc"));
  for (std::size_t offered = 0; s.notes.empty(); s.pass(Duration(5))) {
    if (s.sent.size() > offered) s.ack(std::to_integer<unsigned>(s.sent[offered++][0]), 0, 0x40);
  }
  ASSERT_EQ(s.notes.size(), 1u);
  EXPECT_EQ(s.notes[0].substr(0, 19), "3 typed bytes were ");
  EXPECT_LE(s.clock.now() - SteadyTime(std::chrono::hours(1)), Duration(2400));
}

TEST(SolStream, what_a_bmc_says_it_took_nothing_of_is_offered_five_times_at_most_and_a_full_second_is_stood) {
  for (const unsigned status : {0u, 0x40u}) {
    Stream s;
    s.stream.write(as_bytes("abc"));
    std::size_t offered = 0;
    while (s.notes.empty()) {
      if (s.sent.size() > offered) s.ack(std::to_integer<unsigned>(s.sent[offered++][0]), 0, status);
      s.pass(Duration(5));
    }
    EXPECT_EQ(offered, 5u);
    EXPECT_TRUE(s.notes[0].starts_with("3 typed bytes were dropped")) << s.notes[0];

    Stream full;
    full.stream.write(as_bytes("abc"));
    for (offered = 0; full.stream.next_deadline() && full.notes.empty(); full.pass(Duration(5))) {
      const bool room = full.clock.now() - SteadyTime(std::chrono::hours(1)) > Duration(1000);
      if (full.sent.size() > offered)
        full.ack(std::to_integer<unsigned>(full.sent[offered++][0]), room ? 3 : 0, room ? 0 : status);
    }
    EXPECT_TRUE(full.notes.empty());
  }
}

TEST(SolStream, input_that_nobody_acknowledges_is_withdrawn_after_two_seconds_and_the_number_agreed_anew) {
  for (const bool had_it : {false, true}) {
    Stream s;
    s.stream.write(as_bytes("rm x"));
    s.pass(Duration(2000));
    ASSERT_EQ(s.notes.size(), 1u);
    EXPECT_EQ(s.notes[0], "4 typed bytes may not have arrived: the BMC did not acknowledge them in time");
    EXPECT_EQ(s.unanswered, 1);
    EXPECT_EQ(s.last(), "1 0 0 0 ");
    EXPECT_EQ(s.stream.write(as_bytes("y")), 0u);
    s.pass(Duration(400));
    EXPECT_EQ(s.last(), "2 0 0 0 ");
    if (!had_it) s.pass(Duration(300));
    s.ack(had_it ? 2 : 1, 0);
    EXPECT_EQ(s.writable, 1);
    EXPECT_EQ(s.stream.write(as_bytes("y")), 1u);
    EXPECT_EQ(s.last(), had_it ? "3 0 0 0 y" : "2 0 0 0 y");
  }
}

TEST(SolStream, what_is_withdrawn_is_not_sent_again_and_not_confirmed) {
  Stream s;
  s.stream.write(as_bytes("rm x"));
  s.pass(Duration(300));
  s.stream.withdraw();
  s.pass(Duration(0));
  EXPECT_EQ(s.last(), "1 0 0 0 ");
  EXPECT_EQ(s.unanswered, 1);
  s.ack(1, 4);
  EXPECT_EQ(s.confirmed, 0u) << "its typist has been told";
  EXPECT_EQ(s.stream.write(as_bytes("y")), 1u);
}

TEST(SolStream, a_bmc_that_takes_no_input_whatever_its_number_is_begun_anew) {
  Stream s;
  for (int i = 0; i < 2; ++i) {
    s.stream.write(as_bytes("x"));
    s.pass(Duration(6000));
  }
  EXPECT_EQ(s.stuck, 1);
}

TEST(SolStream, a_break_is_sent_once_and_behind_what_was_typed) {
  Stream s;
  s.stream.write(as_bytes("a"));
  s.stream.send_break();
  EXPECT_EQ(s.sent.size(), 1u);
  s.ack(1, 1);
  EXPECT_EQ(s.last(), "2 0 0 16 ");
  s.pass(Duration(5000));
  EXPECT_EQ(s.sent.size(), 2u);
  EXPECT_EQ(s.stream.write(as_bytes("b")), 1u);
  EXPECT_EQ(s.last(), "3 0 0 0 b");
  EXPECT_TRUE(s.notes.empty());
}

}  // namespace
}  // namespace oob::ipmi
