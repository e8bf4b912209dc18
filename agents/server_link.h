// ServerLink: dials oobd, again and again with backoff and jitter; over the network by TLS with this agent's
// certificate, on the server's own machine by UNIX socket. With several addresses: one round after another, each from
// the first address on. Answers the hello stream: says who we are and our clock, renews our certificate when asked to,
// passes on what oobd orders. On the agent's shard.
#pragma once
#include <memory>
#include <string>

#include "agents/policy.h"
#include "common/backoff.h"
#include "common/crypto/secret.h"
#include "common/crypto/tls.h"
#include "common/runtime/descriptor.h"
#include "proto/connection.h"
#include "proto/tunnel/messages.h"

namespace oob::wire {
class AgentStatus;
class Assignment;
class FromAgent;
class LineFacts;
class LineOrder;
class LineState;
class LogAck;
class SecretGiven;
}  // namespace oob::wire

namespace oob {

class ServerLinkEvents {
 public:
  virtual ~ServerLinkEvents() = default;
  virtual void link_up() = 0;
  virtual void link_down(const std::string& reason) = 0;
  virtual void assigned(const wire::Assignment& assignment) = 0;
  virtual void acknowledged(const wire::LogAck& ack) = 0;
  virtual void ordered(const wire::LineOrder& order) = 0;
  virtual void given(std::uint64_t number, Result<Secret> secret) = 0;  // answers send_secret_wanted()
  virtual Mux::Accepted console_opened(Mux& mux, StreamId id, const std::string& name) = 0;
  virtual Mux::Accepted bmc_opened(Mux& mux, StreamId id) = 0;
  virtual std::uint64_t revision() const = 0;  // of the assignment in force
  virtual void status(wire::AgentStatus& into) const = 0;
};

class ServerLink final : private StreamOwner {
 public:
  // Reads key and certificates; Error: says what is missing and how to join.
  static Result<std::unique_ptr<ServerLink>> make(Shard& shard, const AgentConfig& config, ServerLinkEvents& events);
  ~ServerLink() override;

  void start();
  const std::string& server() const { return config_.servers[address_]; }  // the one tried or connected now
  void send_taken(std::uint64_t revision);
  void send_state(const wire::LineState& state);
  void send_facts(const wire::LineFacts& facts);
  bool gives_secrets() const { return protocol_ >= 3; }
  void send_secret_wanted(std::uint64_t number, std::uint32_t id, const std::string& key);

 private:
  ServerLink(Shard& shard, const AgentConfig& config, ServerLinkEvents& events);
  Result<> load();
  void dial();
  Duration time_for_one() const;
  void connected(Result<int> fd);
  void run();
  void lost(const std::string& reason);
  Mux::Accepted opened(StreamId id, const std::string& path);
  void send_hello();
  void send_status();
  void welcomed(std::uint32_t protocol, const std::string& version);
  void renew();
  void renewed(const std::string& error, ByteView der);
  void given(wire::SecretGiven& message);
  void send(const wire::FromAgent& message);

  Result<> stream_message(ByteView message) override;
  std::size_t stream_fill(MutableBytes into) override { return queue_->fill(into); }
  void stream_closed(const std::string& reason) override;

  Shard& shard_;
  const AgentConfig& config_;
  std::string name_;  // ours: as configured, else as the certificate says, else `local`
  ServerLinkEvents& events_;
  std::string ca_pem_;
  std::shared_ptr<TlsContext> tls_;          // null over a UNIX socket
  std::shared_ptr<TlsContext> renewed_tls_;  // of the renewed certificate, until it or the old one has logged in
  bool use_renewed_ = false;                 // which of them is tried
  Secret next_key_;                          // its certificate was asked for
  Connector connector_;
  std::unique_ptr<SecureStream> stream_;  // until its handshake is done, then the connection's
  std::unique_ptr<TunnelConnection> connection_;
  std::unique_ptr<MessageQueue> queue_;
  StreamId hello_ = 0;
  std::uint32_t protocol_ = 0;  // that both speak
  Timer redial_, login_, tick_, status_;
  std::size_t address_ = 0;  // of config_.servers: tried now
  unsigned rounds_ = 0;      // through all addresses without success
  std::string last_status_;
  SteadyTime status_sent_{};
  Backoff backoff_;
  bool dialled_ = false;  // the address has answered; what comes next is the login
  bool welcome_ = false;
  bool at_once_ = false;  // dial again without waiting
};

}  // namespace oob
