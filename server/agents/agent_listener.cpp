// See agent_listener.h.
#include "server/agents/agent_listener.h"

#include <unistd.h>

#include <algorithm>

#include "common/limits.h"
#include "common/log.h"

namespace oob {

// A connection that has not yet said who it is. Its stream's callbacks keep it; when it is known, the stream (and so
// the Login) goes to the tunnel's connection, which gets the bytes from then on.
struct AgentListener::Login {
  explicit Login(Shard& shard) : deadline(shard) {}
  std::uint64_t number = 0;  // in order of arrival
  std::string from;
  std::unique_ptr<SecureStream> stream;
  std::unique_ptr<JoinConversation> join;
  std::shared_ptr<TunnelConnection*> tunnel;  // set: it has become one, which may be gone again
  Timer deadline;
};

AgentListener::AgentListener(Shard& shard, AgentDirectory& directory, std::shared_ptr<TlsContext> tls,
                             JoinConversation::Enrol enrol, std::set<unsigned> local_uids)
    : shard_(shard),
      directory_(directory),
      tls_(std::move(tls)),
      enrol_(std::move(enrol)),
      local_uids_(std::move(local_uids)),
      tls_listener_(shard),
      unix_listener_(shard) {}

AgentListener::~AgentListener() {
  for (const auto& login : logins_) login->stream.reset();  // ends the circle of a Login and its stream's callbacks
}

Result<> AgentListener::listen_tls(const std::string& address) {
  return tls_listener_.listen(address, 0, [this](int fd, const std::string& from) { accepted_tls(fd, from); });
}

Result<> AgentListener::listen_unix(const std::string& path) {
  return unix_listener_.listen("unix:" + path, 0666,
                               [this](int fd, const std::string& from) { accepted_unix(fd, from); });
}

// Full: the one that has been silent longest makes room, so that idle strangers cannot keep agents out.
void AgentListener::make_room() {
  if (logins_.size() < limits::tunnel_logins_max) return;
  const auto oldest = *std::ranges::min_element(logins_, {}, [](const auto& login) { return login->number; });
  over(oldest, "it had not yet said who it is, and others came");
}

void AgentListener::accepted_tls(int fd, const std::string& from) {
  make_room();
  auto login = std::make_shared<Login>(shard_);
  login->from = from;
  start(login, fd, tls_->engine());
}

void AgentListener::accepted_unix(int fd, const std::string& from) {
  const auto peer = peer_credentials(fd);
  if (!peer || !local_uids_.contains(peer->uid)) {
    log_limited(LogLevel::Warning, "agents", "unix",
                "refused: only root, our own user and [agents] local-user may be the local agent", {{"from", from}});
    ::close(fd);
    return;
  }
  make_room();
  auto login = std::make_shared<Login>(shard_);
  login->from = from;
  start(login, fd, std::nullopt);
}

void AgentListener::start(const std::shared_ptr<Login>& login, int fd, std::optional<TlsEngine> engine) {
  login->stream = std::make_unique<SecureStream>(shard_, fd, std::move(engine));
  login->number = ++last_login_;
  logins_.insert(login);
  login->deadline.once(limits::tunnel_login_time_max, [this, weak = std::weak_ptr(login)] {
    if (const auto late = weak.lock()) over(late, "nothing of use within 10 s");
  });
  login->stream->start({
      .ready = [this, login] { proved(login); },
      .bytes =
          [this, login](ByteView bytes) {
            if (login->tunnel) return *login->tunnel != nullptr ? (*login->tunnel)->received(bytes) : void();
            if (!login->join) return;
            if (!login->join->receive(bytes)) return over(login, "");
            login->stream->flush();
          },
      .closed =
          [this, login](const std::string& reason) {
            if (!login->tunnel) return over(login, reason);
            if (*login->tunnel != nullptr) (*login->tunnel)->stream_closed(reason);
          },
      .fill = [login](MutableBytes into) -> std::size_t {
        if (login->tunnel) return *login->tunnel != nullptr ? (*login->tunnel)->fill(into) : std::size_t(0);
        if (!login->join) return 0;
        Bytes& output = login->join->output();
        const std::size_t size = std::min(output.size(), into.size());
        std::copy_n(output.begin(), size, into.begin());
        output.erase(output.begin(), output.begin() + std::ptrdiff_t(size));
        if (size == 0 && login->join->finished()) login->stream->close("joined");
        return size;
      },
  });
}

void AgentListener::proved(const std::shared_ptr<Login>& login) {
  if (login->stream->alpn() == kAlpnJoin) {
    login->join = std::make_unique<JoinConversation>(login->from, enrol_, [weak = std::weak_ptr(login)] {
      if (const auto joining = weak.lock(); joining && joining->stream) joining->stream->flush();
    });
    return;
  }
  const auto certificate = login->stream->peer();
  if (!certificate) {
    return hand_over(login,
                     {.name = "local", .key = {}, .address = login->from});  // the UNIX socket: TLS had to have one
  }
  if (const auto may = directory_.may_connect(certificate->name, certificate->fingerprint); !may) {
    return refuse(login, may.error().message);
  }
  hand_over(login, {.name = certificate->name, .key = certificate->fingerprint, .address = login->from});
}

// It has shown a certificate of ours, so it is told why.
void AgentListener::refuse(const std::shared_ptr<Login>& login, const std::string& reason) {
  auto farewell = std::make_shared<std::unique_ptr<TunnelConnection>>();
  *farewell = std::make_unique<TunnelConnection>(
      shard_, Mux::Role::Opener,
      TunnelConnection::Events{.opened = {}, .closed = [farewell](const std::string&) { farewell->reset(); }});
  TunnelConnection& connection = **farewell;
  login->tunnel = connection.self();
  auto stream = std::move(login->stream);
  over(login, reason);
  connection.run(std::move(stream));
  connection.close(reason);
}

void AgentListener::hand_over(const std::shared_ptr<Login>& login, AgentPeer peer) {
  login->deadline.cancel();
  logins_.erase(login);
  directory_.arrived(std::move(peer), std::move(login->stream),
                     [&](std::unique_ptr<AgentLink>& link) { login->tunnel = link->connection().self(); });
}

void AgentListener::over(const std::shared_ptr<Login>& login, const std::string& reason) {
  if (logins_.erase(login) == 0) return;
  login->deadline.cancel();
  if (!reason.empty() && reason != "joined") {
    // By address without the port: a stranger makes as many ports as they like.
    log_limited(LogLevel::Warning, "agents", login->from.substr(0, login->from.rfind(':')), "refused a connection",
                {{"from", login->from}, {"reason", reason}, {"refused_in_all", ++refused_}});
  }
  // We may be in one of its callbacks.
  shard_.post([stream = std::shared_ptr<SecureStream>(std::move(login->stream))] {});
}

}  // namespace oob
