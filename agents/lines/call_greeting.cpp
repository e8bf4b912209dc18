// See call_greeting.h.
#include "agents/lines/call_greeting.h"

#include <algorithm>

#include "common/limits.h"

namespace oob {
namespace {

constexpr std::size_t kGreetingBytesMax = limits::callhome_token_bytes_max + 8;

bool is_token_letter(char c) { return c > ' ' && c < 0x7f; }

}  // namespace

Result<std::optional<CallGreeting>> parse_call_greeting(std::string_view begin) {
  const std::size_t end = begin.find('\n');
  const auto malformed = [] { return fail(ErrorCode::Usage, "its first line is not a token"); };
  if (std::min(end, begin.size()) > kGreetingBytesMax) return malformed();
  if (end == std::string_view::npos) return std::optional<CallGreeting>();
  std::string_view line = begin.substr(0, end);
  if (line.ends_with('\r')) line.remove_suffix(1);
  CallGreeting out;
  out.length = end + 1;
  const std::size_t blank = line.find(' ');
  out.token = line.substr(0, blank);
  const std::string_view way = blank == std::string_view::npos ? "" : line.substr(blank + 1);
  if (way == "out") out.way = CallGreeting::Way::Out;
  if (way == "in") out.way = CallGreeting::Way::In;
  const bool known = blank == std::string_view::npos || out.way != CallGreeting::Way::Both;
  if (!known || out.token.empty() || !std::ranges::all_of(out.token, is_token_letter)) return malformed();
  return std::optional(std::move(out));
}

}  // namespace oob
