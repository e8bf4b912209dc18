// Enrolment: how a machine with a one-time token becomes an agent. Two parts, on two threads:
//   Enrolment         what is decided and stored; blocking, on the Worker of the database.
//   JoinConversation  one connection with ALPN oob-join/1, sans-IO, on its shard: one JoinRequest in, one JoinReply
//   out.
// A stranger reaches the token's check with at most limits::join_message_bytes_max bytes of protobuf; nothing else is
// parsed before it. Time-outs and the number of connections are the owner's (limits::tunnel_login_time_max,
// logins_max).
#pragma once
#include <atomic>
#include <functional>
#include <memory>
#include <string>

#include "common/bytes.h"
#include "common/clock.h"
#include "common/crypto/secret.h"
#include "common/tls/length_prefix.h"
#include "server/agents/authority.h"
#include "server/database/agents.h"

namespace oob {

struct JoinOrder {
  std::string name;
  Secret secret;  // the token's
  Bytes certificate_request;
};

class Enrolment {
 public:
  Enrolment(Database& database, const Authority& authority, AgentStore& agents, TokenStore& tokens, const Clock& clock)
      : database_(database), authority_(authority), agents_(agents), tokens_(tokens), clock_(clock) {}

  // A token for this agent, good once and for limits::token_life; only its hash is stored. Older ones stay good. Usage
  // for a name that cannot be an agent's. An agent of that name stays in until someone joins with the token.
  Result<Secret> create_token(std::string_view name);

  // Uses the token up (but not for a request that is no good), signs, stores the agent: its certificate as DER. One
  // that enrolled before, revoked or not, is replaced: from then on only the new certificate is known. Denied (token),
  // Usage (request), Unavailable (disk).
  Result<Bytes> enrol(const JoinOrder& order);

  // The agent `name`, connected with the certificate `fingerprint`, asks for the next one: remembers it as next and
  // returns it as DER. The present one stays good until the next has logged in. Asking again replaces the next one.
  // Denied: revoked meanwhile, or that certificate is not the present one; Usage (request); Unavailable (disk).
  Result<Bytes> renew(std::string_view name, std::string_view fingerprint, ByteView certificate_request);

  // Revokes the agent and cancels the tokens made for it that were not used. NotFound: neither was there.
  Result<> revoke(std::string_view name);

  std::uint64_t refused() const { return refused_; }  // enrolments with a token that did not serve; any thread

 private:
  Result<AgentRecord> sign(std::string_view name, ByteView request, WallTime now, Bytes& der) const;

  Database& database_;
  const Authority& authority_;
  AgentStore& agents_;
  TokenStore& tokens_;
  const Clock& clock_;
  std::atomic<std::uint64_t> refused_ = 0;
};

class JoinConversation {
 public:
  // Has Enrolment::enrol() run on the Worker and calls `done` on this shard, or never.
  using Enrol = std::function<void(JoinOrder order, std::function<void(Result<Bytes>)> done)>;
  // `peer` for the log, as Listener gives it. `answered` is called when output() was filled later than in receive().
  JoinConversation(std::string peer, Enrol enrol, std::function<void()> answered);
  ~JoinConversation();  // an enrolment under way is finished and stored, its answer dropped

  // Bytes from the peer. Error: the connection is to be closed at once (it is no JoinRequest); already logged.
  Result<> receive(ByteView bytes);
  Bytes& output();                   // for the peer; the owner takes it from the front
  bool finished() const;             // answered: close once output() is taken
  const std::string& agent() const;  // the name, once enrolled; else ""

 private:
  struct State;
  std::shared_ptr<State> state_;
};

}  // namespace oob
