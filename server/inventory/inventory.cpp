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

namespace {

class BmcNames final : public NameUniverse {
 public:
  explicit BmcNames(const Inventory& inventory) : inventory_(inventory) {
    for (const auto& [name, node] : inventory.nodes) {
      if (node.bmc) all_.push_back(name);
    }
    for (const auto& [group, names] : inventory.groups) {
      std::set<std::string> members;
      for (const auto& name : names) {
        const auto* console = inventory.find_console(name);
        members.insert(console && !console->node.empty() ? console->node : name);
      }
      members_[group].assign(members.begin(), members.end());
    }
  }
  const std::vector<std::string>& all() const override { return all_; }
  const std::vector<std::string>* members(std::string_view group) const override {
    const auto found = members_.find(group);
    return found == members_.end() ? nullptr : &found->second;
  }
  std::vector<std::string> groups() const override {
    std::vector<std::string> out;
    for (const auto& [name, members] : members_) out.push_back(name);
    return out;
  }
  std::vector<std::string> labelled(std::string_view label, std::string_view value) const override {
    std::vector<std::string> out;
    for (const auto& name : all_) {
      const Labels& labels = inventory_.nodes.find(name)->second.labels;
      const auto found = labels.find(label);
      if (found != labels.end() && found->second == value) out.push_back(name);
    }
    return out;
  }
  std::vector<std::string> labels() const override {
    std::set<std::string> out;
    for (const auto& name : all_) {
      for (const auto& [label, value] : inventory_.nodes.find(name)->second.labels) out.insert(label + "=" + value);
    }
    return {out.begin(), out.end()};
  }

 private:
  const Inventory& inventory_;
  std::vector<std::string> all_;
  std::map<std::string, std::vector<std::string>, std::less<>> members_;
};

}  // namespace

Result<std::vector<const NodeEntry*>> select_bmcs(const std::string& names, const InventorySnapshot& inventory,
                                                  std::size_t* steps) {
  const auto selected = select_names(names, BmcNames(*inventory), steps);
  if (!selected) {
    const bool not_found = selected.error().code == ErrorCode::NotFound;
    if (not_found && inventory->nodes.contains(names)) {
      return fail(ErrorCode::NotFound,
                  "node " + in_quotes(names) + " has no BMC in the inventory: bmc = { address = .. }");
    }
    if (not_found && inventory->find_console(names)) {
      return fail(ErrorCode::NotFound, in_quotes(names) + " is a console; power and BMCs are a node's");
    }
    return tl::unexpected(selected.error());
  }
  std::vector<const NodeEntry*> out;
  for (const auto& name : *selected) out.push_back(&inventory->nodes.find(name)->second);
  return out;
}

}  // namespace oob
