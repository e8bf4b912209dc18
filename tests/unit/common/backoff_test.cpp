// Backoff grows to its longest and no further, is never in step with others, and begins anew after a success.
#include "common/backoff.h"

#include <gtest/gtest.h>

#include <set>

namespace oob {
namespace {

TEST(BackoffTest, doubles_to_the_longest_with_jitter_and_begins_anew) {
  std::set<std::int64_t> seen;
  for (int i = 0; i < 50; ++i) {
    Backoff backoff(Duration(250), Duration(30'000));
    Duration expected(250);
    for (int step = 0; step < 40; ++step) {
      const Duration delay = backoff.next();
      EXPECT_GE(delay, expected / 2);
      EXPECT_LE(delay, expected);
      if (step == 39) seen.insert(delay.count());
      expected = std::min(expected * 2, Duration(30'000));
    }
    backoff.reset();
    EXPECT_LE(backoff.next(), Duration(250));
  }
  EXPECT_GT(seen.size(), 10u);
}

}  // namespace
}  // namespace oob
