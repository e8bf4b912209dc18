// What a new inventory would change: the difference between two snapshots, for `oob inventory plan` and for the one
// who applies it. A line whose row says nothing, or is absent, is not touched. Settings are named, never shown.
#pragma once
#include <string>
#include <vector>

#include "server/inventory/inventory.h"

namespace oob {

struct PlanRow {
  enum class Change { Added, Removed, Changed, Moved };
  Change change;
  std::string kind;  // "console", "agent", "node", "group"
  std::string name;
  std::vector<std::string> keys;  // Changed, Moved: which settings differ, sorted
  std::string from, to;           // Moved: agents
  std::string detail;             // Added: "tcp via rack3"
  bool touches_line = false;      // the line starts, ends or starts anew
};

struct Plan {
  std::vector<PlanRow> rows;  // consoles, agents, nodes, groups; by name
  std::size_t unchanged = 0;  // consoles
  bool empty() const { return rows.empty(); }
};

Plan plan_change(const Inventory& running, const Inventory& wanted);
std::string_view change_name(PlanRow::Change change);  // "added", ...
std::string to_text(const Plan& plan);                 // one row a line, then a line of counts

}  // namespace oob
