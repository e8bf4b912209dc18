// See bmc_stream.h.
#include "agents/bmc_stream.h"

#include <algorithm>

#include "agents/bmc/bmc_login.h"
#include "agents/lines/settings.h"
#include "common/limits.h"
#include "common/log.h"
#include "tunnel.pb.h"

namespace oob {
namespace {

constexpr std::size_t kAnswersBytesMax = 256 * 1024;

}  // namespace

BmcStream::BmcStream(Shard& shard, Mux& mux, StreamId id, const Policy& policy, std::function<void()> closed)
    : shard_(shard), mux_(mux), id_(id), policy_(policy), closed_(std::move(closed)), answers_(kAnswersBytesMax) {}

BmcStream::~BmcStream() {
  if (id_ > 0) mux_.close(id_);
}

Result<> BmcStream::stream_message(ByteView bytes) {
  wire::BmcRequest request;
  if (std::exchange(asked_, true)) return fail(ErrorCode::Usage, "a second request on one stream");
  if (!request.ParseFromArray(bytes.data(), int(bytes.size()))) return fail(ErrorCode::Usage, "malformed BmcRequest");
  begin(request);
  return {};
}

// The way to the BMC, with its secrets; those in the message are wiped.
Result<NewBmc> BmcStream::bmc_of(wire::BmcRequest& request, std::string& port) const {
  LineConfig config{request.node(), "sol", {}, {request.argv().begin(), request.argv().end()}};
  for (const auto& [key, value] : request.settings()) config.settings[key] = value;
  for (auto& [key, value] : *request.mutable_secrets()) {
    config.secrets[key] = Secret(as_bytes(value));
    wipe(value);
  }
  if (const auto permitted = policy_.permits(config); !permitted) return tl::unexpected(permitted.error());
  for (const auto& [key, place] : secret_places(*find_line_kind(config.kind), config)) {
    if (!place.starts_with(kSecretOfAgent)) continue;
    auto secret = read_password_file(place.substr(kSecretOfAgent.size()));
    if (!secret) return fail(secret.error().code, "its " + key + ", on the agent's machine: " + secret.error().message);
    config.secrets[key] = std::move(*secret);
  }
  std::string key;
  auto login = bmc_login(config, key);
  if (!login) return tl::unexpected(login.error());
  port = text_setting(config, "port", port);
  const auto power = power_act_of(request.act());
  return ipmi_bmc(shard_, bmc_host_port(config), std::move(*login),
                  power ? power_answer_time(*power, Duration(request.patience_ms())) : limits::ipmi_answer_time_max);
}

void BmcStream::begin(wire::BmcRequest& request) {
  Doctor::Order order;
  auto bmc = bmc_of(request, order.port);
  if (!bmc) return over(PowerOutcome::Kind::Failed, "", bmc.error().message);
  if (request.act() != "status") log_info("bmc", "asked", {{"node", request.node()}, {"act", request.act()}});
  if (const auto act = power_act_of(request.act())) {
    const auto patience = std::min<Duration>(Duration(request.patience_ms()), limits::power_patience_max);
    power_ = std::make_unique<PowerRun>(shard_, std::move(*bmc), *act, patience, [this](const PowerOutcome& outcome) {
      over(outcome.kind, outcome.power, outcome.text);
    });
    return power_->start();
  }
  if (request.act() != "info" && request.act() != "doctor") {
    return over(PowerOutcome::Kind::Failed, "", "this agent knows no " + in_quotes(request.act()) + "; update it");
  }
  order.brief = request.act() == "info";
  order.patience = std::min<Duration>(Duration(request.patience_ms()), order.patience);
  order.mends.assign(request.mends().begin(), request.mends().end());
  doctor_ = std::make_unique<Doctor>(shard_, std::move(*bmc), std::move(order),
                                     Doctor::Events{[this](const BmcFinding& finding) { this->found(finding); },
                                                    [this](const Result<>& result) {
                                                      const auto kind = result ? PowerOutcome::Kind::Done
                                                                               : PowerOutcome::Kind::Failed;
                                                      over(kind, power_seen_, result ? "" : result.error().message);
                                                    }});
  doctor_->start();
}

void BmcStream::say(const wire::BmcAnswer& answer) {
  if (id_ <= 0) return;
  (void)answers_.push(answer);  // room for all findings there can be
  mux_.wake(id_);
}

void BmcStream::found(const BmcFinding& finding) {
  if (finding.topic == "power") power_seen_ = finding.value;  // "unknown" too: oobd takes on and off only
  wire::BmcAnswer answer;
  auto& found = *answer.mutable_found();
  found.set_topic(finding.topic);
  found.set_verdict(static_cast<wire::BmcFound::Verdict>(finding.verdict));
  found.set_value(finding.value);
  found.set_meaning(finding.meaning);
  found.set_proposal(finding.proposal);
  found.set_mend(finding.mend);
  say(answer);
}

// oobd ends the stream when it has this.
void BmcStream::over(PowerOutcome::Kind kind, const std::string& power, const std::string& text) {
  wire::BmcAnswer answer;
  auto& outcome = *answer.mutable_outcome();
  outcome.set_kind(kind == PowerOutcome::Kind::Done     ? wire::BmcOutcome::DONE
                   : kind == PowerOutcome::Kind::Failed ? wire::BmcOutcome::FAILED
                                                        : wire::BmcOutcome::UNKNOWN);
  outcome.set_power(power);
  outcome.set_text(text);
  say(answer);
}

void BmcStream::stream_closed(const std::string&) {
  id_ = 0;
  closed_();  // destroys us
}

}  // namespace oob
