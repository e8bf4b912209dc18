// A thread for what blocks: disk writes, SQLite. Work runs in order; a completion is posted back to the shard.
#pragma once
#include <condition_variable>
#include <deque>
#include <functional>
#include <mutex>
#include <thread>

#include "common/runtime/shard.h"

namespace oob {

class Worker {
 public:
  // Patient: its bursts are not to take the core from those who answer keys (nice(2) of this thread alone).
  enum class Temper { Usual, Patient };
  explicit Worker(Shard& home, Temper temper = Temper::Usual);
  ~Worker();  // finishes what is queued, then joins; completions not yet run are dropped with the shard

  // `work` runs on the worker; then `done` (may be empty) on the home shard. The caller bounds what it queues.
  void run(std::function<void()> work, std::function<void()> done = {});
  std::size_t queued() const;

 private:
  void loop(Temper temper);

  Shard& home_;
  mutable std::mutex mutex_;
  std::condition_variable wake_;
  std::deque<std::pair<std::function<void()>, std::function<void()>>> queue_;
  bool stopping_ = false;
  std::thread thread_;
};

}  // namespace oob
