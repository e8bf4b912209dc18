// A shard: one thread, one Asio io_context, and all objects that live on it. Nothing on a shard takes a lock; another
// thread reaches it only by post(). Holds the shard's one read buffer, which a reader may use until it returns.
#pragma once
#include <boost/asio/io_context.hpp>
#include <boost/asio/steady_timer.hpp>
#include <functional>
#include <memory>
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

 private:
  asio::io_context io_{1};
  asio::executor_work_guard<asio::io_context::executor_type> work_;
  SystemClock clock_;
  Bytes read_buffer_;
  std::thread::id thread_;
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
