// Who is at the other end of a TCP connection within this machine: a port on loopback is open to every user of it, and
// what it leads to is one user's.
#pragma once
#include "common/result.h"

namespace oob {

// The user id of the process that made this accepted IPv4 connection, as the kernel's table of connections has it
// (proc(5), /proc/net/tcp). Error: it cannot be told.
Result<unsigned> loopback_peer_user(int fd);

}  // namespace oob
