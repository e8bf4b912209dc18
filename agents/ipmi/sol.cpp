// See sol.h.
#include "agents/ipmi/sol.h"

#include <algorithm>
#include <utility>

#include "agents/ipmi/packet.h"
#include "common/limits.h"
#include "common/text.h"

namespace oob::ipmi {
namespace {

constexpr std::size_t kHeaderBytes = 4;
constexpr unsigned kSequences = 15;  // 1 to 15; 0 acknowledges only
// Operation and status, table 15-2. From the console: NACK, break. From the BMC:
constexpr unsigned kNack = 0x40, kEnding = 0x10, kOverrun = 0x08, kBreakSeen = 0x04;
constexpr unsigned kSendBreak = 0x10;
constexpr double kRepeatAtLeastMs = 100;
constexpr double kRefusedAgain = 1.4;  // 0.2 s, 0.28 s ..: five times within two seconds
constexpr int kAgreeTries = 6;  // a BMC that acknowledges no empty packet has no objection to the next number either

unsigned after(unsigned sequence) { return sequence % kSequences + 1; }
std::byte byte(std::size_t value) { return static_cast<std::byte>(value); }

}  // namespace

SolStream::SolStream(Clock& clock, SolEvents& events, std::size_t packet_bytes, unsigned seed)
    : clock_(clock), events_(events), packet_bytes_(std::clamp<std::size_t>(packet_bytes, 1, 255)), random_(seed) {}

// --- to the BMC ---

void SolStream::start() { begin(Sending::First); }

std::size_t SolStream::write(ByteView bytes) {
  const std::size_t taken = sending_ == Sending::Nothing ? std::min(bytes.size(), packet_bytes_) : 0;
  refused_writer_ = refused_writer_ || taken < bytes.size();
  if (taken == 0) return 0;
  characters_.assign(bytes.begin(), bytes.begin() + static_cast<std::ptrdiff_t>(taken));
  first_sent_ = clock_.now();
  refusals_ = 0;
  begin(Sending::Characters);
  return taken;
}

void SolStream::withdraw() { first_sent_ = clock_.now() - limits::input_age_max; }

void SolStream::send_break() {
  if (sending_ != Sending::Nothing) {
    break_wanted_ = true;
    return;
  }
  break_wanted_ = false;
  begin(Sending::Break);
}

void SolStream::begin(Sending what) {
  sending_ = what;
  sequence_ = after(sequence_);
  sent_ = 0;
  transmit();
}

void SolStream::transmit() {
  Bytes packet{byte(sequence_), byte(0), byte(0), byte(sending_ == Sending::Break ? kSendBreak : 0)};
  if (sending_ == Sending::Characters) append(packet, characters_);
  ++sent_;
  sent_at_ = clock_.now();
  // From what the BMC usually takes, doubling; a lost packet is to cost a pasted text little.
  double wait_ms = double(limits::sol_repeat_after.count());
  if (sending_ == Sending::Characters && usual_ms_ > 0)
    wait_ms = std::min(wait_ms, std::max(kRepeatAtLeastMs, 3 * usual_ms_) * double(1 << std::min(sent_ - 1, 10)));
  wait_ms *= std::uniform_real_distribution<double>(0.9, 1.1)(random_);
  repeat_at_ = clock_.now() + Duration(static_cast<std::int64_t>(wait_ms));
  events_.sol_send(packet);
}

std::optional<SteadyTime> SolStream::next_deadline() const {
  const auto send = send_deadline();
  if (overruns_ == 0) return send;
  const SteadyTime tell = overrun_told_ + limits::serial_note_every;
  return send ? std::min(*send, tell) : tell;
}

std::optional<SteadyTime> SolStream::send_deadline() const {
  if (sending_ == Sending::Nothing) return std::nullopt;
  if (sending_ == Sending::Characters) return std::min(repeat_at_, first_sent_ + limits::input_age_max);
  return repeat_at_;
}

void SolStream::tick() {
  if (clock_.now() - overrun_told_ >= limits::serial_note_every) tell_overruns();
  const auto due = send_deadline();
  if (due && clock_.now() >= *due) send_due();
}

void SolStream::send_due() {
  if (sending_ == Sending::First) sequence_ = 0;  // nobody minds if it is used again
  if (sending_ == Sending::Break || sending_ == Sending::First) return idle();
  if (sending_ == Sending::Characters && clock_.now() >= first_sent_ + limits::input_age_max) {
    // If the BMC has refused them it is known to hold none; if it is silent they may have been typed.
    if (sent_ == 0) {
      drop("were dropped: the BMC did not take them in time");
      return idle();
    }
    drop("may not have arrived: the BMC did not acknowledge them in time");
    sending_ = Sending::Withdrawn;
    sent_ = 0;
    transmit();
    return events_.sol_unanswered();
  }
  if (sending_ == Sending::Withdrawn) {
    // A BMC that has taken the last packet wants the next number, and some say nothing to any other.
    if (sent_ >= kAgreeTries && ++disagreed_ > 1) {
      sending_ = Sending::Nothing;
      return events_.sol_stuck();
    }
    if (sent_ >= kAgreeTries) return idle();
    sequence_ = sent_ % 2 == 1 ? after(sequence_) : (sequence_ + kSequences - 2) % kSequences + 1;
  }
  // Refused characters go out with a number of their own: BMCs take the old one for a repeat.
  if (sending_ == Sending::Characters && sent_ == 0) sequence_ = after(sequence_);
  transmit();
}

void SolStream::acknowledged(std::size_t accepted, bool refused) {
  disagreed_ = 0;
  if (sending_ != Sending::Characters) return idle();
  // While we rest after a refusal, a repeat that was under way may be accepted after all; nothing else counts then.
  if (sent_ == 0 && (accepted == 0 || taken_)) return;
  if (sent_ == 1) {  // else it is not known which of them was acknowledged
    const double took_ms = std::chrono::duration<double, std::milli>(clock_.now() - sent_at_).count();
    usual_ms_ = std::max(usual_ms_ > 0 ? usual_ms_ + (took_ms - usual_ms_) / 8 : took_ms, 0.1);
  }
  accepted = std::min(accepted, characters_.size());
  characters_.erase(characters_.begin(), characters_.begin() + static_cast<std::ptrdiff_t>(accepted));
  if (accepted > 0) events_.sol_confirmed(accepted);
  if (characters_.empty()) return idle();
  sent_ = 0;
  taken_ = accepted > 0;
  if (taken_) first_sent_ = clock_.now();
  refusals_ = taken_ ? 0 : refusals_ + 1;
  // Later and later: there are BMCs that type what they say they refuse, and what is typed twenty times is no login.
  double rest_ms = std::max(double(limits::sol_refused_rest.count()), 3 * usual_ms_);
  for (int i = 1; i < refusals_; ++i) rest_ms *= kRefusedAgain;
  repeat_at_ = clock_.now() + Duration(refused || !taken_ ? static_cast<std::int64_t>(rest_ms) : 0);
}

void SolStream::drop(const char* how) {
  events_.sol_note(count_of(characters_.size(), "typed byte ", "typed bytes ") + how);
  characters_.clear();
}

void SolStream::idle() {
  sending_ = Sending::Nothing;
  if (break_wanted_) return send_break();
  if (std::exchange(refused_writer_, false)) events_.sol_writable();
}

// --- from the BMC ---

void SolStream::receive(ByteView payload, bool newest) {
  if (payload.size() < kHeaderBytes) return;
  const unsigned sequence = byte_at(payload, 0) & 0x0f, ack = byte_at(payload, 1) & 0x0f;
  const std::size_t accepted = byte_at(payload, 2);
  const unsigned status = byte_at(payload, 3);
  if ((status & kOverrun) != 0 && newest) {
    ++overruns_;
    if (clock_.now() - overrun_told_ >= limits::serial_note_every) tell_overruns();
  }
  if (sequence != 0) output(sequence, payload.subspan(kHeaderBytes), newest);
  if ((status & kBreakSeen) != 0 && newest && clock_.now() - break_told_ >= limits::serial_note_every) {
    break_told_ = clock_.now();
    events_.sol_note("break received");
  }
  if ((status & kEnding) != 0 && newest) return events_.sol_ended();
  if (ack != 0 && ack == sequence_ && sending_ != Sending::Nothing) {
    return acknowledged(accepted, (status & kNack) != 0);
  }
}

// Each where it was, unless they come in a storm: then as a sum, a little late.
void SolStream::tell_overruns() {
  if (overruns_ == 0) return;
  const std::string times = overruns_ > 1 ? " " + std::to_string(overruns_) + " times in the last 10 s" : "";
  overruns_ = 0;
  overrun_told_ = clock_.now();
  events_.sol_lost("the BMC's buffer overran" + times);
}

void SolStream::output(unsigned sequence, ByteView characters, bool newest) {
  const bool repeat = sequence == heard_;
  // Late on its way: the BMC has gone on since, and whatever was missing then has been said.
  if (!repeat && !newest && heard_ != 0) return;
  const Bytes ack{byte(0), byte(sequence), byte(std::min<std::size_t>(characters.size(), 255)), byte(0)};
  events_.sol_send(ack);
  if (repeat) {
    if (characters.size() <= heard_count_) return;
    characters = characters.subspan(heard_count_);
    heard_count_ += characters.size();
    return events_.sol_output(characters);
  }
  const unsigned missing = heard_ == 0 ? 0 : (sequence + 2 * kSequences - heard_ - 1) % kSequences;
  heard_ = sequence;
  heard_count_ = characters.size();
  if (missing > kSequences / 2) {
    events_.sol_lost("the BMC began to number its packets anew");
  } else if (missing > 0) {
    events_.sol_lost(count_of(missing, "packet", "packets") + " of the BMC never came");
  }
  if (!characters.empty()) events_.sol_output(characters);
}

}  // namespace oob::ipmi
