// SendPace: how much a TCP connection may be given, so that a key that comes next waits for tens of milliseconds at
// most and not for all that the kernel and a slow link's router are willing to hold (a megabyte on a line of 1 Mbit/s
// is eight seconds). It bounds what is under way to what the path has been seen to carry in a round trip and a little
// more, as BBR does (Cardwell et al., ACM Queue 14-5, 2016), and leaves all else to the kernel's congestion control.
// Sans-IO: fed with what tcp(7) tells. On fast paths it allows more than anybody asks for.
#pragma once
#include <cstddef>
#include <cstdint>

#include "common/clock.h"

namespace oob {

class SendPace {
 public:
  struct Reading {
    std::uint64_t queued_bytes = 0;   // given to the socket and not acknowledged (SIOCOUTQ)
    std::uint64_t round_trip_us = 0;  // the shortest seen (tcpi_min_rtt)
  };
  // Bytes that may be given now; 0: ask again after wait(). `given_bytes`: to this connection, since it began.
  std::size_t allow(std::uint64_t given_bytes, const Reading& reading, SteadyTime now);
  Duration wait() const { return wait_; }

 private:
  void learn(std::uint64_t acknowledged_bytes, const Reading& reading, SteadyTime now);

  double rate_ = 0, rate_before_ = 0;  // bytes/s, the largest seen in this period and in the one before
  SteadyTime period_began_{}, window_began_{}, last_{};
  std::uint64_t window_bytes_ = 0;  // acknowledged when the window began
  bool refused_ = false;            // in this period
  Duration wait_{1};
};

}  // namespace oob
