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
  if (const auto good = tokens_.consume(token_hash(order.secret), order.name, wall_ms(now)); !good) {
    refused_ += good.error().code == ErrorCode::Denied ? 1 : 0;
    return tl::unexpected(good.error());
  }
  const auto pem = authority_.sign(order.certificate_request, order.name, now);
  if (!pem) return tl::unexpected(pem.error());
  const auto facts = certificate_facts(*pem);
  if (!facts) return tl::unexpected(facts.error());
  const auto stored = agents_.put({order.name, facts->key_fingerprint, facts->fingerprint, facts->serial,
                                   facts->not_after_wall_ms, wall_ms(now), 0});
  if (!stored) return tl::unexpected(stored.error());
  return certificate_der(*pem);
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
