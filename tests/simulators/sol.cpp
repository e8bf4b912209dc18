// The BMC's end of serial over LAN.
#include "tests/simulators/sol.h"

#include <algorithm>

namespace rude {
namespace {

// The fourth byte of a packet, from the console and from the BMC.
constexpr std::uint8_t kNack = 0x40, kBreak = 0x10, kPause = 0x08, kFlushOutput = 0x01;
constexpr std::uint8_t kUnavailable = 0x20, kDeactivating = 0x10, kOverrun = 0x08;
constexpr std::size_t kHead = 4;

}  // namespace

void Sol::activate() {
  active_ = true;
  paused_ = in_nacked_ = false;
  buffer_.clear();
  under_way_.clear();
  packet_.clear();
  retry_at_ = gathering_until_ = kNever;
  not_before_ = {};
  out_sequence_ = in_sequence_ = in_taken_ = status_once_ = 0;
}

void Sol::deactivate(bool tell) {
  if (active_ && tell) wiring_.send({0, 0, 0, kDeactivating});
  lost_bytes += buffer_.size() + under_way_.size();
  activate();
  active_ = false;
}

void Sol::output(const Bytes& bytes, Time now) {
  if (!active_) {
    lost_bytes += bytes.size();
    return;
  }
  if (faults_.strikes(Fault::Overrun)) {
    lost_bytes += bytes.size();
    status_once_ |= kOverrun;
    return;
  }
  const auto fits = std::min(bytes.size(), room());
  if (fits < bytes.size()) {
    lost_bytes += bytes.size() - fits;
    status_once_ |= kOverrun;
  }
  if (buffer_.empty()) gathering_until_ = now + pace.gather;
  buffer_.insert(buffer_.end(), bytes.begin(), bytes.begin() + static_cast<std::ptrdiff_t>(fits));
  tick(now);
}

bool Sol::ready(Time now) const {
  if (!free_to_send(now)) return false;
  if (buffer_.empty()) return status_once_ != 0;
  return buffer_.size() >= pace.threshold || now >= gathering_until_;
}

Time Sol::deadline() const {
  if (!active_) return kNever;
  if (!packet_.empty()) return retry_at_;
  if (paused_ || (buffer_.empty() && status_once_ == 0)) return kNever;
  return std::max(not_before_, buffer_.size() >= pace.threshold ? Time() : gathering_until_);
}

void Sol::tick(Time now) {
  if (!active_) return;
  if (!packet_.empty() && now >= retry_at_) {
    if (tries_ >= pace.retries) {  // given up: these characters are gone
      lost_bytes += under_way_.size();
      status_once_ |= kOverrun;
      under_way_.clear();
      packet_.clear();
    } else {
      ++tries_;
      ++retries_out;
      retry_at_ = now + pace.retry_every;
      transmit(packet_);
    }
  }
  if (ready(now)) send_output({0, 0, 0, 0}, now);
}

// `head`: an acknowledgement to ride along, or zeros.
void Sol::send_output(Bytes head, Time now) {
  out_sequence_ = static_cast<std::uint8_t>(out_sequence_ % 15 + 1);
  const auto count = static_cast<std::ptrdiff_t>(std::min(buffer_.size(), output_max));
  under_way_.assign(buffer_.begin(), buffer_.begin() + count);
  buffer_.erase(buffer_.begin(), buffer_.begin() + count);
  packet_ = std::move(head);
  packet_[0] = out_sequence_;
  packet_[3] |= status_once_;
  status_once_ = 0;
  put(packet_, under_way_);
  tries_ = 0;
  retry_at_ = now + pace.retry_every;
  gathering_until_ = now + pace.gather;
  transmit(packet_);
}

void Sol::transmit(const Bytes& packet) {
  ++packets_out;
  if (faults_.strikes(Fault::NoSol)) return;
  wiring_.send(packet);
  if (faults_.strikes(Fault::RepeatSol)) wiring_.send(packet);
}

void Sol::take(const Bytes& packet, Time now) {
  if (!active_ || packet.size() < kHead) return;
  ++packets_in;
  const std::uint8_t sequence = packet[0] & 0x0F, answered = packet[1] & 0x0F, operation = packet[3];
  paused_ = (operation & kPause) != 0;
  if (!packet_.empty() && answered == out_sequence_) acknowledged(packet[2], (operation & kNack) != 0, now);
  if (sequence != 0) {
    take_input(sequence, operation, {packet.begin() + kHead, packet.end()}, now);
  }
  tick(now);
}

void Sol::acknowledged(std::uint8_t count, bool nack, Time now) {
  const auto taken = static_cast<std::ptrdiff_t>(std::min<std::size_t>(count, under_way_.size()));
  // What was not taken goes into the next packet, under the next number; a refusal is not answered at once.
  if (nack || (taken == 0 && !under_way_.empty())) not_before_ = now + pace.retry_every;
  buffer_.insert(buffer_.begin(), under_way_.begin() + taken, under_way_.end());
  gathering_until_ = now;
  under_way_.clear();
  packet_.clear();
}

void Sol::take_input(std::uint8_t sequence, std::uint8_t operation, const Bytes& input, Time now) {
  if (sequence == in_sequence_ && !in_nacked_) {
    ++repeats_in;  // answered as before
  } else {
    in_sequence_ = sequence;
    in_taken_ = 0;
    if (operation & kFlushOutput) buffer_.clear();
    if (faults_.strikes(Fault::Unavailable)) {
      wiring_.send({0, sequence, 0, kNack | kUnavailable});
      in_nacked_ = true;
      return;
    }
    if (!faults_.strikes(Fault::Nack)) {
      if (operation & kBreak) wiring_.break_received();
      Bytes taking = input;
      if (faults_.strikes(Fault::Partial)) taking.resize(taking.size() / 2);
      in_taken_ = static_cast<std::uint8_t>(taking.empty() ? 0 : wiring_.input(taking));
    }
    in_nacked_ = in_taken_ == 0 && !input.empty();
  }
  if (faults_.strikes(Fault::NoAck)) return;
  const Bytes head{0, sequence, in_taken_, static_cast<std::uint8_t>(in_nacked_ ? kNack : 0)};
  if (!buffer_.empty() && free_to_send(now)) {
    send_output(head, now);
  } else {
    wiring_.send(head);
  }
}

}  // namespace rude
