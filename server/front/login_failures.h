// How often an address has shown a token that is not good: so many are answered as such, then it is told to wait. It
// keeps nobody out who has a good one: 256 random bits are not guessed, and a lock would be a weapon for whoever shares
// an address. Bounded: limits::login_addresses_max addresses, the one that failed longest ago makes room.
#pragma once
#include <map>
#include <string>

#include "common/clock.h"

namespace oob {

// The address in "10.0.0.1:4711" or "[2001:db8::1]:4711".
std::string address_of_peer(const std::string& peer);
// What counts as one address: of IPv6 a whole /64, which is what one customer gets. "2001:db8:0:0::/64".
std::string address_group(const std::string& address);

class LoginFailures {
 public:
  // One more, now. True: there were too many of late, limits::login_failures_max and one more every
  // limits::login_failure_forgotten_every.
  bool failed(const std::string& group, SteadyTime now);
  std::size_t size() const { return addresses_.size(); }

 private:
  struct Failures {
    SteadyTime clear_at{};  // when all are forgotten: each adds login_failure_forgotten_every
  };
  std::map<std::string, Failures> addresses_;
};

}  // namespace oob
