// Times as people write them, in the local time zone: what --since and --until take. No I/O but the zone's tables.
#pragma once
#include <string>
#include <string_view>

#include "common/clock.h"
#include "common/result.h"

namespace oob {

struct When {
  WallTime time{};
  std::string note;  // what had to be decided: a time that was twice, or not at all, as clocks were set; "" if nothing
};

// "02:00" and "14:02:11" (today; yesterday, if that is still to come), "2026-11-21", "2026-11-21 14:02", with seconds,
// with a T, with a zone ("Z", "+01:00"); "now", "today", "yesterday"; "30s", "10m", "2h", "3d", with or without "ago".
// `late`: of a time that was twice, the second one. Usage: says what is wanted.
Result<When> parse_when(std::string_view text, WallTime now, bool late = false);

inline constexpr std::string_view kWhenText = "02:00, \"2026-11-21 14:02\", yesterday, 10m, 3d; local time";

}  // namespace oob
