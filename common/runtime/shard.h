// A shard: one thread, one Asio io_context, and all objects that live on it. Nothing on a shard takes a lock; another
// thread reaches it only by post(). Holds the shard's one read buffer, which a reader may use until it returns.
#pragma once
#include <boost/asio/io_context.hpp>
#include <boost/asio/steady_timer.hpp>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <thread>

#include "common/bytes.h"
#include "common/clock.h"

namespace oob {

namespace asio = boost::asio;

class Worker;

class Shard {
 public:
  Shard();
  ~Shard();
  Shard(const Shard&) = delete;
  Shard& operator=(const Shard&) = delete;

  asio::io_context& io() { return io_; }
  Clock& clock() { return clock_; }
  MutableBytes read_buffer() { return read_buffer_; }

  void run();                             // until stop(); the calling thread becomes the shard's
  void stop();                            // any thread
  void post(std::function<void()> work);  // any thread; runs later on the shard
  void assert_here() const;               // our mistake if not called on the shard's thread
  // A thread beside it, made when first asked for: for work that takes milliseconds of the CPU (a key exchange), which
  // keys are not to wait for.
  Worker& side();

  // A T(Shard&) that several objects of this shard share by a name, such as a listening socket: made by the first who
  // asks, gone with the last who holds it. One type a name.
  template <typename T>
  std::shared_ptr<T> shared(const std::string& name) {
    assert_here();
    if (const auto there = shared_.find(name); there != shared_.end()) {
      if (auto thing = std::static_pointer_cast<T>(there->second.lock())) return thing;
    }
    const auto thing = std::make_shared<T>(*this);  // which may ask for others
    std::erase_if(shared_, [](const auto& entry) { return entry.second.expired(); });
    shared_[name] = thing;
    return thing;
  }
  void keep(std::shared_ptr<void> thing, Duration time);  // holds it for so long

 private:
  asio::io_context io_{1};
  asio::executor_work_guard<asio::io_context::executor_type> work_;
  SystemClock clock_;
  Bytes read_buffer_;
  std::thread::id thread_;
  std::map<std::string, std::weak_ptr<void>> shared_;
  std::unique_ptr<Worker> side_;  // the first to go: it posts here
};

// A timer that calls back once, or every so often, until cancelled or destroyed.
class Timer {
 public:
  explicit Timer(Shard& shard);
  ~Timer();
  void once(Duration after, std::function<void()> call);    // replaces whatever was set
  void every(Duration period, std::function<void()> call);  // likewise
  void cancel();
  bool armed() const { return armed_; }

 private:
  struct State;
  std::shared_ptr<State> state_;
  bool armed_ = false;
};

}  // namespace oob
