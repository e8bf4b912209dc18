// The commands of a simulated BMC that have nothing to do with SOL: chassis, sessions, users, channels.
#include <algorithm>

#include "tests/simulators/bmc.h"

namespace rude {
namespace {

// Completion codes (5.2).
enum Code : std::uint8_t {
  kOk = 0,
  kUnknown = 0xC1,
  kLength = 0xC7,
  kRange = 0xC9,
  kNotPresent = 0xCB,
  kInvalidField = 0xCC,
  kState = 0xD5,
  kDenied = 0xD4,
};
constexpr std::uint8_t kChassis = 0x00, kApplication = 0x06, kTransport = 0x0C;

// The least privilege for a command, appendix G.
std::uint8_t needs(const Request& request) {
  if (request.netfn == kChassis) return request.command == 0x00 || request.command == 0x01 ? kUser : kOperator;
  if (request.netfn == kTransport) return request.command == 0x22 ? kOperator : kAdministrator;
  switch (request.command) {
    case 0x02:
    case 0x03:
    case 0x40:
    case 0x43:
    case 0x45:
    case 0x47:
    case 0x4C:
      return kAdministrator;
    case 0x44:
    case 0x46:
    case 0x4D:
      return kOperator;
    case 0x38:
    case 0x39:
    case 0x3A:
    case 0x3B:
    case 0x3C:
    case 0x54:
      return kCallback;
    default:
      return kUser;
  }
}

}  // namespace

Bmc::Answer Bmc::execute(const Request& request, Session* session, Time now) {
  if (forced_ && forced_->netfn == request.netfn && forced_->command == request.command) return {forced_->code, {}, {}};
  if (!session) {  // before login
    const bool allowed = request.netfn == kApplication && (request.command == 0x37 || request.command == 0x38 ||
                                                           request.command == 0x39 || request.command == 0x54);
    if (!allowed) return {kDenied, {}, {}};
  } else if (session->stage == Session::Stage::Challenged ? request.command != 0x3A
                                                          : session->privilege < needs(request)) {
    return {kDenied, {}, {}};
  }
  if (request.netfn == kChassis) return chassis(request, now);
  if (request.netfn == kApplication) return application(request, session, now);
  if (request.netfn == kTransport) return transport(request);
  return {kUnknown, {}, {}};
}

void Bmc::set_power(bool on, Time) {
  if (on && !on_) sol_.output(bytes_of("\r\n[host: power on]\r\n"), now_);
  on_ = on;
}

Bmc::Answer Bmc::chassis(const Request& request, Time now) {
  Reader reader(request.data);
  switch (request.command) {
    case 0x00:
      return {kOk, {0, 0x20, 0x20, 0x20, 0x20}, {}};
    case 0x01:
      return {kOk, {static_cast<std::uint8_t>(on_ ? 0x61 : 0x60), 0, 0, 0}, {}};
    case 0x02: {
      const std::uint8_t what = reader.u8() & 0x0F;
      if (!reader.ok()) return {kLength, {}, {}};
      if (what > 5) return {kInvalidField, {}, {}};
      if (!on_ && (what == 2 || what == 3 || what == 4)) return {kState, {}, {}};
      if (what == 0 || what == 5 || what == 2 || what == 3) set_power(false, now);
      if (what == 1 || what == 2 || what == 3) set_power(true, now);
      return {};
    }
    case 0x04:
      ++identified_;
      return {};
    case 0x06:
      return {kOk, {0x07}, {}};
    case 0x08:
      return {};
    case 0x09: {
      const std::uint8_t parameter = reader.u8() & 0x7F;
      return {kOk, {0x01, parameter, 0, 0, 0, 0, 0}, {}};
    }
    default:
      return {kUnknown, {}, {}};
  }
}

Bmc::Answer Bmc::application(const Request& request, Session* session, Time now) {
  switch (request.command) {
    case 0x01:  // device 0x20, firmware 1.02, IPMI 2.0, a chassis device, a manufacturer that nobody is
      return {kOk, {0x20, 0x81, 0x01, 0x02, 0x02, 0x8F, 0xAD, 0xDE, 0x00, 0x01, 0x00, 0, 0, 0, 0}, {}};
    case 0x02:
    case 0x03:
      return {kOk, {}, [this](Time at) {
                forget_all();
                silent_until_ = at + std::chrono::duration_cast<Time::duration>(
                                         std::chrono::duration<double>(10 / settings_.scale));
              }};
    case 0x04:
      return {kOk, {0x55, 0x00}, {}};
    case 0x08:
    case 0x37:
      return {kOk, guid_, {}};
    case 0x38:
      return channel_abilities(request);
    case 0x39:
      return session_challenge(request, session, now);
    case 0x3A:
      return activate_session(request, session, now);
    case 0x3B: {
      Reader reader(request.data);
      const std::uint8_t wanted = reader.u8() & 0x0F;
      if (!reader.ok()) return {kLength, {}, {}};
      if (wanted > kAdministrator || wanted == kCallback) return {kInvalidField, {}, {}};
      if (wanted > session->limit) return {0x81, {}, {}};
      if (wanted != 0) session->privilege = wanted;
      return {kOk, {session->privilege}, {}};
    }
    case 0x3C:
      return close_session(request, session);
    case 0x3D:
      return session_info(request, session);
    case 0x54:
      return suite_list(request);
    case 0x40:
    case 0x41:
    case 0x42:
    case 0x43:
    case 0x44:
    case 0x45:
    case 0x46:
    case 0x47:
      return user_command(request);
    case 0x48:
    case 0x49:
    case 0x4A:
    case 0x4B:
    case 0x4C:
    case 0x4D:
    case 0x4E:
    case 0x4F:
    case 0x55:
      return payload_command(request, session);
    default:
      return {kUnknown, {}, {}};
  }
}

Bmc::Answer Bmc::channel_abilities(const Request& request) const {
  if (request.data.size() < 2) return {kLength, {}, {}};
  const bool extended = (request.data[0] & 0x80) != 0;
  const bool null_user = !find_user("") ? false : true;
  // None, MD5 and a straight password for 1.5.
  const std::uint8_t types = 0x15 | (extended ? 0x80 : 0);
  const std::uint8_t status =
      static_cast<std::uint8_t>((extended && !kg_.empty() ? 0x20 : 0) | 0x04 | (null_user ? 0x02 : 0));
  return {kOk, {0x01, types, status, static_cast<std::uint8_t>(extended ? 0x03 : 0), 0, 0, 0, 0}, {}};
}

Bmc::Answer Bmc::suite_list(const Request& request) const {
  if (request.data.size() < 3) return {kLength, {}, {}};
  Bytes all;
  for (const auto& suite : suites()) {
    if (std::find(suites_.begin(), suites_.end(), suite.number) == suites_.end()) continue;
    put(all, {0xC0, suite.number, static_cast<std::uint8_t>(suite.rakp),
              static_cast<std::uint8_t>(0x40 | suite.integrity), static_cast<std::uint8_t>(0x80 | suite.secrecy)});
  }
  const std::size_t begin = std::min<std::size_t>((request.data[2] & 0x3F) * 16u, all.size());
  const std::size_t end = std::min(begin + 16, all.size());
  Answer out{kOk, {0x01}, {}};
  out.data.insert(out.data.end(), all.begin() + static_cast<std::ptrdiff_t>(begin),
                  all.begin() + static_cast<std::ptrdiff_t>(end));
  return out;
}

Bmc::Answer Bmc::session_info(const Request& request, const Session* session) const {
  Reader reader(request.data);
  const auto index = reader.u8();
  std::vector<const Session*> active;
  for (const auto& [id, one] : sessions_) {
    if (one.stage == Session::Stage::Active) active.push_back(&one);
  }
  const Session* found = nullptr;
  const auto search = [&](auto is_it) {
    const auto at = std::find_if(active.begin(), active.end(), [&](const Session* one) { return is_it(*one); });
    found = at == active.end() ? nullptr : *at;
  };
  if (index == 0xFF) {
    search([id = reader.u32()](const Session& one) { return one.id == id; });
  } else if (index == 0xFE) {
    search([handle = reader.u8()](const Session& one) { return one.handle == handle; });
  } else {
    found = index == 0 ? session : index <= active.size() ? active[index - 1] : nullptr;
  }
  if (!reader.ok()) return {kLength, {}, {}};
  if (!found && index >= 0xFE) return {kNotPresent, {}, {}};
  Answer out{kOk,
             {found ? found->handle : std::uint8_t{0}, static_cast<std::uint8_t>(sessions_max_),
              static_cast<std::uint8_t>(active.size())},
             {}};
  if (!found) return out;
  put(out.data, {found->user, found->privilege, static_cast<std::uint8_t>(found->v2 ? 0x11 : 0x01)});
  const auto* address = reinterpret_cast<const std::uint8_t*>(&found->peer.sin_addr);
  put(out.data, {address, address + 4});
  put(out.data, {0x52, 0x55, 0x44, 0x45, 0x00, 0x01});  // its hardware address
  put16(out.data, ntohs(found->peer.sin_port));
  return out;
}

Bmc::Answer Bmc::close_session(const Request& request, Session* session) {
  Reader reader(request.data);
  auto id = reader.u32();
  if (!reader.ok()) return {kLength, {}, {}};
  if (id == 0) {  // by handle
    const auto handle = reader.u8();
    for (const auto& [other, one] : sessions_) id = one.handle == handle ? other : id;
  }
  const Session* closing = find(id);
  if (!closing || id == 0) return {0x87, {}, {}};
  if (closing != session && session->privilege < kAdministrator) return {kDenied, {}, {}};
  if (faults_.strikes(Fault::DeafClose)) return {};
  return {kOk, {}, [this, id](Time) { end(id); }};
}

// Users and channels (22.22 to 22.30).
Bmc::Answer Bmc::user_command(const Request& request) {
  const auto& data = request.data;
  if (request.command == 0x42) {
    return {kOk,
            {0x01, 0x04, 0x01, static_cast<std::uint8_t>(0x80 | std::min<std::size_t>(sessions_.size(), 63)), 0xF2,
             0x1B, 0x00, 0, 0},
            {}};
  }
  if (data.size() < (request.command == 0x46 ? 1u : 2u)) return {kLength, {}, {}};
  if (request.command == 0x41) return {kOk, {channel_access_[0], channel_access_[1]}, {}};
  if (request.command == 0x40) {
    if (data.size() < 3) return {kLength, {}, {}};
    if ((data[1] & 0xC0) != 0) channel_access_[0] = data[1] & 0x3F;
    if ((data[2] & 0xC0) != 0) channel_access_[1] = data[2] & 0x0F;
    return {};
  }
  const std::uint8_t id = (request.command == 0x43 || request.command == 0x44 ? data[1] : data[0]) & 0x3F;
  if (id == 0 || id > kUsersMax) return {kRange, {}, {}};
  User& user = users_[id];
  switch (request.command) {
    case 0x43:
      if (data.size() < 3) return {kLength, {}, {}};
      user.limit = data[2] & 0x0F;
      return {};
    case 0x44: {
      const auto enabled = std::count_if(users_.begin(), users_.end(), [](const User& one) { return one.enabled; });
      return {kOk,
              {kUsersMax, static_cast<std::uint8_t>(enabled), 1,
               static_cast<std::uint8_t>((user.enabled ? 0x10 : 0) | user.limit)},
              {}};
    }
    case 0x45: {
      user.name.assign(data.begin() + 1, data.end());
      user.name.resize(std::min(user.name.find('\0'), user.name.size()));
      return {};
    }
    case 0x46:
      return {kOk, padded(user.name, 16), {}};
    default: {  // 0x47
      const std::uint8_t what = data[1] & 3;
      std::string text(data.begin() + 2, data.end());
      text.resize(std::min(text.find('\0'), text.size()));
      if (what < 2) user.enabled = what == 1;
      if (what == 2) user.password = text;
      return {static_cast<std::uint8_t>(what == 3 && user.password != text ? 0x80 : 0), {}, {}};
    }
  }
}

}  // namespace rude
