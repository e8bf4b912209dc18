// SQL of RevisionStore and SettingStore.
#include "server/database/revisions.h"

namespace oob {
namespace {

Revision read_revision(const Statement& row) { return {row.integer(0), row.integer(1), row.text(2), row.text(3), {}}; }

}  // namespace

Result<std::int64_t> RevisionStore::append(const Revision& revision) {
  std::int64_t number = 0;
  const auto done = database_.transaction([&]() -> Result<> {
    auto insert = database_.prepare(
        "INSERT INTO revision SELECT COALESCE(MAX(number), 0) + 1, ?, ?, ? FROM revision RETURNING number");
    if (!insert) return tl::unexpected(insert.error());
    const auto row = insert->bind(revision.applied_wall_ms).bind(revision.by).bind(revision.why).step();
    if (!row) return tl::unexpected(row.error());
    number = insert->integer(0);
    if (const auto end = insert->step(); !end) return tl::unexpected(end.error());
    for (const auto& file : revision.files) {
      auto add = database_.prepare("INSERT INTO revision_file VALUES (?, ?, ?)");
      if (!add) return tl::unexpected(add.error());
      if (const auto added = add->bind(number).bind(file.name).bind(file.text).step(); !added) {
        return tl::unexpected(added.error());
      }
    }
    return {};
  });
  if (!done) return tl::unexpected(done.error());
  return number;
}

Result<std::optional<Revision>> RevisionStore::latest() {
  auto newest = history(1);
  if (!newest) return tl::unexpected(newest.error());
  if (newest->empty()) return std::nullopt;
  return find(newest->front().number);
}

Result<std::optional<Revision>> RevisionStore::find(std::int64_t number) {
  auto query = database_.prepare("SELECT number, applied_at, by, why FROM revision WHERE number = ?");
  if (!query) return tl::unexpected(query.error());
  const auto row = query->bind(number).step();
  if (!row) return tl::unexpected(row.error());
  if (!*row) return std::nullopt;
  Revision out = read_revision(*query);
  auto files = database_.prepare("SELECT name, text FROM revision_file WHERE revision = ? ORDER BY name");
  if (!files) return tl::unexpected(files.error());
  files->bind(number);
  while (true) {
    const auto file = files->step();
    if (!file) return tl::unexpected(file.error());
    if (!*file) return out;
    out.files.push_back({files->text(0), files->text(1)});
  }
}

Result<std::vector<Revision>> RevisionStore::history(std::size_t at_most) {
  auto query = database_.prepare("SELECT number, applied_at, by, why FROM revision ORDER BY number DESC LIMIT ?");
  if (!query) return tl::unexpected(query.error());
  query->bind(static_cast<std::int64_t>(at_most));
  std::vector<Revision> out;
  while (true) {
    const auto row = query->step();
    if (!row) return tl::unexpected(row.error());
    if (!*row) return out;
    out.push_back(read_revision(*query));
  }
}

Result<> SettingStore::put(std::string_view name, std::string_view value) {
  auto insert = database_.prepare("INSERT OR REPLACE INTO server_setting VALUES (?, ?)");
  if (!insert) return tl::unexpected(insert.error());
  const auto row = insert->bind(name).bind(value).step();
  return row ? Result<>{} : tl::unexpected(row.error());
}

Result<std::optional<std::string>> SettingStore::find(std::string_view name) {
  auto query = database_.prepare("SELECT value FROM server_setting WHERE name = ?");
  if (!query) return tl::unexpected(query.error());
  const auto row = query->bind(name).step();
  if (!row) return tl::unexpected(row.error());
  return *row ? std::optional(query->text(0)) : std::nullopt;
}

}  // namespace oob
