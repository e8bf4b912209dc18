// Input is never late, never twice, never astray.
#include "agents/input_queue.h"

#include <gtest/gtest.h>

#include "common/limits.h"

namespace oob {
namespace {

struct Fixture : testing::Test {
  ManualClock clock;
  std::string typed;
  std::size_t takes = 1'000'000;  // what the line takes in all from now on
  std::vector<InputQueue::Fate> fates;
  InputQueue queue{[this](ByteView bytes) {
                     const std::size_t n = std::min(takes, bytes.size());
                     typed += as_text(bytes.first(n));
                     takes -= n;
                     return n;
                   },
                   [this](const InputQueue::Fate& fate) { fates.push_back(fate); }};
  void add(std::uint64_t session, std::uint64_t sequence, std::string_view keys, int within_ms = 2000,
           const std::string& down = "") {
    queue.add(session, sequence, clock.now() + Duration(within_ms), as_bytes(keys), clock.now(), down);
  }
};
using Input = Fixture;

TEST_F(Input, is_written_and_acknowledged) {
  add(1, 1, "ls\r");
  EXPECT_EQ(typed, "ls\r");
  ASSERT_EQ(fates.size(), 1u);
  EXPECT_EQ(fates[0].written, 3u);
  EXPECT_EQ(fates[0].refused, "");
}

TEST_F(Input, a_repeat_is_dropped_in_silence) {
  add(1, 1, "a"), add(1, 1, "a"), add(2, 1, "b"), add(1, 2, "c");
  EXPECT_EQ(typed, "abc");
  EXPECT_EQ(fates.size(), 3u);
}

TEST_F(Input, late_on_arrival_is_refused) {
  add(1, 1, "a", -1);
  EXPECT_EQ(typed, "");
  EXPECT_EQ(fates.at(0).refused, "late");
}

TEST_F(Input, after_a_refusal_is_refused_so_that_no_command_lacks_its_middle) {
  add(1, 1, "rm "), add(1, 2, "-i ", -1), add(1, 3, "x\r"), add(2, 1, "ls\r");
  EXPECT_EQ(typed, "rm ls\r");
  EXPECT_EQ(fates.at(2).refused, "typed after keys that were refused");
}

TEST_F(Input, that_waits_behind_a_late_batch_is_refused_with_it) {
  takes = 1;
  add(1, 1, "ab", 1000), add(1, 2, "cd", 2000), add(2, 1, "ef", 2000);
  clock.advance(Duration(1500));
  takes = 100;
  queue.pump(clock.now());
  EXPECT_EQ(typed, "aef");
}

TEST_F(Input, that_waits_past_its_deadline_is_never_typed) {
  takes = 2;
  add(1, 1, "abcd"), add(1, 2, "ef");
  EXPECT_EQ(typed, "ab");
  EXPECT_TRUE(fates.empty());
  ASSERT_TRUE(queue.next_deadline());
  clock.advance(Duration(2001));
  takes = 100;
  queue.pump(clock.now());
  EXPECT_EQ(typed, "ab");
  ASSERT_EQ(fates.size(), 2u);
  EXPECT_EQ(fates[0].written, 2u);
  EXPECT_NE(fates[0].refused, "");
  EXPECT_EQ(fates[1].written, 0u);
  EXPECT_FALSE(queue.next_deadline());
}

TEST_F(Input, goes_on_in_order_when_the_line_takes_more) {
  takes = 3;
  add(1, 1, "abcd"), add(1, 2, "ef");
  takes = 100;
  queue.pump(clock.now());
  EXPECT_EQ(typed, "abcdef");
  EXPECT_EQ(fates.size(), 2u);
}

TEST_F(Input, for_a_line_that_is_down_is_refused_with_the_reason) {
  add(1, 1, "a", 2000, "line is down: no carrier");
  EXPECT_EQ(fates.at(0).refused, "line is down: no carrier");
  EXPECT_EQ(typed, "");
}

TEST_F(Input, of_a_writer_who_lost_the_seat_is_forgotten_and_others_is_kept) {
  takes = 0;
  add(1, 1, "old"), add(2, 1, "new");
  queue.refuse_others(2, "the writer changed");
  takes = 100;
  queue.pump(clock.now());
  EXPECT_EQ(typed, "new");
  EXPECT_EQ(fates.at(0).session, 1u);
  EXPECT_EQ(fates.at(0).refused, "the writer changed");
}

TEST_F(Input, beyond_the_limit_is_refused_and_the_limit_holds_again_after) {
  takes = 0;
  const std::string batch(limits::input_batch_bytes_max, 'x');
  const std::size_t fit = limits::input_pending_bytes_max / batch.size();
  for (std::size_t i = 1; i <= fit + 1; ++i) add(1, i, batch);
  ASSERT_EQ(fates.size(), 1u);
  EXPECT_EQ(fates[0].sequence, fit + 1);
  queue.refuse_all("down");
  EXPECT_EQ(fates.size(), fit + 1);
  add(2, 1, batch);
  EXPECT_EQ(fates.size(), fit + 1);  // it waits
}

TEST_F(Input, of_a_line_that_confirms_is_written_when_it_is_confirmed_and_nothing_goes_behind_it_before) {
  queue.set_confirms(true);
  takes = 3;
  add(1, 1, "abcd"), add(1, 2, "e");
  takes = 100;
  queue.pump(clock.now());
  EXPECT_EQ(typed, "abc");
  queue.confirmed(2, clock.now());
  EXPECT_EQ(typed, "abc") << "it has not confirmed all that it took";
  queue.confirmed(1, clock.now());
  EXPECT_EQ(typed, "abcd");
  EXPECT_TRUE(fates.empty());
  queue.confirmed(1, clock.now());
  EXPECT_EQ(typed, "abcde");
  ASSERT_EQ(fates.size(), 1u);
  EXPECT_EQ(fates[0].written, 4u);
  EXPECT_EQ(fates[0].refused, "");
  queue.confirmed(5, clock.now());
  EXPECT_EQ(fates.at(1).written, 1u) << "no more than was under way";
  add(1, 3, "");
  EXPECT_EQ(fates.size(), 3u) << "nothing needs no confirmation";
}

TEST_F(Input, that_is_not_confirmed_in_time_is_told_to_be_uncertain_and_what_is_behind_it_is_not_typed) {
  queue.set_confirms(true);
  takes = 3;
  add(1, 1, "abcd"), add(1, 2, "ef");
  queue.confirmed(1, clock.now());
  clock.advance(Duration(2001));
  takes = 100;
  queue.pump(clock.now());
  ASSERT_EQ(fates.size(), 2u);
  EXPECT_EQ(fates[0].written, 1u);
  EXPECT_EQ(fates[0].under_way, 2u);
  EXPECT_EQ(fates[0].refused, "late: the line took no input in time; 2 bytes may have arrived");
  EXPECT_EQ(fates[1].refused, "typed after keys that were refused");
  queue.confirmed(2, clock.now());  // too late
  add(2, 1, "g");
  EXPECT_EQ(typed, "abcg");
  EXPECT_EQ(fates.size(), 2u);
}

TEST_F(Input, that_a_line_has_already_is_not_refused_for_a_break_behind_it) {
  queue.set_confirms(true);
  add(1, 1, "ab"), add(1, 2, "cd");
  queue.refuse_waiting("a break");
  ASSERT_EQ(fates.size(), 1u);
  EXPECT_EQ(fates[0].sequence, 2u);
  queue.confirmed(2, clock.now());
  EXPECT_EQ(fates.at(1).refused, "");
  EXPECT_EQ(typed, "ab");
}

}  // namespace
}  // namespace oob
