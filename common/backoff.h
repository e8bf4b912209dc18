// Backoff: how long to wait before the next try. From the shortest delay, doubling to the longest, times a random 0.5
// to 1, so that many who lost the same peer do not all come back at once.
#pragma once
#include <algorithm>
#include <random>

#include "common/clock.h"

namespace oob {

class Backoff {
 public:
  Backoff(Duration shortest, Duration longest, unsigned seed = std::random_device{}())
      : shortest_(shortest), longest_(longest), random_(seed) {}

  Duration next() {
    const Duration delay = std::min(longest_, shortest_ * (1 << std::min(failures_, 16u)));
    ++failures_;
    return Duration(std::int64_t(double(delay.count()) * std::uniform_real_distribution<double>(0.5, 1.0)(random_)));
  }
  void reset() { failures_ = 0; }

 private:
  const Duration shortest_, longest_;
  unsigned failures_ = 0;
  std::minstd_rand random_;
};

}  // namespace oob
