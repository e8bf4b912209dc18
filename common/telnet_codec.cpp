// See telnet_codec.h.
#include "common/telnet_codec.h"

#include <utility>

#include "common/limits.h"

namespace oob {
namespace {

constexpr std::uint8_t kSe = 240, kSb = 250, kWill = 251, kWont = 252, kDo = 253, kDont = 254, kIac = 255;
constexpr std::uint8_t kFirstCommand = 236;  // EOF of RFC 1184; below it nothing is a command
constexpr std::byte kIacByte{kIac}, kCr{'\r'}, kNul{0};

std::uint8_t number(std::byte byte) { return std::to_integer<std::uint8_t>(byte); }

}  // namespace

TelnetCodec::TelnetCodec(Clock& clock, std::initializer_list<std::uint8_t> ours,
                         std::initializer_list<std::uint8_t> theirs)
    : clock_(clock), pace_(limits::telnet_answers_at_once, limits::telnet_answers_per_second) {
  for (const std::uint8_t option : ours) ours_[option] = Use::Off;
  for (const std::uint8_t option : theirs) theirs_[option] = Use::Off;
}

// --- what the peer sends ---

TelnetItem TelnetCodec::next(ByteView& input) {
  TelnetItem out;
  while (!input.empty()) {
    const std::uint8_t byte = number(input[0]);
    switch (at_) {
      case At::Stream:
        if (byte == kIac) {
          at_ = At::Command;
        } else if (!(after_cr_ && byte == 0)) {
          const std::size_t n = run_length(input);
          out.kind = TelnetItem::Kind::Stream;
          out.bytes = input.first(n);
          after_cr_ = input[n - 1] == kCr && !theirs(telnet::kBinary);
          input = input.subspan(n);
          return out;
        } else {
          after_cr_ = false;  // CR NUL is a CR
        }
        input = input.subspan(1);
        break;
      case At::Command:
        if (command_byte(byte, input, out)) return out;
        break;
      case At::Option:
        input = input.subspan(1);
        at_ = At::Stream;
        if (negotiate(byte, out)) return out;
        break;
      case At::MessageCommand:
        if (byte != kIac && byte != kSe) {  // it was not ended; what comes instead stands
          at_ = At::Command;
          break;
        }
        [[fallthrough]];
      case At::Message:
        input = input.subspan(1);
        if (message_byte(byte, out)) return out;
        break;
    }
  }
  return out;
}

std::size_t TelnetCodec::run_length(ByteView input) const {
  const bool binary = theirs(telnet::kBinary);
  std::size_t n = 1;
  while (n < input.size() && input[n] != kIacByte && (binary || input[n] != kNul || input[n - 1] != kCr)) ++n;
  return n;
}

// After IAC.
bool TelnetCodec::command_byte(std::uint8_t byte, ByteView& input, TelnetItem& out) {
  static constexpr std::byte kLiteral[] = {kIacByte};
  at_ = At::Stream;
  if (byte < kFirstCommand || byte == kIac) {
    // No command: the peer speaks no telnet, or no better. Nothing it says is swallowed.
    if (byte == kIac) input = input.subspan(1);
    after_cr_ = false;
    out.kind = TelnetItem::Kind::Stream;
    out.bytes = kLiteral;
    return true;
  }
  spoken_ = true;
  input = input.subspan(1);
  if (byte == kSb) {
    message_.clear();
    at_ = At::Message;
  } else if (byte >= kWill) {
    verb_ = byte;
    at_ = At::Option;
  } else if (byte != kSe) {
    out.kind = TelnetItem::Kind::Command;
    out.code = byte;
    return true;
  }
  return false;
}

// Of a subnegotiation, the option's number first.
bool TelnetCodec::message_byte(std::uint8_t byte, TelnetItem& out) {
  const bool escaped = at_ == At::MessageCommand;
  if (!escaped && byte == kIac) {
    at_ = At::MessageCommand;
    return false;
  }
  if (escaped && byte == kSe) {
    at_ = At::Stream;
    if (message_.empty()) return false;
    out.kind = TelnetItem::Kind::Message;
    out.code = number(message_[0]);
    out.bytes = ByteView(message_).subspan(1);
    return true;
  }
  at_ = At::Message;
  message_.push_back(std::byte(byte));
  if (message_.size() <= limits::telnet_message_bytes_max) return false;
  at_ = At::Stream;
  out.kind = TelnetItem::Kind::Torn;
  return true;
}

// After IAC and WILL, WONT, DO or DONT. True: something has changed.
bool TelnetCodec::negotiate(std::uint8_t option, TelnetItem& out) {
  const bool ours = verb_ == kDo || verb_ == kDont, on = verb_ == kDo || verb_ == kWill;
  Use& use = (ours ? ours_ : theirs_)[option];
  if (use == Use::On ? on : !on && use != Use::Asked) return false;  // as it is already: never answered
  if (use != Use::Asked) {
    if (!pace_.take(clock_.now())) {
      ++ignored_;
      return false;
    }
    const bool agreed = on && use != Use::Refused;
    answer(ours ? (agreed ? kWill : kWont) : (agreed ? kDo : kDont), option);
    if (use == Use::Refused) return false;
  }
  use = on ? Use::On : Use::Off;
  if (option == telnet::kBinary) after_cr_ = false;
  out = {.kind = TelnetItem::Kind::Option, .code = option, .ours = ours, .on = on, .bytes = {}};
  return true;
}

// --- what we send ---

void TelnetCodec::answer(std::uint8_t verb, std::uint8_t option) {
  for (const std::uint8_t byte : {kIac, verb, option}) answers_.push_back(std::byte(byte));
}

void TelnetCodec::ask_ours(std::uint8_t option) {
  if (ours_[option] != Use::Off) return;
  ours_[option] = Use::Asked;
  answer(kWill, option);
}

void TelnetCodec::ask_theirs(std::uint8_t option) {
  if (theirs_[option] != Use::Off) return;
  theirs_[option] = Use::Asked;
  answer(kDo, option);
}

std::size_t TelnetCodec::encode(std::byte byte, Bytes& to) const {
  to.push_back(byte);
  if (byte == kIacByte)
    to.push_back(kIacByte);
  else if (byte == kCr && !ours(telnet::kBinary))
    to.push_back(kNul);
  else
    return 1;
  return 2;
}

void TelnetCodec::command(std::uint8_t code, Bytes& to) { to.insert(to.end(), {kIacByte, std::byte(code)}); }

void TelnetCodec::message(std::uint8_t option, ByteView bytes, Bytes& to) {
  to.insert(to.end(), {kIacByte, std::byte(kSb), std::byte(option)});
  for (const std::byte byte : bytes) {
    to.push_back(byte);
    if (byte == kIacByte) to.push_back(byte);
  }
  to.insert(to.end(), {kIacByte, std::byte(kSe)});
}

}  // namespace oob
