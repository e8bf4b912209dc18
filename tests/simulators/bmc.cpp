// Packets of a simulated BMC: which session they belong to, what protects them, and when a session ends by itself.
#include "tests/simulators/bmc.h"

#include <arpa/inet.h>

#include <algorithm>
#include <cstdio>

namespace rude {
namespace {

constexpr std::uint8_t kRmcpPlus = 6;
constexpr std::uint8_t kEncrypted = 0x80, kAuthenticated = 0x40;
constexpr std::size_t kRmcpBytes = 4;

std::string name_of(int index) {
  char name[16];
  std::snprintf(name, sizeof name, "b%04d", index);
  return name;
}

template <typename Duration>
Time after(Time now, Duration so_long) {
  return now + std::chrono::duration_cast<Time::duration>(so_long);
}

}  // namespace

std::string text_of(const Peer& peer) {
  char text[INET_ADDRSTRLEN] = "";
  inet_ntop(AF_INET, &peer.sin_addr, text, sizeof text);
  return std::string(text) + ":" + std::to_string(ntohs(peer.sin_port));
}

bool Window::fresh(std::uint32_t number, bool strict) {
  if (!any_) {
    any_ = true;
    highest_ = number;
    seen_ = 1;
    return true;
  }
  const auto ahead = static_cast<std::int32_t>(number - highest_);
  if (ahead > 0) {
    if (strict && ahead > 16) return false;
    seen_ = (ahead < 32 ? seen_ << ahead : 0) | 1;
    highest_ = number;
    return true;
  }
  if (ahead <= -16 || (seen_ >> -ahead & 1) != 0) return false;
  seen_ |= 1u << -ahead;
  return true;
}

Bmc::Bmc(int index, const Settings& settings, Send send)
    : settings_(settings),
      send_(std::move(send)),
      faults_(settings.seed + static_cast<std::uint64_t>(index)),
      sol_(faults_, {[this](const Bytes& packet) { send_sol(packet); },
                     [this](const Bytes& input) { return host_.input(input); }, [this] { host_.break_received(); }}),
      host_(name_of(index),
            {[this](const Bytes& output) { sol_.output(output, now_); }, [this] { return sol_.room(); }}),
      users_(kUsersMax + 1),
      guid_(16) {
  users_[1].enabled = true;  // the null user, without access
  users_[2] = {"admin", "secret", kAdministrator, true, true};
  guid_[0] = 0xA1;
  guid_[14] = static_cast<std::uint8_t>(index >> 8);
  guid_[15] = static_cast<std::uint8_t>(index);
  // SOL: enabled, authentication and encryption as the console likes, 5 ms and 96 characters, 7 retries 500 ms apart,
  // 115,200 bit/s, this channel, port 623.
  sol_settings_ = {{0, {0}},    {1, {1}},    {2, {0x02}}, {3, {1, 96}},     {4, {7, 50}},
                   {5, {0x0A}}, {6, {0x0A}}, {7, {1}},    {8, {0x6F, 0x02}}};
}

void Bmc::datagram(const Bytes& datagram, const Peer& from, Time now) {
  now_ = now;
  if (now < silent_until_) return drop("silent");
  if (datagram.size() < kRmcpBytes + 1 || datagram[0] != 6) return drop("no RMCP");
  if (datagram[3] == static_cast<std::uint8_t>(RmcpClass::Asf)) {
    constexpr std::size_t kPingBytes = 12;
    if (datagram.size() < kPingBytes || datagram[8] != 0x80) return drop("no presence ping");
    return transmit(presence_pong(datagram[9]), from);
  }
  if (datagram[3] != static_cast<std::uint8_t>(RmcpClass::Ipmi)) return drop("no IPMI");
  if ((datagram[4] & 0x0F) == kRmcpPlus) {
    packet20(datagram, from, now);
  } else {
    packet15(datagram, from, now);
  }
}

// --- IPMI 1.5 -----------------------------------------------------------------------------------------------------

void Bmc::packet15(const Bytes& datagram, const Peer& from, Time now) {
  Reader reader(datagram, kRmcpBytes);
  const auto type = reader.u8();
  const auto sequence = reader.u32(), id = reader.u32();
  const Bytes code = type != 0 ? reader.take(16) : Bytes();
  const Bytes message = reader.take(reader.u8());
  if (!reader.ok()) return drop("cut off");
  if (id == 0) {
    return answer(
        message, nullptr,
        [&](const Bytes& response) {
          Bytes out(9);
          out.push_back(static_cast<std::uint8_t>(response.size()));
          put(out, response);
          transmit(with_rmcp(RmcpClass::Ipmi, out), from);
        },
        now);
  }
  Session* session = find(id);
  if (!session || session->v2) return drop("no such session");
  if (type != session->auth_type || !same(code, code15(*session, type, sequence, message))) return drop("wrong code");
  if (session->stage == Session::Stage::Active && !session->heard.fresh(sequence, false)) return drop("repeated");
  session->last = now;
  session->peer = from;
  answer(
      message, session,
      [this, id](const Bytes& response) {
        if (Session* still = find(id)) seal15(*still, response);
      },
      now);
}

Bytes Bmc::code15(const Session& session, std::uint8_t type, std::uint32_t sequence, const Bytes& payload) const {
  const Bytes password = padded(users_[session.user].password, 16);
  if (type == 0) return {};
  if (type == 4) return password;
  Bytes text = password;  // MD5 over password, session id, message, sequence number, password (22.17.1)
  put32(text, session.id);
  put(text, payload);
  put32(text, sequence);
  put(text, password);
  return md5(text);
}

void Bmc::seal15(Session& session, const Bytes& payload) {
  const auto sequence = session.stage == Session::Stage::Active ? session.sent++ : 0;
  Bytes out{session.auth_type};
  put32(out, faults_.strikes(Fault::WrongSequence) ? sequence - 1000 : sequence);
  put32(out, faults_.strikes(Fault::WrongSession) ? session.id + 1 : session.id);
  Bytes code = code15(session, session.auth_type, sequence, payload);
  if (!code.empty() && faults_.strikes(Fault::WrongHmac)) code[0] ^= 1;
  put(out, code);
  out.push_back(static_cast<std::uint8_t>(payload.size()));
  put(out, payload);
  transmit(with_rmcp(RmcpClass::Ipmi, out), session.peer);
}

// --- RMCP+ (13.6) --------------------------------------------------------------------------------------------------

void Bmc::packet20(const Bytes& datagram, const Peer& from, Time now) {
  Reader reader(datagram, kRmcpBytes + 1);
  const auto flags = reader.u8();
  const std::uint8_t type = flags & 0x3F;
  const auto id = reader.u32(), sequence = reader.u32();
  Bytes body = reader.take(reader.u16());
  if (!reader.ok()) return drop("cut off");
  if (id == 0) {
    if (type == 0x10) return open_session(body, from, now);
    if (type == 0x12) return rakp1(body, from, now);
    if (type == 0x14) return rakp3(body, from, now);
    if (type != 0) return drop("unknown payload");
    return answer(
        body, nullptr, [&](const Bytes& response) { reply_login(0, response, from); }, now);
  }
  Session* session = find(id);
  if (!session || !session->v2 || session->stage != Session::Stage::Active || session->stand_in) {
    return drop("no such session");
  }
  const auto& suite = session->suite;
  if (flags & kAuthenticated) {
    const auto size = integrity_bytes(suite.integrity);
    if (size == 0 || reader.left() < size + 2) return drop("cut off");
    const Bytes covered(datagram.begin() + kRmcpBytes, datagram.end() - static_cast<std::ptrdiff_t>(size));
    Bytes expected = hmac(suite.rakp, session->k1, covered);
    expected.resize(size);
    const Bytes found(datagram.end() - static_cast<std::ptrdiff_t>(size), datagram.end());
    if (!same(expected, found)) return drop("wrong integrity value");
    if (covered.size() % 4 != 0) return drop("wrong integrity padding");
  } else if (suite.integrity != 0) {
    return drop("not authenticated");
  }
  if (flags & kEncrypted) {
    auto plain = suite.secrecy != 0 ? aes_open(session->k2, body) : std::nullopt;
    if (!plain) return drop("cannot be decrypted");
    body = std::move(*plain);
  } else if (suite.secrecy != 0 && (type == 0 || sol_encrypted_)) {
    return drop("not encrypted");
  }
  auto& window = flags & kAuthenticated ? session->heard : session->heard_plain;
  if (!window.fresh(sequence, faults_.strikes(Fault::StrictWindow))) return drop("out of sequence");
  session->last = now;
  session->peer = from;
  payload(*session, type, body, now);
}

void Bmc::payload(Session& session, std::uint8_t type, const Bytes& payload, Time now) {
  const auto id = session.id;
  if (type == 1) {
    if (sol_session_ != id) return drop("SOL without right");
    return sol_.take(payload, now);
  }
  if (type != 0) return drop("unknown payload");
  answer(
      payload, &session,
      [this, id](const Bytes& response) {
        if (Session* still = find(id))
          seal(*still, 0, response, still->suite.integrity != 0, still->suite.secrecy != 0);
      },
      now);
}

void Bmc::answer(const Bytes& message, Session* session, const std::function<void(const Bytes&)>& reply, Time now) {
  const auto request = parse_request(message);
  if (!request) return drop("no IPMI message");
  char name[16];
  std::snprintf(name, sizeof name, "%02x %02x", request->netfn, request->command);
  ++commands_[name];
  const bool login = session == nullptr && request->netfn == 6;
  if (login && request->command == 0x54 && faults_.strikes(Fault::NoSuiteList)) return;
  if (faults_.strikes(Fault::Unanswered)) return drop("unanswered");
  const Answer made = execute(*request, session, now);
  reply(make_response(*request, made.code, made.data));
  if (made.then) made.then(now);
}

void Bmc::seal(Session& session, std::uint8_t type, const Bytes& payload, bool authenticated, bool encrypted) {
  const auto sequence = ++(authenticated ? session.sent : session.sent_plain);
  Bytes out{kRmcpPlus,
            static_cast<std::uint8_t>(type | (encrypted ? kEncrypted : 0) | (authenticated ? kAuthenticated : 0))};
  put32(out, faults_.strikes(Fault::WrongSession) ? session.console_id + 1 : session.console_id);
  put32(out, faults_.strikes(Fault::WrongSequence) ? sequence - 1000 : sequence);
  const Bytes body = encrypted ? aes_seal(session.k2, payload) : payload;
  put16(out, static_cast<std::uint16_t>(body.size()));
  put(out, body);
  if (authenticated) {
    std::uint8_t pad = 0;
    for (; (out.size() + 2) % 4 != 0; ++pad) out.push_back(0xFF);
    out.push_back(pad);
    out.push_back(0x07);
    Bytes code = hmac(session.suite.rakp, session.k1, out);
    code.resize(integrity_bytes(session.suite.integrity));
    if (faults_.strikes(Fault::WrongHmac)) code[0] ^= 1;
    put(out, code);
  }
  transmit(with_rmcp(RmcpClass::Ipmi, out), session.peer);
}

void Bmc::send_sol(const Bytes& packet) {
  Session* session = find(sol_session_);
  if (session && !session->stand_in) seal(*session, 1, packet, sol_authenticated_, sol_encrypted_);
}

void Bmc::transmit(Bytes datagram, const Peer& to) {
  if (now_ < silent_until_) return drop("silent");
  if (faults_.strikes(Fault::Noise)) send_(random_bytes(1 + faults_.below(200)), to);
  if (faults_.strikes(Fault::Cut)) datagram.resize(faults_.below(datagram.size()));
  if (faults_.strikes(Fault::Oversize)) put(datagram, random_bytes(1400));
  for (int times = faults_.strikes(Fault::Repeat) ? 2 : 1; times > 0; --times) {
    if (delay_.count() > 0) {
      later_.push_back({after(now_, delay_), datagram, to});
    } else {
      send_(datagram, to);
    }
  }
}

// --- sessions ------------------------------------------------------------------------------------------------------

Session* Bmc::find(std::uint32_t id) {
  const auto found = sessions_.find(id);
  return found == sessions_.end() ? nullptr : &found->second;
}

Session* Bmc::open(bool v2, const Peer& from, Time now) {
  if (sessions_.size() >= sessions_max_ || faults_.strikes(Fault::Full)) return nullptr;
  std::uint32_t id = 0;
  while (id == 0 || find(id)) {
    const Bytes made = random_bytes(4);
    id = Reader(made).u32();
  }
  Session& session = sessions_[id];
  session.id = id;
  session.handle = ++last_handle_ == 0 ? ++last_handle_ : last_handle_;
  session.v2 = v2;
  session.peer = from;
  session.last = now;
  return &session;
}

void Bmc::lose_sol(bool tell) {
  sol_.deactivate(tell && !faults_.strikes(Fault::SilentDeactivate));
  sol_session_ = 0;
}

void Bmc::end(std::uint32_t id) {
  if (sol_session_ == id && !faults_.strikes(Fault::Leak)) lose_sol(true);
  sessions_.erase(id);
}

Time Bmc::limit_of(const Session& session) const {
  constexpr std::chrono::duration<double> kLoginLimit{20};
  if (session.stand_in) return kNever;
  const auto limit = session.stage == Session::Stage::Active ? session_timeout_ : kLoginLimit;
  return after(session.last, limit / settings_.scale);
}

void Bmc::expire(Time now) {
  for (auto next = sessions_.begin(); next != sessions_.end();) {
    const auto& session = (next++)->second;
    if (limit_of(session) > now) continue;
    const bool ghost = session.stage == Session::Stage::Active && sol_.active() && faults_.strikes(Fault::Ghost);
    ++dropped_["timed out"];
    end(session.id);
    if (ghost) lose_sol(true);
  }
}

void Bmc::forget_all() {
  lose_sol(false);
  sessions_.clear();
  later_.clear();
}

void Bmc::tick(Time now) {
  now_ = now;
  while (!later_.empty() && later_.front().due <= now) {
    if (now >= silent_until_) send_(later_.front().datagram, later_.front().to);
    later_.pop_front();
  }
  expire(now);
  host_.tick(now);
  sol_.tick(now);
}

Time Bmc::deadline() const {
  Time next = std::min(host_.deadline(), sol_.deadline());
  if (!later_.empty()) next = std::min(next, later_.front().due);
  for (const auto& [id, session] : sessions_) next = std::min(next, limit_of(session));
  return next;
}

}  // namespace rude
