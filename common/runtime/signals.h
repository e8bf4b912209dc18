// Signals as calls on a shard: each of those named runs `call` there, as often as it comes, until this is destroyed.
#pragma once
#include <functional>
#include <initializer_list>
#include <memory>

#include "common/runtime/shard.h"

namespace oob {

class Signals {
 public:
  Signals(Shard& shard, std::initializer_list<int> signals, std::function<void(int signal)> call);
  ~Signals();

 private:
  struct State;
  std::shared_ptr<State> state_;
};

}  // namespace oob
