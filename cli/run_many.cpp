// See run_many.h.
#include "cli/run_many.h"

#include <algorithm>

#include "cli/show.h"
#include "common/names.h"

namespace oob {
namespace {

constexpr std::size_t kOutputHead = 1 + 4 + 8;

}  // namespace

RunMany::RunMany(std::vector<std::string> consoles, std::vector<RunStep> steps, bool force, std::size_t jobs,
                 RunSession::Outside outside, Clock& clock)
    : steps_(std::move(steps)), jobs_(jobs), outside_(std::move(outside)), clock_(clock) {
  std::uint32_t channel = 0;
  for (std::string& console : consoles) {
    sessions_.push_back(
        std::make_unique<RunSession>(std::move(console), ++channel, steps_, force, outside_, clock_, server_clock_));
  }
}

void RunMany::connected() { start_more(); }

void RunMany::start_more() {
  while (started_ < sessions_.size() && started_ - ended_ < jobs_) sessions_[started_++]->start();
}

// A session that ends makes room for the next.
void RunMany::may_have_ended(const RunSession& session, bool was_over) {
  if (was_over || !session.over()) return;
  ++ended_;
  failed_ += session.result().status != RunResult::Status::Done;
  start_more();
}

void RunMany::all_may_have_ended() {
  ended_ = failed_ = 0;
  for (const auto& session : sessions_) {
    ended_ += session->over();
    failed_ += session->over() && session->result().status != RunResult::Status::Done;
  }
  start_more();
}

void RunMany::message(ByteView message, bool binary) {
  std::uint64_t channel = 0;
  if (binary) {
    if (message.size() < kOutputHead) return;
    for (int i = 1; i <= 4; ++i) channel = channel << 8 | std::to_integer<std::uint64_t>(message[i]);
    if (channel == 0 || channel > started_) return;
    RunSession& session = *sessions_[channel - 1];
    const bool was_over = session.over();
    session.output(message.subspan(kOutputHead));
    return may_have_ended(session, was_over);
  }
  boost::system::error_code wrong;
  const json::value parsed = json::parse(json::string_view(as_text(message).data(), message.size()), wrong);
  const json::object* event = wrong ? nullptr : parsed.if_object();
  if (event == nullptr) return;
  const std::string type = text_of(*event, "type");
  if (type == "tick") {
    server_clock_.told(number_of(*event, "ms"), clock_.now());
    return tick();
  }
  channel = count_at(*event, "channel").value_or(0);
  if (channel == 0 || channel > started_) return;
  RunSession& session = *sessions_[channel - 1];
  const bool was_over = session.over();
  session.control(type, *event);
  may_have_ended(session, was_over);
}

void RunMany::disconnected(const std::string& why) {
  for (const auto& session : sessions_) session->disconnected(why);
  all_may_have_ended();
}

void RunMany::stop() {
  for (const auto& session : sessions_) session->stop();
  all_may_have_ended();
}

void RunMany::tick() {
  for (std::size_t i = 0; i < started_; ++i) sessions_[i]->tick();
  all_may_have_ended();
}

std::optional<SteadyTime> RunMany::next_deadline() const {
  std::optional<SteadyTime> first;
  for (std::size_t i = 0; i < started_; ++i) {
    const auto next = sessions_[i]->next_deadline();
    if (next && (!first || *next < *first)) first = next;
  }
  return first;
}

std::string RunMany::doing() const {
  for (std::size_t i = 0; i < started_; ++i) {
    if (!sessions_[i]->over()) return sessions_[i]->console() + ": " + sessions_[i]->doing();
  }
  return {};
}

std::vector<std::pair<std::string, const RunResult*>> folded(const RunMany& run) {
  std::vector<std::pair<std::vector<std::string>, const RunResult*>> groups;
  for (const auto& session : run.sessions()) {
    const auto same =
        std::ranges::find_if(groups, [&](const auto& group) { return *group.second == session->result(); });
    if (same == groups.end()) {
      groups.push_back({{session->console()}, &session->result()});
    } else {
      same->first.push_back(session->console());
    }
  }
  std::vector<std::pair<std::string, const RunResult*>> out;
  for (const auto& [names, result] : groups) out.emplace_back(fold_names(names), result);
  return out;
}

}  // namespace oob
