// How a pace gives: a burst, then a rate.
#include "common/pace.h"

#include <gtest/gtest.h>

namespace oob {
namespace {

TEST(Pace, gives_a_burst_and_then_its_rate) {
  Pace pace(10, 5);
  SteadyTime now{std::chrono::seconds(100)};
  for (int i = 0; i < 10; ++i) EXPECT_TRUE(pace.take(now)) << i;
  EXPECT_FALSE(pace.take(now));
  now += std::chrono::milliseconds(200);
  EXPECT_TRUE(pace.take(now));
  EXPECT_FALSE(pace.take(now));
}

TEST(Pace, what_cost_more_than_was_left_keeps_the_next_waiting) {
  Pace pace(10, 5);
  SteadyTime now{std::chrono::seconds(100)};
  EXPECT_FALSE(pace.take(now, 11));
  EXPECT_TRUE(pace.take(now, 4));
  pace.spend(20);
  now += std::chrono::seconds(2);
  EXPECT_FALSE(pace.take(now));
  now += std::chrono::seconds(1);
  EXPECT_TRUE(pace.take(now));
}

TEST(Pace, saves_no_more_than_a_burst) {
  Pace pace(3, 5);
  SteadyTime now{std::chrono::seconds(100)};
  EXPECT_TRUE(pace.take(now));
  now += std::chrono::hours(1);
  for (int i = 0; i < 3; ++i) EXPECT_TRUE(pace.take(now)) << i;
  EXPECT_FALSE(pace.take(now));
}

}  // namespace
}  // namespace oob
