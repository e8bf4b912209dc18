// See worker.h.
#include "common/runtime/worker.h"

#include <sys/resource.h>

namespace oob {
namespace {
constexpr int kPatientNice = 5;
}

Worker::Worker(Shard& home, Temper temper) : home_(home), thread_([this, temper] { loop(temper); }) {}

Worker::~Worker() {
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
  }
  wake_.notify_one();
  thread_.join();
}

void Worker::run(std::function<void()> work, std::function<void()> done) {
  {
    const std::lock_guard lock(mutex_);
    queue_.emplace_back(std::move(work), std::move(done));
  }
  wake_.notify_one();
}

std::size_t Worker::queued() const {
  const std::lock_guard lock(mutex_);
  return queue_.size();
}

void Worker::loop(Temper temper) {
  // On Linux 0 is the calling thread (setpriority(2)); a refusal costs nothing but the courtesy.
  if (temper == Temper::Patient) ::setpriority(PRIO_PROCESS, 0, kPatientNice);
  std::unique_lock lock(mutex_);
  while (true) {
    wake_.wait(lock, [this] { return stopping_ || !queue_.empty(); });
    if (queue_.empty()) return;
    auto [work, done] = std::move(queue_.front());
    queue_.pop_front();
    lock.unlock();
    work();
    if (done) home_.post(std::move(done));
    lock.lock();
  }
}

}  // namespace oob
