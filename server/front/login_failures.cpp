// See login_failures.h.
#include "server/front/login_failures.h"

#include <arpa/inet.h>

#include <algorithm>
#include <array>
#include <cstdio>

#include "common/limits.h"

namespace oob {

std::string address_of_peer(const std::string& peer) {
  const std::string host = peer.substr(0, peer.rfind(':'));
  return host.starts_with('[') && host.ends_with(']') ? host.substr(1, host.size() - 2) : host;
}

std::string address_group(const std::string& address) {
  std::array<unsigned char, sizeof(in6_addr)> bytes{};
  if (inet_pton(AF_INET6, address.c_str(), bytes.data()) != 1) return address;
  std::array<char, 32> text{};
  std::snprintf(text.data(), text.size(), "%x:%x:%x:%x::/64", bytes[0] << 8 | bytes[1], bytes[2] << 8 | bytes[3],
                bytes[4] << 8 | bytes[5], bytes[6] << 8 | bytes[7]);
  return text.data();
}

bool LoginFailures::failed(const std::string& group, SteadyTime now) {
  if (addresses_.size() >= limits::login_addresses_max && !addresses_.contains(group)) {
    addresses_.erase(std::min_element(addresses_.begin(), addresses_.end(), [](const auto& a, const auto& b) {
      return a.second.clear_at < b.second.clear_at;
    }));
  }
  constexpr auto kMost = limits::login_failures_max * limits::login_failure_forgotten_every;
  SteadyTime& clear_at = addresses_[group].clear_at;
  clear_at = std::min(std::max(clear_at, now) + limits::login_failure_forgotten_every,
                      SteadyTime(now + kMost + limits::login_failure_forgotten_every));
  return clear_at > now + kMost;
}

}  // namespace oob
