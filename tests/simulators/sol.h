// Serial over LAN as a BMC does it (IPMI v2.0 revision 1.1, chapter 15): one packet of output under way, sent again
// until it is acknowledged; input numbered 1 .. 15, repeats dropped, acknowledged by how many characters were taken.
#pragma once
#include <functional>
#include <string>

#include "tests/simulators/faults.h"
#include "tests/simulators/packet.h"

namespace rude {

class Sol {
 public:
  struct Wiring {
    std::function<void(const Bytes& packet)> send;         // to the console
    std::function<std::size_t(const Bytes& input)> input;  // to the host's UART; how much it took
    std::function<void()> break_received;
  };
  // SOL configuration parameters 3 and 4.
  struct Pace {
    std::chrono::milliseconds gather{5}, retry_every{500};
    std::size_t threshold = 96;
    int retries = 7;
  };

  Sol(Faults& faults, Wiring wiring) : faults_(faults), wiring_(std::move(wiring)) {}

  void activate();
  void deactivate(bool tell);  // tell: a last packet says so
  bool active() const { return active_; }
  void take(const Bytes& packet, Time now);
  void output(const Bytes& bytes, Time now);  // what does not fit, or nobody hears, is lost
  void send_break() { status_once_ |= 0x04; }
  std::size_t room() const { return active_ ? kBufferMax - std::min(kBufferMax, buffer_.size()) : kBufferMax; }
  void tick(Time now);
  Time deadline() const;

  Pace pace;
  std::size_t output_max = 200;  // characters in one packet
  std::uint64_t lost_bytes = 0;  // of output: nobody was there, or nobody acknowledged
  std::uint64_t repeats_in = 0, retries_out = 0, packets_out = 0, packets_in = 0;

 private:
  static constexpr std::size_t kBufferMax = 16 * 1024;

  void acknowledged(std::uint8_t count, bool nack, Time now);
  void take_input(std::uint8_t sequence, std::uint8_t operation, const Bytes& input, Time now);
  void send_output(Bytes head, Time now);
  void transmit(const Bytes& packet);
  bool free_to_send(Time now) const { return active_ && !paused_ && packet_.empty() && now >= not_before_; }
  bool ready(Time now) const;

  Faults& faults_;
  Wiring wiring_;
  bool active_ = false, paused_ = false;
  Bytes buffer_, under_way_;  // under_way_: characters of the packet that waits for its acknowledgement
  Bytes packet_;              // that packet
  Time gathering_until_ = kNever, not_before_{}, retry_at_ = kNever;
  int tries_ = 0;
  std::uint8_t out_sequence_ = 0, in_sequence_ = 0, in_taken_ = 0;
  bool in_nacked_ = false;
  std::uint8_t status_once_ = 0;  // flags for the next packet only
};

}  // namespace rude
