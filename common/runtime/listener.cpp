// Listener: TCP and UNIX sockets that accept. Out of descriptors it rests for a moment instead of spinning.
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <utility>

#include "common/limits.h"
#include "common/log.h"
#include "common/runtime/descriptor.h"
#include "common/runtime/socket_address.h"
#include "common/text.h"

namespace oob {
namespace {

tl::unexpected<Error> cannot_listen(const std::string& address, const std::string& why) {
  return fail(ErrorCode::Unavailable, "cannot listen on " + escape_controls(address) + ": " + why);
}

// Removes a socket file that nobody answers. Error: there is something else, or somebody answers.
Result<> remove_stale(const std::string& address, const std::string& path, const SocketAddress& where) {
  struct stat status {};
  if (lstat(path.c_str(), &status) != 0) return {};  // bind() says what else may be wrong with the path
  if (!S_ISSOCK(status.st_mode)) return cannot_listen(address, "the file exists and is not a socket; remove it first");
  const int probe = ::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  if (probe < 0) return cannot_listen(address, std::strerror(errno));
  const int result = ::connect(probe, where.get(), where.length);
  const int error = errno;
  ::close(probe);
  if (result == 0 || error == EAGAIN) return cannot_listen(address, "another process listens there; stop it first");
  if (error != ECONNREFUSED) return cannot_listen(address, std::strerror(error));
  if (unlink(path.c_str()) != 0) return cannot_listen(address, std::strerror(errno));
  return {};
}

Result<SocketAddress> tcp_address(const std::string& address) {
  const auto target = parse_host_port(address);
  if (!target) return tl::unexpected(target.error());
  addrinfo hints{}, *found = nullptr;
  hints.ai_socktype = SOCK_STREAM;
  hints.ai_flags = AI_PASSIVE;
  const int error = getaddrinfo(target->host.c_str(), target->port.c_str(), &hints, &found);
  if (error != 0) return cannot_listen(address, gai_strerror(error));
  SocketAddress out;
  out.length = found->ai_addrlen;
  std::memcpy(&out.storage, found->ai_addr, found->ai_addrlen);
  freeaddrinfo(found);
  return out;
}

std::string peer_text(int fd, const SocketAddress& peer) {
  if (peer.storage.ss_family == AF_INET || peer.storage.ss_family == AF_INET6) return address_text(peer);
  const auto who = peer_credentials(fd);
  return who ? "unix, uid " + std::to_string(who->uid) : "unix";
}

}  // namespace

struct Listener::State : std::enable_shared_from_this<Listener::State> {
  explicit State(Shard& s) : shard(s), rest(s) {}
  ~State() { close(); }

  Shard& shard;
  Timer rest;
  std::unique_ptr<Descriptor> socket;
  std::string address, unlink_path;
  struct stat file {};  // the socket file as we made it: another's is not removed
  std::function<void(int, std::string)> accepted;

  Result<> open(const SocketAddress& where, unsigned mode, const std::string& path);
  void start() {
    socket->start_reading([this] { accept_some(); });
  }
  void accept_some();
  void close();
};

Result<> Listener::State::open(const SocketAddress& where, unsigned mode, const std::string& path) {
  const int fd = ::socket(where.storage.ss_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  if (fd < 0) return cannot_listen(address, std::strerror(errno));
  socket = std::make_unique<Descriptor>(shard, fd);
  const int one = 1, zero = 0;
  if (path.empty()) setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
  if (where.storage.ss_family == AF_INET6) setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &zero, sizeof zero);
  if (::bind(fd, where.get(), where.length) != 0) return cannot_listen(address, std::strerror(errno));
  if (!path.empty()) {
    unlink_path = path;
    lstat(path.c_str(), &file);
    // Before listen(), so that at no moment somebody gets in by the mode that the umask gave.
    if (chmod(path.c_str(), mode) != 0) return cannot_listen(address, std::strerror(errno));
  }
  if (::listen(fd, SOMAXCONN) != 0) return cannot_listen(address, std::strerror(errno));
  SocketAddress bound;
  bound.length = sizeof bound.storage;
  if (path.empty() && getsockname(fd, reinterpret_cast<sockaddr*>(&bound.storage), &bound.length) == 0) {
    address = address_text(bound);
  }
  return {};
}

void Listener::State::accept_some() {
  const auto self = shared_from_this();  // `accepted` may destroy the Listener
  for (std::size_t i = 0; i < limits::accepts_a_turn && socket; ++i) {
    SocketAddress peer;
    peer.length = sizeof peer.storage;
    const int fd =
        accept4(socket->fd(), reinterpret_cast<sockaddr*>(&peer.storage), &peer.length, SOCK_CLOEXEC | SOCK_NONBLOCK);
    if (fd >= 0) {
      const int one = 1;
      if (unlink_path.empty()) setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
      const auto call = accepted;
      call(fd, peer_text(fd, peer));
      continue;
    }
    if (errno == EAGAIN || errno == EWOULDBLOCK) return;
    if (errno == EMFILE || errno == ENFILE || errno == ENOBUFS || errno == ENOMEM) {
      log_limited(LogLevel::Error, "listen", address, "cannot accept connections; raise LimitNOFILE",
                  {{"error", std::strerror(errno)}});
      socket->stop_reading();
      return rest.once(limits::accept_rest, [this] { start(); });
    }
    // Anything else concerns the one connection that failed, accept(2).
  }
}

void Listener::State::close() {
  rest.cancel();
  socket.reset();
  accepted = nullptr;
  struct stat now {};
  const std::string path = std::exchange(unlink_path, {});
  const bool ours =
      !path.empty() && lstat(path.c_str(), &now) == 0 && now.st_ino == file.st_ino && now.st_dev == file.st_dev;
  if (ours) unlink(path.c_str());
}

Listener::Listener(Shard& shard) : shard_(shard) {}
Listener::~Listener() { close(); }

Result<> Listener::listen(const std::string& address, unsigned mode,
                          std::function<void(int fd, std::string peer)> accepted) {
  close();
  const bool is_unix = address.starts_with(kUnixPrefix);
  const std::string path = is_unix ? address.substr(kUnixPrefix.size()) : "";
  const auto where = is_unix ? unix_address(path) : tcp_address(address);
  if (!where) return tl::unexpected(where.error());
  if (is_unix) {
    if (const auto cleared = remove_stale(address, path, *where); !cleared) return cleared;
  }
  auto state = std::make_shared<State>(shard_);
  state->address = address;
  state->accepted = std::move(accepted);
  if (const auto opened = state->open(*where, mode, path); !opened) return opened;
  state->start();
  state_ = std::move(state);
  return {};
}

std::string Listener::address() const { return state_ ? state_->address : ""; }

void Listener::close() {
  if (!state_) return;
  state_->close();
  state_.reset();
}

}  // namespace oob
