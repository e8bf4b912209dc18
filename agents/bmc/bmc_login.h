// What a node's `bmc` says, as keys of a line of kind sol (address, port, user, suite, ..), made into a login. Used by
// the agent, and by the inventory's checker, which has no secrets.
#pragma once
#include <string>

#include "agents/ipmi/login.h"
#include "agents/lines/line.h"

namespace oob {

// Error: Usage; `key` names the offending one. IPMI 1.5 is unencrypted: beyond loopback only with insecure = true.
Result<ipmi::Login> bmc_login(const LineConfig& bmc, std::string& key);
std::string bmc_host_port(const LineConfig& bmc);

}  // namespace oob
