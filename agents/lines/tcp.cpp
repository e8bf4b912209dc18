// Line kind `tcp`: a raw TCP connection, as console servers offer one port for each of theirs. Cleartext: beyond
// loopback only with `insecure = true`.
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

#include "agents/lines/kinds.h"
#include "agents/lines/settings.h"
#include "agents/lines/stream_line.h"
#include "common/limits.h"

namespace oob {
namespace {

constexpr LineKey kKeys[] = {
    {"address", LineKey::Type::Address, true, "host:port to connect to; IPv6 in brackets"},
    {"insecure", LineKey::Type::Boolean, false, "true allows cleartext to an address beyond loopback"},
};

Result<> check(const LineConfig& config, std::string& key) {
  key = "address";
  const auto address = parse_host_port(text_setting(config, key, ""));
  if (!address) return tl::unexpected(address.error());
  if (address->port.find_first_not_of('0') == std::string::npos) return fail(ErrorCode::Usage, "the port cannot be 0");
  if (is_loopback(address->host) || boolean_setting(config, "insecure")) return {};
  return fail(ErrorCode::Usage,
              "a tcp line is cleartext; for an address beyond loopback write insecure = true as well");
}

// Finds a half-open connection: by probes while all is silent, by the unacknowledged byte otherwise. tcp(7)
void watch_peer(int fd) {
  const int on = 1, probes = 3, every_s = static_cast<int>(limits::line_keepalive_every.count());
  const unsigned patience_ms = static_cast<unsigned>(every_s * probes) * 1000;
  setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &on, sizeof on);
  setsockopt(fd, IPPROTO_TCP, TCP_KEEPIDLE, &every_s, sizeof every_s);
  setsockopt(fd, IPPROTO_TCP, TCP_KEEPINTVL, &every_s, sizeof every_s);
  setsockopt(fd, IPPROTO_TCP, TCP_KEEPCNT, &probes, sizeof probes);
  setsockopt(fd, IPPROTO_TCP, TCP_USER_TIMEOUT, &patience_ms, sizeof patience_ms);
}

std::unique_ptr<Line> make(Shard& shard, const LineConfig& config, LineEvents& events) {
  const std::string address = text_setting(config, "address", "");
  return std::make_unique<DialledLine>(shard, events, address, address, watch_peer);
}

}  // namespace

extern const LineKind kTcpKind{"tcp", "a raw TCP connection to host:port", kKeys, check, make};

}  // namespace oob
