// AgentLink: one agent that is connected: the conversation on /v1/hello (who it is, its clock, its assignment,
// acknowledgements) and a ConsoleLink for each of its consoles. On the shard.
#pragma once
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>

#include "common/crypto/secret.h"
#include "common/limits.h"
#include "proto/connection.h"
#include "proto/tunnel/messages.h"
#include "server/agents/agent_abilities.h"
#include "server/agents/bmc_exchange.h"
#include "server/agents/console_link.h"

namespace oob::wire {
class Assignment;
class FromAgent;
class Hello;
class SecretWanted;
class ToAgent;
}  // namespace oob::wire

namespace oob {

// Who is behind a connection, as its certificate or its UNIX socket proved.
struct AgentPeer {
  std::string name;
  std::string key;      // certificate's fingerprint; "" over the UNIX socket
  std::string address;  // "10.9.0.3:40112", "unix, uid 0"
};

// How it goes there, as the agent said last.
struct AgentFigures {
  struct UnknownSender {           // speaks to a listener there, and no line names it
    std::string listener, sender;  // valid UTF-8, not escaped, as all here
    std::uint64_t messages = 0;
    WallTime first{}, last{};
    std::string said, called;  // the end of its text; what it calls itself
  };
  Duration uptime{};                                         // of the agent's program, now
  std::uint64_t ring_bytes = 0, spool_bytes = 0;             // used, of all lines
  unsigned ring_worst_percent = 0, spool_worst_percent = 0;  // of the line that has most
  std::vector<UnknownSender> unknown_senders;
};

class AgentLinkEvents {
 public:
  virtual ~AgentLinkEvents() = default;
  virtual void certificate_asked(AgentLink& link, Bytes request) = 0;  // answered by send_certificate()
  // It has said hello, and may stay. Answered by assign().
  virtual void agent_arrived(AgentLink& link) = 0;
  // What the file holds that `key` of the console's line names; `done` at most once, perhaps after the link is gone.
  virtual void secret_wanted(AgentLink& link, const std::string& console, const std::string& key,
                             std::function<void(Result<Secret>)> done) = 0;
  virtual void clock_told(AgentLink& link) = 0;                               // clock_ahead() is new
  virtual Console* console_of(AgentLink& link, const std::string& name) = 0;  // null: gone, or another agent's now
  virtual bool takes_event(AgentLink& link, std::size_t bytes) = 0;           // false: it has told too many
  virtual void console_freed(const std::string& name) = 0;  // its link ended; another agent may take over
  virtual void agent_left(AgentLink& link, const std::string& reason) = 0;  // destroys the link
};

class AgentLink final : private StreamOwner {
 public:
  AgentLink(Shard& shard, AgentPeer peer, AgentLinkEvents& events);
  ~AgentLink() override;

  TunnelConnection& connection() { return connection_; }
  void run(std::unique_ptr<SecureStream> stream);  // the handshake is done
  Mux& mux() { return connection_.mux(); }
  const Mux& mux() const { return connection_.mux(); }

  const AgentPeer& peer() const { return peer_; }
  const std::string& version() const { return version_; }
  WallTime since() const { return since_; }
  std::uint32_t protocol() const { return protocol_; }   // that both speak
  Duration clock_ahead() const { return clock_ahead_; }  // its wall clock, less ours
  std::optional<AgentFigures> figures() const;           // nothing: it is too old to tell, or has not yet
  bool welcome() const { return welcome_; }

  // Lines for which the agent is too old stay down there, with that reason.
  void assign(wire::Assignment assignment);
  // Joins consoles of the assignment the agent has taken that are not yet joined, and lets go of those no longer in it
  // that have drained.
  void join_consoles();
  void forget_console(const std::string& name);          // the Console is about to be destroyed
  Result<> order(const std::string& console, int kind);  // wire::LineOrder::Kind

  // One request about a BMC; its secrets are wiped. Unavailable: the agent is too old, or has too many already.
  Result<> ask_bmc(wire::BmcRequest& request, BmcAnswers answers);

  bool renews() const { return protocol_ >= 2; }            // its certificate, when asked to
  void ask_to_renew();                                      // nothing if it cannot
  void send_certificate(const Result<Bytes>& certificate);  // DER

  // --- for ConsoleLink ---
  std::int64_t deadline_there(SteadyTime deadline) const;
  void acknowledge(std::uint32_t id, const LogPosition& written);
  void console_closed(const std::string& name, const std::string& reason);
  bool takes_event(std::size_t text_bytes) {
    return events_.takes_event(*this, text_bytes + limits::agent_event_bytes_besides_text);
  }
  Shard& shard() { return shard_; }

 private:
  Result<> stream_message(ByteView message) override;
  std::size_t stream_fill(MutableBytes into) override;
  void stream_closed(const std::string& reason) override;

  Result<> hello(const wire::Hello& hello);
  void told_wall_clock(std::int64_t wall_ms);
  Result<> secret_wanted(const wire::SecretWanted& wanted);
  void give_secret(std::uint64_t number, const Result<Secret>& secret);
  void send(const wire::ToAgent& message);
  void drop_unassigned();
  void ask_again_later(const std::string& name, Duration after);
  void closed(const std::string& reason);

  Shard& shard_;
  const AgentPeer peer_;
  AgentLinkEvents& events_;
  TunnelConnection connection_;
  MessageQueue queue_;
  StreamId hello_ = 0;
  Timer login_;
  PeerClock clock_there_;
  std::string version_;
  WallTime since_{};
  std::uint32_t protocol_ = 0;  // that both speak
  Duration clock_ahead_{};
  std::optional<AgentFigures> figures_;
  SteadyTime figures_told_{};
  bool welcome_ = false;
  bool asked_to_renew_ = false;
  std::uint64_t revision_ = 0, taken_ = 0;  // of the assignment: sent, and taken by the agent
  std::map<std::string, std::uint32_t> assigned_;
  std::map<std::uint32_t, std::string> names_;
  std::map<std::uint32_t, LogPosition> acks_;  // to be sent, the newest of each line
  std::map<std::string, std::unique_ptr<ConsoleLink>> consoles_;
  AgentAbilities abilities_;
  std::map<std::string, std::string> too_new_;    // lines it is too old for, and what it lacks
  std::map<std::string, std::string> details_;    // what the agent last said of each line
  std::map<std::string, SteadyTime> not_before_;  // consoles whose stream the agent refused or ended: asked again then
  Timer ask_again_, let_go_;
  std::map<std::uint64_t, std::unique_ptr<BmcExchange>> exchanges_;
  std::uint64_t exchanges_made_ = 0;
  std::size_t secrets_asked_ = 0;  // not answered yet
  std::shared_ptr<int> alive_ = std::make_shared<int>();
};

}  // namespace oob
