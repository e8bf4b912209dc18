// Pace: so many at once, and so many a second in the long run (a token bucket). Sans-IO.
#pragma once
#include <algorithm>

#include "common/clock.h"

namespace oob {

class Pace {
 public:
  Pace(double at_once, double per_second) : most_(at_once), per_second_(per_second), left_(at_once) {}
  // So much more (one), now; false: too much, it is not counted.
  bool take(SteadyTime now, double amount = 1) {
    if (last_ != SteadyTime{}) {
      const double passed_s = std::chrono::duration<double>(now - last_).count();
      left_ = std::min(most_, left_ + passed_s * per_second_);
    }
    last_ = now;
    if (left_ < amount) return false;
    left_ -= amount;
    return true;
  }
  // What something that was let in turned out to cost besides; may be more than is left, and then keeps the next
  // waiting.
  void spend(double amount) { left_ -= amount; }

 private:
  double most_, per_second_, left_;
  SteadyTime last_{};
};

}  // namespace oob
