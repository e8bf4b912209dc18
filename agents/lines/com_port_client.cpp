// See com_port_client.h.
#include "agents/lines/com_port_client.h"

#include <utility>

#include "common/com_port.h"
#include "common/limits.h"

namespace oob {
namespace {

using namespace com_port;

// In the order of the enums of SerialSettings.
constexpr std::uint8_t kParities[] = {1, 3, 2, 4, 5}, kFlows[] = {kFlowNone, kFlowXonXoff, kFlowHardware};
constexpr const char* kSettingNames[] = {"speed", "data-bits", "parity", "stop-bits", "flow"};
constexpr const char* kParityNames[] = {"?", "none", "odd", "even", "mark", "space"};
constexpr const char* kFlowNames[] = {"?", "none", "xonxoff", "rtscts"};
constexpr std::uint8_t kOneAndAHalf = 3;

std::uint8_t byte_at(ByteView message, std::size_t at) {
  return at < message.size() ? std::to_integer<std::uint8_t>(message[at]) : 0;
}

std::string on_off(const char* name, bool on) { return std::string(on ? " +" : " -") + name; }

}  // namespace

ComPortClient::ComPortClient(ComPortWishes wishes) {
  ports_[Speed].wish = wishes.speed;
  ports_[DataBits].wish = wishes.data_bits;
  if (wishes.parity) ports_[Parity].wish = kParities[std::size_t(*wishes.parity)];
  ports_[StopBits].wish = wishes.stop_bits;
  // As UARTs have it, and serial lines.
  if (wishes.stop_bits == 2u && wishes.data_bits == 5u) ports_[StopBits].wish = kOneAndAHalf;
  if (wishes.flow) ports_[Flow].wish = kFlows[std::size_t(*wishes.flow)];
}

std::vector<Bytes> ComPortClient::opening() const {
  const auto one = [&](Setting setting) { return std::uint8_t(ports_[setting].wish.value_or(0)); };
  return {
      text_message(kSignature, ""),
      speed_message(kSpeed, ports_[Speed].wish.value_or(0)),
      byte_message(kDataBits, one(DataBits)),
      byte_message(kParity, one(Parity)),
      byte_message(kStopBits, one(StopBits)),
      byte_message(kControl, one(Flow)),
      byte_message(kControl, kAskDtr),
      byte_message(kControl, kAskRts),
      byte_message(kLineStateMask, kBreakSeen | kFramingError | kParityError | kOverrun),
      byte_message(kModemStateMask, 255),
  };
}

// Codes of others than a server are no mistake to speak of: some send both.
Bytes ComPortClient::receive(ByteView message) {
  const std::uint8_t code = byte_at(message, 0), value = byte_at(message, 1);
  if (message.size() < 2 && code != kFromServer + kSignature && code != kFromServer + kSuspend &&
      code != kFromServer + kResume) {
    return {};
  }
  switch (code) {
    case kFromServer + kSignature:
      if (message.size() < 2) {  // it asks for ours
        return std::exchange(signed_, true) ? Bytes() : text_message(kSignature, "Outband " OOB_VERSION);
      }
      signature_ = as_text(message.subspan(1).first(std::min(message.size() - 1, limits::line_fact_bytes_max / 4)));
      break;
    case kFromServer + kSpeed:
      if (message.size() >= 5) answered(Speed, speed_of(message));
      break;
    case kFromServer + kDataBits:
      answered(DataBits, value);
      break;
    case kFromServer + kParity:
      answered(Parity, value);
      break;
    case kFromServer + kStopBits:
      answered(StopBits, value);
      break;
    case kFromServer + kControl:
      control(value);
      break;
    case kFromServer + kLineStateMask:
      counts_errors_ = value != 0;
      break;
    case kFromServer + kLineState:
      counts_errors_ = true;
      if ((value & kBreakSeen) != 0) ++counted_.breaks;
      // What a break looks like to a UART is no error of its own.
      if ((value & kFramingError) != 0 && (value & kBreakSeen) == 0) ++counted_.framing;
      if ((value & kParityError) != 0 && (value & kBreakSeen) == 0) ++counted_.parity;
      if ((value & kOverrun) != 0) ++counted_.overrun;
      break;
    case kFromServer + kModemState:
      lines_ = ModemLines{.cts = (value & kCts) != 0,
                          .dsr = (value & kDsr) != 0,
                          .dcd = (value & kCarrier) != 0,
                          .ri = (value & kRing) != 0};
      break;
    case kFromServer + kSuspend:
      held_ = true;
      break;
    case kFromServer + kResume:
      held_ = false;
      break;
    default:
      break;
  }
  return {};
}

void ComPortClient::control(std::uint8_t value) {
  if (value >= kFlowNone && value <= kFlowHardware) answered(Flow, value);
  if (value == kDtrOn || value == kDtrOff) dtr_ = value == kDtrOn;
  if (value == kRtsOn || value == kRtsOff) rts_ = value == kRtsOn;
}

// The first answer is that to our wish; later ones tell what somebody else has changed.
void ComPortClient::answered(Setting setting, unsigned value) {
  Port& port = ports_[setting];
  port.has = value;
  if (std::exchange(port.answered, true) || !port.wish || *port.wish == value) return;
  refusals_ += (refusals_.empty() ? "" : ", ") + std::string(kSettingNames[setting]) + " " +
               text_of(setting, *port.wish) + " (it has " + text_of(setting, value) + ")";
}

std::string ComPortClient::text_of(Setting setting, unsigned value) {
  if (setting == Parity) return value < std::size(kParityNames) ? kParityNames[value] : "?";
  if (setting == Flow) return value < std::size(kFlowNames) ? kFlowNames[value] : "?";
  return setting == StopBits && value == kOneAndAHalf ? "1.5" : std::to_string(value);
}

std::string ComPortClient::take_refusals() { return std::exchange(refusals_, {}); }

std::string ComPortClient::unanswered() const {
  std::string out;
  for (std::size_t i = 0; i < kSettings; ++i) {
    if (ports_[i].wish && !ports_[i].answered) out += (out.empty() ? "" : ", ") + std::string(kSettingNames[i]);
  }
  return out;
}

std::string ComPortClient::settings() const {
  const auto known = [&](Setting setting) {
    return ports_[setting].has ? text_of(setting, *ports_[setting].has) : std::string("?");
  };
  const unsigned parity = ports_[Parity].has.value_or(0);
  return known(Speed) + " " + known(DataBits) + (parity < 6 ? "?NOEMS"[parity] : '?') + known(StopBits) + ", flow " +
         known(Flow);
}

std::string ComPortClient::modem_text() const {
  std::string out;
  if (dtr_) out += on_off("DTR", *dtr_);
  if (rts_) out += on_off("RTS", *rts_);
  if (lines_)
    out +=
        on_off("CTS", lines_->cts) + on_off("DSR", lines_->dsr) + on_off("DCD", lines_->dcd) + on_off("RI", lines_->ri);
  return out.empty() ? "not told by the console server" : out.substr(1);
}

}  // namespace oob
