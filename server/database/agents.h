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
  std::int64_t issued_wall_ms = 0;   // when the certificate was made
  // The certificate that was made to follow it and has not logged in yet; "" if there is none.
  std::string next_key_fingerprint = {};
  std::string next_certificate_fingerprint = {};
  std::string next_serial = {};
  std::int64_t next_not_after_wall_ms = 0;
  std::int64_t next_issued_wall_ms = 0;
  bool operator==(const AgentRecord&) const = default;
};

void use_next(AgentRecord& record);  // what AgentStore::use_next() does in the database

struct TokenRecord {
  std::string hash;
  std::string agent;
  std::int64_t expires_wall_ms = 0;
  std::int64_t used_wall_ms = 0;  // 0: not used; -1: cancelled
};

class AgentStore {
 public:
  explicit AgentStore(Database& database) : database_(database) {}
  Result<> put(const AgentRecord& agent);  // replaces an older enrolment of that name
  Result<std::optional<AgentRecord>> find(std::string_view name);
  Result<std::vector<AgentRecord>> list();  // by name
  // NotFound with the nearest name; revoking twice keeps the first time.
  Result<> revoke(std::string_view name, std::int64_t wall_ms);
  // The next certificate has logged in: it is the present one from now on. Nothing if it is not the next one (any
  // more).
  Result<> use_next(std::string_view name, std::string_view next_certificate_fingerprint);

 private:
  Database& database_;
};

class TokenStore {
 public:
  explicit TokenStore(Database& database) : database_(database) {}
  Result<> put(const TokenRecord& token);
  // Whether there is such a token: of that hash and agent, not expired, not used. Denied, with which of wrong, used,
  // cancelled, expired it was.
  Result<> check(std::string_view hash, std::string_view agent, std::int64_t now_wall_ms);
  Result<> use(std::string_view hash, std::int64_t now_wall_ms);  // one that was checked: never good again
  Result<std::int64_t> cancel(std::string_view agent);            // those not used yet; how many
  // Removes tokens that expired more than a day ago: until then their users are told why.
  Result<> forget_expired(std::int64_t now_wall_ms);

 private:
  Database& database_;
};

}  // namespace oob
