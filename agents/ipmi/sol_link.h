// SolLink: a console over a BMC, from login to logout: closes what an earlier start of ours left open, activates serial
// over LAN, deals with someone who holds it, watches that it stays ours, closes it. One attempt; who makes lines makes
// a new one after link_down(). Sans-IO.
#pragma once
#include <memory>
#include <string>
#include <vector>

#include "agents/ipmi/session.h"
#include "agents/ipmi/sol.h"
#include "agents/ipmi/udp.h"

namespace oob::ipmi {

// What to do when another session has serial over LAN.
enum class Busy { Wait, Ask, Steal };

// A session that we opened. BMCs number anew after a reset: the number alone does not prove whose it is.
struct OpenedSession {
  std::uint32_t id = 0;
  std::string told;  // user, address and port as the BMC told them of it, hexadecimal; "" if it did not
};

struct SolSettings {
  Login login;
  std::string address;  // as people know it
  std::uint8_t instance = 1;
  Busy busy = Busy::Wait;
  std::vector<OpenedSession> ours;  // that earlier starts may have left open
};

// The calls are those of LineEvents (agents/lines/line.h); link_down() is the last one and may destroy the link.
class SolLinkEvents {
 public:
  virtual ~SolLinkEvents() = default;
  virtual void link_send(ByteView datagram) = 0;
  virtual void link_session(
      const OpenedSession& session) = 0;    // opened; to be remembered until a later start has closed it
  virtual void link_sessions_closed() = 0;  // those of SolSettings::ours are gone
  virtual void link_up(std::string detail) = 0;
  virtual void link_facts(std::vector<std::pair<std::string, std::string>> facts) = 0;
  virtual void link_output(ByteView bytes) = 0;
  virtual void link_writable() = 0;
  virtual void link_confirmed(std::size_t bytes) = 0;
  virtual void link_note(std::string text) = 0;
  virtual void link_lost(std::string why) = 0;
  virtual void link_secret_refused() = 0;  // before link_down(): it is for the password or the key
  virtual void link_down(std::string reason) = 0;
};

class SolLink final : public Conversation, private SessionEvents, private SolEvents {
 public:
  SolLink(SolSettings settings, Clock& clock, SolLinkEvents& events, unsigned seed);
  ~SolLink() override;

  void open();
  void receive(ByteView datagram) override;
  void tick() override;
  std::optional<SteadyTime> next_deadline() const override;

  std::size_t write(ByteView bytes);
  void withdraw();
  bool send_break();  // false: it is not up
  // Deactivates, closes the session; nothing is called afterwards and no answer is waited for.
  void close();

 private:
  // SessionEvents
  void session_send(ByteView datagram) override { events_.link_send(datagram); }
  void session_open() override;
  void session_closed(const Error& why) override;
  void session_sol(ByteView payload, bool newest) override;
  // SolEvents
  void sol_send(ByteView payload) override { session_.send_sol(payload); }
  void sol_output(ByteView bytes) override { events_.link_output(bytes); }
  void sol_lost(std::string why) override { events_.link_lost(std::move(why)); }
  void sol_note(std::string text) override { events_.link_note(std::move(text)); }
  void sol_writable() override { events_.link_writable(); }
  void sol_confirmed(std::size_t bytes) override { events_.link_confirmed(bytes); }
  void sol_unanswered() override;
  void sol_ended() override;
  void sol_stuck() override { down("the BMC takes no input any more"); }

  void close_earlier(std::size_t index);
  void activate();
  void activated(const Answer& answer);
  void busy();
  void held_by(std::uint32_t id, const std::string& who);
  void deactivate_then_activate();
  void look_who(std::uint32_t id, std::function<void(std::string who)> then);
  void begin(const Answer& answer);
  void watch();
  void watch_holder();
  void watch_again();
  void down(const std::string& reason);
  void ask(Request request, std::function<void(const Answer&)> then);

  SolSettings settings_;
  Clock& clock_;
  SolLinkEvents& events_;
  std::minstd_rand random_;
  Session session_;
  std::unique_ptr<SolStream> sol_;  // while active
  std::string taken_from_;          // whom we took it from, for the log
  int activations_ = 0;
  bool asks_status_ = true, asks_instance_ = true, watching_ = false, watched_ = false, down_ = false;
  bool still_ours_ = true;               // the payload; if not, it is not for us to deactivate
  std::optional<std::uint32_t> holder_;  // as the BMC names us in Get Payload Instance Info
  std::optional<SteadyTime> watch_at_;
};

}  // namespace oob::ipmi
