// The first line of a call to a callhome line: `TOKEN`, `TOKEN out` or `TOKEN in` (LF or CR LF). `out` carries what the
// node says, `in` what it is told; without either word the call carries both. Sans-IO.
#pragma once
#include <optional>
#include <string>
#include <string_view>

#include "common/result.h"

namespace oob {

struct CallGreeting {
  enum class Way { Both, Out, In };
  std::string token;
  Way way = Way::Both;
  std::size_t length = 0;  // bytes of the first line
};
// Nothing: more is needed. Error: no greeting; the message is for a log and repeats none of the bytes.
Result<std::optional<CallGreeting>> parse_call_greeting(std::string_view begin);

}  // namespace oob
