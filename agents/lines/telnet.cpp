// Line kind `telnet`: a port of a console server, a virtual machine or a device over telnet (RFC 854), set and watched
// by RFC 2217 where the peer has it. Its keys and their check; the line is telnet_line.cpp. Cleartext: beyond loopback
// only with `insecure = true`.
#include "agents/lines/kinds.h"
#include "agents/lines/login_gate.h"
#include "agents/lines/serial_settings.h"
#include "agents/lines/settings.h"
#include "agents/lines/tcp_socket.h"
#include "agents/lines/telnet_line.h"
#include "common/limits.h"

namespace oob {
namespace {

constexpr LineKey kKeys[] = {
    {"address", LineKey::Type::Address, true, "host:port to connect to; IPv6 in brackets"},
    {"insecure", LineKey::Type::Boolean, false, "true allows cleartext to an address beyond loopback"},
    {"speed", LineKey::Type::Integer, false, "bits per second, set by RFC 2217; default: as it is", 45, 4'000'000},
    {"data-bits", LineKey::Type::Integer, false, "bits of a character, likewise", 5, 8},
    {"parity", LineKey::Type::Text, false, "none, even, odd, mark or space, likewise"},
    {"stop-bits", LineKey::Type::Integer, false, "1 or 2, likewise", 1, 2},
    {"flow", LineKey::Type::Text, false, "flow control: none, xonxoff or rtscts, likewise"},
    {"break-ms", LineKey::Type::Integer, false, "how long a break lasts by RFC 2217; default 250", 1,
     limits::break_max.count()},
    {"password-file", LineKey::Type::SecretFile, false, "the file with a password, for the login script"},
    kLoginKey,
};

Result<> check(const LineConfig& config, std::string& key) {
  if (const auto good = check_cleartext_address(config, key); !good) return good;
  key = "parity";
  if (const auto good = check_word(config, key, kParityWords); !good) return good;
  key = "flow";
  return check_word(config, key, kFlowWords);
}

std::unique_ptr<Line> make_line(Shard& shard, const LineConfig& config, LineEvents& events) {
  return std::make_unique<TelnetLine>(shard, events, TelnetSettings::of(config));
}
std::unique_ptr<Line> make(Shard& shard, const LineConfig& config, LineEvents& events) {
  return behind_login(shard, config, events, make_line);
}

}  // namespace

TelnetSettings TelnetSettings::of(const LineConfig& config) {
  TelnetSettings out;
  out.address = text_setting(config, "address", "");
  const auto number = [&](const char* key) -> std::optional<unsigned> {
    const auto value = integer_setting(config, key_of(kKeys, key), -1);
    return value < 0 ? std::nullopt : std::optional(unsigned(value));
  };
  out.port.speed = number("speed");
  out.port.data_bits = number("data-bits");
  out.port.stop_bits = number("stop-bits");
  if (config.settings.contains("parity")) {
    out.port.parity = SerialSettings::Parity(word_setting(config, "parity", kParityWords));
  }
  if (config.settings.contains("flow")) out.port.flow = SerialSettings::Flow(word_setting(config, "flow", kFlowWords));
  out.break_time = Duration(number("break-ms").value_or(unsigned(out.break_time.count())));
  return out;
}

extern const LineKind kTelnetKind{"telnet", "a port of a console server over telnet", kKeys, check, make};

}  // namespace oob
