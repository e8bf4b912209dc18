// See tcp_socket.h.
#include "agents/lines/tcp_socket.h"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

#include "agents/lines/settings.h"
#include "common/limits.h"
#include "common/runtime/descriptor.h"

namespace oob {

Result<> check_cleartext_address(const LineConfig& config, std::string& key) {
  key = "address";
  const auto address = parse_host_port(text_setting(config, key, ""));
  if (!address) return tl::unexpected(address.error());
  if (address->port.find_first_not_of('0') == std::string::npos) return fail(ErrorCode::Usage, "the port cannot be 0");
  if (is_loopback(address->host) || boolean_setting(config, "insecure")) return {};
  return fail(ErrorCode::Usage,
              "a " + config.kind + " line is cleartext; for an address beyond loopback write insecure = true as well");
}

void watch_tcp_peer(int fd) {
  const int on = 1, probes = 3, every_s = static_cast<int>(limits::line_keepalive_every.count());
  const unsigned patience_ms = static_cast<unsigned>(every_s * probes) * 1000;
  setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &on, sizeof on);
  setsockopt(fd, IPPROTO_TCP, TCP_KEEPIDLE, &every_s, sizeof every_s);
  setsockopt(fd, IPPROTO_TCP, TCP_KEEPINTVL, &every_s, sizeof every_s);
  setsockopt(fd, IPPROTO_TCP, TCP_KEEPCNT, &probes, sizeof probes);
  setsockopt(fd, IPPROTO_TCP, TCP_USER_TIMEOUT, &patience_ms, sizeof patience_ms);
}

}  // namespace oob
