// The commands of a simulated BMC about payloads and SOL's configuration (chapters 24 and 26).
#include <algorithm>

#include "tests/simulators/bmc.h"

namespace rude {
namespace {

enum Code : std::uint8_t {
  kOk = 0,
  kUnknown = 0xC1,
  kLength = 0xC7,
  kRange = 0xC9,
  kInvalidField = 0xCC,
  kDenied = 0xD4
};
enum PayloadCode : std::uint8_t {
  kAlreadyActive = 0x80,
  kTypeDisabled = 0x81,
  kWithEncryption = 0x83,
  kWithoutEncryption = 0x84,
  kNotActive = 0x80,
};
constexpr std::uint8_t kSol = 1, kInstance = 1;
constexpr std::uint8_t kEncrypt = 0x80, kAuthenticate = 0x40;  // in Activate Payload's and parameter 2's flags
constexpr std::uint8_t kEnabled = 1, kAuthentication = 2, kGather = 3, kRetry = 4;  // parameters of SOL

}  // namespace

Bmc::Answer Bmc::payload_command(const Request& request, Session* session) {
  const auto& data = request.data;
  switch (request.command) {
    case 0x48:
      return data.size() < 6 ? Answer{kLength, {}, {}} : activate_payload(request, *session);
    case 0x49:
      if (data.size() < 2) return {kLength, {}, {}};
      if ((data[0] & 0x3F) != kSol || (data[1] & 0x0F) != kInstance) return {kInvalidField, {}, {}};
      if (!sol_.active()) return {kNotActive, {}, {}};
      if (sol_session_ == session->id) return {kOk, {}, [this](Time) { lose_sol(false); }};
      lose_sol(true);
      return {};
    case 0x4A: {  // one instance can be had
      const bool active = !data.empty() && (data[0] & 0x3F) == kSol && sol_.active();
      return {kOk, {1, static_cast<std::uint8_t>(active ? 1 : 0), 0}, {}};
    }
    case 0x4B: {
      if (data.size() < 2) return {kLength, {}, {}};
      Answer out;
      put32(out.data, sol_.active() && data[0] == kSol && data[1] == kInstance ? sol_session_ : 0);
      put(out.data, {1, 0, 0, 0, 0, 0, 0, 0});
      return out;
    }
    case 0x4C:
    case 0x4D:
      return payload_access(request);
    case 0x4E:
      if (faults_.strikes(Fault::NoPayloadSupport)) return {kUnknown, {}, {}};
      return {kOk, {0x03, 0, 0x15, 0, 0, 0, 0, 0}, {}};  // IPMI messages and SOL; Open Session and RAKP
    case 0x4F:
      return {kOk, {0x10}, {}};
    case 0x55:
      return {kOk, {}, {}};
    default:
      return {kUnknown, {}, {}};
  }
}

Bmc::Answer Bmc::activate_payload(const Request& request, Session& session) {
  const auto& data = request.data;
  if ((data[0] & 0x3F) != kSol || (data[1] & 0x0F) != kInstance) return {kInvalidField, {}, {}};
  if (!session.v2) return {kUnknown, {}, {}};
  const std::uint8_t asked = data[2], setting = sol_settings_[kAuthentication][0];
  if ((sol_settings_[kEnabled][0] & 1) == 0) return {kTypeDisabled, {}, {}};
  if (!users_[session.user].sol || session.privilege < (setting & 0x0F)) return {kDenied, {}, {}};
  if ((asked & kEncrypt) && session.suite.secrecy == 0) return {kWithEncryption, {}, {}};
  if ((setting & kEncrypt) && !(asked & kEncrypt)) return {kWithoutEncryption, {}, {}};
  if (sol_.active()) return {kAlreadyActive, {}, {}};
  sol_session_ = session.id;
  sol_encrypted_ = (asked & kEncrypt) != 0;
  sol_authenticated_ = (asked & kAuthenticate) != 0 && session.suite.integrity != 0;
  Answer out{kOk, {0, 0, 0, 0}, {}};
  auto size = static_cast<std::uint16_t>(sol_.output_max + 4);
  if (faults_.strikes(Fault::OddPayloadSize)) size = static_cast<std::uint16_t>(size << 8 | size >> 8);
  put16(out.data, size);
  put16(out.data, size);
  put16(out.data, settings_.port);
  put16(out.data, 0xFFFF);
  sol_.activate();
  return out;
}

Bmc::Answer Bmc::payload_access(const Request& request) {
  const auto& data = request.data;
  const bool set = request.command == 0x4C;
  if (data.size() < (set ? 6u : 2u)) return {kLength, {}, {}};
  const std::uint8_t id = data[1] & 0x3F;
  if (id == 0 || id > kUsersMax) return {kRange, {}, {}};
  if (!set) return {kOk, {static_cast<std::uint8_t>(users_[id].sol ? 2 : 0), 0, 0, 0}, {}};
  if (data[2] & 2) users_[id].sol = (data[1] & 0xC0) == 0;  // 0: what is named is enabled, 1: disabled
  return {};
}

// Get and Set SOL Configuration Parameters.
Bmc::Answer Bmc::transport(const Request& request) {
  const auto& data = request.data;
  if (request.command != 0x21 && request.command != 0x22) return {kUnknown, {}, {}};
  if (data.size() < (request.command == 0x21 ? 3u : 4u)) return {kLength, {}, {}};
  const auto found = sol_settings_.find(data[1]);
  constexpr std::uint8_t kRevision = 0x11, kNoParameter = 0x80, kReadOnly = 0x82;
  if (found == sol_settings_.end()) return {kNoParameter, {}, {}};
  if (request.command == 0x22) {
    Answer out{kOk, {kRevision}, {}};
    if ((data[0] & 0x80) == 0) put(out.data, found->second);
    return out;
  }
  if (data[1] == 7) return {kReadOnly, {}, {}};
  if (data.size() - 2 != found->second.size()) return {kLength, {}, {}};
  found->second.assign(data.begin() + 2, data.end());
  const auto& gather = sol_settings_[kGather];
  const auto& retry = sol_settings_[kRetry];
  sol_.pace.gather = std::chrono::milliseconds(5 * gather[0]);
  sol_.pace.threshold = std::max<std::size_t>(1, gather[1]);
  sol_.pace.retries = retry[0] & 7;
  sol_.pace.retry_every = std::chrono::milliseconds(10 * std::max<int>(1, retry[1]));
  return {};
}

}  // namespace rude
