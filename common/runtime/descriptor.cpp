// Descriptor on Asio's reactor. Each wait is armed anew, which makes the (edge-triggered) reactor report again whatever
// is still unread. A callback is moved out of the state while it runs, so that it may close or destroy its Descriptor.
#include "common/runtime/descriptor.h"

#include <fcntl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <boost/asio/posix/stream_descriptor.hpp>
#include <cerrno>
#include <cstring>

namespace oob {

namespace {
// epoll(7) refuses plain files and /dev/null, which are always ready; Asio then says operation_not_supported.
bool is_ready(const boost::system::error_code& error) {
  return !error || error == asio::error::operation_not_supported;
}
}  // namespace

struct Descriptor::State : std::enable_shared_from_this<Descriptor::State> {
  explicit State(Shard& shard) : waiter(shard.io()) {}

  asio::posix::stream_descriptor waiter;
  bool socket = false;
  std::function<void()> readable, writable;
  std::uint64_t reading = 0;  // counts start_reading() and stop_reading(): a callback may have called either
  bool on = false;            // between start_reading() and stop_reading()
  bool read_armed = false, write_armed = false;

  void arm_read();
  void arm_write();
  void end() { on = false, ++reading, readable = nullptr, writable = nullptr; }
};

void Descriptor::State::arm_read() {
  if (read_armed || !on || !waiter.is_open()) return;
  read_armed = true;
  waiter.async_wait(asio::posix::stream_descriptor::wait_read,
                    [self = shared_from_this()](const boost::system::error_code& error) {
                      self->read_armed = false;
                      if (!is_ready(error) || !self->on || !self->waiter.is_open()) return;
                      const auto generation = self->reading;
                      auto ready = std::move(self->readable);
                      ready();
                      if (generation == self->reading) self->readable = std::move(ready);
                      self->arm_read();
                    });
}

void Descriptor::State::arm_write() {
  if (write_armed || !writable || !waiter.is_open()) return;
  write_armed = true;
  waiter.async_wait(asio::posix::stream_descriptor::wait_write,
                    [self = shared_from_this()](const boost::system::error_code& error) {
                      self->write_armed = false;
                      if (!is_ready(error) || !self->waiter.is_open()) return;
                      const auto ready = std::exchange(self->writable, nullptr);
                      if (ready) ready();
                    });
}

Descriptor::Descriptor(Shard& shard, int fd) : state_(std::make_shared<State>(shard)) {
  struct stat status {};
  state_->socket = fstat(fd, &status) == 0 && S_ISSOCK(status.st_mode);
  fcntl(fd, F_SETFD, FD_CLOEXEC);
  fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) | O_NONBLOCK);
  boost::system::error_code error;
  state_->waiter.assign(fd, error);
  if (error && fd >= 0) ::close(fd);
}

Descriptor::~Descriptor() { close(); }

int Descriptor::fd() const { return state_->waiter.is_open() ? state_->waiter.native_handle() : -1; }
bool Descriptor::is_open() const { return state_->waiter.is_open(); }

void Descriptor::close() {
  state_->end();
  boost::system::error_code ignored;
  state_->waiter.close(ignored);
}

int Descriptor::release() {
  state_->end();
  return state_->waiter.is_open() ? state_->waiter.release() : -1;
}

void Descriptor::start_reading(std::function<void()> ready) {
  ++state_->reading;
  state_->on = true;
  state_->readable = std::move(ready);
  state_->arm_read();
}

void Descriptor::stop_reading() {
  ++state_->reading;
  state_->on = false;
  state_->readable = nullptr;
}

void Descriptor::when_writable(std::function<void()> ready) {
  state_->writable = std::move(ready);
  state_->arm_write();
}

Result<std::size_t> Descriptor::read(MutableBytes into) {
  if (!is_open()) return fail(ErrorCode::Unavailable, "closed");
  if (into.empty()) return 0;
  while (true) {
    const ssize_t n = ::read(fd(), into.data(), into.size());
    if (n > 0) return static_cast<std::size_t>(n);
    if (n == 0) return fail(ErrorCode::Unavailable, "closed");
    if (errno == EAGAIN || errno == EWOULDBLOCK) return 0;
    if (errno != EINTR) return fail(ErrorCode::Unavailable, std::strerror(errno));
  }
}

Result<std::size_t> Descriptor::write(ByteView from) {
  if (!is_open()) return fail(ErrorCode::Unavailable, "closed");
  if (from.empty()) return 0;
  while (true) {
    const ssize_t n =
        state_->socket ? ::send(fd(), from.data(), from.size(), MSG_NOSIGNAL) : ::write(fd(), from.data(), from.size());
    if (n >= 0) return static_cast<std::size_t>(n);
    if (errno == EAGAIN || errno == EWOULDBLOCK) return 0;
    if (errno == EPIPE) return fail(ErrorCode::Unavailable, "closed");
    if (errno != EINTR) return fail(ErrorCode::Unavailable, std::strerror(errno));
  }
}

}  // namespace oob
