// The table of line kinds. A new kind: its file, a name in kinds.h, an entry here, its chapter in docs/LINES.md.
#include "agents/lines/kinds.h"

#include <algorithm>
#include <array>

namespace oob {

std::span<const LineKind> line_kinds() {
  static const std::array kinds{kCallhomeKind, kEtherconsoleKind, kExecKind,   kNetconsoleKind, kSerialKind, kSolKind,
                                kSshKind,      kTcpKind,          kTelnetKind, kTestKind,       kUnixKind};
  return kinds;
}

const LineKind* find_line_kind(std::string_view name) {
  const auto kinds = line_kinds();
  const auto at = std::find_if(kinds.begin(), kinds.end(), [&](const LineKind& kind) { return kind.name == name; });
  return at == kinds.end() ? nullptr : &*at;
}

}  // namespace oob
