// Line kind `tcp`: a raw TCP connection, as console servers offer one port for each of theirs. Cleartext: beyond
// loopback only with `insecure = true`.
#include "agents/lines/kinds.h"
#include "agents/lines/settings.h"
#include "agents/lines/stream_line.h"

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

std::unique_ptr<Line> make(Shard& shard, const LineConfig& config, LineEvents& events) {
  const std::string address = text_setting(config, "address", "");
  return std::make_unique<DialledLine>(shard, events, address, address, find_half_open);
}

}  // namespace

extern const LineKind kTcpKind{"tcp", "a raw TCP connection to host:port", kKeys, check, make};

}  // namespace oob
