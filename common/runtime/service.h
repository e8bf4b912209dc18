// Service: what a daemon tells the one who started it, and the watchdog that ends it if it no longer turns. The
// protocol is systemd's, sd_notify(3): lines of NAME=value in one datagram to the socket $NOTIFY_SOCKET. Started by a
// shell there is no such socket; then all of it does nothing.
#pragma once
#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "common/clock.h"
#include "common/result.h"
#include "common/runtime/shard.h"

namespace oob {

class Service {
 public:
  // Takes NOTIFY_SOCKET, WATCHDOG_USEC and WATCHDOG_PID out of the environment: programs that a line runs must not find
  // them. What is wrong with them is logged. Call it before there are threads.
  Service();
  ~Service();
  Service(const Service&) = delete;
  Service& operator=(const Service&) = delete;

  void ready(const std::string& status);  // started, or done with reloading
  void reloading();
  void stopping();
  void status(const std::string& text);  // one line for `systemctl status`; escaped here

  // How long the watchdog waits for a sign of life; empty: there is none.
  std::optional<Duration> watchdog() const { return watchdog_; }
  void alive();  // one sign of life

 private:
  void send(const std::string& text);

  int fd_ = -1;
  std::string address_;  // a path, or "@name" for an abstract socket
  std::optional<Duration> watchdog_;
};

// Asks `round` every quarter of the watchdog's time, and gives a sign of life when it answers. `round` has to call
// `done`, on the shard, after everything that must be alive has come round; while it has not, it is not asked again.
// So a shard that is stuck, or whatever `round` waits for, stops the signs.
class Watchdog {
 public:
  using Round = std::function<void(std::function<void()> done)>;
  Watchdog(Shard& shard, Service& service, Round round);

 private:
  struct State;
  std::shared_ptr<State> state_;
};

}  // namespace oob
