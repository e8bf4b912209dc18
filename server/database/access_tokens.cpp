// SQL of AccessTokenStore.
#include "server/database/access_tokens.h"

namespace oob {
namespace {

Result<> finish(Result<Statement> statement) {
  if (!statement) return tl::unexpected(statement.error());
  const auto stepped = statement->step();
  return stepped ? Result<>{} : tl::unexpected(stepped.error());
}

}  // namespace

Result<> AccessTokenStore::put(const AccessTokenRecord& token) {
  auto insert =
      database_.prepare("INSERT OR REPLACE INTO access_token VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)");
  if (insert) {
    insert->bind(token.id).bind(token.hash).bind(token.name).bind(token.user).bind(std::int64_t{token.account});
    insert->bind(token.creator).bind(token.parent).bind(token.rights).bind(token.consoles);
    insert->bind(token.created_wall_ms).bind(token.expires_wall_ms).bind(token.revoked_wall_ms);
    insert->bind(token.used_wall_ms).bind(token.used_from);
  }
  return finish(std::move(insert));
}

Result<std::vector<AccessTokenRecord>> AccessTokenStore::list() {
  auto query = database_.prepare(
      "SELECT id, hash, name, user, account, creator, parent, rights, consoles, created_at, expires_at, revoked_at, "
      "used_at, used_from FROM access_token ORDER BY created_at, id");
  if (!query) return tl::unexpected(query.error());
  std::vector<AccessTokenRecord> out;
  while (true) {
    const auto row = query->step();
    if (!row) return tl::unexpected(row.error());
    if (!*row) return out;
    out.push_back({query->text(0), query->text(1), query->text(2), query->text(3), query->integer(4) != 0,
                   query->text(5), query->text(6), query->text(7), query->text(8), query->integer(9),
                   query->integer(10), query->integer(11), query->integer(12), query->text(13)});
  }
}

Result<> AccessTokenStore::forget_ended_before(std::int64_t wall_ms) {
  auto remove =
      database_.prepare("DELETE FROM access_token WHERE expires_at < ? OR (revoked_at <> 0 AND revoked_at < ?)");
  if (remove) remove->bind(wall_ms).bind(wall_ms);
  return finish(std::move(remove));
}

}  // namespace oob
