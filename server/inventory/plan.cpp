// Walks two sorted maps side by side.
#include "server/inventory/plan.h"

#include <algorithm>
#include <array>
#include <set>

#include "common/text.h"

namespace oob {
namespace {

using Change = PlanRow::Change;

template <typename T, typename F>
void walk(const Inventory::ByName<T>& running, const Inventory::ByName<T>& wanted, F each) {
  auto a = running.begin();
  auto b = wanted.begin();
  while (a != running.end() || b != wanted.end()) {
    const bool only_a = b == wanted.end() || (a != running.end() && a->first < b->first);
    const bool only_b = a == running.end() || (b != wanted.end() && b->first < a->first);
    each(only_b ? nullptr : &*a, only_a ? nullptr : &*b);
    if (!only_b) ++a;
    if (!only_a) ++b;
  }
}

std::vector<std::string> changed_keys(const ConsoleEntry& a, const ConsoleEntry& b) {
  std::set<std::string> keys;
  if (a.line.kind != b.line.kind) keys.insert("line");
  if (a.line.argv != b.line.argv) keys.insert("command");
  if (a.labels != b.labels) keys.insert("labels");
  if (a.node != b.node) keys.insert("node");
  walk(Inventory::ByName<std::string>(a.line.settings.begin(), a.line.settings.end()),
       Inventory::ByName<std::string>(b.line.settings.begin(), b.line.settings.end()),
       [&](const auto* was, const auto* is) {
         if (!was || !is || was->second != is->second) keys.insert((was ? was : is)->first);
       });
  return {keys.begin(), keys.end()};
}

std::string line_via(const ConsoleEntry& console) { return console.line.kind + " via " + console.agent; }

void plan_console(const ConsoleEntry* was, const ConsoleEntry* is, Plan& plan) {
  PlanRow row{Change::Changed, "console", (was ? was : is)->name, {}, {}, {}, {}, true};
  if (!was || !is) {
    row.change = was ? Change::Removed : Change::Added;
    row.detail = line_via(was ? *was : *is);
  } else if (*was == *is) {
    ++plan.unchanged;
    return;
  } else {
    row.keys = changed_keys(*was, *is);
    row.touches_line = was->line != is->line || was->agent != is->agent;
    if (was->agent != is->agent) {
      row.change = Change::Moved;
      row.from = was->agent;
      row.to = is->agent;
    }
  }
  plan.rows.push_back(std::move(row));
}

template <typename T>
void plan_others(std::string_view kind, std::string_view key, const Inventory::ByName<T>& running,
                 const Inventory::ByName<T>& wanted, Plan& plan) {
  walk(running, wanted, [&](const auto* was, const auto* is) {
    if (was && is && was->second == is->second) return;
    PlanRow row{Change::Changed, std::string(kind), (was ? was : is)->first, {}, {}, {}, {}, false};
    if (was && is) row.keys = {std::string(key)};
    if (!was || !is) row.change = was ? Change::Removed : Change::Added;
    plan.rows.push_back(std::move(row));
  });
}

std::string row_text(const PlanRow& row) {
  std::string keys;
  for (const auto& key : row.keys) keys += (keys.empty() ? "" : ", ") + key;
  std::string out(1, "+-~>"[static_cast<int>(row.change)]);
  out += " " + row.kind + " " + escape_controls(row.name);
  if (row.change == Change::Moved) out += ": from " + row.from + " to " + row.to;
  if (!keys.empty()) out += (row.change == Change::Moved ? "; " : ": ") + keys;
  if (!row.detail.empty()) out += ": " + row.detail;
  if (row.kind == "console" && row.change == Change::Changed && !row.touches_line) out += " (the line runs on)";
  return out;
}

}  // namespace

Plan plan_change(const Inventory& running, const Inventory& wanted) {
  Plan plan;
  walk(running.consoles, wanted.consoles, [&](const auto* was, const auto* is) {
    plan_console(was ? &was->second : nullptr, is ? &is->second : nullptr, plan);
  });
  plan_others("agent", "labels", running.agents, wanted.agents, plan);
  walk(running.nodes, wanted.nodes, [&](const auto* was, const auto* is) {
    if (was && is && was->second == is->second) return;
    PlanRow row{Change::Changed, "node", (was ? was : is)->first, {}, {}, {}, {}, false};
    if (!was || !is) row.change = was ? Change::Removed : Change::Added;
    if (was && is && was->second.consoles != is->second.consoles) row.keys.emplace_back("consoles");
    if (was && is && was->second.labels != is->second.labels) row.keys.emplace_back("labels");
    if (was && is && was->second.bmc != is->second.bmc) row.keys.emplace_back("bmc");
    plan.rows.push_back(std::move(row));
  });
  plan_others("group", "members", running.groups, wanted.groups, plan);
  return plan;
}

std::string_view change_name(Change change) {
  static constexpr std::string_view kNames[] = {"added", "removed", "changed", "moved"};
  return kNames[static_cast<int>(change)];
}

std::string to_text(const Plan& plan) {
  std::string out;
  std::array<std::size_t, 4> counts{};
  for (const auto& row : plan.rows) {
    out += row_text(row) + "\n";
    if (row.kind == "console") ++counts[static_cast<std::size_t>(row.change)];
  }
  if (plan.empty()) out += "nothing changes\n";
  out += "consoles: ";
  for (std::size_t i = 0; i < counts.size(); ++i) {
    if (counts[i]) out += std::to_string(counts[i]) + " " + std::string(change_name(static_cast<Change>(i))) + ", ";
  }
  return out + std::to_string(plan.unchanged) + " unchanged\n";
}

}  // namespace oob
