// The front over a network: HTTPS and WebSocket under TLS 1.3, who a peer is, its token says; what it may, the access
// check. Router and stream are those of the UNIX front. On the shard.
// Before a good token was shown a connection is nobody's: limits::front_logins_max of them, of one address
// limits::front_logins_of_address_max, each for limits::front_login_time_max; the one that waits longest makes room.
#pragma once
#include <memory>
#include <string>

#include "common/crypto/tls.h"
#include "server/access/access.h"
#include "server/access/access_tokens.h"
#include "server/front/backend.h"

namespace oob {

class HttpsFront {
 public:
  HttpsFront(Shard& shard, Backend& backend, const Access& access, AccessTokens& tokens,
             std::shared_ptr<TlsContext> tls);
  ~HttpsFront();  // closes all connections
  // "host:port" or "[v6]:port"; more than once for several. Unavailable: it cannot be listened on.
  Result<> listen(const std::string& address);
  std::string addresses() const;              // all, with the ports the kernel chose
  void use(std::shared_ptr<TlsContext> tls);  // for connections from now on
  std::size_t connections() const;

 private:
  struct State;
  std::shared_ptr<State> state_;
};

}  // namespace oob
