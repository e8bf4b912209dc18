// What a connection is given on paths of several kinds: a link with a rate, a delay and a queue, all in simulated time.
#include "common/tls/send_pace.h"

#include <gtest/gtest.h>

#include <deque>

namespace oob {
namespace {

// A sender that always has more, before a link: bytes are acknowledged after the round trip, at most at the link's
// rate.
struct Path {
  double bytes_per_s;
  Duration round_trip;
  SendPace pace;
  SteadyTime now{std::chrono::seconds(100)};
  std::uint64_t given = 0, acknowledged = 0;
  std::deque<std::pair<SteadyTime, std::uint64_t>> under_way;  // acknowledged when, how many in all
  SteadyTime free_at = now;
  std::uint64_t most_queued = 0;

  void give(std::uint64_t bytes) {
    for (std::uint64_t left = bytes; left > 0;) {  // packets, each acknowledged by itself
      const auto packet = std::min<std::uint64_t>(left, 1400);
      left -= packet, given += packet;
      free_at = std::max(free_at, now) + std::chrono::duration_cast<SteadyTime::duration>(
                                             std::chrono::duration<double>(static_cast<double>(packet) / bytes_per_s));
      under_way.emplace_back(free_at + round_trip, given);
    }
  }
  void run(std::chrono::seconds time, std::uint64_t bytes_max = ~0ull) {
    for (const SteadyTime until = now + time; now < until; now += std::chrono::milliseconds(1)) {
      while (!under_way.empty() && under_way.front().first <= now) {
        acknowledged = under_way.front().second;
        under_way.pop_front();
      }
      const SendPace::Reading reading{given - acknowledged, static_cast<std::uint64_t>(round_trip.count()) * 1000};
      const std::uint64_t allowed = pace.allow(given, reading, now);
      if (allowed > 0 && given < bytes_max) give(std::min<std::uint64_t>(allowed, 16384));
      most_queued = std::max(most_queued, given - acknowledged);
    }
  }
  // How long a key given now would wait before it is on the wire, beyond the link's own delay.
  double wait_ms() const { return std::chrono::duration<double, std::milli>(std::max(free_at, now) - now).count(); }
};

TEST(SendPace, a_slow_link_is_filled_and_a_key_waits_for_a_tenth_of_a_second_at_most) {
  Path path{125'000, Duration(200)};
  path.run(std::chrono::seconds(10));
  const std::uint64_t before = path.acknowledged;
  path.run(std::chrono::seconds(10));
  EXPECT_GT(path.acknowledged - before, 1'200'000u) << "of 1,250,000 that it can carry";
  EXPECT_LT(path.wait_ms(), 100);
}

TEST(SendPace, at_9600_bits_a_second_a_key_waits_for_less_than_a_second_and_a_half) {
  Path path{1200, Duration(600)};
  path.run(std::chrono::seconds(30));
  EXPECT_LT(path.wait_ms(), 1500);
  EXPECT_GT(path.acknowledged, 25'000u);
}

TEST(SendPace, a_fast_link_is_not_held_back) {
  Path path{100e6, Duration(0)};
  path.run(std::chrono::seconds(1));
  const std::uint64_t before = path.given;
  path.run(std::chrono::seconds(1));
  EXPECT_EQ(path.given - before, 16384u * 1000) << "all that is asked for, once each millisecond";
}

TEST(SendPace, a_link_that_becomes_slower_is_believed_after_two_periods) {
  Path path{1'250'000, Duration(50)};
  path.run(std::chrono::seconds(5));
  path.bytes_per_s = 12'500;
  path.run(std::chrono::seconds(40));
  EXPECT_LT(path.wait_ms(), 200);
}

TEST(SendPace, a_link_that_becomes_faster_is_filled_again) {
  Path path{12'500, Duration(200)};
  path.run(std::chrono::seconds(20));
  path.bytes_per_s = 1'250'000;
  path.run(std::chrono::seconds(10));
  const std::uint64_t before = path.acknowledged;
  path.run(std::chrono::seconds(2));
  EXPECT_GT(path.acknowledged - before, 2'400'000u);
}

TEST(SendPace, silence_does_not_make_it_forget_what_the_path_can_do) {
  Path path{125'000, Duration(200)};
  path.run(std::chrono::seconds(10));
  path.run(std::chrono::seconds(60), path.given);  // nothing to send
  const std::uint64_t before = path.acknowledged;
  path.run(std::chrono::seconds(2));
  EXPECT_GT(path.acknowledged - before, 200'000u);
}

}  // namespace
}  // namespace oob
