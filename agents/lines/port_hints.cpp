// See port_hints.h.
#include "agents/lines/port_hints.h"

#include "common/limits.h"

namespace oob {
namespace {

constexpr std::size_t kJudgedFrom = 128;       // bytes; less may be anything
constexpr std::size_t kFramingErrorsFrom = 8;  // a cable that is plugged in makes one or two

// What terminals are told beside text: BEL to CR, SO, SI, ESC. NUL is none of it: a wrong speed makes many.
bool is_usual_control(unsigned byte) { return (byte >= 0x07 && byte <= 0x0F) || byte == 0x1B; }

}  // namespace

void PortHints::judge(unsigned byte) {
  ++bytes_;
  if (more_ > 0 && byte >= 0x80 && byte < 0xC0) {  // amid a character (RFC 3629)
    ++pending_;
    if (--more_ == 0) pending_ = 0;
    return;
  }
  odd_ += pending_;  // it was none
  more_ = pending_ = 0;
  if (byte >= 0xC2 && byte < 0xF5) {
    more_ = byte < 0xE0 ? 1 : byte < 0xF0 ? 2 : 3;
    pending_ = 1;
  } else if (byte >= 0x7F || (byte < 0x20 && !is_usual_control(byte))) {
    ++odd_;
    controls_ += byte < 0x20 || byte == 0x7F ? 1 : 0;
  }
}

void PortHints::received(ByteView bytes) {
  if (bytes.empty()) return;
  anything_received_ = heard_since_low_ = true;
  unanswered_since_.reset();
  // The last of them say enough.
  if (bytes.size() > limits::hint_bytes) bytes = bytes.last(limits::hint_bytes);
  for (const std::byte byte : bytes) judge(std::to_integer<unsigned>(byte));
  if (bytes_ > limits::hint_bytes) bytes_ /= 2, odd_ /= 2, controls_ /= 2, framing_ /= 2;
}

void PortHints::typed(std::size_t bytes, SteadyTime now) {
  if (bytes > 0 && !unanswered_since_) unanswered_since_ = now;
}

void PortHints::framing_errors(std::size_t more) { framing_ += more; }

void PortHints::modem_lines(const ModemLines& lines) {
  const bool high = lines.dsr || lines.dcd;
  if (high || (lines_ && (lines_->dsr || lines_->dcd))) heard_since_low_ = false;
  was_high_ = was_high_ || high;
  lines_ = lines;
}

// A device at another speed makes framing errors all the time, where they are counted. Without them one that is slower
// than we read is known by what its characters become: most are high, and many are controls. Random bytes, as of a file
// sent over the line, are 0.6 odd, and so is what a faster one becomes; text in an older character set has no controls.
bool PortHints::looks_garbled() const {
  if (framing_ >= kFramingErrorsFrom && framing_ * 10 >= bytes_) return true;
  return bytes_ >= kJudgedFrom && odd_ * 10 >= bytes_ * 7 && controls_ * 10 >= bytes_;
}

bool PortHints::unanswered(SteadyTime now) const {
  return unanswered_since_ && now - *unanswered_since_ >= limits::hint_silence;
}

// A cable of three wires has no modem lines, and its console is well: they are a fault only if they were high before,
// or if there is no answer either.
std::string PortHints::carrier_trouble(SteadyTime now) const {
  if (!lines_ || lines_->dsr || lines_->dcd || heard_since_low_) return {};
  if (was_high_) return "DSR and DCD went low, and nothing came since: is the device on, and its cable plugged in?";
  if (lines_->cts || anything_received_ || !unanswered(now)) return {};
  return "CTS, DSR and DCD are low, and what was typed got no answer: is the device on, and its cable plugged in?";
}

void PortHints::put_facts(LineFacts& into, SteadyTime now) const {
  if (looks_garbled()) {
    into.emplace_back("wrong-speed",
                      framing_ >= kFramingErrorsFrom
                          ? "likely: many framing errors; set speed, data-bits and parity as the device has them"
                          : "likely: what comes is no text; set speed, data-bits and parity as the device has them");
  }
  if (const std::string trouble = carrier_trouble(now); !trouble.empty()) {
    into.emplace_back("no-carrier", trouble);
  } else if (!anything_received_ && unanswered(now)) {
    into.emplace_back("nothing-received",
                      "what was typed never got an answer: is the device on? crossed cable (swap 2 and 3)? its speed?");
  }
}

}  // namespace oob
