// Bmc: what power acts and the doctor need of a BMC: one session, commands in it, and commands without one. The real
// one is ipmi::Client; tests put a script in its place. On the agent's shard; callbacks are made later, and may destroy
// it.
#pragma once
#include <functional>
#include <memory>
#include <string>

#include "agents/ipmi/login.h"
#include "agents/ipmi/message.h"
#include "common/runtime/shard.h"

namespace oob {

class Bmc {
 public:
  virtual ~Bmc() = default;  // closes the session
  using Answered = std::function<void(Result<ipmi::Answer>)>;
  // Logs in; once. Errors in words with what to do: NotFound (no such host), Unavailable, Denied, Conflict.
  virtual void open(std::function<void(Result<>)> done) = 0;
  // In the open session, one after another. An Error: nobody knows whether it was done.
  virtual void command(ipmi::Request request, Answered done) = 0;
  virtual void ask_as_stranger(ipmi::Request request, Answered done) = 0;  // instead of open()
  virtual bool answered() const = 0;                                       // anything at all
  virtual std::string session_words() const = 0;                           // "administrator, suite 17"; after open()
};

// Each call makes another one, for a conversation of its own.
using NewBmc = std::function<std::unique_ptr<Bmc>()>;
// `answer_time`: how long it may take over one answer.
NewBmc ipmi_bmc(Shard& shard, std::string host_port, ipmi::Login login, Duration answer_time);

}  // namespace oob
