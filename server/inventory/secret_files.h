// The files that keys of type SecretFile name, on the server's machine: where they are, and whether they may hold a
// secret. Read when a line is dialled and at no other time; nothing here keeps what they hold.
#pragma once
#include <string>
#include <vector>

#include "common/crypto/secret.h"
#include "common/toml/diagnostics.h"
#include "server/inventory/inventory.h"

namespace oob {

// A key's value as it is written, and where.
struct SecretPlace {
  Position at;
  std::string place;
  std::size_t bytes_max = 0;  // what it is for takes no more; 0: any
};

// What `key` of a console's line names, for the agent that serves the console and for no other. NotFound: it has no
// such console, or that no such key.
Result<std::string> secret_place_for(const std::string& agent, const Inventory& inventory, const std::string& console,
                                     const std::string& key);

// The file, read anew: `place` below the inventory's folder unless absolute. Errors as read_password_file(); Usage: it
// names none, or one on the agent's machine.
Result<Secret> read_secret(const std::string& inventory_folder, const std::string& place);

// An error for each that is missing, empty, too open or too long, a warning for one that we may not read. Those on
// agents' machines are not looked at.
void check_secret_files(const std::vector<SecretPlace>& places, const std::string& inventory_folder, Diagnostics& to);

}  // namespace oob
