// See agent_directory.h.
#include "server/agents/agent_directory.h"

#include <set>

#include "common/crypto/certificate.h"
#include "common/limits.h"
#include "common/log.h"
#include "tunnel.pb.h"

namespace oob {
namespace {

// An agent that was cut off dials again while we still hold its old connection: the old one has this long to say
// anything.
constexpr auto kOldLinkAnswersWithin = std::chrono::seconds(1);
constexpr Duration kClockWorthSaying = std::chrono::seconds(5);

}  // namespace

AgentDirectory::AgentDirectory(Shard& shard, AgentAssignments& assignments, std::chrono::seconds certificate_life)
    : shard_(shard), assignments_(assignments), certificate_life_(certificate_life), certificates_(shard) {
  certificates_.every(limits::certificate_look_every, [this] {
    for (auto& [name, entry] : entries_) ask_to_renew(entry);
  });
}
AgentDirectory::~AgentDirectory() = default;

void AgentDirectory::set_records(std::vector<AgentRecord> records) {
  for (AgentRecord& record : records) records_[record.name] = std::move(record);
}

void AgentDirectory::record_changed(AgentRecord record) {
  const std::string name = record.name;
  records_[name] = std::move(record);
  const auto entry = entries_.find(name);
  if (entry == entries_.end()) return;
  // Who waits for its place may have lost the right to it as well.
  if (AgentLink* waiting = entry->second.waiting.get(); waiting != nullptr && !may_stay(*waiting))
    drop_waiting(entry->second);
  if (!entry->second.link) return;
  AgentLink& link = *entry->second.link;
  if (link.peer().key.empty()) return;  // the server's own machine needs no certificate
  if (const auto may = may_connect(name, link.peer().key); !may) link.connection().close(may.error().message);
}

bool AgentDirectory::may_stay(const AgentLink& link) const {
  return link.peer().key.empty() || may_connect(link.peer().name, link.peer().key).has_value();
}

void AgentDirectory::drop_waiting(Entry& entry) {
  entry.probe.reset();
  entry.waiting_stream.reset();
  entry.waiting.reset();
}

Result<> AgentDirectory::may_connect(const std::string& name, const std::string& fingerprint) const {
  const auto record = records_.find(name);
  if (record == records_.end()) return fail(ErrorCode::Denied, "agent " + name + " is not enrolled here");
  if (record->second.revoked_wall_ms != 0) return fail(ErrorCode::Denied, "agent " + name + " was revoked");
  const AgentRecord& known = record->second;
  if (known.certificate_fingerprint == fingerprint) return {};
  if (!fingerprint.empty() && known.next_certificate_fingerprint == fingerprint) return {};
  return fail(ErrorCode::Denied, "agent " + name + " has enrolled again with another key since, or renewed its own");
}

// One that has not yet done as it was asked is asked again later: its disk may have been full.
void AgentDirectory::ask_to_renew(Entry& entry) {
  if (!entry.link || !entry.link->welcome() || entry.link->peer().key.empty()) return;
  const auto record = records_.find(entry.link->peer().name);
  if (record == records_.end()) return;
  const AgentRecord& known = record->second;
  const WallTime now = shard_.clock().wall(), ends{Duration(known.not_after_wall_ms)};
  // One that cannot renew is spoken of when it has to be, not when new certificates are shorter.
  const std::chrono::seconds life = entry.link->renews() ? certificate_life_ : limits::authority_life;
  if (renewal_due(known.issued_wall_ms, known.not_after_wall_ms, life) > now) return;
  const bool asked = entry.renewal_asked != SteadyTime{};
  if (asked && shard_.clock().now() - entry.renewal_asked < limits::certificate_ask_again) return;
  entry.renewal_asked = shard_.clock().now();
  if (asked || !entry.link->renews()) {
    log_error("agents",
              entry.link->renews() ? "an agent does not renew its certificate; its log says why"
                                   : "an agent's certificate ends, and it is too old to renew it: upgrade it, "
                                     "or enrol it again",
              {{"agent", known.name}, {"ends", format_utc(ends)}});
  }
  entry.link->ask_to_renew();
}

void AgentDirectory::clock_told(AgentLink& link) {
  Entry& entry = entries_[link.peer().name];
  const Duration ahead = link.clock_ahead();
  const bool differs = ahead > kClockWorthSaying || ahead < -kClockWorthSaying;
  if (differs && !entry.clock_said) {
    log_limited(LogLevel::Warning, "agents", link.peer().name + " clock",
                "the agent's clock differs from ours; the times it gives its console's output are its own",
                {{"agent", link.peer().name}, {"ahead_ms", ahead.count()}});
  }
  // Once, until it was right again.
  if (differs || (ahead < kClockWorthSaying / 2 && ahead > -kClockWorthSaying / 2)) entry.clock_said = differs;
}

bool AgentDirectory::takes_event(AgentLink& link, std::size_t bytes) {
  return entries_[link.peer().name].events.take(shard_.clock().now(), double(bytes));
}

void AgentDirectory::certificate_asked(AgentLink& link, Bytes request) {
  const std::string name = link.peer().name, key = link.peer().key;
  assignments_.renew_certificate(name, key, std::move(request), [this, name, key](Result<Bytes> renewed) {
    const auto entry = entries_.find(name);
    if (entry == entries_.end() || !entry->second.link || entry->second.link->peer().key != key) return;
    if (renewed) {
      log_info("agents", "a renewed certificate goes to the agent", {{"agent", name}});
    } else {
      log_warning("agents", "a certificate was not renewed", {{"agent", name}, {"reason", renewed.error().message}});
    }
    entry->second.link->send_certificate(renewed);
  });
}

void AgentDirectory::arrived(AgentPeer peer, std::unique_ptr<SecureStream> stream,
                             std::function<void(std::unique_ptr<AgentLink>&)> wire_up) {
  auto link = std::make_unique<AgentLink>(shard_, std::move(peer), static_cast<AgentLinkEvents&>(*this));
  wire_up(link);
  const std::string name = link->peer().name;
  Entry& entry = entries_[name];
  if (!entry.link) {
    entry.link = std::move(link);
    return entry.link->run(std::move(stream));
  }
  if (entry.waiting) {
    return log_limited(LogLevel::Warning, "agents", name + "/third", "refused a third connection under one name",
                       {{"agent", name}, {"from", link->peer().address}});
  }
  entry.waiting = std::move(link);
  entry.waiting_stream = std::move(stream);
  entry.link->mux().ping();
  const SteadyTime asked = shard_.clock().now();
  entry.probe = std::make_unique<Timer>(shard_);
  entry.probe->once(kOldLinkAnswersWithin, [this, name, asked] {
    Entry& found = entries_[name];
    if (!found.link || !found.waiting) return;
    if (found.link->mux().last_received() <= asked) {
      return found.link->connection().close("silent, and the agent has connected anew");
    }
    refuse_waiting(found, "agent " + name + " is connected already, from " + found.link->peer().address);
  });
}

// It has proved to be who it says, so it is told why; agent_left() follows.
void AgentDirectory::refuse_waiting(Entry& entry, const std::string& why) {
  log_limited(LogLevel::Warning, "agents", entry.waiting->peer().name + "/second",
              "refused a second connection: the first one is alive",
              {{"agent", entry.waiting->peer().name},
               {"from", entry.waiting->peer().address},
               {"first", entry.link->peer().address}});
  entry.waiting->connection().run(std::move(entry.waiting_stream));
  entry.waiting->connection().close(why);
}

void AgentDirectory::agent_left(AgentLink& link, const std::string& reason) {
  const std::string name = link.peer().name;
  Entry& entry = entries_[name];
  if (entry.waiting.get() == &link) {
    return drop_waiting(entry);
  }
  entry.last_reason = reason;
  entry.last_seen = shard_.clock().wall();
  log_limited(LogLevel::Warning, "agents", name, "disconnected",
              {{"agent", name}, {"from", link.peer().address}, {"reason", reason}});
  entry.link.reset();
  if (!entry.waiting || !entry.waiting_stream) return;  // none, or one that is just being refused
  if (!may_stay(*entry.waiting)) return drop_waiting(entry);
  entry.probe.reset();
  entry.link = std::move(entry.waiting);
  entry.link->run(std::move(entry.waiting_stream));
}

void AgentDirectory::agent_arrived(AgentLink& link) {
  log_limited(LogLevel::Info, "agents", link.peer().name + "/connected", "connected",
              {{"agent", link.peer().name}, {"from", link.peer().address}, {"version", link.version()}});
  if (const auto record = records_.find(link.peer().name);
      record != records_.end() && !link.peer().key.empty() &&
      record->second.next_certificate_fingerprint == link.peer().key) {
    log_info("agents", "the renewed certificate is in use; the old one is refused from now on",
             {{"agent", link.peer().name}});
    use_next(record->second);
    assignments_.use_next_certificate(link.peer().name, link.peer().key);
  }
  assign(link);
  Entry& entry = entries_[link.peer().name];
  entry.renewal_asked = {};  // it may have been ended before it answered
  ask_to_renew(entry);
}

void AgentDirectory::assign(AgentLink& link) {
  wire::Assignment assignment;
  assignments_.assignment(link.peer().name, assignment);
  link.assign(std::move(assignment));
}

Console* AgentDirectory::console_of(AgentLink& link, const std::string& name) {
  return assignments_.console_of(link.peer().name, name);
}

void AgentDirectory::console_freed(const std::string&) {
  // Later: the link that let go is in the middle of it.
  if (std::exchange(join_posted_, true)) return;
  shard_.post([this] {
    join_posted_ = false;
    for (auto& [name, entry] : entries_) {
      if (entry.link && entry.link->welcome()) entry.link->join_consoles();
    }
  });
}

void AgentDirectory::reassign() {
  for (auto& [name, entry] : entries_) {
    if (entry.link && entry.link->welcome()) assign(*entry.link);
  }
}

void AgentDirectory::forget_console(const std::string& name) {
  for (auto& [agent, entry] : entries_) {
    if (entry.link) entry.link->forget_console(name);
  }
}

Result<> AgentDirectory::order(const std::string& agent, const std::string& console, int kind) {
  if (!connected(agent)) return fail(ErrorCode::Unavailable, why_not(agent));
  return entries_[agent].link->order(console, kind);
}

Result<> AgentDirectory::ask_bmc(const std::string& agent, wire::BmcRequest& request, BmcAnswers answers) {
  if (!connected(agent)) return fail(ErrorCode::Unavailable, why_not(agent));
  return entries_[agent].link->ask_bmc(request, std::move(answers));
}

bool AgentDirectory::connected(const std::string& name) const {
  const auto entry = entries_.find(name);
  return entry != entries_.end() && entry->second.link && entry->second.link->welcome();
}

AgentDirectory::Row AgentDirectory::row(const std::string& name) const {
  Row row;
  if (const auto record = records_.find(name); record != records_.end()) row.record = &record->second;
  if (const auto entry = entries_.find(name); entry != entries_.end()) {
    if (connected(name)) row.link = entry->second.link.get();
    row.last_reason = entry->second.last_reason;
    row.last_seen = entry->second.last_seen;
  }
  return row;
}

std::vector<std::string> AgentDirectory::names() const {
  std::set<std::string> names;
  for (const auto& [name, record] : records_) names.insert(name);
  for (const auto& [name, entry] : entries_) names.insert(name);
  return {names.begin(), names.end()};
}

std::string AgentDirectory::why_not(const std::string& name) const {
  const auto entry = entries_.find(name);
  const std::string text = "agent " + name + " is not connected";
  if (entry == entries_.end() || entry->second.last_reason.empty()) return text;
  return text + " (since " + format_utc(entry->second.last_seen) + ": " + entry->second.last_reason + ")";
}

}  // namespace oob
