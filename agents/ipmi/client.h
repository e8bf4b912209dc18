// Client: commands to one BMC over UDP, for power and the BMC doctor: opens a session, asks, closes. On the agent's
// shard; every callback is made there, never from inside the call that asks for it, and may destroy the Client.
// Destroying it closes a session that is open (without waiting for the BMC's answer).
#pragma once
#include <functional>
#include <memory>
#include <string>

#include "agents/ipmi/session.h"
#include "agents/ipmi/udp.h"

namespace oob::ipmi {

class Client final : private SessionEvents, private Conversation {
 public:
  // `address` is "host:port"; a name is looked up without blocking. check_login() has found the login good.
  // `answer_time`: how long one answer may take.
  Client(Shard& shard, std::string address, Login login, Duration answer_time = limits::ipmi_answer_time_max);
  ~Client();

  // Looks up, asks the BMC what it speaks, logs in, takes the privilege. Errors in words with what to do:
  // NotFound (no such host, no way to it), Unavailable (no answer in time), Denied (user, password, privilege,
  // suite), Conflict (no free session). Once; not after ask_as_stranger().
  void open(std::function<void(Result<>)> done);

  // One command in the open session; queued, answered in order. A code other than 0 is an Answer: completion_words()
  // says it. An Error: the BMC fell silent or the session ended, so the outcome is unknown.
  void command(Request request, std::function<void(Result<Answer>)> done);

  // One command without a session, as anyone on the network may send it: for Get Channel Authentication Capabilities,
  // Get Channel Cipher Suites, Get Device GUID. Instead of open().
  void ask_as_stranger(Request request, std::function<void(Result<Answer>)> done);

  // What the BMC told before the login, the privilege and the protection that were agreed. After open().
  const Session& session() const { return session_; }

 private:
  void connect(std::function<void()> then);
  void finish(Result<> result);
  void session_send(ByteView datagram) override;
  void session_open() override;
  void session_closed(const Error& why) override;
  void receive(ByteView datagram) override { session_.receive(datagram); }
  void tick() override { session_.tick(); }
  std::optional<SteadyTime> next_deadline() const override { return session_.next_deadline(); }

  Shard& shard_;
  std::string address_;
  Session session_;
  Udp udp_;
  std::function<void(Result<>)> opened_;
  std::optional<Error> ended_;
  std::shared_ptr<void> alive_ = std::make_shared<int>();
};

}  // namespace oob::ipmi
