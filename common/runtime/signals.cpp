// See signals.h.
#include "common/runtime/signals.h"

#include <boost/asio/signal_set.hpp>

namespace oob {

struct Signals::State : std::enable_shared_from_this<Signals::State> {
  State(Shard& shard, std::function<void(int)> c) : set(shard.io()), call(std::move(c)) {}
  asio::signal_set set;
  const std::function<void(int)> call;

  void wait() {
    set.async_wait([self = shared_from_this()](const boost::system::error_code& error, int signal) {
      if (error) return;
      self->wait();
      self->call(signal);
    });
  }
};

Signals::Signals(Shard& shard, std::initializer_list<int> signals, std::function<void(int)> call)
    : state_(std::make_shared<State>(shard, std::move(call))) {
  for (const int signal : signals) state_->set.add(signal);
  state_->wait();
}

Signals::~Signals() {
  boost::system::error_code ignored;
  state_->set.cancel(ignored);
}

}  // namespace oob
