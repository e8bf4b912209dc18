// The loader's parts, for loader.cpp only: labels, one console's table, groups.
#pragma once
#include <span>

#include "common/toml/table.h"
#include "server/inventory/inventory.h"

namespace oob {

Labels read_labels(TableReader& table, Diagnostics& to);

struct ConsoleContext {
  const std::string& name;
  const std::string& node;                 // "" if there is none
  const Labels& inherited;                 // of its node
  const std::vector<std::string>& agents;  // that exist, sorted
  std::span<const LineKind> kinds;
};
ConsoleEntry read_console_table(const ConsoleContext& context, const toml_file::Value& table, Diagnostics& to);

// Fills out.groups. An entry that is one plain word and no node or console is a person.
void resolve_groups(const std::vector<const toml_file::Entry*>& groups, Inventory& out, Diagnostics& to);

// Without spaces at the ends.
std::string_view trimmed(std::string_view text);

}  // namespace oob
