// Line kind `serial`: a serial port of the agent's machine. Its keys, their check and meaning (serial_settings.h); the
// port is serial_port.cpp, the line on it serial_line.cpp.
#include "agents/lines/serial_settings.h"

#include <algorithm>
#include <array>

#include "agents/lines/kinds.h"
#include "agents/lines/serial_line.h"
#include "agents/lines/settings.h"
#include "common/limits.h"
#include "common/nearest.h"

namespace oob {
namespace {

constexpr LineKey kKeys[] = {
    {"device", LineKey::Type::Path, true, "the port by absolute path, as /dev/ttyS0 or below /dev/serial/by-path"},
    {"speed", LineKey::Type::Integer, false, "bits per second; default 9600", 45, 4'000'000},
    {"data-bits", LineKey::Type::Integer, false, "bits of a character; default 8", 5, 8},
    {"parity", LineKey::Type::Text, false, "none, even, odd, mark or space; default none"},
    {"stop-bits", LineKey::Type::Integer, false, "1 or 2; default 1", 1, 2},
    {"flow", LineKey::Type::Text, false, "flow control: none, xonxoff or rtscts; default none"},
    {"break-ms", LineKey::Type::Integer, false, "how long a break lasts; default 250", 1, limits::break_max.count()},
    {"hangup", LineKey::Type::Text, false, "when DTR is lowered: never, or at each close; default never"},
};
constexpr std::string_view kUnshared[] = {"device"};
const std::vector<std::string> kHangups{"never", "close"};

unsigned number_of(const LineConfig& config, std::string_view key, unsigned otherwise) {
  return unsigned(integer_setting(config, key_of(kKeys, key), otherwise));
}

Result<> check(const LineConfig& config, std::string& key) {
  key = "device";
  const std::string device = text_setting(config, key, "");
  if (!device.starts_with('/') || device.ends_with('/') || device.find('\0') != std::string::npos) {
    return fail(ErrorCode::Usage, "a serial port is named by an absolute path, as /dev/ttyS0");
  }
  for (const auto& [word, words] : {std::pair("parity", &kParityWords), {"flow", &kFlowWords}, {"hangup", &kHangups}}) {
    key = word;
    if (const auto good = check_word(config, key, *words); !good) return good;
  }
  return {};
}

std::string advice(const LineConfig& config, std::string& key) {
  key = "device";
  const std::string device = text_setting(config, key, "");
  const std::array numbered{"/dev/ttyUSB", "/dev/ttyACM", "/dev/rfcomm"};
  if (std::ranges::none_of(numbered, [&](const char* start) { return device.starts_with(start); })) return {};
  return in_quotes(device) +
         " may be another adapter after a restart; better name it by its place, /dev/serial/by-path/.., or by its "
         "maker's number, /dev/serial/by-id/.. (on the agent: ls -l /dev/serial/*)";
}

std::unique_ptr<Line> make(Shard& shard, const LineConfig& config, LineEvents& events) {
  return std::make_unique<SerialLine>(shard, events, SerialSettings::of(config), open_serial_port);
}

}  // namespace

SerialSettings SerialSettings::of(const LineConfig& config) {
  SerialSettings out;
  out.device = text_setting(config, "device", "");
  out.speed = number_of(config, "speed", out.speed);
  out.data_bits = number_of(config, "data-bits", out.data_bits);
  out.parity = Parity(word_setting(config, "parity", kParityWords));
  out.stop_bits = number_of(config, "stop-bits", out.stop_bits);
  out.flow = Flow(word_setting(config, "flow", kFlowWords));
  out.break_time = Duration(number_of(config, "break-ms", unsigned(out.break_time.count())));
  out.hang_up = word_setting(config, "hangup", kHangups) == 1;
  return out;
}

std::string to_string(const SerialSettings& settings) {
  return std::to_string(settings.speed) + " " + std::to_string(settings.data_bits) +
         "NEOMS"[std::size_t(settings.parity)] + std::to_string(settings.stop_bits) + ", flow " +
         kFlowWords[std::size_t(settings.flow)];
}

extern const LineKind kSerialKind{.name = "serial",
                                  .doc = "a serial port of the agent's machine",
                                  .keys = kKeys,
                                  .check = check,
                                  .make = make,
                                  .advice = advice,
                                  .awaits = "device",
                                  .speaks_on = true,
                                  .unshared = kUnshared};

}  // namespace oob
