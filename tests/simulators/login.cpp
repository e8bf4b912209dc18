// How sessions with a simulated BMC begin: Open Session and RAKP (13.17 to 13.24), and IPMI 1.5's challenge
// (22.16, 22.17).
#include <algorithm>

#include "tests/simulators/bmc.h"

namespace rude {
namespace {

// RAKP status codes (13.24).
enum Status : std::uint8_t {
  kNoResources = 0x01,
  kInvalidSession = 0x02,
  kInvalidRole = 0x09,
  kUnauthorizedRole = 0x0A,
  kInvalidNameLength = 0x0C,
  kUnauthorizedName = 0x0D,
  kInvalidCheck = 0x0F,
  kNoSuite = 0x11,
  kIllegalParameter = 0x12,
};
constexpr std::uint8_t kOpenResponse = 0x11, kRakp2 = 0x13, kRakp4 = 0x15;
constexpr std::size_t kKeyBytes = 20, kNameMax = 16;

Bytes refusal(std::uint8_t tag, Status status, std::uint32_t console_id) {
  Bytes out{tag, status, 0, 0};
  put32(out, console_id);
  return out;
}

}  // namespace

Bytes Bmc::padded(const std::string& password, std::size_t size) {
  Bytes out = bytes_of(password.substr(0, size));
  out.resize(size);
  return out;
}

std::uint8_t Bmc::find_user(const std::string& name) const {
  for (std::uint8_t id = 1; id < users_.size(); ++id) {
    if (users_[id].enabled && users_[id].name == name && users_[id].limit <= kAdministrator) return id;
  }
  return 0;
}

void Bmc::reply_login(std::uint8_t type, const Bytes& payload, const Peer& to) {
  Bytes out{6, type};
  put32(out, 0);
  put32(out, 0);
  put16(out, static_cast<std::uint16_t>(payload.size()));
  put(out, payload);
  transmit(with_rmcp(RmcpClass::Ipmi, out), to);
}

// The algorithms of an Open Session request; one of length 0 leaves the choice to the BMC.
const Suite* Bmc::choose_suite(const Bytes& payload) const {
  constexpr std::uint8_t kAny = 0xFF;
  std::uint8_t wanted[3];
  for (std::size_t i = 0; i < 3; ++i) {
    const auto* field = payload.data() + 8 + i * 8;
    wanted[i] = field[3] == 0 ? kAny : field[4] & 0x3F;
  }
  const auto all = suites();
  const auto found = std::find_if(all.rbegin(), all.rend(), [&](const Suite& suite) {
    const std::uint8_t has[3] = {static_cast<std::uint8_t>(suite.rakp), suite.integrity, suite.secrecy};
    const bool allowed = std::find(suites_.begin(), suites_.end(), suite.number) != suites_.end();
    return allowed && std::equal(has, has + 3, wanted, [](auto one, auto want) { return want == kAny || one == want; });
  });
  return found == all.rend() ? nullptr : &*found;
}

void Bmc::open_session(const Bytes& payload, const Peer& from, Time now) {
  Reader reader(payload);
  const auto tag = reader.u8(), wanted = reader.u8();
  reader.u16();
  const auto console_id = reader.u32();
  constexpr std::size_t kBytes = 32;
  if (payload.size() < kBytes) return drop("cut off");
  if (console_id == 0) return reply_login(kOpenResponse, refusal(tag, kIllegalParameter, 0), from);
  // One that was asked for before by the same console, and whose answer was lost perhaps, is forgotten.
  std::erase_if(sessions_, [&](const auto& one) {
    const auto& session = one.second;
    return session.stage == Session::Stage::Opened && session.console_id == console_id &&
           session.peer.sin_port == from.sin_port;
  });
  const Suite* suite = choose_suite(payload);
  if (!suite) return reply_login(kOpenResponse, refusal(tag, kNoSuite, console_id), from);
  Session* session = open(true, from, now);
  if (!session) return reply_login(kOpenResponse, refusal(tag, kNoResources, console_id), from);
  session->console_id = console_id;
  session->suite = *suite;
  const std::uint8_t highest = (wanted & 0x0F) == 0 ? kAdministrator : wanted & 0x0F;
  Bytes out{tag, 0, faults_.strikes(Fault::ZeroPrivilege) ? std::uint8_t{0} : highest, 0};
  put32(out, console_id);
  put32(out, session->id);
  const std::uint8_t chosen[] = {static_cast<std::uint8_t>(suite->rakp), suite->integrity, suite->secrecy};
  for (std::uint8_t i = 0; i < 3; ++i) put(out, {i, 0, 0, 8, chosen[i], 0, 0, 0});
  reply_login(kOpenResponse, out, from);
}

void Bmc::rakp1(const Bytes& payload, const Peer& from, Time now) {
  Reader reader(payload);
  const auto tag = reader.u8();
  reader.take(3);
  Session* session = find(reader.u32());
  if (!session || !session->v2 || session->stage == Session::Stage::Active || session->stand_in) {
    return reply_login(kRakp2, refusal(tag, kInvalidSession, 0), from);
  }
  const auto refuse = [&](Status status) {
    const Bytes out = refusal(tag, status, session->console_id);
    sessions_.erase(session->id);
    reply_login(kRakp2, out, from);
  };
  session->console_random = reader.take(16);
  session->role = reader.u8();
  reader.u16();
  const auto size = reader.u8();
  if (size > kNameMax) return refuse(kInvalidNameLength);
  const Bytes name = reader.take(size);
  if (!reader.ok()) return drop("cut off");
  session->last = now;
  const std::uint8_t wanted = (session->role & 0x0F) == 0 ? std::uint8_t{kAdministrator} : session->role & 0x0F;
  if (wanted > kAdministrator) return refuse(kInvalidRole);
  session->user = find_user({name.begin(), name.end()});
  if (session->user == 0) return refuse(kUnauthorizedName);
  const User& user = users_[session->user];
  if (user.limit < wanted) return refuse(kUnauthorizedRole);
  session->limit = wanted;
  session->privilege = std::min<std::uint8_t>(kUser, wanted);
  session->our_random = random_bytes(16);
  session->stage = Session::Stage::Challenged;

  const Bytes key = padded(user.password, kKeyBytes);
  Bytes identity{session->role, size};
  put(identity, name);
  Bytes text;
  put32(text, session->console_id);
  put32(text, session->id);
  put(text, session->console_random);
  put(text, session->our_random);
  put(text, guid_);
  put(text, identity);
  Bytes check = hmac(session->suite.rakp, key, text);
  if (!check.empty() && faults_.strikes(Fault::WrongRakp2)) check[0] ^= 1;

  Bytes secret = session->console_random;
  put(secret, session->our_random);
  put(secret, identity);
  session->sik = hmac(session->suite.rakp, kg_.empty() ? key : kg_, secret);
  session->k1 = hmac(session->suite.rakp, session->sik, Bytes(kKeyBytes, 1));
  session->k2 = hmac(session->suite.rakp, session->sik, Bytes(kKeyBytes, 2));

  Bytes out{tag, 0, 0, 0};
  put32(out, session->console_id);
  put(out, session->our_random);
  put(out, guid_);
  put(out, check);
  reply_login(kRakp2, out, from);
}

void Bmc::rakp3(const Bytes& payload, const Peer& from, Time now) {
  Reader reader(payload);
  const auto tag = reader.u8(), status = reader.u8();
  reader.u16();
  Session* session = find(reader.u32());
  // One that is active already: its RAKP 4 was lost perhaps. It is answered again.
  if (!session || !session->v2 || session->stage == Session::Stage::Opened || session->stand_in) {
    return reply_login(kRakp4, refusal(tag, kInvalidSession, 0), from);
  }
  if (status != 0) {  // the console gives up
    if (session->stage == Session::Stage::Challenged) sessions_.erase(session->id);
    return drop("console gave up its login");
  }
  const User& user = users_[session->user];
  Bytes text = session->our_random;
  put32(text, session->console_id);
  text.push_back(session->role);
  text.push_back(static_cast<std::uint8_t>(user.name.size()));
  put(text, bytes_of(user.name));
  if (!same(hmac(session->suite.rakp, padded(user.password, kKeyBytes), text), reader.rest())) {
    ++dropped_["wrong password"];
    const Bytes out = refusal(tag, kInvalidCheck, session->console_id);
    if (session->stage == Session::Stage::Challenged) sessions_.erase(session->id);
    return reply_login(kRakp4, out, from);
  }
  session->stage = Session::Stage::Active;
  session->last = now;
  text = session->console_random;
  put32(text, session->id);
  put(text, guid_);
  Bytes check = hmac(session->suite.rakp, session->sik, text);
  check.resize(rakp4_bytes(session->suite.rakp));
  if (!check.empty() && faults_.strikes(Fault::WrongRakp4)) check[0] ^= 1;
  Bytes out{tag, 0, 0, 0};
  put32(out, session->console_id);
  put(out, check);
  reply_login(kRakp4, out, from);
}

// --- IPMI 1.5 ------------------------------------------------------------------------------------------------------

Bmc::Answer Bmc::session_challenge(const Request& request, Session*, Time now) {
  Reader reader(request.data);
  const auto type = reader.u8();
  const Bytes field = reader.take(16);
  if (!reader.ok()) return {0xC7, {}, {}};
  if (type != 0 && type != 2 && type != 4) return {0xCC, {}, {}};
  std::string name(field.begin(), field.end());
  name.resize(std::min(name.find('\0'), name.size()));
  const auto user = find_user(name);
  if (user == 0) return {static_cast<std::uint8_t>(name.empty() ? 0x82 : 0x81), {}, {}};
  Session* session = open(false, {}, now);
  if (!session) return {0xC0, {}, {}};
  session->stage = Session::Stage::Challenged;
  session->auth_type = type;
  session->user = user;
  session->our_random = random_bytes(16);
  Answer out;
  put32(out.data, session->id);
  put(out.data, session->our_random);
  return out;
}

Bmc::Answer Bmc::activate_session(const Request& request, Session* session, Time) {
  Reader reader(request.data);
  const auto type = reader.u8(), wanted = reader.u8();
  const Bytes challenge = reader.take(16);
  const auto first = reader.u32();
  if (!reader.ok()) return {0xC7, {}, {}};
  if (!session || session->v2 || session->stage != Session::Stage::Challenged) return {0x85, {}, {}};
  if (type != session->auth_type || !same(challenge, session->our_random)) return {0x85, {}, {}};
  if ((wanted & 0x0F) > users_[session->user].limit) return {0x86, {}, {}};
  session->limit = wanted & 0x0F;
  session->privilege = std::min<std::uint8_t>(kUser, session->limit);
  const auto id = session->id;
  Answer out{0, {session->auth_type}, {}};
  put32(out.data, id);
  put32(out.data, 1);  // the first number we want to see
  out.data.push_back(session->limit);
  // This very answer is still outside of the session: number 0.
  out.then = [this, id, first](Time) {
    if (Session* active = find(id)) {
      active->stage = Session::Stage::Active;
      active->sent = first;
    }
  };
  return out;
}

}  // namespace rude
