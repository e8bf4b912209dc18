// Lookup in a snapshot.
#include "server/inventory/inventory.h"

#include <algorithm>
#include <set>

namespace oob {

const ConsoleEntry* Inventory::find_console(std::string_view name) const {
  const auto found = consoles.find(name);
  return found == consoles.end() ? nullptr : &found->second;
}

const AgentEntry* Inventory::find_agent(std::string_view name) const {
  const auto found = agents.find(name);
  return found == agents.end() ? nullptr : &found->second;
}

std::vector<const ConsoleEntry*> Inventory::consoles_of(std::string_view agent) const {
  std::vector<const ConsoleEntry*> out;
  for (const auto& [name, console] : consoles) {
    if (console.agent == agent) out.push_back(&console);
  }
  return out;
}

Result<const ConsoleEntry*> Inventory::require_console(std::string_view name) const {
  if (const auto* console = find_console(name)) return console;
  Nearest nearest(name);
  for (const auto& [known, console] : consoles) nearest.consider(known);
  return fail(ErrorCode::NotFound, "no console " + in_quotes(name) + did_you_mean(nearest.best()));
}

InventorySnapshot empty_inventory() {
  auto out = std::make_shared<Inventory>();
  out->agents["local"] = {"local", {}};
  return out;
}

ConsoleNames::ConsoleNames(InventorySnapshot inventory) : inventory_(std::move(inventory)) {
  for (const auto& [name, console] : inventory_->consoles) all_.push_back(name);
  for (const auto& [group, names] : inventory_->groups) {
    std::set<std::string> members;
    for (const auto& name : names) {
      if (inventory_->find_console(name)) members.insert(name);
      const auto node = inventory_->nodes.find(name);
      if (node != inventory_->nodes.end()) members.insert(node->second.consoles.begin(), node->second.consoles.end());
    }
    members_[group].assign(members.begin(), members.end());
  }
}

const std::vector<std::string>* ConsoleNames::members(std::string_view group) const {
  const auto found = members_.find(group);
  return found == members_.end() ? nullptr : &found->second;
}

std::vector<std::string> ConsoleNames::groups() const {
  std::vector<std::string> out;
  for (const auto& [name, members] : members_) out.push_back(name);
  return out;
}

std::vector<std::string> ConsoleNames::labelled(std::string_view label, std::string_view value) const {
  std::vector<std::string> out;
  for (const auto& [name, console] : inventory_->consoles) {
    const auto found = console.labels.find(label);
    if (found != console.labels.end() && found->second == value) out.push_back(name);
  }
  return out;
}

std::vector<std::string> ConsoleNames::labels() const {
  std::set<std::string> out;
  for (const auto& [name, console] : inventory_->consoles) {
    for (const auto& [label, value] : console.labels) out.insert(label + "=" + value);
  }
  return {out.begin(), out.end()};
}

}  // namespace oob
