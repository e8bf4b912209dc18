// See agent_link.h.
#include "server/agents/agent_link.h"

#include <algorithm>

#include "common/limits.h"
#include "common/log.h"
#include "common/text.h"
#include "proto/versions.h"
#include "tunnel.pb.h"

namespace oob {
namespace {

std::vector<AgentFigures::UnknownSender> unknown_senders_of(const wire::AgentStatus& status) {
  std::vector<AgentFigures::UnknownSender> out;
  const auto text = [](const std::string& told) { return valid_utf8(told.substr(0, limits::line_fact_bytes_max)); };
  const auto time = [](std::int64_t ms) {
    return WallTime(Duration(std::clamp<std::int64_t>(ms, 0, std::int64_t(1) << 45)));
  };
  const auto last_of = [](const std::string& said) {
    return valid_utf8(said.substr(said.size() - std::min(said.size(), limits::unknown_sender_said_bytes_max)));
  };
  for (const wire::UnknownSender& told : status.unknown_senders()) {
    if (out.size() == limits::unknown_senders_max) break;
    out.push_back({text(told.listener()), text(told.sender()), told.messages(), time(told.first_wall_ms()),
                   time(told.last_wall_ms()), last_of(told.said()), last_of(told.called())});
  }
  return out;
}

constexpr std::size_t kHelloQueueBytesMax = 4 * limits::tunnel_message_bytes_max;
constexpr std::size_t kAcksPerMessage = 500;
constexpr auto kLetGoWithin = std::chrono::seconds(12);  // the agent drains for 10 s at most
constexpr std::size_t kDetailBytesMax = 512;
constexpr auto kRefusedAskAgain = std::chrono::seconds(30);
constexpr auto kEndedAskAgain = std::chrono::seconds(1);

ConsoleState::Facts facts_of(const wire::LineFacts& message) {
  ConsoleState::Facts out;
  for (const auto& fact : message.facts()) {
    if (out.size() == limits::line_facts_max) break;
    out.emplace_back(valid_utf8(fact.key().substr(0, limits::line_fact_bytes_max)),
                     valid_utf8(fact.value().substr(0, limits::line_fact_bytes_max)));
  }
  return out;
}

std::string why_no_protocol(const std::string& name, const std::string& version, const wire::Hello& hello) {
  const bool newer = hello.protocol_min() > kProtocolMax;
  return "agent " + name + " (" + version + ") is too " + (newer ? "new" : "old") +
         " for this oobd (" OOB_VERSION "): it speaks protocols " + std::to_string(hello.protocol_min()) + " to " +
         std::to_string(hello.protocol_max()) + ", oobd " + std::to_string(kProtocolMin) + " to " +
         std::to_string(kProtocolMax) + "; upgrade " + (newer ? "oobd" : "the agent");
}

}  // namespace

AgentLink::AgentLink(Shard& shard, AgentPeer peer, AgentLinkEvents& events)
    : shard_(shard),
      peer_(std::move(peer)),
      events_(events),
      connection_(shard, Mux::Role::Opener, {.opened = {}, .closed = [this](const std::string& why) { closed(why); }}),
      queue_(kHelloQueueBytesMax),
      login_(shard),
      since_(shard.clock().wall()),
      ask_again_(shard),
      let_go_(shard) {}

AgentLink::~AgentLink() {
  for (auto& [name, console] : consoles_) console->disconnect("agent " + peer_.name + " is not connected");
}

void AgentLink::run(std::unique_ptr<SecureStream> stream) {
  hello_ = mux().open("/v1/hello", StreamClass::Control, limits::tunnel_message_bytes_max, *this);
  login_.once(limits::tunnel_login_time_max, [this] { connection_.close("the agent did not say hello within 10 s"); });
  connection_.run(std::move(stream));
}

void AgentLink::closed(const std::string& reason) { events_.agent_left(*this, reason); }

void AgentLink::stream_closed(const std::string& reason) {
  hello_ = 0;
  connection_.close(reason.empty() ? "the agent ended the conversation" : reason);
}

void AgentLink::send(const wire::ToAgent& message) {
  if (hello_ <= 0) return;
  if (!queue_.push(message)) return connection_.close("the agent does not read what it is told");
  mux().wake(hello_);
}

std::size_t AgentLink::stream_fill(MutableBytes into) {
  if (queue_.empty() && !acks_.empty()) {
    wire::ToAgent message;
    for (std::size_t i = 0; i < kAcksPerMessage && !acks_.empty(); ++i) {
      const auto first = acks_.begin();
      auto& ack = *message.mutable_acks()->add_acks();
      ack.set_id(first->first);
      ack.set_incarnation(first->second.incarnation);
      ack.set_offset(first->second.line_offset);
      ack.set_event(first->second.line_event);
      acks_.erase(first);
    }
    (void)queue_.push(message);
  }
  return queue_.fill(into);
}

Result<> AgentLink::stream_message(ByteView bytes) {
  wire::FromAgent message;
  if (!message.ParseFromArray(bytes.data(), int(bytes.size()))) return fail(ErrorCode::Usage, "malformed FromAgent");
  if (version_.empty() != message.has_hello()) return fail(ErrorCode::Usage, "hello has to come first, and once");
  switch (message.body_case()) {
    case wire::FromAgent::kHello:
      return hello(message.hello());
    case wire::FromAgent::kTick:
      clock_there_.told(message.tick().steady_ms(), shard_.clock().now());
      break;
    case wire::FromAgent::kLine: {
      const auto& line = message.line();
      const auto name = names_.find(line.id());
      Console* console = name == names_.end() ? nullptr : events_.console_of(*this, name->second);
      if (console != nullptr) {
        std::string& detail = details_[name->second] = valid_utf8(line.detail().substr(0, kDetailBytesMax));
        if (const auto lacks = too_new_.find(name->second); lacks != too_new_.end()) {
          detail =
              "needs a newer agent: " + peer_.name + " is of version " + version_ + " and knows no " + lacks->second;
        }
        console->line_state(line.up(), detail,
                            WallTime(Duration(std::min<std::uint64_t>(line.since_wall_ms(), std::uint64_t(1) << 46))),
                            line.pid());
      }
      break;
    }
    case wire::FromAgent::kFacts: {
      const auto name = names_.find(message.facts().id());
      Console* console = name == names_.end() ? nullptr : events_.console_of(*this, name->second);
      if (console != nullptr) console->line_facts(facts_of(message.facts()));
      break;
    }
    case wire::FromAgent::kTaken:
      taken_ = message.taken().revision();
      not_before_.clear();
      join_consoles();
      break;
    case wire::FromAgent::kCertificateRequest:
      if (!std::exchange(asked_to_renew_, false))
        return fail(ErrorCode::Usage, "a certificate nobody asked it to renew");
      if (message.certificate_request().request().size() > limits::join_message_bytes_max)
        return fail(ErrorCode::Usage, "a certificate request longer than is allowed");
      events_.certificate_asked(*this, Bytes(as_bytes(message.certificate_request().request()).begin(),
                                             as_bytes(message.certificate_request().request()).end()));
      break;
    case wire::FromAgent::kStatus: {
      const auto& told = message.status();
      const auto percent = [](std::uint32_t value) { return std::min<std::uint32_t>(value, 100); };
      figures_ = {Duration(std::min<std::uint64_t>(told.uptime_ms(), std::uint64_t(1) << 46)),
                  told.ring_bytes(),
                  told.spool_bytes(),
                  percent(told.ring_worst_percent()),
                  percent(told.spool_worst_percent()),
                  unknown_senders_of(told)};
      figures_told_ = shard_.clock().now();
      told_wall_clock(told.wall_ms());
      break;
    }
    case wire::FromAgent::kSecretWanted:
      return secret_wanted(message.secret_wanted());
    case wire::FromAgent::BODY_NOT_SET:
      break;  // of a newer agent
  }
  return {};
}

void AgentLink::told_wall_clock(std::int64_t wall_ms) {
  const WallTime there{Duration(std::clamp<std::int64_t>(wall_ms, 0, std::int64_t(1) << 52))};
  const auto under_way = mux().round_trip().value_or(std::chrono::microseconds(0)) / 2;
  clock_ahead_ = there - shard_.clock().wall() + std::chrono::duration_cast<Duration>(under_way);
  events_.clock_told(*this);
}

std::optional<AgentFigures> AgentLink::figures() const {
  auto figures = figures_;
  if (figures) figures->uptime += std::chrono::duration_cast<Duration>(shard_.clock().now() - figures_told_);
  return figures;
}

Result<> AgentLink::hello(const wire::Hello& hello) {
  version_ = hello.version().empty() ? "unknown" : escape_controls(hello.version().substr(0, 64));
  if (hello.name() != peer_.name) {
    return fail(ErrorCode::Denied,
                "it calls itself \"" + escape_controls(hello.name().substr(0, 64)) + "\" but is " + peer_.name);
  }
  protocol_ = protocol_of_both(hello.protocol_min(), hello.protocol_max());
  if (protocol_ == 0) return fail(ErrorCode::Conflict, why_no_protocol(peer_.name, version_, hello));
  abilities_.learn(hello);
  clock_there_.told(hello.steady_ms(), shard_.clock().now());
  told_wall_clock(hello.wall_ms());
  login_.cancel();
  events_.agent_arrived(*this);
  return {};
}

void AgentLink::assign(wire::Assignment assignment) {
  if (!std::exchange(welcome_, true)) {
    wire::ToAgent message;
    message.mutable_welcome()->set_protocol(protocol_);
    message.mutable_welcome()->set_version(OOB_VERSION);
    send(message);
    mux().ping();  // for the round trip
  }
  revision_ = assignment.revision();
  assigned_.clear();
  too_new_.clear();
  for (auto& line : *assignment.mutable_lines()) {
    const std::string lacks = abilities_.lacks(line);
    if (lacks.empty()) continue;
    too_new_[line.name()] = lacks;
    make_unknown(line, lacks);
  }
  for (const auto& line : assignment.lines()) assigned_[line.name()] = line.id(), names_[line.id()] = line.name();
  if (!let_go_.armed()) let_go_.once(kLetGoWithin, [this] { drop_unassigned(); });
  wire::ToAgent message;
  *message.mutable_assignment() = std::move(assignment);
  send(message);
}

// A console that was taken from this agent, and that it does not let go of by itself.
void AgentLink::drop_unassigned() {
  for (auto console = consoles_.begin(); console != consoles_.end();) {
    if (assigned_.contains(console->first)) {
      ++console;
      continue;
    }
    const std::string name = console->first;
    console->second->disconnect("agent " + peer_.name + " did not let go of it in time");
    console = consoles_.erase(console);
    events_.console_freed(name);
  }
}

void AgentLink::ask_to_renew() {
  if (!renews() || !welcome_) return;
  asked_to_renew_ = true;
  wire::ToAgent message;
  message.mutable_renew();
  send(message);
}

void AgentLink::send_certificate(const Result<Bytes>& certificate) {
  wire::ToAgent message;
  if (certificate)
    message.mutable_renewed()->set_certificate(certificate->data(), certificate->size());
  else
    message.mutable_renewed()->set_error(certificate.error().message);
  send(message);
}

// Of lines that are its own now; a line that is not is answered as one whose secret cannot be had.
Result<> AgentLink::secret_wanted(const wire::SecretWanted& wanted) {
  if (!welcome_ || protocol_ < 3) return fail(ErrorCode::Usage, "a secret asked for before the welcome, or too early");
  if (++secrets_asked_ > limits::line_secrets_asked_max)
    return fail(ErrorCode::Usage, "too many secrets asked for at once");
  const std::uint64_t number = wanted.number();
  const auto answer = [this, number, alive = std::weak_ptr(alive_)](Result<Secret> secret) {
    if (!alive.expired()) give_secret(number, secret);
  };
  const auto name = names_.find(wanted.id());
  const auto assigned = name == names_.end() ? assigned_.end() : assigned_.find(name->second);
  if (assigned == assigned_.end() || assigned->second != wanted.id()) {
    answer(fail(ErrorCode::NotFound, "this line is not assigned to agent " + peer_.name));
  } else {
    events_.secret_wanted(*this, name->second, wanted.key(), answer);
  }
  return {};
}

void AgentLink::give_secret(std::uint64_t number, const Result<Secret>& secret) {
  --secrets_asked_;
  wire::ToAgent message;
  auto& given = *message.mutable_secret_given();
  given.set_number(number);
  if (secret) {
    *given.mutable_content() = secret->reveal();
  } else {
    given.set_error(secret.error().message);
  }
  send(message);
  wipe(*given.mutable_content());
}

Result<> AgentLink::ask_bmc(wire::BmcRequest& request, BmcAnswers answers) {
  if (protocol_ < 3) {
    return fail(ErrorCode::Unavailable,
                "agent " + peer_.name + " is of version " + version_ + ", which reaches no BMC; upgrade it");
  }
  if (exchanges_.size() >= limits::bmc_requests_max)
    return fail(ErrorCode::Unavailable, "agent " + peer_.name + " is busy with other BMCs; try again");
  const std::uint64_t number = ++exchanges_made_;
  exchanges_[number] =
      std::make_unique<BmcExchange>(mux(), request, std::move(answers), [this, number] { exchanges_.erase(number); });
  return {};
}

void AgentLink::join_consoles() {
  if (taken_ != revision_) return;  // an answer to the newest is on its way
  for (const auto& [name, id] : assigned_) {
    if (consoles_.contains(name)) continue;
    if (const auto wait = not_before_.find(name); wait != not_before_.end()) {
      if (shard_.clock().now() < wait->second) continue;
      not_before_.erase(wait);
    }
    Console* console = events_.console_of(*this, name);
    if (console != nullptr && !console->is_connected()) {
      consoles_[name] = std::make_unique<ConsoleLink>(*this, *console, id);
    }
  }
}

void AgentLink::ask_again_later(const std::string& name, Duration after) {
  not_before_[name] = shard_.clock().now() + after;
  if (ask_again_.armed()) return;
  // One look a second while there is anything to ask for.
  ask_again_.every(kEndedAskAgain, [this] {
    join_consoles();
    if (not_before_.empty()) ask_again_.cancel();
  });
}

void AgentLink::forget_console(const std::string& name) {
  const auto found = consoles_.find(name);
  if (found == consoles_.end()) return;
  found->second->disconnect("removed from the inventory");
  consoles_.erase(found);
}

Result<> AgentLink::order(const std::string& console, int kind) {
  const auto found = assigned_.find(console);
  if (found == assigned_.end())
    return fail(ErrorCode::Unavailable, "agent " + peer_.name + " has not got this console yet");
  wire::ToAgent message;
  message.mutable_order()->set_id(found->second);
  message.mutable_order()->set_kind(wire::LineOrder::Kind(kind));
  send(message);
  return {};
}

std::int64_t AgentLink::deadline_there(SteadyTime deadline) const {
  const SteadyTime now = shard_.clock().now();
  return clock_there_.deadline_ms(now, std::chrono::floor<Duration>(deadline - now));
}

void AgentLink::acknowledge(std::uint32_t id, const LogPosition& written) {
  acks_[id] = written;
  if (hello_ > 0) mux().wake(hello_);
}

void AgentLink::console_closed(const std::string& name, const std::string& reason) {
  const auto found = consoles_.find(name);
  if (found == consoles_.end()) return;
  const std::unique_ptr<ConsoleLink> link = std::move(found->second);
  consoles_.erase(found);
  if (!assigned_.contains(name) && reason.empty()) {
    link->disconnect("agent " + peer_.name + " has let go of it", true);
  } else {
    const bool refused = reason.starts_with("refused");
    const std::string who = "agent " + peer_.name;
    link->disconnect(refused                         ? who + " cannot serve it: " + details_[name]
                     : reason.empty()                ? who + " ended the stream"
                     : reason.starts_with(who + " ") ? reason  // it was told to the agent too, by name
                                                     : who + ": " + reason);
    ask_again_later(name, refused ? kRefusedAskAgain : kEndedAskAgain);
  }
  events_.console_freed(name);
}

}  // namespace oob
