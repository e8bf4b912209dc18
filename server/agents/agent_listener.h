// AgentListener: where agents dial in: TLS on a TCP port, and a UNIX socket for the agent on the server's own machine.
// Finds out who each peer is before anything of the tunnel is spoken, or lets it enrol. On the shard.
// Before login: limits::tunnel_logins_max connections, limits::tunnel_login_time_max each.
#pragma once
#include <memory>
#include <set>
#include <string>

#include "common/crypto/tls.h"
#include "common/runtime/descriptor.h"
#include "common/tls/secure_stream.h"
#include "server/agents/agent_directory.h"
#include "server/agents/enrolment.h"

namespace oob {

class AgentListener {
 public:
  AgentListener(Shard& shard, AgentDirectory& directory, std::shared_ptr<TlsContext> tls, JoinConversation::Enrol enrol,
                std::set<unsigned> local_uids);
  ~AgentListener();
  Result<> listen_tls(const std::string& address);
  // Peers there are the agent `local`, if their user is one of `local_uids`.
  Result<> listen_unix(const std::string& path);
  void set_tls(std::shared_ptr<TlsContext> tls) { tls_ = std::move(tls); }  // for connections from now on
  std::string tls_address() const { return tls_listener_.address(); }

 private:
  struct Login;

  void make_room();
  void accepted_tls(int fd, const std::string& from);
  void accepted_unix(int fd, const std::string& from);
  void start(const std::shared_ptr<Login>& login, int fd, std::optional<TlsEngine> engine);
  void proved(const std::shared_ptr<Login>& login);
  void refuse(const std::shared_ptr<Login>& login, const std::string& reason);
  void hand_over(const std::shared_ptr<Login>& login, AgentPeer peer);
  void over(const std::shared_ptr<Login>& login, const std::string& reason);

  Shard& shard_;
  AgentDirectory& directory_;
  std::shared_ptr<TlsContext> tls_;
  const JoinConversation::Enrol enrol_;
  const std::set<unsigned> local_uids_;
  Listener tls_listener_, unix_listener_;
  std::set<std::shared_ptr<Login>> logins_;
  std::uint64_t last_login_ = 0;
  std::uint64_t refused_ = 0;  // connections, since the start
};

}  // namespace oob
