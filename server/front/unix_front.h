// The front on a UNIX socket: who a peer is, the kernel says; what it may, the access check. Anybody may connect (mode
// 0666), so that a stranger is told in words what is missing. On the shard; names are looked up on a thread of its own.
// Limits: limits::clients_max connections, of these limits::strangers_max of users who may nothing.
#pragma once
#include <memory>
#include <string>

#include "common/runtime/descriptor.h"
#include "common/runtime/worker.h"
#include "server/access/access.h"
#include "server/front/backend.h"

namespace oob {

class UnixFront {
 public:
  UnixFront(Shard& shard, Backend& backend, const Access& access);
  ~UnixFront();  // closes all connections
  // Unavailable: the socket cannot be made, or another server answers there.
  Result<> listen(const std::string& path);
  std::size_t connections() const;

 private:
  struct State;
  std::shared_ptr<State> state_;
};

}  // namespace oob
