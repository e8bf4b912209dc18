// What an enrolled agent is, in its state folder: agent.key, agent.pem, ca.pem, and, between the moment its certificate
// was renewed and the first login with the new one, renewed.pem (key and certificate in one file). All 0600. Whatever
// instant the agent is killed at, the folder holds a key and certificate that the server takes. Blocking.
#pragma once
#include <cstdint>
#include <optional>
#include <string>

#include "common/crypto/secret.h"
#include "common/result.h"

namespace oob {

struct AgentIdentity {
  std::string name;
  Secret key_pem;
  std::string certificate_pem, ca_pem;
  std::int64_t not_after_wall_ms = 0;
};

// NotFound if the agent has not joined, and how to; Denied, Usage, Unavailable for unusable files.
Result<AgentIdentity> load_identity(const std::string& state);

// The renewed one, to be tried first; NotFound: there is none.
Result<AgentIdentity> load_renewed(const std::string& state);
// Puts key and certificate beside those in use.
Result<> save_renewed(const std::string& state, const Secret& key_pem, const std::string& certificate_pem);
// It has logged in: the old pair is worth nothing now, and it takes the old one's names.
Result<> adopt_renewed(const std::string& state);
// The old pair has logged in, or the agent has joined again: the renewed one is not needed.
void drop_renewed(const std::string& state);

}  // namespace oob
