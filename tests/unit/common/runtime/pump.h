// Runs a shard on the test's own thread until something has happened; never sleeps, fails after 20 s.
#pragma once
#include <gtest/gtest.h>

#include <chrono>
#include <functional>

#include "common/runtime/shard.h"

namespace oob {

inline bool pump_until(Shard& shard, const std::function<bool()>& happened) {
  const auto end = std::chrono::steady_clock::now() + std::chrono::seconds(20);
  while (!happened()) {
    if (std::chrono::steady_clock::now() > end) return false;
    shard.io().run_one_for(std::chrono::milliseconds(100));
  }
  return true;
}

// Runs what is ready now, and nothing that has to be waited for.
inline void pump_ready(Shard& shard) {
  while (shard.io().poll() > 0) {
  }
}

}  // namespace oob
