// The loader's parts, for loader.cpp only: labels, one console's table, groups.
#pragma once
#include <span>

#include "common/toml/table.h"
#include "server/inventory/inventory.h"
#include "server/inventory/secret_files.h"

namespace oob {

Labels read_labels(TableReader& table, Diagnostics& to);

struct ConsoleContext {
  const std::string& name;
  const std::string& node;                 // "" if there is none
  const Labels& inherited;                 // of its node
  const std::vector<std::string>& agents;  // that exist, sorted
  std::span<const LineKind> kinds;
  std::vector<SecretPlace>& secrets;  // what it names is added
  std::string agent = "local";        // unless written
  const BmcEntry* bmc = nullptr;      // of its node: a line of kind sol has what is written there, unless written
  bool bmc_wrong = false;             // which was told: of what would be taken over from it nothing is said again
};
// `bmc` of a node; its agent is "" unless written.
BmcEntry read_bmc_table(const ConsoleContext& context, const toml_file::Value& table, Diagnostics& to);

// The agent that a table names; empty: none.
std::optional<std::string> read_agent_name(TableReader& table, const std::vector<std::string>& agents, Diagnostics& to);

// The value of a key that names a secret's file.
std::optional<std::string> read_secret_place(TableReader& table, std::string_view key,
                                             std::vector<SecretPlace>& secrets);
// A login script, as the text that travels.
std::optional<std::string> read_login(TableReader& console, std::string_view key, const LineKind& kind,
                                      Diagnostics& to);
ConsoleEntry read_console_table(const ConsoleContext& context, const toml_file::Value& table, Diagnostics& to);

// Fills out.groups. An entry that is one plain word and no node or console is a person.
void resolve_groups(const std::vector<const toml_file::Entry*>& groups, Inventory& out, Diagnostics& to);

// Without spaces at the ends.
std::string_view trimmed(std::string_view text);

}  // namespace oob
