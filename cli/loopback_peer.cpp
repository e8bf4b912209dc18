// See loopback_peer.h.
#include "cli/loopback_peer.h"

#include <arpa/inet.h>
#include <sys/socket.h>

#include <cstdio>
#include <fstream>
#include <sstream>
#include <string>

namespace oob {
namespace {

constexpr const char* kEstablished = "01";  // a connection that has ended is listed as root's

// As the table writes it: the address as the kernel holds it, and the port.
std::string table_text(const sockaddr_in& address) {
  char out[32];
  std::snprintf(out, sizeof out, "%08X:%04X", unsigned(address.sin_addr.s_addr), unsigned(ntohs(address.sin_port)));
  return out;
}

}  // namespace

Result<unsigned> loopback_peer_user(int fd) {
  sockaddr_in peer{}, own{};
  socklen_t peer_size = sizeof peer, own_size = sizeof own;
  if (::getpeername(fd, reinterpret_cast<sockaddr*>(&peer), &peer_size) != 0 || peer.sin_family != AF_INET ||
      ::getsockname(fd, reinterpret_cast<sockaddr*>(&own), &own_size) != 0) {
    return fail(ErrorCode::Unavailable, "it has gone");
  }
  const std::string from = table_text(peer), to = table_text(own);
  std::ifstream table("/proc/net/tcp");
  for (std::string line; std::getline(table, line);) {
    std::istringstream fields(line);
    std::string number, local, remote, state, queues, timer, retransmits;
    unsigned user = 0;
    if (!(fields >> number >> local >> remote >> state >> queues >> timer >> retransmits >> user)) continue;
    if (local == from && remote == to && state == kEstablished) return user;
  }
  return fail(ErrorCode::Unavailable, "/proc/net/tcp does not list it");
}

}  // namespace oob
