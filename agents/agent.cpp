// See agent.h.
#include "agents/agent.h"

#include <unistd.h>

#include <algorithm>
#include <filesystem>

#include "agents/assignment_store.h"
#include "agents/state_lock.h"
#include "common/limits.h"
#include "common/log.h"
#include "common/names.h"

namespace oob {
namespace fs = std::filesystem;
namespace {

// oobd away for so long: lines are read on, and the oldest is overwritten.
constexpr auto kAwayAfter = std::chrono::milliseconds(2000);
// A line that was taken from us may still hold what oobd has not logged.
constexpr auto kDrainTimeMax = std::chrono::seconds(10);
constexpr std::size_t kConsoleMessageBytesMax = 64 * 1024;

LineConfig config_of(const wire::LineSpec& spec) {
  LineConfig config{spec.name(), spec.kind(), {}, {spec.argv().begin(), spec.argv().end()}};
  for (const auto& [key, value] : spec.settings()) config.settings[key] = value;
  return config;
}

}  // namespace

Agent::Agent(Shard& shard, AgentConfig config)
    : shard_(shard),
      config_(std::move(config)),
      strangers_(shard.shared<Strangers>(kStrangersName)),
      away_(shard),
      rest_(shard),
      answer_(shard),
      started_(shard.clock().now()) {}

// Streams of consoles belong to the link's connection: they end before it does.
Agent::~Agent() {
  lines_.clear();
  bmc_streams_.clear();
  if (lock_ >= 0) ::close(lock_);
}

Result<> Agent::start() {
  std::error_code error;
  for (const std::string& folder : {config_.state, config_.rings}) {
    std::filesystem::create_directories(folder, error);
    if (error) return fail(ErrorCode::Unavailable, "cannot make " + folder + ": " + error.message());
    std::filesystem::permissions(folder, std::filesystem::perms::owner_all, error);
  }
  auto lock = lock_agent_state(config_.state);
  if (!lock) return tl::unexpected(lock.error());
  lock_ = *lock;
  wire::Assignment stored;
  if (const auto loaded = load_assignment(config_.state, stored); !loaded) log_error("agent", loaded.error().message);
  apply(stored);
  auto link = ServerLink::make(shard_, config_, *this);
  if (!link) return tl::unexpected(link.error());
  rest_.every(limits::line_rest_every, [this] {
    for (auto& [name, line] : lines_) line.host->rest();
  });
  link_ = std::move(*link);
  link_->start();
  return {};
}

void Agent::stop() {
  for (auto& [name, line] : lines_) {
    line.host->stop("the agent was stopped");
    line.host->store().save();
  }
}

// --- the assignment ---

void Agent::assigned(const wire::Assignment& assignment) {
  taken_ = true;
  if (const auto saved = save_assignment(config_.state, assignment); !saved) log_error("agent", saved.error().message);
  apply(assignment);
  link_->send_taken(assignment.revision());
  for (const auto& [name, line] : lines_) {
    if (line.leaving) continue;
    link_->send_state(state_of(name, line));
    send_facts(line);
  }
  for (const auto& [name, state] : broken_) link_->send_state(state);
  for (auto& [name, line] : lines_) {
    if (!line.leaving) line.host->server_can_be_asked();
  }
}

void Agent::apply(const wire::Assignment& assignment) {
  std::map<std::string, const wire::LineSpec*> wanted;
  for (const wire::LineSpec& spec : assignment.lines()) {
    if (!check_name(spec.name())) {
      log_error("agent", "a line with an impossible name was assigned and is left out", {{"name", spec.name()}});
    } else {
      wanted[spec.name()] = &spec;
    }
  }
  for (auto& [name, line] : lines_) {
    if (!wanted.contains(name) && !line.leaving) leave(name, line);
  }
  broken_.clear();
  for (const auto& [name, spec] : wanted) {
    HostedLine& line = lines_[name];
    line.id = spec->id();
    LineConfig config = config_of(*spec);
    config.state_folder = state_folder_of(name);
    if (line.host) {
      if (line.leaving || !(line.host->config() == config)) {
        line.leaving.reset();
        line.host->reconfigure(config);
      }
      continue;
    }
    auto store = LineStore::open(config_.rings, config_.state + "/spool", name);
    if (!store) {
      log_error("agent", store.error().message, {{"console", name}});
      wire::LineState& state = broken_[name];
      state.set_id(spec->id());
      state.set_name(name);
      state.set_detail(store.error().message);
      state.set_since_wall_ms(std::uint64_t(wall_ms(shard_.clock().wall())));
      lines_.erase(name);
      continue;
    }
    std::error_code error;  // then there is no such folder, and the driver remembers nothing
    fs::create_directories(state_folder_of(name), error);
    fs::permissions(state_folder_of(name), fs::perms::owner_all, error);
    line.host = std::make_unique<LineHost>(shard_, config, std::move(*store), config_.policy,
                                           static_cast<LineHostEvents&>(*this));
    line.host->server_here(linked_);
    line.host->start();
  }
  assignment_ = assignment;
  // Also those that leave: what they said last is still acknowledged. But a server that was started anew may have given
  // their number to another line.
  names_.clear();
  for (const auto& [name, line] : lines_) names_.try_emplace(line.id, name);
  for (const auto& [name, line] : lines_) {
    if (!line.leaving) names_[line.id] = name;
  }
}

std::string Agent::state_folder_of(const std::string& line) const { return config_.state + "/lines/" + line; }

void Agent::leave(const std::string& name, HostedLine& line) {
  line.host->stop("not assigned to this agent any more");
  line.leaving = std::make_unique<Timer>(shard_);
  line.leaving->once(kDrainTimeMax, [this, name] { gone_if_drained(name, true); });
  // Not now: the caller walks over the lines.
  shard_.post([this, name, alive = std::weak_ptr(alive_)] {
    if (!alive.expired()) gone_if_drained(name, false);
  });
}

void Agent::gone_if_drained(const std::string& name, bool at_any_cost) {
  const auto found = lines_.find(name);
  if (found == lines_.end() || !found->second.leaving) return;
  LineStore& store = found->second.host->store();
  if (!at_any_cost && !store.drained()) return;
  store.remove();
  std::error_code error;
  fs::remove_all(state_folder_of(name), error);
  if (names_[found->second.id] == name) names_.erase(found->second.id);
  lines_.erase(found);
}

// --- what lines say ---

wire::LineState Agent::state_of(const std::string& name, const HostedLine& line) const {
  const LineHost::State& state = line.host->state();
  wire::LineState message;
  message.set_id(line.id);
  message.set_name(name);
  message.set_up(state.up);
  message.set_detail(state.detail);
  message.set_since_wall_ms(std::uint64_t(state.since_wall_ms));
  message.set_pid(std::uint64_t(state.pid));
  return message;
}

void Agent::line_changed(LineHost& line) {
  const auto found = lines_.find(line.config().name);
  if (linked_ && found != lines_.end() && found->second.host && !found->second.leaving) {
    link_->send_state(state_of(found->first, found->second));
  }
}

void Agent::line_told_facts(LineHost& line) {
  const auto found = lines_.find(line.config().name);
  if (linked_ && found != lines_.end() && found->second.host && !found->second.leaving) send_facts(found->second);
}

void Agent::send_facts(const HostedLine& line) {
  const LineFacts& facts = line.host->state().facts;
  if (facts.empty()) return;
  wire::LineFacts message;
  message.set_id(line.id);
  for (const auto& [key, value] : facts) {
    wire::LineFact& fact = *message.add_facts();
    fact.set_key(key), fact.set_value(value);
  }
  link_->send_facts(message);
}

void Agent::line_has_output(LineHost& line) {
  const auto found = lines_.find(line.config().name);
  if (found != lines_.end() && found->second.stream) found->second.stream->has_output();
}

void Agent::line_input_done(LineHost& line, const InputQueue::Fate& fate) {
  const auto found = lines_.find(line.config().name);
  if (found == lines_.end() || !found->second.stream) return;
  found->second.stream->input_done(fate);
  // Nobody waits for this answer, but an echo most often follows at once: they go together, for one wake-up of oobd.
  answering_.insert(found->first);
  if (answer_.armed()) return;
  answer_.once(limits::input_answer_time, [this] {
    for (const std::string& name : std::exchange(answering_, {})) {
      const auto line_of = lines_.find(name);
      if (line_of != lines_.end() && line_of->second.stream) line_of->second.stream->tell();
    }
  });
}

bool Agent::line_wants_secret(LineHost& line, const std::string& key, std::function<void(Result<Secret>)> done) {
  const auto found = lines_.find(line.config().name);
  if (!taken_ || found == lines_.end() || found->second.host.get() != &line) return false;
  if (!link_->gives_secrets()) {
    shard_.post([done = std::move(done)] {
      done(fail(ErrorCode::Unavailable, "this server is too old to send it; upgrade oobd"));
    });
    return true;
  }
  asked_[++questions_] = std::move(done);
  link_->send_secret_wanted(questions_, found->second.id, key);
  return true;
}

void Agent::status(wire::AgentStatus& into) const {
  std::uint64_t ring = 0, spool = 0, ring_worst = 0, spool_worst = 0;
  for (const auto& [name, line] : lines_) {
    const LineStore& store = line.host->store();
    ring += store.ring_bytes(), spool += store.spool_bytes();
    ring_worst = std::max<std::uint64_t>(ring_worst, store.ring_bytes());
    spool_worst = std::max<std::uint64_t>(spool_worst, store.spool_bytes());
  }
  into.set_uptime_ms(std::uint64_t(std::chrono::duration_cast<Duration>(shard_.clock().now() - started_).count()));
  into.set_ring_bytes(ring);
  into.set_spool_bytes(spool);
  into.set_ring_worst_percent(std::uint32_t(ring_worst * 100 / limits::ring_bytes_max));
  into.set_spool_worst_percent(std::uint32_t(spool_worst * 100 / limits::spool_bytes_max));
  into.clear_unknown_senders();
  // Whoever speaks on an Ethernet must not fill the way to the server: many strangers share what may be told of one.
  const std::size_t said_max =
      limits::unknown_senders_said_bytes_max / std::max<std::size_t>(strangers_->all().size(), 1);
  for (const auto& [name, stranger] : strangers_->all()) {
    wire::UnknownSender& told = *into.add_unknown_senders();
    told.set_listener(name.first), told.set_sender(name.second), told.set_messages(stranger.messages);
    told.set_first_wall_ms(wall_ms(stranger.first)), told.set_last_wall_ms(wall_ms(stranger.last));
    told.set_said(stranger.said.substr(stranger.said.size() - std::min(stranger.said.size(), said_max)));
    told.set_called(stranger.called.substr(0, said_max));
  }
}

// --- what oobd says ---

void Agent::link_up() {
  linked_ = true;
  away_.cancel();
  for (auto& [name, line] : lines_) line.host->server_here(true);
  if (on_status) on_status("connected to " + link_->server());
}

void Agent::link_down(const std::string& reason) {
  if (on_status) on_status("not connected to " + link_->server() + ": " + reason);
  linked_ = taken_ = false;
  for (auto& [number, done] : std::exchange(asked_, {})) {
    done(fail(ErrorCode::Unavailable, "the connection to the server was lost while it was asked for"));
  }
  away_.once(kAwayAfter, [this] {
    for (auto& [name, line] : lines_) line.host->server_here(false);
  });
}

Agent::HostedLine* Agent::find(std::uint32_t id) {
  const auto name = names_.find(id);
  const auto line = name == names_.end() ? lines_.end() : lines_.find(name->second);
  return line == lines_.end() ? nullptr : &line->second;
}

void Agent::acknowledged(const wire::LogAck& ack) {
  HostedLine* line = find(ack.id());
  if (line == nullptr) return;
  line->host->acknowledged(ack.incarnation(), ack.offset(), ack.event());
  if (line->leaving) gone_if_drained(std::string(line->host->config().name), false);
}

void Agent::given(std::uint64_t number, Result<Secret> secret) {
  const auto asked = asked_.find(number);
  if (asked == asked_.end()) return;
  const auto done = std::move(asked->second);
  asked_.erase(asked);
  done(std::move(secret));
}

void Agent::ordered(const wire::LineOrder& order) {
  HostedLine* line = find(order.id());
  if (line == nullptr || line->leaving) return;
  switch (order.kind()) {
    case wire::LineOrder::RETRY:
      line->host->retry();
      break;
    case wire::LineOrder::DOWN:
      line->host->down();
      break;
    case wire::LineOrder::UP:
      line->host->up();
      break;
    default:
      break;
  }
}

Mux::Accepted Agent::bmc_opened(Mux& mux, StreamId id) {
  if (bmc_streams_.size() >= limits::bmc_requests_max) return {};
  auto& stream = bmc_streams_[id];
  stream = std::make_unique<BmcStream>(shard_, mux, id, config_.policy, [this, id] { bmc_streams_.erase(id); });
  return {stream.get(), StreamClass::Control, kConsoleMessageBytesMax};
}

Mux::Accepted Agent::console_opened(Mux& mux, StreamId id, const std::string& name) {
  const auto found = lines_.find(name);
  if (found == lines_.end()) return {};
  HostedLine& line = found->second;
  line.stream = std::make_unique<ConsoleStream>(mux, id, *line.host, [this, name] {
    const auto again = lines_.find(name);
    if (again != lines_.end()) again->second.stream.reset();
  });
  return {line.stream.get(), StreamClass::Console, kConsoleMessageBytesMax};
}

}  // namespace oob
