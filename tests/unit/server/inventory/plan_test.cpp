// The plan: what a new inventory changes, and that what it does not change is left alone.
#include "server/inventory/plan.h"

#include <gtest/gtest.h>

#include "server/inventory/loader.h"

namespace oob {
namespace {

InventorySnapshot good(const std::string& text) {
  Diagnostics to;
  const std::vector<InventoryFile> files{{"a.toml", text}};
  auto inventory = load_inventory(files, "", line_kinds(), to);
  EXPECT_EQ(to.text(), "");
  return inventory ? inventory : empty_inventory();
}

std::string plan(const std::string& running, const std::string& wanted) {
  return to_text(plan_change(*good(running), *good(wanted)));
}

const std::string kAgents = "[agent.r1]\n[agent.r2]\n";
const std::string kA = kAgents + "[console.a]\nline = 'test'\nagent = 'r1'\n";

TEST(Plan, of_the_same_inventory_is_empty) {
  EXPECT_EQ(plan(kA, "# a comment\n" + kA), "nothing changes\nconsoles: 1 unchanged\n");
  EXPECT_TRUE(plan_change(*good(kA), *good(kA)).empty());
}

TEST(Plan, tells_added_and_removed_consoles) {
  EXPECT_EQ(plan(kA, kAgents + "[console.b]\nline = 'test'\n"),
            "- console a: test via r1\n+ console b: test via local\nconsoles: 1 added, 1 removed, 0 unchanged\n");
}

TEST(Plan, names_the_settings_that_change_and_never_their_values) {
  EXPECT_EQ(plan(kA, kA + "rate = 5\nlength = 80\n"), "~ console a: length, rate\nconsoles: 1 changed, 0 unchanged\n");
  EXPECT_EQ(plan(kA, kAgents + "[console.a]\nline = 'exec'\nagent = 'r1'\ncommand = ['/bin/true']\n"),
            "~ console a: command, line\nconsoles: 1 changed, 0 unchanged\n");
}

TEST(Plan, of_a_changed_label_leaves_the_line_alone) {
  const auto plan_of_labels = plan_change(*good(kA), *good(kA + "labels = { rack = '1' }\n"));
  ASSERT_EQ(plan_of_labels.rows.size(), 1u);
  EXPECT_FALSE(plan_of_labels.rows[0].touches_line);
  EXPECT_EQ(to_text(plan_of_labels), "~ console a: labels (the line runs on)\nconsoles: 1 changed, 0 unchanged\n");
}

TEST(Plan, tells_a_move_to_another_agent) {
  const auto moved = plan_change(*good(kA), *good(kAgents + "[console.a]\nline = 'test'\nagent = 'r2'\nrate = 1\n"));
  ASSERT_EQ(moved.rows.size(), 1u);
  EXPECT_EQ(moved.rows[0].change, PlanRow::Change::Moved);
  EXPECT_TRUE(moved.rows[0].touches_line);
  EXPECT_EQ(to_text(moved), "> console a: from r1 to r2; rate\nconsoles: 1 moved, 0 unchanged\n");
}

TEST(Plan, tells_agents_nodes_and_groups) {
  EXPECT_EQ(plan("[agent.r1]\n[node.n]\n[group]\ng = ['n']\n",
                 "[agent.r1]\nlabels = { a = 'b' }\n[agent.r2]\n[node.n]\nlabels = { a = 'b' }\n[group]\ng = []\n"),
            "~ agent r1: labels\n+ agent r2\n~ node n: labels\n~ group g: members\nconsoles: 0 unchanged\n");
}

}  // namespace
}  // namespace oob
