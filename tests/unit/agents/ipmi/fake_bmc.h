// FakeBmc: the BMC's side of IPMI 2.0 and serial over LAN, for the tests of this folder; and Wire, a network between it
// and us that loses, doubles and reorders by a seed, with a manual clock. That our packets are right is not proved here
// (it shares packet.h with us) but by the vectors of rakp_test.cpp and by real peers in tests/system.
#pragma once
#include <gtest/gtest.h>

#include <deque>
#include <functional>
#include <map>
#include <random>
#include <set>

#include "agents/ipmi/rakp.h"
#include "agents/ipmi/session.h"
#include "agents/ipmi/udp.h"
#include "common/crypto/digest.h"

namespace oob::ipmi {

class FakeBmc {
 public:
  explicit FakeBmc(Clock& clock) : clock_(clock) {}

  // --- what it is like ---
  std::string user = "oob", password = "secret", kg;
  std::vector<Protection> suites{Protection::Suite17, Protection::Suite3};
  Privilege limit = Privilege::Administrator;
  bool dead = false, only_pings = false, speaks_v20 = true, tells_instance = true, tells_status = true;
  bool tells_sessions = true;
  std::size_t takes_at_once = 255;   // characters of a packet that it accepts
  int send_tries = 8;                // of one SOL packet, then it is thrown away
  std::uint8_t activation_code = 0;  // instead of success
  bool one_login_at_a_time = false;  // a repeated request to open a session makes it forget the login under way

  // --- what it saw ---
  struct Open {
    std::uint32_t console = 0;
    std::unique_ptr<Keys> keys;
    std::uint32_t sequence = 1;
    std::uint8_t user_id = 2;
    std::uint8_t port = 77;  // that it is from, as Get Session Info tells it
    std::set<std::uint32_t> seen = {};
  };
  std::map<std::uint32_t, Open> sessions;
  std::uint32_t holder = 0;          // of the payload
  std::string typed;                 // what reached the host
  std::string to_say;                // what the host still has to say
  std::map<unsigned, int> commands;  // how often each, netfn << 8 | command
  int breaks = 0, thrown_away = 0, challenges_failed = 0;
  std::function<void(ByteView)> send;

  std::uint32_t add_session(std::uint8_t user_id) {
    const std::uint32_t id = next_id_++;
    sessions[id].user_id = user_id;
    return id;
  }
  void forget_everything() {
    sessions.clear();
    holder = 0;
  }
  int count(std::uint8_t netfn, std::uint8_t command) { return commands[unsigned(netfn) << 8 | command]; }

  void receive(ByteView datagram) {
    const auto packet = parse_packet(datagram);
    const Bytes ping = presence_ping(datagram.size() > 9 ? std::uint8_t(byte_at(datagram, 9)) : 0);
    if (!dead && std::equal(datagram.begin(), datagram.end(), ping.begin(), ping.end())) {
      Bytes pong = ping;  // 3.2.4.3: the type, 16 bytes, of which the ninth says what is spoken
      pong[8] = std::byte(0x40), pong[11] = std::byte(16);
      pong.resize(28);
      pong[20] = std::byte(0x81);
      return send(pong);
    }
    if (dead || only_pings || !packet) return;
    if (!packet->v20) return stranger(*packet);
    if (packet->session == 0) return login(*packet);
    const auto at = sessions.find(packet->session);
    if (at == sessions.end() || !at->second.keys) return;
    const auto plain = at->second.keys->open(*packet);
    if (!plain || !at->second.seen.insert(packet->sequence).second) return;
    if (packet->type == PayloadType::Sol) return sol(at->first, *plain);
    command(at->first, *plain);
  }

  std::optional<SteadyTime> next_deadline() const {
    if (holder == 0 || sessions.count(holder) == 0 || !sessions.at(holder).keys) return std::nullopt;
    if (!saying_.empty()) return say_again_;
    return to_say.empty() ? std::nullopt : std::optional(clock_.now());
  }
  void tick() {
    const auto due = next_deadline();
    if (!due || clock_.now() < *due) return;
    if (saying_.empty()) {
      saying_ = to_say.substr(0, 200);
      to_say.erase(0, saying_.size());
      say_sequence_ = say_sequence_ % 15 + 1;
      said_ = 0;
    } else if (said_ >= send_tries) {
      ++thrown_away;
      saying_.clear();
      return;
    }
    ++said_;
    say_again_ = clock_.now() + Duration(300);
    Bytes out{std::byte(say_sequence_), std::byte(0), std::byte(0), std::byte(0)};
    append(out, saying_);
    sol_to_holder(out);
  }
  void sol_to_holder(ByteView payload) {
    if (dead || sessions.count(holder) == 0) return;
    Open& open = sessions[holder];
    send(open.keys->seal(PayloadType::Sol, open.console, open.sequence++, payload));
  }

 private:
  static Bytes answer_to(ByteView request, std::uint8_t code, const Bytes& data) {
    Bytes out{std::byte(0x81), std::byte((byte_at(request, 1) & ~3u) | 4u)};
    const auto sum = [](ByteView bytes) {
      unsigned total = 0;
      for (const std::byte b : bytes) total += std::to_integer<unsigned>(b);
      return std::byte(-total & 255);
    };
    out.push_back(sum(out));
    for (const unsigned b : {0x20u, byte_at(request, 4), byte_at(request, 5), unsigned(code)})
      out.push_back(std::byte(b));
    append(out, data);
    out.push_back(sum(ByteView(out).subspan(3)));
    return out;
  }

  void stranger(const Packet& packet) {
    const ByteView m = packet.payload;
    ++commands[(byte_at(m, 1) >> 2) << 8 | byte_at(m, 5)];
    if (byte_at(m, 5) != kGetAuthCapabilities) return;
    const unsigned types = speaks_v20 ? 0x94 : 0x14, more = speaks_v20 ? 3 : 0;
    send(packet15(0, 0, 0, {},
                  answer_to(m, 0, {std::byte(1), std::byte(types), std::byte(4), std::byte(more), {}, {}, {}, {}})));
  }

  void login(const Packet& packet) {
    const ByteView p = packet.payload;
    const auto reply = [&](PayloadType type, const Bytes& body) { send(packet20(type, false, 0, 0, body)); };
    const auto refuse = [&](PayloadType type, unsigned status) {
      Bytes out{p[0], std::byte(status), {}, {}};
      put32(out, type == PayloadType::OpenResponse ? get32(p, 4) : console_);
      reply(type, out);
    };
    if (packet.type == PayloadType::OpenRequest) {
      suite_ = nullptr;
      for (const Protection one : suites) {
        const Suite& s = suite_of(one);
        if (s.authentication == byte_at(p, 12) && s.integrity == byte_at(p, 20)) suite_ = &s;
      }
      if (!suite_) return refuse(PayloadType::OpenResponse, 0x11);
      if (one_login_at_a_time) consoles_.clear();
      pending_ = next_id_++;
      consoles_[pending_] = get32(p, 4);
      Bytes out{p[0], {}, p[1], {}};
      append(out, p.subspan(4, 4));
      put32(out, pending_);
      append(out, p.subspan(8, 24));
      return reply(PayloadType::OpenResponse, out);
    }
    pending_ = get32(p, 4);
    if (one_login_at_a_time && consoles_.count(pending_) == 0)
      return refuse(packet.type == PayloadType::Rakp1 ? PayloadType::Rakp2 : PayloadType::Rakp4, 0x02);
    console_ = consoles_[pending_];
    if (packet.type == PayloadType::Rakp1) {
      role_ = p[24];
      name_.assign(as_text(p.subspan(28)));
      rm_.assign(p.begin() + 8, p.begin() + 24);
      const auto wanted = std::to_integer<unsigned>(role_) & 15;
      if (name_ != user) return refuse(PayloadType::Rakp2, 0x0d);
      if (wanted > unsigned(limit)) return refuse(PayloadType::Rakp2, 0x0a);
      rc_.assign(16, std::byte(0x77)), guid_.assign(16, std::byte(0x99));
      Bytes out{p[0], {}, {}, {}}, ids;
      put32(out, console_);
      append(out, rc_), append(out, guid_);
      put32(ids, console_), put32(ids, pending_);
      const Bytes tail{role_, std::byte(name_.size())};
      append(out, hmac(suite_->hash, as_bytes(password), {ids, rm_, rc_, guid_, tail, as_bytes(name_)}));
      return reply(PayloadType::Rakp2, out);
    }
    if (packet.type != PayloadType::Rakp3) return;
    if (byte_at(p, 1) != 0) {
      ++challenges_failed;
      return;
    }
    Bytes id;
    put32(id, console_);
    const Bytes tail{role_, std::byte(name_.size())};
    const Bytes proof = hmac(suite_->hash, as_bytes(password), {rc_, id, tail, as_bytes(name_)});
    if (!same_bytes(proof, p.subspan(8))) return refuse(PayloadType::Rakp4, 0x0f);
    const Bytes sik = hmac(suite_->hash, as_bytes(kg.empty() ? password : kg), {rm_, rc_, tail, as_bytes(name_)});
    Open& open = sessions[pending_];
    if (!open.keys) open.keys = std::make_unique<Keys>(*suite_, sik);
    open.console = console_;
    Bytes out{p[0], {}, {}, {}}, bmc_id;
    put32(out, console_), put32(bmc_id, pending_);
    append(out, ByteView(hmac(suite_->hash, sik, {rm_, bmc_id, guid_})).first(suite_->code_bytes));
    reply(PayloadType::Rakp4, out);
  }

  void command(std::uint32_t session, ByteView m) {
    const unsigned netfn = byte_at(m, 1) >> 2, cmd = byte_at(m, 5);
    const ByteView data = m.subspan(6, m.size() - 7);
    ++commands[netfn << 8 | cmd];
    std::uint8_t code = 0;
    Bytes out;
    std::uint32_t gone = 0;
    const auto info = [&](std::uint32_t id) {
      out = {std::byte(id & 255), std::byte(8), std::byte(1)};
      if (sessions.count(id) > 0)
        for (const unsigned b : {unsigned(sessions[id].user_id), 4u, 1u, 10u, 9u, 0u, 7u, 0u, 0u, 0u, 0u, 0u, 0u,
                                 unsigned(sessions[id].port), 0u})
          out.push_back(std::byte(b));
    };
    if (netfn != kApp) code = 0xc1;
    if (netfn == kApp) switch (cmd) {
        case kSetSessionPrivilege:
          code = byte_at(data, 0) > unsigned(limit) ? 0x81 : 0;
          out = {data[0]};
          break;
        case kCloseSession:
          gone = get32(data, 0);
          code = sessions.count(gone) > 0 ? 0 : 0x87;
          break;
        case kGetSessionInfo:
          info(byte_at(data, 0) == 0 ? session : get32(data, 1));
          if (!tells_sessions) code = 0xc1, out.clear();
          break;
        case kActivatePayload:
          code = activation_code != 0 ? activation_code : holder != 0 ? 0x80 : 0;
          if (code != 0) break;
          holder = session;
          heard_ = say_sequence_ = 0;
          saying_.clear();
          out = Bytes(12);
          out[4] = out[6] = std::byte(0xff);
          break;
        case kDeactivatePayload:
          code = holder == 0 ? 0x80 : 0;
          holder = 0;
          break;
        case kGetPayloadStatus:
          out = {std::byte(1), std::byte(holder != 0 && tells_status), {}};
          break;
        case kGetPayloadInstance:
          if (!tells_instance)
            code = 0xc1;
          else
            put32(out, holder), out.resize(12);
          break;
        case kGetDeviceId:
          out = Bytes(11);
          break;
        default:
          code = 0xc1;
      }
    Open& open = sessions[session];
    send(open.keys->seal(PayloadType::Message, open.console, open.sequence++,
                         answer_to(m, code, code == 0 ? out : Bytes())));
    if (gone != 0 && code == 0) {
      sessions.erase(gone);
      if (holder == gone) holder = 0;
    }
  }

  void sol(std::uint32_t session, ByteView p) {
    if (session != holder || p.size() < 4) return;
    const unsigned sequence = byte_at(p, 0) & 15, ack = byte_at(p, 1) & 15;
    if (ack != 0 && ack == say_sequence_ && !saying_.empty()) {
      if (byte_at(p, 2) != (saying_.size() & 255)) ADD_FAILURE() << "a wrong count of characters";
      saying_.clear();
    }
    if (sequence == 0) return;
    if (sequence != heard_) {
      heard_ = sequence;
      accepted_ = std::min(p.size() - 4, takes_at_once);
      typed += as_text(p.subspan(4, accepted_));
      breaks += (byte_at(p, 3) & 0x10) != 0;
    }
    const Bytes reply{{}, std::byte(sequence), std::byte(accepted_), std::byte(accepted_ < p.size() - 4 ? 0x40 : 0)};
    sol_to_holder(reply);
  }

  Clock& clock_;
  std::uint32_t next_id_ = 0x1001, pending_ = 0, console_ = 0;
  std::map<std::uint32_t, std::uint32_t> consoles_;  // of logins under way, by our number
  const Suite* suite_ = nullptr;
  std::byte role_{};
  std::string name_, saying_;
  Bytes rm_, rc_, guid_;
  unsigned heard_ = 0, say_sequence_ = 0;
  std::size_t accepted_ = 0;
  int said_ = 0;
  SteadyTime say_again_{};
};

// Carries datagrams between a conversation and a FakeBmc; 5 ms each way, more if they are reordered.
class Wire {
 public:
  explicit Wire(unsigned seed = 1) : bmc(clock), random_(seed) {
    bmc.send = [this](ByteView datagram) { put(datagram, false); };
  }
  void to_bmc(ByteView datagram) { put(datagram, true); }

  // Until it has happened, or for so long.
  bool run(Conversation& ours, const std::function<bool()>& happened, Duration at_most = Duration(120'000)) {
    const SteadyTime end = clock.now() + at_most;
    while (!happened()) {
      SteadyTime next = end;
      if (!under_way_.empty()) next = std::min(next, under_way_.begin()->first);
      for (const auto& due : {ours.next_deadline(), bmc.next_deadline()})
        if (due) next = std::min(next, *due);
      if (next >= end) break;
      if (next > clock.now()) clock.advance(std::chrono::ceil<Duration>(next - clock.now()));
      while (!under_way_.empty() && under_way_.begin()->first <= clock.now()) {
        const auto [to_bmc, datagram] = std::move(under_way_.begin()->second);
        under_way_.erase(under_way_.begin());
        to_bmc ? bmc.receive(datagram) : ours.receive(datagram);
      }
      ours.tick();
      bmc.tick();
    }
    if (!happened() && clock.now() < end) clock.advance(std::chrono::ceil<Duration>(end - clock.now()));
    return happened();
  }
  void pass(Conversation& ours, Duration time) {
    run(
        ours, [] { return false; }, time);
  }

  ManualClock clock;
  FakeBmc bmc;
  double loss = 0, doubling = 0, reordering = 0;
  Duration bmc_takes{0};  // over each answer
  int lost = 0;

 private:
  void put(ByteView datagram, bool to_bmc) {
    std::uniform_real_distribution<double> chance(0, 1);
    if (chance(random_) < loss) {
      ++lost;
      return;
    }
    for (int copies = chance(random_) < doubling ? 2 : 1; copies > 0; --copies) {
      Duration delay(chance(random_) < reordering ? 5 + int(chance(random_) * 30) : 5);
      if (!to_bmc) delay += bmc_takes;
      under_way_.emplace(clock.now() + delay, std::pair(to_bmc, Bytes(datagram.begin(), datagram.end())));
    }
  }

  std::multimap<SteadyTime, std::pair<bool, Bytes>> under_way_;
  std::minstd_rand random_;
};

}  // namespace oob::ipmi
