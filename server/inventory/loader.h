// From DIR/*.toml to an Inventory: all or nothing. Every mistake is reported with its place and, where one is near, the
// right name; one error anywhere and there is no inventory. Pure but for read_inventory_folder(): the same bytes give
// the same result, on any machine (nothing here looks at devices, users or the network).
#pragma once
#include <optional>
#include <span>

#include "common/toml/diagnostics.h"
#include "server/database/revisions.h"
#include "server/inventory/inventory.h"
#include "server/inventory/secret_files.h"

namespace oob {

using InventoryFile = RevisionFile;  // name within the folder, and text

// The folder's *.toml in file-name order (bytes), not those that begin with a dot. Nothing if one cannot be read.
std::optional<std::vector<InventoryFile>> read_inventory_folder(const std::string& folder, Diagnostics& to);

// `folder` goes before the files' names in messages ("" for none). `kinds` are the lines that exist (line_kinds()).
// `secrets`: gets the files with secrets that it names, for check_secret_files().
InventorySnapshot load_inventory(std::span<const InventoryFile> files, const std::string& folder,
                                 std::span<const LineKind> kinds, Diagnostics& to,
                                 std::vector<SecretPlace>* secrets = nullptr);

}  // namespace oob
