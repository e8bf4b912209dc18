// See send_pace.h. The kernel's own tcpi_delivery_rate does not serve: while a sender holds back it only rises.
#include "common/tls/send_pace.h"

#include <algorithm>
#include <utility>

#include "common/limits.h"

namespace oob {
namespace {
constexpr auto kPeriod = std::chrono::seconds(10);  // a path that became slower is believed after two
constexpr double kQueueTime_s = 0.02;               // beyond the round trip, for timers and bursts
// Less is not worth a packet; and a first guess where nothing is known, which grows by a quarter each round trip.
constexpr std::uint64_t kLeastBytes = 1024, kFirstBytes = 4096;

double seconds(SteadyTime::duration time) { return std::chrono::duration<double>(time).count(); }
}  // namespace

// Counts what was acknowledged in windows of a round trip: acknowledgements come in bunches.
void SendPace::learn(std::uint64_t acknowledged_bytes, const Reading& reading, SteadyTime now) {
  if (now - period_began_ >= kPeriod) {
    // A period in which nothing was held back says nothing about what the path can do.
    if (refused_ || rate_before_ == 0) rate_before_ = std::exchange(rate_, 0);
    period_began_ = now;
    refused_ = false;
  }
  const double window_s = std::max(static_cast<double>(reading.round_trip_us) / 1e6, kQueueTime_s);
  const double passed_s = seconds(now - window_began_);
  const bool idle = seconds(now - std::exchange(last_, now)) > window_s;
  if (idle || passed_s >= window_s) {
    if (!idle) rate_ = std::max(rate_, static_cast<double>(acknowledged_bytes - window_bytes_) / passed_s);
    window_began_ = now;
    window_bytes_ = acknowledged_bytes;
  }
}

std::size_t SendPace::allow(std::uint64_t given_bytes, const Reading& reading, SteadyTime now) {
  learn(given_bytes - std::min(given_bytes, reading.queued_bytes), reading, now);
  const double rate = std::max(rate_, rate_before_);
  const double carried_s = static_cast<double>(reading.round_trip_us) / 1e6 * 1.25 + kQueueTime_s;
  const auto carried = static_cast<std::uint64_t>(rate * carried_s);
  const std::uint64_t most = rate == 0 ? kFirstBytes : std::max(carried, kLeastBytes);
  const std::uint64_t room = most - std::min(most, reading.queued_bytes);
  if (room >= kLeastBytes / 2) return room;
  refused_ = true;
  // Until so much will have left; of an unknown path, a few times in a round trip.
  const double wait_s = rate == 0 ? static_cast<double>(reading.round_trip_us) / 4e6 : kLeastBytes / rate;
  wait_ = std::clamp(std::chrono::ceil<Duration>(std::chrono::duration<double>(wait_s)), Duration(1), Duration(100));
  return 0;
}

}  // namespace oob
