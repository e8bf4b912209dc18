// See service.h.
#include "common/runtime/service.h"

#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include <cerrno>
#include <charconv>
#include <cstddef>
#include <cstdlib>
#include <cstring>

#include "common/log.h"
#include "common/text.h"

namespace oob {
namespace {

std::string take_variable(const char* name) {
  const char* value = std::getenv(name);
  std::string out = value != nullptr ? value : "";
  ::unsetenv(name);
  return out;
}

std::optional<std::uint64_t> number_in(const std::string& text) {
  std::uint64_t out = 0;
  const auto [end, problem] = std::from_chars(text.data(), text.data() + text.size(), out);
  if (problem != std::errc{} || end != text.data() + text.size() || out == 0) return std::nullopt;
  return out;
}

}  // namespace

Service::Service() : address_(take_variable("NOTIFY_SOCKET")) {
  const std::string usec = take_variable("WATCHDOG_USEC"), pid = take_variable("WATCHDOG_PID");
  if (address_.empty()) return;
  if ((address_[0] != '/' && address_[0] != '@') || address_.size() >= sizeof(sockaddr_un::sun_path)) {
    log_warning("service", "NOTIFY_SOCKET is no path of a socket; whoever started us is not told how it goes",
                {{"value", address_}});
    return;
  }
  fd_ = ::socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  if (fd_ < 0) {
    log_warning("service", "no socket for NOTIFY_SOCKET", {{"reason", std::strerror(errno)}});
    return;
  }
  if (usec.empty() || (!pid.empty() && pid != std::to_string(::getpid()))) return;  // none, or another process's
  if (const auto time = number_in(usec)) {
    watchdog_ = std::chrono::duration_cast<Duration>(std::chrono::microseconds(*time));
  } else {
    log_warning("service", "WATCHDOG_USEC is no number; there is no watchdog", {{"value", usec}});
  }
}

Service::~Service() {
  if (fd_ >= 0) ::close(fd_);
}

void Service::send(const std::string& text) {
  if (fd_ < 0) return;
  sockaddr_un to{};
  to.sun_family = AF_UNIX;
  std::memcpy(to.sun_path, address_.data(), address_.size());
  if (to.sun_path[0] == '@') to.sun_path[0] = '\0';  // abstract: unix(7)
  const auto bytes = static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + address_.size());
  // It does not wait: a supervisor that does not read must not hold up consoles.
  if (::sendto(fd_, text.data(), text.size(), MSG_NOSIGNAL | MSG_DONTWAIT, reinterpret_cast<sockaddr*>(&to), bytes) <
      0) {
    log_limited(LogLevel::Warning, "service", "notify", "whoever started us cannot be told how it goes",
                {{"socket", address_}, {"reason", std::strerror(errno)}});
  }
}

void Service::ready(const std::string& text) { send("READY=1\nSTATUS=" + escape_controls(text)); }
void Service::stopping() { send("STOPPING=1\nSTATUS=stopping"); }
void Service::status(const std::string& text) { send("STATUS=" + escape_controls(text)); }
void Service::alive() { send("WATCHDOG=1"); }

void Service::reloading() {
  timespec now{};
  ::clock_gettime(CLOCK_MONOTONIC, &now);  // Type=notify-reload wants to know when this was said
  const auto usec = std::uint64_t(now.tv_sec) * 1'000'000 + std::uint64_t(now.tv_nsec) / 1'000;
  send("RELOADING=1\nMONOTONIC_USEC=" + std::to_string(usec));
}

struct Watchdog::State : std::enable_shared_from_this<Watchdog::State> {
  State(Shard& shard, Service& s, Round r) : service(s), round(std::move(r)), timer(shard) {}
  Service& service;
  const Round round;
  Timer timer;
  bool asked = false;

  void ask() {
    if (asked) return;
    asked = true;
    round([weak = weak_from_this()] {
      const auto self = weak.lock();
      if (!self) return;
      self->asked = false;
      self->service.alive();
    });
  }
};

Watchdog::Watchdog(Shard& shard, Service& service, Round round)
    : state_(std::make_shared<State>(shard, service, std::move(round))) {
  if (!service.watchdog()) return;
  state_->timer.every(std::max<Duration>(*service.watchdog() / 4, std::chrono::milliseconds(1)),
                      [state = state_.get()] { state->ask(); });
}

}  // namespace oob
