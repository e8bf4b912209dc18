// See bmc_jobs.h.
#include "server/bmc/bmc_jobs.h"

#include <algorithm>
#include <array>

#include "common/crypto/digest.h"
#include "common/limits.h"
#include "common/log.h"
#include "common/text.h"

namespace oob {
namespace {

constexpr std::size_t kTextBytesMax = 1024;
// Rows that end at nearly the same time are told together.
constexpr auto kGather = std::chrono::milliseconds(50);
constexpr std::size_t kViewersMax = 64;

std::string clean(const std::string& text) { return valid_utf8(text.substr(0, kTextBytesMax)); }

std::string random_name() {
  std::array<std::byte, 16> bytes{};
  fill_random(bytes);
  return hex(bytes);
}

}  // namespace

struct BmcJobs::Job {
  explicit Job(Shard& shard) : gather(shard) {}
  struct Viewer {
    std::size_t seen;
    std::function<void(Result<BmcJobView>)> done;
    std::unique_ptr<Timer> patience;
  };
  std::string name;
  Order order;
  std::string user, token;
  std::size_t nodes = 0;
  std::vector<BmcRow> rows;
  std::vector<std::unique_ptr<Viewer>> viewers;
  Timer gather;
  SteadyTime ended_at{};
  bool over() const { return rows.size() == nodes; }
  // "power off", "a change of the BMC (sol-enable)".
  std::string words() const {
    if (order.act != "doctor") return "power " + order.act;
    std::string all;
    for (const std::string& mend : order.mends) all += (all.empty() ? "" : ", ") + mend;
    return "a change of the BMC (" + escape_controls(all) + ")";
  }

  BmcJobView view(std::size_t seen) const {
    BmcJobView out{name, order.act, nodes, rows.size(), {}};
    if (seen < rows.size()) out.rows.assign(rows.begin() + std::ptrdiff_t(seen), rows.end());
    return out;
  }
};

struct BmcJobs::Target {
  explicit Target(Shard& shard) : patience(shard) {}
  std::shared_ptr<Job> job;
  NodeEntry node;  // as it was when it was asked for
  BmcRow row;
  Timer patience;
  bool sent = false, ended = false;
};

BmcJobs::BmcJobs(Shard& shard, Outside outside) : shard_(shard), outside_(std::move(outside)) {}

Result<std::string> BmcJobs::start(const std::vector<const NodeEntry*>& nodes, Order order, const Identity& who) {
  forget_old();
  if (jobs_.size() >= limits::bmc_jobs_max) {
    return fail(ErrorCode::Conflict, "too many power and BMC jobs are remembered; try again in a minute");
  }
  auto job = std::make_shared<Job>(shard_);
  job->name = random_name();
  job->order = std::move(order);
  job->user = who.user, job->token = who.token ? who.token->id : "";
  job->nodes = nodes.size();
  if (job->order.changes()) {
    std::vector<std::string> names;
    for (const NodeEntry* node : nodes) names.push_back(node->name);
    log_info("bmc", "asked for",
             {{"act", job->words()}, {"by", who.user}, {"from", who.from}, {"nodes", fold_names(names)}});
  }
  for (const NodeEntry* node : nodes) {
    auto target = std::make_shared<Target>(shard_);
    target->job = job, target->node = *node, target->row.node = node->name;
    waiting_.push_back(std::move(target));
  }
  jobs_[job->name] = job;
  shard_.post([this, alive = std::weak_ptr(alive_)] {
    if (!alive.expired()) send_more();
  });
  return job->name;
}

void BmcJobs::send_more() {
  while (!waiting_.empty() && under_way_ < limits::bmc_requests_of_server_max) {
    const auto target = std::move(waiting_.front());
    waiting_.pop_front();
    ++under_way_;
    const Job& job = *target->job;
    if (job.order.changes()) {
      const auto [other, mine] = changing_.try_emplace(target->node.name, job.user + ": " + job.order.act);
      if (!mine) {
        over(target, fail(ErrorCode::Conflict, "another act on it is under way (" + other->second + ")"));
        continue;
      }
      target->sent = true;  // that is: ours to take out again
      announce(*target, job.user + " asked for " + job.words());
    }
    outside_.read_secrets(target->node.bmc->line,
                          [this, target, alive = std::weak_ptr(alive_)](Result<Secrets> secrets) {
                            if (!alive.expired()) send(target, std::move(secrets));
                          });
  }
}

void BmcJobs::send(const std::shared_ptr<Target>& target, Result<Secrets> secrets) {
  if (!secrets) return over(target, tl::unexpected(secrets.error()));
  const Job& job = *target->job;
  const BmcEntry& bmc = *target->node.bmc;
  wire::BmcRequest request;
  request.set_node(target->node.name);
  for (const auto& [key, value] : bmc.line.settings) (*request.mutable_settings())[key] = value;
  for (const std::string& word : bmc.line.argv) request.add_argv(word);
  for (const auto& [key, secret] : *secrets) (*request.mutable_secrets())[key] = secret.reveal();
  request.set_act(job.order.act);
  request.set_patience_ms(std::uint32_t(job.order.patience.count()));
  for (const std::string& mend : job.order.mends) request.add_mends(mend);
  const auto guarded = [target, alive = std::weak_ptr(alive_)] { return !alive.expired() && !target->ended; };
  BmcAnswers answers;
  answers.found = [target, guarded](const wire::BmcFound& found) {
    constexpr std::string_view kVerdicts[] = {"fine", "note", "fault"};
    if (!guarded()) return;
    const auto verdict = std::clamp<int>(found.verdict(), 0, 2);
    target->row.findings.push_back({clean(found.topic()), std::string(kVerdicts[verdict]), clean(found.value()),
                                    clean(found.meaning()), clean(found.proposal()), clean(found.mend())});
  };
  answers.over = [this, target, guarded](Result<wire::BmcOutcome> outcome) {
    if (!guarded()) return;
    // From here on the agent has had the request: what it says not is not known.
    if (outcome) return over(target, std::move(outcome));
    wire::BmcOutcome unknown;
    unknown.set_kind(target->job->order.changes() ? wire::BmcOutcome::UNKNOWN : wire::BmcOutcome::FAILED);
    unknown.set_text(outcome.error().message);
    over(target, unknown);
  };
  target->patience.once(job.order.patience + limits::bmc_answer_slack, [answers_over = answers.over] {
    answers_over(fail(ErrorCode::Unavailable, "the agent did not answer in time"));
  });
  if (auto asked = outside_.ask(bmc.agent, request, std::move(answers)); !asked) {
    over(target, tl::unexpected(asked.error()));
  }
}

void BmcJobs::over(const std::shared_ptr<Target>& target, Result<wire::BmcOutcome> outcome) {
  if (std::exchange(target->ended, true)) return;
  target->patience.cancel();
  --under_way_;
  Job& job = *target->job;
  if (target->sent) changing_.erase(target->node.name);
  BmcRow& row = target->row;
  const auto kind = outcome ? outcome->kind() : wire::BmcOutcome::FAILED;
  row.result = kind == wire::BmcOutcome::DONE ? "done" : kind == wire::BmcOutcome::FAILED ? "failed" : "unknown";
  row.power = outcome && (outcome->power() == "on" || outcome->power() == "off") ? outcome->power() : "unknown";
  row.text = outcome ? clean(outcome->text()) : outcome.error().message;
  if (job.order.changes() && target->sent) {
    announce(*target, job.words() + " by " + job.user + ": " +
                          (row.result == "unknown" ? "nobody knows whether it was done" : row.result) +
                          (row.power == "unknown" ? "" : "; the power is " + row.power) +
                          (row.text.empty() ? "" : " (" + row.text + ")"));
  }
  job.rows.push_back(std::move(row));
  if (job.over()) job.ended_at = shard_.clock().now();
  tell(job, job.over());
  shard_.post([this, alive = std::weak_ptr(alive_)] {
    if (!alive.expired()) send_more();
  });
}

void BmcJobs::tell(Job& job, bool at_once) {
  if (!at_once) {
    if (!job.gather.armed()) job.gather.once(kGather, [this, &job] { tell(job, true); });
    return;
  }
  job.gather.cancel();
  for (auto& viewer : std::exchange(job.viewers, {})) {
    // Later: who reads the answer may ask anew.
    shard_.post([done = std::move(viewer->done), view = job.view(viewer->seen)] { done(view); });
  }
}

void BmcJobs::view(const std::string& name, const Identity& who, std::size_t seen, Duration wait,
                   std::function<void(Result<BmcJobView>)> done) {
  const auto found = jobs_.find(name);
  const bool theirs = found != jobs_.end() && found->second->user == who.user &&
                      found->second->token == (who.token ? who.token->id : "");
  if (!theirs) {
    return done(
        fail(ErrorCode::NotFound, "there is no such job of yours any more; the consoles' logs say what was done"));
  }
  Job& job = *found->second;
  if (job.rows.size() > seen || job.over() || wait <= Duration(0) || job.viewers.size() >= kViewersMax) {
    return done(job.view(seen));
  }
  auto viewer = std::make_unique<Job::Viewer>();
  viewer->seen = seen, viewer->done = std::move(done), viewer->patience = std::make_unique<Timer>(shard_);
  viewer->patience->once(wait, [&job, mine = viewer.get()] {
    const auto at = std::ranges::find(job.viewers, mine, [](const auto& one) { return one.get(); });
    if (at == job.viewers.end()) return;
    const auto gone = std::move(*at);
    job.viewers.erase(at);
    gone->done(job.view(gone->seen));
  });
  job.viewers.push_back(std::move(viewer));
}

void BmcJobs::forget_old() {
  const SteadyTime now = shard_.clock().now();
  std::erase_if(jobs_, [&](const auto& entry) {
    const Job& job = *entry.second;
    // When there are many, those that are over make room.
    const auto kept = jobs_.size() < limits::bmc_jobs_max / 2 ? Duration(limits::bmc_job_kept) : Duration(30'000);
    return job.over() && job.viewers.empty() && now - job.ended_at > kept;
  });
}

void BmcJobs::announce(const Target& target, const std::string& text) {
  for (const std::string& console : target.node.consoles) outside_.announce(console, text);
}

}  // namespace oob
