// Time as a parameter. Core code takes a Clock&, so that tests drive it by hand (ManualClock) and a seed repeats.
// Two times: `now()` only ever goes forward and is for durations and deadlines; `wall()` is what people read (UTC).
#pragma once
#include <chrono>
#include <cstdint>
#include <string>

namespace oob {

using Duration = std::chrono::milliseconds;
using SteadyTime = std::chrono::steady_clock::time_point;
using WallTime = std::chrono::time_point<std::chrono::system_clock, std::chrono::milliseconds>;

class Clock {
 public:
  virtual ~Clock() = default;
  virtual SteadyTime now() const = 0;
  virtual WallTime wall() const = 0;
};

class SystemClock final : public Clock {
 public:
  SteadyTime now() const override { return std::chrono::steady_clock::now(); }
  WallTime wall() const override {
    return std::chrono::time_point_cast<std::chrono::milliseconds>(std::chrono::system_clock::now());
  }
};

class ManualClock final : public Clock {
 public:
  SteadyTime now() const override { return now_; }
  WallTime wall() const override { return wall_; }
  void advance(Duration by) { now_ += by, wall_ += by; }
  void set_wall(WallTime to) { wall_ = to; }  // a clock jump: durations are untouched

 private:
  SteadyTime now_{std::chrono::hours(1)};
  WallTime wall_{std::chrono::hours(24 * 365 * 50)};
};

// Milliseconds of `now()` as a number, for messages; only differences mean anything.
inline std::int64_t steady_ms(SteadyTime t) {
  return std::chrono::duration_cast<std::chrono::milliseconds>(t.time_since_epoch()).count();
}
inline std::int64_t wall_ms(WallTime t) { return t.time_since_epoch().count(); }

// "2026-11-21T02:34:39.123Z" and back; parse returns false on anything else.
std::string format_utc(WallTime t);
bool parse_utc(std::string_view text, WallTime& out);

// Estimates a peer's steady clock from the times it tells us, so that a deadline can be written in the peer's clock.
// The estimate is early by the fastest one-way delay seen: a message that is under way for longer than its deadline
// is found late by the peer, however the network delayed it, and never wrongly found in time.
class PeerClock {
 public:
  void told(std::int64_t peer_ms, SteadyTime received) {
    // Others than a clock that counts up from zero would overflow what follows.
    if (peer_ms < 0 || peer_ms > std::int64_t(1) << 52) return;
    const std::int64_t offset = peer_ms - steady_ms(received);
    if (!known_ || offset > offset_ms_) offset_ms_ = offset;
    known_ = true;
  }
  bool known() const { return known_; }
  // The deadline `after` from `now`, in the peer's milliseconds.
  std::int64_t deadline_ms(SteadyTime now, Duration after) const { return steady_ms(now) + offset_ms_ + after.count(); }
  // A deadline in OUR clock stays ours; this converts the peer's milliseconds to our clock's.
  std::int64_t ours_ms(std::int64_t peer_ms) const { return peer_ms - offset_ms_; }

 private:
  bool known_ = false;
  std::int64_t offset_ms_ = 0;
};

}  // namespace oob
