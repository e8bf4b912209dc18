// Connector: look-up (by Asio's resolver, in its own thread), then one address after another until one answers.
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <boost/asio/ip/tcp.hpp>
#include <cerrno>
#include <cstring>
#include <utility>

#include "common/limits.h"
#include "common/runtime/descriptor.h"
#include "common/runtime/socket_address.h"
#include "common/text.h"

namespace oob {
namespace {

using asio::ip::tcp;
constexpr Duration kUnixRetryAfter{50};  // unix(7): a full backlog is an immediate EAGAIN, there is nothing to wait on

SocketAddress socket_address(const tcp::endpoint& endpoint) {
  SocketAddress out;
  out.length = static_cast<socklen_t>(endpoint.size());
  std::memcpy(&out.storage, endpoint.data(), endpoint.size());
  return out;
}

}  // namespace

struct Connector::State : std::enable_shared_from_this<Connector::State> {
  explicit State(Shard& s) : shard(s), resolver(s.io()), deadline(s), retry(s) {}

  Shard& shard;
  tcp::resolver resolver;
  Timer deadline, retry;
  std::string address, last_error = "timed out";
  SteadyTime end;
  std::function<void(Result<int>)> done;
  std::vector<SocketAddress> candidates;  // best last
  std::unique_ptr<Descriptor> attempt;
  std::shared_ptr<std::vector<int>> datagrams;  // to be filled, if such are wanted

  void begin(Duration time_out);
  void resolve(const HostPort& target);
  void next();
  void dial(const SocketAddress& candidate);
  void open_datagrams();
  void dialled();
  void give_up(ErrorCode code, const std::string& why);
  void finish(Result<int> result);
  void stop();
};

void Connector::State::begin(Duration time_out) {
  end = shard.clock().now() + time_out;
  if (address.starts_with(kUnixPrefix)) {
    const auto path = unix_address(std::string_view(address).substr(kUnixPrefix.size()));
    if (!path) return finish(tl::unexpected(path.error()));
    candidates.push_back(*path);
    return next();
  }
  const auto target = parse_host_port(address);
  if (!target) return finish(tl::unexpected(target.error()));
  deadline.once(time_out, [this] { give_up(ErrorCode::Unavailable, "looking up its address timed out"); });
  resolve(*target);
}

void Connector::State::resolve(const HostPort& target) {
  boost::system::error_code not_numeric;
  const auto numeric = asio::ip::make_address(target.host, not_numeric);
  if (!not_numeric) {
    candidates.push_back(socket_address({numeric, static_cast<std::uint16_t>(std::stoi(target.port))}));
    return next();
  }
  resolver.async_resolve(target.host, target.port,
                         [weak = weak_from_this()](const boost::system::error_code& error, const auto& results) {
                           const auto self = weak.lock();
                           if (!self || !self->done) return;
                           if (error) return self->give_up(ErrorCode::Unavailable, "no such host");
                           for (const auto& r : results) self->candidates.push_back(socket_address(r.endpoint()));
                           std::reverse(self->candidates.begin(), self->candidates.end());
                           self->next();
                         });
}

void Connector::State::next() {
  if (datagrams) return open_datagrams();
  attempt.reset();
  retry.cancel();
  if (candidates.empty()) return give_up(ErrorCode::Unavailable, last_error);
  const auto left = std::chrono::duration_cast<Duration>(end - shard.clock().now());
  const auto share = std::max(Duration(0), left / static_cast<int>(candidates.size()));
  const SocketAddress candidate = candidates.back();
  candidates.pop_back();
  deadline.once(share, [this] {
    last_error = "timed out";
    next();
  });
  dial(candidate);
}

void Connector::State::dial(const SocketAddress& candidate) {
  const int fd = ::socket(candidate.storage.ss_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  if (fd < 0) return give_up(ErrorCode::Unavailable, std::strerror(errno));
  const int one = 1;
  if (candidate.storage.ss_family != AF_UNIX) setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
  const int result = ::connect(fd, candidate.get(), candidate.length);
  const int error = errno;
  attempt = std::make_unique<Descriptor>(shard, fd);
  if (result == 0 || error == EINPROGRESS) return attempt->when_writable([this] { dialled(); });
  if (error == EAGAIN) {
    last_error = "the peer takes no further connections";
    return retry.once(kUnixRetryAfter, [this, candidate] { dial(candidate); });
  }
  last_error = std::strerror(error);
  next();
}

// Connecting one takes no time.
void Connector::State::open_datagrams() {
  for (; !candidates.empty() && datagrams->size() < limits::datagram_addresses_max; candidates.pop_back()) {
    const SocketAddress& to = candidates.back();
    const int fd = ::socket(to.storage.ss_family, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd >= 0 && ::connect(fd, to.get(), to.length) == 0) {
      datagrams->push_back(fd);
      continue;
    }
    last_error = std::strerror(errno);
    if (fd >= 0) ::close(fd);
  }
  if (datagrams->empty()) return give_up(ErrorCode::Unavailable, last_error);
  finish(0);
}

void Connector::State::dialled() {
  int error = 0;
  socklen_t length = sizeof error;
  getsockopt(attempt->fd(), SOL_SOCKET, SO_ERROR, &error, &length);
  if (error == 0) return finish(attempt->release());
  last_error = std::strerror(error);
  next();
}

void Connector::State::give_up(ErrorCode code, const std::string& why) {
  finish(fail(code, "cannot connect to " + escape_controls(address) + ": " + why));
}

void Connector::State::finish(Result<int> result) {
  const auto call = std::exchange(done, nullptr);
  stop();
  call(std::move(result));  // may destroy the Connector, and us
}

void Connector::State::stop() {
  done = nullptr;
  deadline.cancel();
  retry.cancel();
  resolver.cancel();
  attempt.reset();
}

Connector::Connector(Shard& shard) : shard_(shard) {}
Connector::~Connector() { cancel(); }

void Connector::connect(const std::string& address, Duration time_out, std::function<void(Result<int>)> done) {
  begin(address, time_out, std::move(done));
}

void Connector::connect_datagrams(const std::string& address, Duration time_out,
                                  std::function<void(Result<std::vector<int>>)> done) {
  const auto opened = std::make_shared<std::vector<int>>();
  begin(address, time_out, [opened, done = std::move(done)](const Result<int>& result) {
    result ? done(std::move(*opened)) : done(tl::unexpected(result.error()));
  });
  state_->datagrams = opened;
}

void Connector::begin(const std::string& address, Duration time_out, std::function<void(Result<int>)> done) {
  cancel();
  state_ = std::make_shared<State>(shard_);
  state_->address = address;
  state_->done = std::move(done);
  shard_.post([weak = std::weak_ptr(state_), time_out] {
    if (const auto state = weak.lock(); state && state->done) state->begin(time_out);
  });
}

void Connector::cancel() {
  if (const auto state = std::exchange(state_, nullptr)) state->stop();
}

}  // namespace oob
