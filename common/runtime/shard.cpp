// Shard and Timer on Asio; Asio's own implementation is in asio.cpp.
#include "common/runtime/shard.h"

#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/post.hpp>
#include <cassert>

#include "common/limits.h"
#include "common/runtime/worker.h"

namespace oob {

Shard::Shard() : work_(asio::make_work_guard(io_)), read_buffer_(limits::read_buffer_bytes) {}
Shard::~Shard() = default;

void Shard::run() {
  thread_ = std::this_thread::get_id();
  io_.run();
}

Worker& Shard::side() {
  if (!side_) side_ = std::make_unique<Worker>(*this);
  return *side_;
}

void Shard::stop() { io_.stop(); }
void Shard::post(std::function<void()> work) { asio::post(io_, std::move(work)); }
void Shard::assert_here() const { assert(thread_ == std::thread::id() || thread_ == std::this_thread::get_id()); }

void Shard::keep(std::shared_ptr<void> thing, Duration time) {
  const auto timer = std::make_shared<asio::steady_timer>(io_, time);
  timer->async_wait([timer, thing = std::move(thing)](const boost::system::error_code&) {});
}

struct Timer::State {
  explicit State(Shard& shard) : timer(shard.io()) {}
  asio::steady_timer timer;
  std::uint64_t setting = 0;  // a completion of an older setting is ignored
};

Timer::Timer(Shard& shard) : state_(std::make_shared<State>(shard)) {}
Timer::~Timer() { cancel(); }

void Timer::cancel() {
  armed_ = false;
  ++state_->setting;
  state_->timer.cancel();
}

void Timer::once(Duration after, std::function<void()> call) {
  cancel();
  armed_ = true;
  state_->timer.expires_after(after);
  // `this` is used only while the setting still holds, and the destructor ends the setting. The call is the handler's,
  // so that one which keeps this very Timer ends with the shard.
  state_->timer.async_wait([this, state = state_, setting = state_->setting,
                            call = std::move(call)](const boost::system::error_code& error) {
    if (error || setting != state->setting) return;
    armed_ = false;
    call();
  });
}

void Timer::every(Duration period, std::function<void()> call) {
  once(period, [this, period, call] {
    const auto state = state_;
    const auto setting = state->setting;
    call();
    if (setting == state->setting) every(period, call);  // not destroyed, cancelled or set anew by the call
  });
}

}  // namespace oob
