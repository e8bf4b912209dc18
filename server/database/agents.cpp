// SQL of AgentStore and TokenStore.
#include "server/database/agents.h"

#include <utility>

#include "common/nearest.h"

namespace oob {
namespace {

constexpr std::string_view kAgentColumns =
    "SELECT name, key_fingerprint, certificate_fingerprint, serial, not_after, enrolled_at, revoked_at, "
    "issued_at, next_key_fingerprint, next_certificate_fingerprint, next_serial, next_not_after, next_issued_at "
    "FROM agent";
constexpr std::int64_t kCancelled = -1;
constexpr std::int64_t kExpiredKept_ms = 24 * 3600 * 1000;

AgentRecord read_agent(const Statement& row) {
  return {row.text(0),    row.text(1), row.text(2), row.text(3),  row.integer(4),  row.integer(5), row.integer(6),
          row.integer(7), row.text(8), row.text(9), row.text(10), row.integer(11), row.integer(12)};
}

Result<> finish(Result<Statement> statement) {
  if (!statement) return tl::unexpected(statement.error());
  const auto stepped = statement->step();
  return stepped ? Result<>{} : tl::unexpected(stepped.error());
}

}  // namespace

void use_next(AgentRecord& record) {
  record.key_fingerprint = std::exchange(record.next_key_fingerprint, {});
  record.certificate_fingerprint = std::exchange(record.next_certificate_fingerprint, {});
  record.serial = std::exchange(record.next_serial, {});
  record.not_after_wall_ms = std::exchange(record.next_not_after_wall_ms, 0);
  record.issued_wall_ms = std::exchange(record.next_issued_wall_ms, 0);
}

Result<> AgentStore::put(const AgentRecord& agent) {
  auto insert = database_.prepare(
      "INSERT OR REPLACE INTO agent (name, key_fingerprint, certificate_fingerprint, serial, not_after, enrolled_at, "
      "revoked_at, issued_at, next_key_fingerprint, next_certificate_fingerprint, next_serial, next_not_after, "
      "next_issued_at) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)");
  if (insert) {
    insert->bind(agent.name).bind(agent.key_fingerprint).bind(agent.certificate_fingerprint).bind(agent.serial);
    insert->bind(agent.not_after_wall_ms).bind(agent.enrolled_wall_ms).bind(agent.revoked_wall_ms);
    insert->bind(agent.issued_wall_ms).bind(agent.next_key_fingerprint).bind(agent.next_certificate_fingerprint);
    insert->bind(agent.next_serial).bind(agent.next_not_after_wall_ms).bind(agent.next_issued_wall_ms);
  }
  return finish(std::move(insert));
}

Result<std::optional<AgentRecord>> AgentStore::find(std::string_view name) {
  auto query = database_.prepare(std::string(kAgentColumns) + " WHERE name = ?");
  if (!query) return tl::unexpected(query.error());
  const auto row = query->bind(name).step();
  if (!row) return tl::unexpected(row.error());
  return *row ? std::optional(read_agent(*query)) : std::nullopt;
}

Result<std::vector<AgentRecord>> AgentStore::list() {
  auto query = database_.prepare(std::string(kAgentColumns) + " ORDER BY name");
  if (!query) return tl::unexpected(query.error());
  std::vector<AgentRecord> out;
  while (true) {
    const auto row = query->step();
    if (!row) return tl::unexpected(row.error());
    if (!*row) return out;
    out.push_back(read_agent(*query));
  }
}

Result<> AgentStore::revoke(std::string_view name, std::int64_t wall_ms) {
  const auto known = find(name);
  if (!known) return tl::unexpected(known.error());
  if (!*known) {
    const auto agents = list();
    if (!agents) return tl::unexpected(agents.error());
    Nearest nearest(name);
    for (const auto& agent : *agents) nearest.consider(agent.name);
    return fail(ErrorCode::NotFound, "no agent " + in_quotes(name) + " has enrolled" + did_you_mean(nearest.best()));
  }
  auto update = database_.prepare("UPDATE agent SET revoked_at = ? WHERE name = ? AND revoked_at = 0");
  if (update) update->bind(wall_ms).bind(name);
  return finish(std::move(update));
}

Result<> AgentStore::use_next(std::string_view name, std::string_view next_certificate_fingerprint) {
  auto update = database_.prepare(
      "UPDATE agent SET key_fingerprint = next_key_fingerprint, certificate_fingerprint = "
      "next_certificate_fingerprint, "
      "serial = next_serial, not_after = next_not_after, issued_at = next_issued_at, next_key_fingerprint = '', "
      "next_certificate_fingerprint = '', next_serial = '', next_not_after = 0, next_issued_at = 0 "
      "WHERE name = ? AND next_certificate_fingerprint = ? AND next_certificate_fingerprint <> ''");
  if (update) update->bind(name).bind(next_certificate_fingerprint);
  return finish(std::move(update));
}

Result<> TokenStore::put(const TokenRecord& token) {
  auto insert = database_.prepare("INSERT INTO token VALUES (?, ?, ?, ?)");
  if (insert) insert->bind(token.hash).bind(token.agent).bind(token.expires_wall_ms).bind(token.used_wall_ms);
  return finish(std::move(insert));
}

Result<> TokenStore::check(std::string_view hash, std::string_view agent, std::int64_t now_wall_ms) {
  auto query = database_.prepare("SELECT expires_at, used_at FROM token WHERE hash = ? AND agent = ?");
  if (!query) return tl::unexpected(query.error());
  const auto row = query->bind(hash).bind(agent).step();
  if (!row) return tl::unexpected(row.error());
  if (!*row) return fail(ErrorCode::Denied, "wrong token: this server did not make it for this agent");
  if (query->integer(1) == kCancelled)
    return fail(ErrorCode::Denied, "this token was cancelled when the agent was revoked; ask for a new one");
  if (query->integer(1) != 0) return fail(ErrorCode::Denied, "this token was used already; ask for a new one");
  if (query->integer(0) <= now_wall_ms) return fail(ErrorCode::Denied, "this token has expired; ask for a new one");
  return {};
}

Result<> TokenStore::use(std::string_view hash, std::int64_t now_wall_ms) {
  auto update = database_.prepare("UPDATE token SET used_at = ? WHERE hash = ?");
  if (update) update->bind(now_wall_ms).bind(hash);
  return finish(std::move(update));
}

Result<std::int64_t> TokenStore::cancel(std::string_view agent) {
  auto update = database_.prepare("UPDATE token SET used_at = ? WHERE agent = ? AND used_at = 0");
  if (update) update->bind(kCancelled).bind(agent);
  if (const auto done = finish(std::move(update)); !done) return tl::unexpected(done.error());
  return database_.changes();
}

Result<> TokenStore::forget_expired(std::int64_t now_wall_ms) {
  auto remove = database_.prepare("DELETE FROM token WHERE expires_at < ?");
  if (remove) remove->bind(now_wall_ms - kExpiredKept_ms);
  return finish(std::move(remove));
}

}  // namespace oob
