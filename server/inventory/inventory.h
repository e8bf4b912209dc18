// What is managed: agents, nodes, consoles, groups and their labels, as one immutable snapshot. Made by the loader
// (loader.h), read by every part of oobd from any thread.
#pragma once
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "agents/lines/line.h"
#include "common/names.h"

namespace oob {

using Labels = std::map<std::string, std::string, std::less<>>;

struct AgentEntry {
  std::string name;
  Labels labels;
  bool operator==(const AgentEntry&) const = default;
};

struct ConsoleEntry {
  std::string name;
  std::string node;   // "" for a console without a node
  std::string agent;  // "local" unless written
  LineConfig line;    // its name is the console's
  Labels labels;      // its own and its node's
  bool operator==(const ConsoleEntry&) const = default;
};

// A node's BMC (baseboard management controller, IPMI), and how to log in to it.
struct BmcEntry {
  std::string agent;  // that reaches it
  LineConfig line;    // what a line of kind sol takes over from it; its name is the node's
  bool operator==(const BmcEntry&) const = default;
};

struct NodeEntry {
  std::string name;
  std::vector<std::string> consoles;  // in the order of the file; the first bears the node's name if it is `console`
  Labels labels;
  std::optional<BmcEntry> bmc = {};
  bool operator==(const NodeEntry&) const = default;
};

struct Inventory {
  template <typename T>
  using ByName = std::map<std::string, T, std::less<>>;

  ByName<AgentEntry> agents;  // `local` is always there
  ByName<NodeEntry> nodes;
  ByName<ConsoleEntry> consoles;
  ByName<std::vector<std::string>> groups;  // resolved: names of nodes and consoles, and people; sorted

  const ConsoleEntry* find_console(std::string_view name) const;  // null if there is none
  const AgentEntry* find_agent(std::string_view name) const;
  std::vector<const ConsoleEntry*> consoles_of(std::string_view agent) const;  // by name
  // NotFound: `no console "web02"; did you mean "web01"?`
  Result<const ConsoleEntry*> require_console(std::string_view name) const;
  bool operator==(const Inventory&) const = default;
};

using InventorySnapshot = std::shared_ptr<const Inventory>;

// An inventory without anything but the agent `local`.
InventorySnapshot empty_inventory();

// NAMES over the consoles of a snapshot. A node's labels are its consoles'; a group that holds a node holds the node's
// consoles. Keeps the snapshot alive.
class ConsoleNames final : public NameUniverse {
 public:
  explicit ConsoleNames(InventorySnapshot inventory);
  const std::vector<std::string>& all() const override { return all_; }
  const std::vector<std::string>* members(std::string_view group) const override;
  std::vector<std::string> groups() const override;
  std::vector<std::string> labelled(std::string_view label, std::string_view value) const override;
  std::vector<std::string> labels() const override;

 private:
  InventorySnapshot inventory_;
  std::vector<std::string> all_;
  std::map<std::string, std::vector<std::string>, std::less<>> members_;
};

// NAMES over the nodes that have a BMC; a group that holds a node's console holds the node. NotFound as select_names(),
// and says so if a name is a node without one.
Result<std::vector<const NodeEntry*>> select_bmcs(const std::string& names, const InventorySnapshot& inventory,
                                                  std::size_t* steps = nullptr);

}  // namespace oob
