// Access tokens on disk. On the Worker's thread, like the Database, which outlives this. Only hashes are kept.
#pragma once
#include <vector>

#include "server/database/database.h"

namespace oob {

struct AccessTokenRecord {
  std::string id, hash, name, user;
  bool account = false;  // acts as that user of this machine; else has the rights below and no others
  std::string creator, parent;
  std::string rights;    // "read,write"; "": all that the user has
  std::string consoles;  // NAMES, one a line; a console has to be in each. "": all
  std::int64_t created_wall_ms = 0, expires_wall_ms = 0;
  std::int64_t revoked_wall_ms = 0, used_wall_ms = 0;  // 0: not
  std::string used_from;
  bool operator==(const AccessTokenRecord&) const = default;
};

class AccessTokenStore {
 public:
  explicit AccessTokenStore(Database& database) : database_(database) {}
  Result<> put(const AccessTokenRecord& token);   // all of it, also of one that is there
  Result<std::vector<AccessTokenRecord>> list();  // oldest first
  Result<> forget_ended_before(std::int64_t wall_ms);

 private:
  Database& database_;
};

}  // namespace oob
