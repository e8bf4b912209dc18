// Line kind `unix`: a stream socket on the agent's machine, as virtual machines offer for their serial ports.
#include "agents/lines/kinds.h"
#include "agents/lines/settings.h"
#include "agents/lines/stream_line.h"
#include "common/runtime/socket_address.h"

namespace oob {
namespace {

constexpr LineKey kKeys[] = {
    {"path", LineKey::Type::Path, true, "absolute path of a stream socket on the agent's machine"},
};

Result<> check(const LineConfig& config, std::string& key) {
  key = "path";
  const std::string path = text_setting(config, key, "");
  if (!path.starts_with('/')) return fail(ErrorCode::Usage, "the path of a socket must be absolute");
  if (const auto address = unix_address(path); !address) return tl::unexpected(address.error());
  return {};
}

std::unique_ptr<Line> make(Shard& shard, const LineConfig& config, LineEvents& events) {
  const std::string path = text_setting(config, "path", "");
  return std::make_unique<DialledLine>(shard, events, std::string(kUnixPrefix) + path, path, nullptr);
}

}  // namespace

extern const LineKind kUnixKind{"unix", "a UNIX stream socket on the agent's machine", kKeys, check, make};

}  // namespace oob
