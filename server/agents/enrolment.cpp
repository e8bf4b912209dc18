// Tokens made and used up, certificates signed, and the conversation around it.
#include "server/agents/enrolment.h"

#include <google/protobuf/stubs/logging.h>

#include "common/crypto/digest.h"
#include "common/crypto/token.h"
#include "common/limits.h"
#include "common/log.h"
#include "common/names.h"
#include "common/nearest.h"
#include "tunnel.pb.h"

namespace oob {
namespace {

constexpr std::string_view kLocal = "local";  // the server's own agent, known by its socket's peer credentials

Result<> check_agent_name(std::string_view name) {
  if (name == kLocal)
    return fail(ErrorCode::Usage, "\"local\" is the server's own agent, which does not enrol; choose another name");
  return check_name(name);
}

// Ports change with each connection: a source that is logged at most so often is the address.
std::string source_of(const std::string& peer) { return peer.substr(0, peer.rfind(':')); }

std::string reply_wire(const Result<Bytes>& outcome) {
  wire::JoinReply reply;
  if (outcome)
    reply.set_certificate(outcome->data(), outcome->size());
  else
    reply.set_error(outcome.error().message);  // UTF-8: messages hold no foreign text unescaped
  return reply.SerializeAsString();
}

}  // namespace

Result<Secret> Enrolment::create_token(std::string_view name) {
  if (const auto checked = check_agent_name(name); !checked) return tl::unexpected(checked.error());
  const std::int64_t now = wall_ms(clock_.wall());
  if (const auto forgotten = tokens_.forget_expired(now); !forgotten) return tl::unexpected(forgotten.error());
  const Token token = make_token(name, authority_.fingerprint());
  const std::int64_t expires = now + std::chrono::milliseconds(limits::token_life).count();
  const auto stored = tokens_.put({token_hash(token.secret), token.name, expires, 0});
  if (!stored) return tl::unexpected(stored.error());
  return token_text(token);
}

Result<Bytes> Enrolment::enrol(const JoinOrder& order) {
  const WallTime now = clock_.wall();
  if (const auto checked = check_agent_name(order.name); !checked) return tl::unexpected(checked.error());
  const std::string hash = token_hash(order.secret);
  if (const auto good = tokens_.check(hash, order.name, wall_ms(now)); !good) {
    refused_ += good.error().code == ErrorCode::Denied ? 1 : 0;
    return tl::unexpected(good.error());
  }
  Bytes der;
  const auto record = sign(order.name, order.certificate_request, now, der);
  if (!record) return tl::unexpected(record.error());
  const auto stored = database_.transaction([&]() -> Result<> {
    if (const auto used = tokens_.use(hash, wall_ms(now)); !used) return used;
    return agents_.put(*record);
  });
  if (!stored) return tl::unexpected(stored.error());
  return der;
}

Result<AgentRecord> Enrolment::sign(std::string_view name, ByteView request, WallTime now, Bytes& der) const {
  const auto pem = authority_.sign(request, name, now);
  if (!pem) return tl::unexpected(pem.error());
  const auto facts = certificate_facts(*pem);
  if (!facts) return tl::unexpected(facts.error());
  auto bytes = certificate_der(*pem);
  if (!bytes) return tl::unexpected(bytes.error());
  der = std::move(*bytes);
  AgentRecord record{.name = std::string(name)};
  record.key_fingerprint = facts->key_fingerprint;
  record.certificate_fingerprint = facts->fingerprint;
  record.serial = facts->serial;
  record.not_after_wall_ms = facts->not_after_wall_ms;
  record.enrolled_wall_ms = record.issued_wall_ms = wall_ms(now);
  return record;
}

Result<Bytes> Enrolment::renew(std::string_view name, std::string_view fingerprint, ByteView certificate_request) {
  const auto found = agents_.find(name);
  if (!found) return tl::unexpected(found.error());
  if (!*found || (*found)->revoked_wall_ms != 0) return fail(ErrorCode::Denied, "the agent was revoked");
  AgentRecord record = **found;
  // Its login made this one the present one; that may stand in the queue of this thread no longer.
  if (record.certificate_fingerprint != fingerprint)
    return fail(ErrorCode::Denied, "this agent has another certificate by now");
  Bytes der;
  auto next = sign(name, certificate_request, clock_.wall(), der);
  if (!next) return tl::unexpected(next.error());
  if (next->key_fingerprint == record.key_fingerprint)
    return fail(ErrorCode::Usage, "a renewed certificate needs a new key");
  record.next_key_fingerprint = std::move(next->key_fingerprint);
  record.next_certificate_fingerprint = std::move(next->certificate_fingerprint);
  record.next_serial = std::move(next->serial);
  record.next_not_after_wall_ms = next->not_after_wall_ms;
  record.next_issued_wall_ms = next->issued_wall_ms;
  if (const auto stored = agents_.put(record); !stored) return tl::unexpected(stored.error());
  return der;
}

Result<> Enrolment::revoke(std::string_view name) {
  return database_.transaction([&]() -> Result<> {
    const auto cancelled = tokens_.cancel(name);
    if (!cancelled) return tl::unexpected(cancelled.error());
    const auto revoked = agents_.revoke(name, wall_ms(clock_.wall()));
    const bool only_tokens = !revoked && revoked.error().code == ErrorCode::NotFound && *cancelled > 0;
    return only_tokens ? Result<>{} : revoked;
  });
}

// --- the conversation -----------------------------------------------------------------------------------------------

struct JoinConversation::State {
  std::string peer;
  Enrol enrol;
  std::function<void()> answered;
  LengthPrefixed input{limits::join_message_bytes_max};
  Bytes output;
  std::string name, agent;
  bool asked = false, receiving = false, finished = false;

  tl::unexpected<Error> refuse(const Error& error);
  void ask(wire::JoinRequest& request, const std::weak_ptr<State>& self);
  void answer(const Result<Bytes>& outcome);
};

JoinConversation::JoinConversation(std::string peer, Enrol enrol, std::function<void()> answered)
    : state_(std::make_shared<State>()) {
  state_->peer = std::move(peer);
  state_->enrol = std::move(enrol);
  state_->answered = std::move(answered);
}
JoinConversation::~JoinConversation() { wipe(MutableBytes(state_->input.buffer())); }

Bytes& JoinConversation::output() { return state_->output; }
bool JoinConversation::finished() const { return state_->finished; }
const std::string& JoinConversation::agent() const { return state_->agent; }

tl::unexpected<Error> JoinConversation::State::refuse(const Error& error) {
  log_limited(LogLevel::Warning, "enrolment", source_of(peer), "no request to join: " + error.message,
              {{"peer", peer}});
  return tl::unexpected(error);
}

Result<> JoinConversation::receive(ByteView bytes) {
  State& state = *state_;
  if (const auto taken = state.input.receive(bytes); !taken) return state.refuse(taken.error());
  const auto message = state.input.message();
  if (!message || state.asked) return {};
  wire::JoinRequest request;
  // A name that is not UTF-8 would otherwise be a line on standard error, as often as a stranger likes.
  const google::protobuf::LogSilencer quiet;
  if (!request.ParseFromArray(message->data(), static_cast<int>(message->size())))
    return state.refuse({ErrorCode::Usage, "the message is no JoinRequest"});
  wipe(MutableBytes(state.input.buffer()).subspan(message->data() - state.input.buffer().data()));
  state.ask(request, state_);
  return {};
}

void JoinConversation::State::ask(wire::JoinRequest& request, const std::weak_ptr<State>& self) {
  asked = receiving = true;
  name = request.name();
  const auto& csr = request.certificate_request();
  JoinOrder order{name, Secret(std::move(*request.mutable_secret())),
                  Bytes(as_bytes(csr).begin(), as_bytes(csr).end())};
  enrol(std::move(order), [self](const Result<Bytes>& outcome) {
    if (const auto state = self.lock()) state->answer(outcome);
  });
  receiving = false;
}

void JoinConversation::State::answer(const Result<Bytes>& outcome) {
  if (finished) return;
  finished = true;
  append(output, with_length(as_bytes(reply_wire(outcome))));
  if (outcome) {
    agent = name;
    log_info("enrolment", "agent enrolled", {{"agent", name}, {"peer", peer}});
  } else {
    log_limited(LogLevel::Warning, "enrolment", source_of(peer),
                "an agent was not enrolled: " + outcome.error().message, {{"agent", name}, {"peer", peer}});
  }
  if (!receiving && answered) answered();
}

}  // namespace oob
