// One simulated BMC: its sessions (RMCP+ and IPMI 1.5), its commands, its serial over LAN, and its faults. Bytes in,
// bytes out, no sockets but the host's own; one thread. Written from the IPMI specification, v2.0 revision 1.1.
// bmc.cpp: packets and time; login.cpp: how sessions begin; commands.cpp, sol_commands.cpp: commands; orders.cpp: what
// a test tells it.
#pragma once
#include <netinet/in.h>

#include <deque>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "tests/simulators/host.h"
#include "tests/simulators/keys.h"
#include "tests/simulators/packet.h"
#include "tests/simulators/sol.h"

namespace rude {

using Peer = sockaddr_in;
std::string text_of(const Peer& peer);

enum Privilege : std::uint8_t { kCallback = 1, kUser = 2, kOperator = 3, kAdministrator = 4 };

struct User {
  std::string name, password;
  std::uint8_t limit = 0xF;  // a Privilege; 0xF: no access
  bool enabled = false, sol = true;
};

// Which sequence numbers have been seen of late (13.27 for RMCP+).
class Window {
 public:
  bool fresh(std::uint32_t number, bool strict);

 private:
  std::uint32_t highest_ = 0, seen_ = 0;  // bit n of seen_: highest_ - n
  bool any_ = false;
};

struct Session {
  enum class Stage { Opened, Challenged, Active };
  std::uint32_t id = 0, console_id = 0;
  std::uint8_t handle = 0;
  Stage stage = Stage::Opened;
  bool v2 = true, stand_in = false;  // stand_in: somebody else's, made by an order
  Suite suite{};
  std::uint8_t auth_type = 0;  // of 1.5
  std::uint8_t user = 0, limit = 0, privilege = 0, role = 0;
  Bytes console_random, our_random, sik, k1, k2;  // our_random: the challenge of 1.5
  std::uint32_t sent = 0, sent_plain = 0;         // sequence numbers
  Window heard, heard_plain;
  Peer peer{};
  Time last{};
};

class Bmc {
 public:
  using Send = std::function<void(const Bytes& datagram, const Peer& to)>;
  struct Settings {
    std::uint64_t seed = 1;
    double scale = 1;  // the BMC's own time limits are divided by it
    std::uint16_t port = 623;
  };

  Bmc(int index, const Settings& settings, Send send);

  void datagram(const Bytes& datagram, const Peer& from, Time now);
  void tick(Time now);
  Time deadline() const;
  Host& host() { return host_; }
  bool console_open() const;  // by somebody who is no stand-in
  bool host_may_speak() const { return sol_.room() > 0; }
  // One order, see `rude_bmc --help`; the answer, one line: "ok", what was asked for, or "error: ...".
  std::string order(const std::string& order, Time now);

 private:
  struct Answer {
    std::uint8_t code = 0;
    Bytes data;
    std::function<void(Time)> then;  // done when the answer is sent
  };
  static constexpr std::uint8_t kUsersMax = 10;

  // --- packets (bmc.cpp) ---
  void packet15(const Bytes& datagram, const Peer& from, Time now);
  void packet20(const Bytes& datagram, const Peer& from, Time now);
  void payload(Session& session, std::uint8_t type, const Bytes& payload, Time now);
  void answer(const Bytes& message, Session* session, const std::function<void(const Bytes&)>& reply, Time now);
  void seal(Session& session, std::uint8_t type, const Bytes& payload, bool authenticated, bool encrypted);
  void seal15(Session& session, const Bytes& payload);
  Bytes code15(const Session& session, std::uint8_t type, std::uint32_t sequence, const Bytes& payload) const;
  void transmit(Bytes datagram, const Peer& to);
  void send_sol(const Bytes& packet);
  void drop(const char* why) { ++dropped_[why]; }

  // --- sessions ---
  Session* find(std::uint32_t id);
  Session* open(bool v2, const Peer& from, Time now);  // null: full
  void end(std::uint32_t id);
  void expire(Time now);
  void forget_all();
  void lose_sol(bool tell);
  Time limit_of(const Session& session) const;

  // --- login (login.cpp) ---
  void open_session(const Bytes& payload, const Peer& from, Time now);
  void rakp1(const Bytes& payload, const Peer& from, Time now);
  void rakp3(const Bytes& payload, const Peer& from, Time now);
  void reply_login(std::uint8_t type, const Bytes& payload, const Peer& to);
  const Suite* choose_suite(const Bytes& payload) const;
  Answer session_challenge(const Request& request, Session* session, Time now);
  Answer activate_session(const Request& request, Session* session, Time now);
  std::uint8_t find_user(const std::string& name) const;  // 0: none
  static Bytes padded(const std::string& password, std::size_t size);

  // --- commands ---
  Answer execute(const Request& request, Session* session, Time now);
  Answer chassis(const Request& request, Time now);
  Answer application(const Request& request, Session* session, Time now);
  Answer channel_abilities(const Request& request) const;
  Answer suite_list(const Request& request) const;
  Answer session_info(const Request& request, const Session* session) const;
  Answer close_session(const Request& request, Session* session);
  Answer user_command(const Request& request);
  Answer payload_command(const Request& request, Session* session);
  Answer activate_payload(const Request& request, Session& session);
  Answer payload_access(const Request& request);
  Answer transport(const Request& request);
  void set_power(bool on, Time now);
  Time now_ = {};

  std::string state() const;
  std::string hold(const std::string& address, bool tell);

  Settings settings_;
  Send send_;
  Faults faults_;
  Sol sol_;
  Host host_;

  std::vector<User> users_;  // by id; 0 is none
  Bytes kg_, guid_;
  std::vector<std::uint8_t> suites_{3, 17};
  std::size_t sessions_max_ = 16;
  std::chrono::duration<double> session_timeout_{60};
  std::map<std::uint32_t, Session> sessions_;
  std::uint8_t last_handle_ = 0;
  bool on_ = false;
  std::uint8_t channel_access_[2] = {0x02, 0x04};
  std::map<std::uint8_t, Bytes> sol_settings_;
  std::uint32_t sol_session_ = 0;
  bool sol_authenticated_ = false, sol_encrypted_ = false;

  Time silent_until_{};
  std::chrono::duration<double> delay_{0};
  struct Later {
    Time due;
    Bytes datagram;
    Peer to;
  };
  std::deque<Later> later_;
  struct ForcedCode {
    std::uint8_t netfn, command, code;
  };
  std::optional<ForcedCode> forced_;
  std::map<std::string, std::uint64_t> dropped_, commands_;
  std::uint64_t identified_ = 0;
};

}  // namespace rude
