// Parsing and printing of socket addresses, and the peer credentials of a UNIX socket.
#include "common/runtime/socket_address.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/un.h>

#include <algorithm>
#include <cstring>

#include "common/runtime/descriptor.h"
#include "common/text.h"

namespace oob {
namespace {

bool is_host_character(char c, bool bracketed) {
  if ((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '.' || c == '-' || c == '_') {
    return true;
  }
  return bracketed && (c == ':' || c == '%');  // % introduces the zone of a link-local address, RFC 4007
}

tl::unexpected<Error> malformed(std::string_view address, std::string_view what) {
  return fail(ErrorCode::Usage, "address \"" + escape_controls(address) + "\": " + std::string(what));
}

}  // namespace

Result<HostPort> parse_host_port(std::string_view address) {
  const bool bracketed = address.starts_with('[');
  const std::size_t end = bracketed ? address.find(']') : address.rfind(':');
  if (end == std::string_view::npos) {
    return malformed(address, bracketed ? "the closing ] is missing" : "write host:port, the port is missing");
  }
  const std::string_view host = bracketed ? address.substr(1, end - 1) : address.substr(0, end);
  std::string_view port = address.substr(bracketed ? end + 1 : end);
  if (!bracketed && host.find(':') != std::string_view::npos) {
    return malformed(address, "write an IPv6 address in brackets, as in [::1]:7001");
  }
  if (host.empty()) return malformed(address, "the host is missing");
  if (!std::all_of(host.begin(), host.end(), [&](char c) { return is_host_character(c, bracketed); })) {
    return malformed(address, "the host holds a character that no host name or address has");
  }
  if (!port.starts_with(':')) return malformed(address, "the port is missing after ]");
  port.remove_prefix(1);
  const bool digits = !port.empty() && port.size() <= 5 &&
                      std::all_of(port.begin(), port.end(), [](char c) { return c >= '0' && c <= '9'; });
  if (!digits || std::stoi(std::string(port)) > 65535)
    return malformed(address, "the port must be a number up to 65535");
  return HostPort{std::string(host), std::string(port)};
}

Result<SocketAddress> unix_address(std::string_view path) {
  SocketAddress out;
  auto* un = reinterpret_cast<sockaddr_un*>(&out.storage);
  if (path.empty()) return fail(ErrorCode::Usage, "the path of the socket is missing");
  if (path.size() >= sizeof un->sun_path || path.find('\0') != std::string_view::npos) {
    return fail(ErrorCode::Usage, "the path of a socket can have at most 107 bytes: \"" + escape_controls(path) + "\"");
  }
  un->sun_family = AF_UNIX;
  std::memcpy(un->sun_path, path.data(), path.size());
  out.length = static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + path.size() + 1);
  return out;
}

std::string address_text(const SocketAddress& address) {
  char text[INET6_ADDRSTRLEN] = "";
  if (address.storage.ss_family == AF_INET) {
    const auto* in = reinterpret_cast<const sockaddr_in*>(&address.storage);
    inet_ntop(AF_INET, &in->sin_addr, text, sizeof text);
    return std::string(text) + ":" + std::to_string(ntohs(in->sin_port));
  }
  if (address.storage.ss_family != AF_INET6) return "unix";
  const auto* in6 = reinterpret_cast<const sockaddr_in6*>(&address.storage);
  const std::string port = std::to_string(ntohs(in6->sin6_port));
  if (IN6_IS_ADDR_V4MAPPED(&in6->sin6_addr)) {
    inet_ntop(AF_INET, &in6->sin6_addr.s6_addr[12], text, sizeof text);
    return std::string(text) + ":" + port;
  }
  inet_ntop(AF_INET6, &in6->sin6_addr, text, sizeof text);
  return "[" + std::string(text) + "]:" + port;
}

Result<PeerCredentials> peer_credentials(int fd) {
  int domain = 0;
  socklen_t length = sizeof domain;
  if (getsockopt(fd, SOL_SOCKET, SO_DOMAIN, &domain, &length) != 0 || domain != AF_UNIX) {
    return fail(ErrorCode::Internal, "only a UNIX socket tells who its peer is");
  }
  ucred peer{};
  length = sizeof peer;
  if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &length) != 0) {
    return fail(ErrorCode::Unavailable, std::string("cannot tell who the peer is: ") + std::strerror(errno));
  }
  return PeerCredentials{peer.uid, peer.gid, peer.pid};
}

}  // namespace oob
