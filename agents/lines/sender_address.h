// Addresses of those who send or dial to an agent's listeners, numeric only: nothing is looked up.
#pragma once
#include <array>
#include <string>

#include "common/result.h"

namespace oob {

// An IPv6 address, or an IPv4 address mapped into it (RFC 4291 2.5.5.2).
using SenderAddress = std::array<unsigned char, 16>;

Result<SenderAddress> parse_sender(const std::string& text);  // "10.9.1.7", "2001:db8::7"; Usage: what to write
std::string sender_text(const SenderAddress& address);
bool is_ipv4(const SenderAddress& address);

// An address, or a network: "10.9.0.0/16".
struct SenderRule {
  SenderAddress address{};
  unsigned bits = 128;  // leading ones that have to agree
  bool matches(const SenderAddress& sender) const;
};
Result<SenderRule> parse_sender_rule(const std::string& text);

}  // namespace oob
