// Which versions of the tunnel's protocol this program speaks. oobd serves the previous minor version too: raise the
// minimum only when no agent out there can need it.
#pragma once
#include <cstdint>

namespace oob {
inline constexpr std::uint32_t kProtocolMin = 1;
inline constexpr std::uint32_t kProtocolMax = 2;  // 2, of 0.2.0: certificates are renewed, status, line_keys
}  // namespace oob
