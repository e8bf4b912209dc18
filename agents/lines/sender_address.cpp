// See sender_address.h.
#include "agents/lines/sender_address.h"

#include <arpa/inet.h>

#include <algorithm>
#include <charconv>
#include <cstring>

#include "common/nearest.h"

namespace oob {
namespace {

constexpr SenderAddress kIpv4{0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};

}  // namespace

Result<SenderAddress> parse_sender(const std::string& text) {
  SenderAddress out = kIpv4;
  if (inet_pton(AF_INET, text.c_str(), out.data() + 12) == 1) return out;
  if (inet_pton(AF_INET6, text.c_str(), out.data()) == 1) return out;
  return fail(ErrorCode::Usage,
              in_quotes(text) + " is no numeric address, as 10.9.1.7 or 2001:db8::7; write it without a port");
}

bool is_ipv4(const SenderAddress& address) { return std::equal(address.begin(), address.begin() + 12, kIpv4.begin()); }

std::string sender_text(const SenderAddress& address) {
  char text[INET6_ADDRSTRLEN] = "";
  const bool v4 = is_ipv4(address);
  inet_ntop(v4 ? AF_INET : AF_INET6, address.data() + (v4 ? 12 : 0), text, sizeof text);
  return text;
}

bool SenderRule::matches(const SenderAddress& sender) const {
  for (unsigned bit = 0; bit < bits; ++bit) {
    if (((address[bit / 8] ^ sender[bit / 8]) >> (7 - bit % 8)) & 1) return false;
  }
  return true;
}

Result<SenderRule> parse_sender_rule(const std::string& text) {
  const std::size_t slash = text.find('/');
  const auto address = parse_sender(text.substr(0, slash));
  if (!address) return tl::unexpected(address.error());
  SenderRule out{*address};
  if (slash == std::string::npos) return out;
  const unsigned before = is_ipv4(*address) ? 96 : 0;
  const char* end = text.data() + text.size();
  unsigned bits = 0;
  const auto [stop, error] = std::from_chars(text.data() + slash + 1, end, bits);
  if (error != std::errc() || stop != end || bits > 128 - before) {
    return fail(ErrorCode::Usage, in_quotes(text) +
                                      " is no network; write an address, a slash and how many of its "
                                      "leading bits count, as in 10.9.0.0/16");
  }
  out.bits = before + bits;
  return out;
}

}  // namespace oob
