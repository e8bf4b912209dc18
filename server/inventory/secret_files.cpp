// See secret_files.h.
#include "server/inventory/secret_files.h"

#include <set>

#include "agents/lines/settings.h"

namespace oob {

Result<std::string> secret_place_for(const std::string& agent, const Inventory& inventory, const std::string& console,
                                     const std::string& key) {
  const ConsoleEntry* entry = inventory.find_console(console);
  if (entry != nullptr && entry->agent == agent) {
    const auto places = secret_places(*find_line_kind(entry->line.kind), entry->line);
    if (const auto place = places.find(key); place != places.end()) return place->second;
  }
  return fail(ErrorCode::NotFound, "the inventory names none any more");
}

Result<Secret> read_secret(const std::string& inventory_folder, const std::string& place) {
  if (const std::string wrong = secret_place_error(place); !wrong.empty())
    return fail(ErrorCode::Usage, in_quotes(place) + " " + wrong);
  if (place.starts_with(kSecretOfAgent))
    return fail(ErrorCode::Usage, in_quotes(place) + " is on the agent's machine; the server does not have it");
  return read_password_file(place.starts_with('/') ? place : inventory_folder + "/" + place);
}

void check_secret_files(const std::vector<SecretPlace>& places, const std::string& inventory_folder, Diagnostics& to) {
  std::set<std::string> seen;
  for (const auto& [at, place, bytes_max] : places) {
    if (place.starts_with(kSecretOfAgent)) continue;
    if (!seen.insert(to_string(at) + " " + place).second) continue;  // of another port of the same console server
    const auto secret = read_secret(inventory_folder, place);
    if (secret && bytes_max > 0 && secret->reveal().size() > bytes_max) {
      to.error(at, in_quotes(place) + " holds a password that is longer than the " + std::to_string(bytes_max) +
                       " letters that a BMC takes");
    }
    if (secret) continue;
    if (secret.error().code == ErrorCode::Unavailable) {
      to.warning(at, secret.error().message);
    } else {
      to.error(at, secret.error().message);
    }
  }
}

}  // namespace oob
