// Who may dial in: agents that have enrolled, and one-time tokens for those that will. On the Worker's thread, like the
// Database they use, which outlives them. Tokens are kept as hashes; the caller hashes.
#pragma once
#include <optional>
#include <vector>

#include "server/database/database.h"

namespace oob {

struct AgentRecord {
  std::string name;
  std::string key_fingerprint;
  std::string certificate_fingerprint;
  std::string serial;
  std::int64_t not_after_wall_ms = 0;
  std::int64_t enrolled_wall_ms = 0;
  std::int64_t revoked_wall_ms = 0;  // 0: not revoked
  bool operator==(const AgentRecord&) const = default;
};

struct TokenRecord {
  std::string hash;
  std::string agent;
  std::int64_t expires_wall_ms = 0;
  std::int64_t used_wall_ms = 0;  // 0: not used
};

class AgentStore {
 public:
  explicit AgentStore(Database& database) : database_(database) {}
  Result<> put(const AgentRecord& agent);  // replaces an older enrolment of that name
  Result<std::optional<AgentRecord>> find(std::string_view name);
  Result<std::vector<AgentRecord>> list();  // by name
  // NotFound with the nearest name; revoking twice keeps the first time.
  Result<> revoke(std::string_view name, std::int64_t wall_ms);

 private:
  Database& database_;
};

class TokenStore {
 public:
  explicit TokenStore(Database& database) : database_(database) {}
  Result<> put(const TokenRecord& token);
  // In one transaction: the token of that hash and agent, not expired, not used; then used at `now_wall_ms`.
  // Denied, with which of wrong, used, expired it was.
  Result<> consume(std::string_view hash, std::string_view agent, std::int64_t now_wall_ms);
  // Removes tokens that expired more than a day ago: until then their users are told why.
  Result<> forget_expired(std::int64_t now_wall_ms);

 private:
  Database& database_;
};

}  // namespace oob
