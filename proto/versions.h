// Which versions of the tunnel's protocol this program speaks. oobd serves the previous minor version too: raise the
// minimum only when no agent out there can need it.
#pragma once
#include <cstdint>

namespace oob {
inline constexpr std::uint32_t kProtocolMin = 1;
// 2, of 0.2: certificates are renewed, status, line_keys. 3, of 0.2: secrets of lines
inline constexpr std::uint32_t kProtocolMax = 3;

// The newest protocol that a peer which speaks `theirs_min` to `theirs_max` and we both speak; 0: there is none.
constexpr std::uint32_t protocol_of_both(std::uint32_t theirs_min, std::uint32_t theirs_max) {
  const std::uint32_t newest = theirs_max < kProtocolMax ? theirs_max : kProtocolMax;
  return newest < theirs_min || newest < kProtocolMin ? 0 : newest;
}
}  // namespace oob
