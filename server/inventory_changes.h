// What differs between revisions of the inventory, and between them and the files: rows for people, a line of summary,
// unified text. Reads the database and the folder: for the Worker; nothing here touches what runs.
#pragma once
#include "server/database/revisions.h"
#include "server/front/backend.h"
#include "server/inventory/inventory.h"

namespace oob {

// How a revision made by a rollback begins its `why`; the number follows. Until the files agree with it, a plain apply
// is refused: so what was rolled back does not come again with the next signal.
inline constexpr std::string_view kRollbackWhy = "rollback to ";

std::vector<InventoryChange> changes_between(const Inventory& running, const Inventory& wanted);

// Newest first. A revision that this oobd cannot read says so in `changes`.
Result<std::vector<InventoryRevision>> inventory_history(Database& database, std::size_t at_most);

// A revision's number, or (empty) the files of `folder`. NotFound: there is no such revision.
Result<InventoryDiff> inventory_diff(Database& database, const std::string& folder, std::uint64_t from,
                                     std::optional<std::uint64_t> to);

// NotFound, with the numbers there are.
Result<Revision> require_revision(Database& database, std::uint64_t number);

}  // namespace oob
