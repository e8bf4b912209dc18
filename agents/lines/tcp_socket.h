// What the kinds over TCP share: the check of an address that is reached in clear, and a socket that notices that its
// peer has gone.
#pragma once
#include "agents/lines/line.h"

namespace oob {

// The keys `address` and `insecure`: an address that can be dialled, and `insecure = true` beside it beyond loopback.
// For LineKind::check.
Result<> check_cleartext_address(const LineConfig& config, std::string& key);

// Finds a half-open connection: by probes while all is silent, by the unacknowledged byte otherwise. tcp(7)
void watch_tcp_peer(int fd);

}  // namespace oob
