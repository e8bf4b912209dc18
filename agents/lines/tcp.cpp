// Line kind `tcp`: a raw TCP connection, as console servers offer one port for each of theirs. Cleartext: beyond
// loopback only with `insecure = true`.
#include "agents/lines/kinds.h"
#include "agents/lines/login_gate.h"
#include "agents/lines/settings.h"
#include "agents/lines/stream_line.h"
#include "agents/lines/tcp_socket.h"

namespace oob {
namespace {

constexpr LineKey kKeys[] = {
    {"address", LineKey::Type::Address, true, "host:port to connect to; IPv6 in brackets"},
    {"insecure", LineKey::Type::Boolean, false, "true allows cleartext to an address beyond loopback"},
    {"password-file", LineKey::Type::SecretFile, false, "the file with a password, for the login script"},
    kLoginKey,
};

std::unique_ptr<Line> make_line(Shard& shard, const LineConfig& config, LineEvents& events) {
  const std::string address = text_setting(config, "address", "");
  return std::make_unique<DialledLine>(shard, events, address, address, watch_tcp_peer);
}
std::unique_ptr<Line> make(Shard& shard, const LineConfig& config, LineEvents& events) {
  return behind_login(shard, config, events, make_line);
}

}  // namespace

extern const LineKind kTcpKind{"tcp", "a raw TCP connection to host:port", kKeys, check_cleartext_address, make};

}  // namespace oob
