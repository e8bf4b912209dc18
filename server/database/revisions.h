// The history of what was applied: every accepted inventory, with its files byte for byte. oobd starts from the latest.
// Also server_setting: small values the server makes for itself. On the Worker's thread.
#pragma once
#include <optional>
#include <vector>

#include "server/database/database.h"

namespace oob {

struct RevisionFile {
  std::string name;  // without folder: "web.toml"
  std::string text;
  bool operator==(const RevisionFile&) const = default;
};

struct Revision {
  std::int64_t number = 0;  // from 1, without holes; given by append()
  std::int64_t applied_wall_ms = 0;
  std::string by;                   // "alice", "oobd"
  std::string why;                  // "oob inventory apply", "SIGHUP", "first start"
  std::vector<RevisionFile> files;  // by name; empty in history()
};

class RevisionStore {
 public:
  explicit RevisionStore(Database& database) : database_(database) {}
  Result<std::int64_t> append(const Revision& revision);  // its number, which the argument's is ignored for
  Result<std::optional<Revision>> latest();               // with files
  Result<std::optional<Revision>> find(std::int64_t number);
  Result<std::vector<Revision>> history(std::size_t at_most);  // newest first, without files

 private:
  Database& database_;
};

class SettingStore {
 public:
  explicit SettingStore(Database& database) : database_(database) {}
  Result<> put(std::string_view name, std::string_view value);
  Result<std::optional<std::string>> find(std::string_view name);

 private:
  Database& database_;
};

}  // namespace oob
