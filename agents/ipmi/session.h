// Session: one conversation with one BMC: finds out what it speaks, logs in (RMCP+ of IPMI 2.0 revision 1.1, or IPMI
// 1.5), asks one command after another with repeats, notices that it is gone, logs out. Sans-IO: datagrams in, calls
// out, tick() when next_deadline() has come. Two kilobytes each: an agent has thousands. Not for several threads.
#pragma once
#include <array>
#include <deque>
#include <functional>
#include <memory>
#include <optional>
#include <random>
#include <vector>

#include "agents/ipmi/login.h"
#include "agents/ipmi/message.h"
#include "agents/ipmi/packet.h"
#include "agents/ipmi/rakp.h"
#include "common/clock.h"
#include "common/limits.h"

namespace oob::ipmi {

// What a BMC tells a stranger (Get Channel Authentication Capabilities, section 22.13).
struct Capabilities {
  bool told = false;  // the rest was told
  bool v15 = false, v20 = false;
  bool lan15_none = false, lan15_md5 = false, lan15_password = false;
  bool kg_set = false;      // a key K_g other than zero is needed
  bool anonymous = false;   // a user without name and password may log in
  bool null_names = false;  // a user without name may log in, with a password
};

// Whom the session calls. Any call may destroy the session, except session_send.
class SessionEvents {
 public:
  virtual ~SessionEvents() = default;
  virtual void session_send(ByteView datagram) = 0;
  virtual void session_open() = 0;
  virtual void session_closed(const Error& why) = 0;  // once, and not after close(); commands have failed before it
  // A serial-over-LAN packet. `newest`: the BMC sent none of the session's packets that came before it later.
  virtual void session_sol(ByteView payload, bool newest) {}
};

class Session {
 public:
  using Done = std::function<void(Result<Answer>)>;

  Session(const Login& login, Clock& clock, SessionEvents& events, unsigned seed);
  ~Session();

  void open();
  // How long a question may go unanswered, before the login is through and in the open session; default
  // limits::ipmi_answer_time_max. Before open().
  void set_patience(Duration login, Duration open) { login_patience_ = login, patience_ = open; }
  void receive(ByteView datagram);
  void tick();
  std::optional<SteadyTime> next_deadline() const;

  // Queued; one is under way at a time. A failure is the BMC's silence or the session's end; a completion code other
  // than 0 is an Answer. Ask only while the session is open.
  void request(Request request, Done done);
  // The same without a session, for commands that a stranger may send; before open() only.
  void ask_as_stranger(Request request, Done done);
  void send_sol(ByteView payload);
  // Sends what closes the session in the BMC; nothing is called afterwards. `last` are commands sent before it.
  // The answers are not waited for.
  void close(const std::vector<Request>& last = {});

  bool is_open() const { return step_ == Step::Open; }
  std::uint32_t id() const { return bmc_id_; }  // the BMC's name for this session; 0 before the login
  Privilege privilege() const { return privilege_; }
  Protection protection() const { return protection_; }
  // The login was refused for its password or its key K_g, and not for something that passes.
  bool secret_refused() const { return secret_refused_; }
  const Capabilities& capabilities() const { return capabilities_; }
  bool answered() const { return heard_ != SteadyTime{} || bmc_id_ != 0; }  // anything at all
  SteadyTime heard() const { return heard_; }                               // the last packet that was surely the BMC's

 private:
  enum class Step {
    Idle,
    Stranger,
    Capabilities,
    OpenSession,
    Rakp1,
    Rakp3,
    Challenge,
    Activate,
    Privilege,
    Open,
    Closed
  };
  struct Waiting {
    Request request;
    Done done;
  };

  void begin_attempt();
  void step_to(Step step, Bytes payload, PayloadType type);
  void command_to(Step step, const Request& request);
  void next_command();
  void transmit();
  void silent();
  void closed(ErrorCode code, std::string why);
  void failed(ErrorCode code, const std::string& why);
  void lost(ErrorCode code, const std::string& why);
  void refused(const Error& why);
  void next_protection(const std::string& why);
  bool less_privilege();
  void answered(const Response& response);
  void on_capabilities(const Response& response);
  void on_open_response(ByteView payload);
  void on_rakp2(ByteView payload);
  void on_rakp4(ByteView payload);
  void on_challenge(const Response& response);
  void on_activate(const Response& response);
  void on_privilege(const Response& response);
  void ask_privilege();
  bool fresh(std::uint32_t sequence, bool& newest);
  Bytes wrapped(PayloadType type, ByteView payload);
  void send_payload(PayloadType type, ByteView payload);

  Login login_;
  Clock& clock_;
  SessionEvents& events_;
  std::minstd_rand random_;
  Step step_ = Step::Idle;
  Capabilities capabilities_;
  std::size_t protection_at_ = 0;  // in login_.protections
  Protection protection_ = Protection::Suite17;
  Privilege privilege_ = Privilege::Administrator;
  bool pong_ = false;  // it answers a presence ping
  bool secret_refused_ = false;
  std::string refused_;  // why protections before this one were refused
  int restarts_ = 0;

  std::unique_ptr<Rakp> rakp_;             // while logging in
  std::unique_ptr<Keys> keys_;             // from then on
  std::array<std::byte, 16> challenge_{};  // IPMI 1.5
  std::uint8_t auth15_ = 0;
  std::uint32_t bmc_id_ = 0, console_id_ = 0, next_sequence_ = 0;
  std::uint32_t heard_sequence_ = 0, heard_before_ = 0;  // the newest; a bit for each of the 32 before it
  bool heard_any_ = false;

  // What is under way: a step's payload, or a command.
  Bytes payload_;
  PayloadType payload_type_ = PayloadType::Message;
  std::optional<Request> command_;
  Done command_done_;
  std::deque<Waiting> queue_;
  std::uint8_t message_sequence_ = 0, tag_ = 0;
  int sent_ = 0;  // times
  std::optional<SteadyTime> repeat_at_;
  SteadyTime give_up_at_{}, heard_{};
  std::vector<SteadyTime> sent_at_;  // of Get Channel Authentication Capabilities and its repeats
  Duration answer_time_{0};          // of the BMC to it; 0: not known
  int calmer_ = 1;                   // so many times later than usual a step of the login is repeated
  Duration login_patience_ = limits::ipmi_answer_time_max, patience_ = limits::ipmi_answer_time_max;
  std::shared_ptr<void> alive_ = std::make_shared<int>();
};

}  // namespace oob::ipmi
