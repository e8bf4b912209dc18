// The inventory loader: what the forms of the files mean, and every mistake with its place and exact words.
#include "server/inventory/loader.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>

#include "common/limits.h"

namespace oob {
namespace {

using Files = std::vector<InventoryFile>;

InventorySnapshot load(const Files& files, Diagnostics& to) {
  return load_inventory(files, "inventory.d", line_kinds(), to);
}

InventorySnapshot good(const std::string& text) {
  Diagnostics to;
  auto inventory = load({{"a.toml", text}}, to);
  EXPECT_EQ(to.text(), "");
  return inventory ? inventory : empty_inventory();
}

const std::string kEcho = "line = \"test\"\n";

TEST(Inventory, without_files_knows_the_agent_local_alone) {
  Diagnostics to;
  const auto inventory = load({}, to);
  ASSERT_TRUE(inventory);
  EXPECT_EQ(*inventory, *empty_inventory());
  EXPECT_TRUE(inventory->find_agent("local"));
}

TEST(Inventory, a_console_without_a_node_is_served_by_the_agent_local) {
  const auto inventory = good("[console.router1]\nline = 'tcp'\naddress = '127.0.0.1:7001'\nlabels = { rack = '3' }\n");
  const auto* console = inventory->find_console("router1");
  ASSERT_TRUE(console);
  EXPECT_EQ(console->agent, "local");
  EXPECT_EQ(console->node, "");
  EXPECT_EQ(console->line.name, "router1");
  EXPECT_EQ(console->line.kind, "tcp");
  EXPECT_EQ(console->line.settings.at("address"), "127.0.0.1:7001");
  EXPECT_EQ(console->labels, (Labels{{"rack", "3"}}));
}

TEST(Inventory, a_nodes_first_console_bears_its_name_in_either_form) {
  for (const std::string form :
       {"[node.web01]\nconsole = { line = 'test' }\n", "[node.web01.console]\nline = 'test'\n"}) {
    const auto inventory = good(form);
    ASSERT_TRUE(inventory->find_console("web01")) << form;
    EXPECT_EQ(inventory->find_console("web01")->node, "web01");
  }
}

TEST(Inventory, further_consoles_are_named_after_the_node_and_have_its_labels) {
  const auto inventory = good(
      "[agent.rack3]\n[node.web01]\nlabels = { role = 'web', rack = '3' }\nconsole = { line = 'test' }\n"
      "[node.web01.consoles.bmc]\nline = 'test'\nagent = 'rack3'\nlabels = { role = 'bmc' }\n");
  const auto* bmc = inventory->find_console("web01.bmc");
  ASSERT_TRUE(bmc);
  EXPECT_EQ(bmc->agent, "rack3");
  EXPECT_EQ(bmc->labels, (Labels{{"rack", "3"}, {"role", "bmc"}}));
  EXPECT_EQ(inventory->nodes.at("web01").consoles, (std::vector<std::string>{"web01", "web01.bmc"}));
  ASSERT_EQ(inventory->consoles_of("rack3").size(), 1u);
  EXPECT_EQ(inventory->consoles_of("rack3")[0]->name, "web01.bmc");
}

TEST(Inventory, settings_reach_the_driver_as_text) {
  const auto inventory = good(
      "[console.a]\nline = 'test'\nrate = 0x10\nlength = 80\n[console.b]\nline = 'exec'\ncommand = ['/bin/sh', '-l']\n"
      "[console.c]\nline = 'tcp'\naddress = '192.0.2.1:1'\ninsecure = true\n");
  EXPECT_EQ(inventory->find_console("a")->line.settings,
            (std::map<std::string, std::string>{{"rate", "16"}, {"length", "80"}}));
  EXPECT_EQ(inventory->find_console("b")->line.argv, (std::vector<std::string>{"/bin/sh", "-l"}));
  EXPECT_EQ(inventory->find_console("c")->line.settings.at("insecure"), "true");
}

TEST(Inventory, times_reach_the_driver_in_milliseconds) {
  static constexpr LineKey kKeys[] = {{"wait", LineKey::Type::Duration, true, ""}};
  const LineKind kinds[] = {{"slow", "", kKeys, nullptr, nullptr}};
  Diagnostics to;
  const Files files{{"a.toml", "[console.a]\nline = 'slow'\nwait = '2m'\n"}};
  const auto inventory = load_inventory(files, "", kinds, to);
  ASSERT_TRUE(inventory) << to.text();
  EXPECT_EQ(inventory->find_console("a")->line.settings.at("wait"), "120000");
}

TEST(Inventory, a_name_may_be_used_before_the_file_that_defines_it) {
  Diagnostics to;
  const auto inventory = load({{"a.toml", "[console.x]\nline = 'test'\nagent = 'rack3'\n[group]\nall = ['y', 'x']\n"},
                               {"b.toml", "[agent.rack3]\n[console.y]\nline = 'test'\n"}},
                              to);
  ASSERT_TRUE(inventory) << to.text();
  EXPECT_EQ(inventory->groups.at("all"), (std::vector<std::string>{"x", "y"}));
}

TEST(Inventory, groups_hold_names_other_groups_and_people) {
  const auto inventory = good(
      "[node.web01]\nlabels = { role = 'web' }\n[node.web02.console]\nline = 'test'\n[console.db1]\nline = 'test'\n"
      "[group]\nboth = ['@web', '@people', 'db1']\nweb = ['web[01-02]']\npeople = ['alice', 'bob@example.org']\n"
      "some = ['*!web01', 'role=web&@web']\nempty = []\n");
  EXPECT_EQ(inventory->groups.at("web"), (std::vector<std::string>{"web01", "web02"}));
  EXPECT_EQ(inventory->groups.at("both"),
            (std::vector<std::string>{"alice", "bob@example.org", "db1", "web01", "web02"}));
  EXPECT_EQ(inventory->groups.at("some"), (std::vector<std::string>{"db1", "web01", "web02"}));
  EXPECT_TRUE(inventory->groups.at("empty").empty());
}

TEST(Inventory, a_member_that_is_nearly_a_node_is_warned_about) {
  Diagnostics diagnostics;
  const InventoryFile file{"a.toml", "[console.web01]\nline = 'test'\n[group]\nweb = ['wbe01', 'alice']\n"};
  EXPECT_TRUE(load_inventory({&file, 1}, "", line_kinds(), diagnostics));
  EXPECT_EQ(diagnostics.text(),
            "a.toml:4:8: warning: no node or console is called \"wbe01\", so it counts as a person; did you mean "
            "\"web01\"?\n");
}

TEST(Inventory, names_select_consoles_by_group_and_label_of_their_node) {
  const ConsoleNames names(good(
      "[node.web01]\nlabels = { role = 'web' }\nconsole = { line = 'test' }\n[node.web01.consoles.bmc]\nline = 'test'\n"
      "[console.db1]\nline = 'test'\n[node.bare]\n[group]\nweb = ['web01', 'alice']\n"));
  const auto chosen = [&](std::string_view expression) {
    const auto found = select_names(expression, names);
    return found ? fold_names(*found) : found.error().message;
  };
  EXPECT_EQ(chosen("*"), "db1,web01,web01.bmc");
  EXPECT_EQ(chosen("@web"), "web01,web01.bmc");
  EXPECT_EQ(chosen("role=web!web01"), "web01.bmc");
  EXPECT_EQ(chosen("role=wbe"), "nothing has the label \"role=wbe\"; did you mean \"role=web\"?");
  EXPECT_EQ(chosen("bare"), "no name \"bare\"");
  EXPECT_EQ(chosen("@wob"), "no group \"wob\"; did you mean \"web\"?");
}

TEST(Inventory, an_unknown_console_is_not_found_with_the_nearest) {
  const auto inventory = good("[console.web01]\n" + kEcho);
  EXPECT_TRUE(inventory->require_console("web01"));
  EXPECT_EQ(inventory->require_console("web02").error().message, "no console \"web02\"; did you mean \"web01\"?");
}

TEST(Inventory, the_example_is_right) {
  Diagnostics to;
  const std::string folder = OOB_SOURCE_DIR "/etc/inventory.d";
  const auto files = read_inventory_folder(folder, to);
  ASSERT_TRUE(files) << to.text();
  const auto inventory = load_inventory(*files, folder, line_kinds(), to);
  ASSERT_TRUE(inventory) << to.text();
  EXPECT_EQ(to.text(), "");
  EXPECT_TRUE(inventory->find_console("web02.bmc"));
}

TEST(Inventory, a_secret_is_the_place_of_a_file_below_the_folder_absolute_or_on_the_agents_machine) {
  const auto text = [](const std::string& place) {
    return "[console.c]\nline = 'test'\nsecret-file = '" + place + "'\n";
  };
  for (const char* place : {"secrets/c", "c", "/etc/oob/c", "agent:/etc/oob/c", "..c"}) {
    EXPECT_EQ(good(text(place))->find_console("c")->line.settings.at("secret-file"), place);
  }
  for (const char* place :
       {"", "../c", "secrets/../../c", "/etc/../c", "agent:c", "agent:", "agent:/a/../c", "secrets/"}) {
    Diagnostics to;
    EXPECT_FALSE(load({{"a.toml", text(place)}}, to)) << place;
    EXPECT_TRUE(to.text().starts_with("inventory.d/a.toml:3:15: error: ")) << to.text();
  }
}

const std::string kBmc = "bmc = { address = '10.9.1.1', user = 'oob', password-file = 's', quirks = ['authcap'] }\n";

TEST(Inventory, a_line_of_kind_sol_takes_its_nodes_bmc_over_and_what_it_writes_itself_counts) {
  const auto inventory = good("[agent.rack3]\n[node.web01]\nagent = 'rack3'\n" + kBmc +
                              "console = { line = 'sol', user = 'viewer' }\n[node.web01.consoles.x]\nline = 'test'\n");
  const auto* console = inventory->find_console("web01");
  ASSERT_TRUE(console);
  EXPECT_EQ(console->agent, "rack3");
  EXPECT_EQ(console->line.settings.at("address"), "10.9.1.1");
  EXPECT_EQ(console->line.settings.at("user"), "viewer");
  EXPECT_EQ(console->line.argv, std::vector<std::string>{"authcap"});
  EXPECT_EQ(inventory->find_console("web01.x")->agent, "rack3");
  EXPECT_TRUE(inventory->find_console("web01.x")->line.settings.empty());
  const auto& bmc = inventory->nodes.find("web01")->second.bmc;
  ASSERT_TRUE(bmc);
  EXPECT_EQ(bmc->agent, "rack3");
  EXPECT_EQ(bmc->line.settings.at("user"), "oob");
}

TEST(Inventory, a_bmcs_agent_is_its_own_or_the_nodes_or_the_consoles_or_local) {
  const auto agent = [](const std::string& node, const std::string& own = "") {
    const auto text =
        "[agent.a]\n[agent.b]\n[node.n]\n" + node + "bmc = { address = 'x', password-file = 's'" + own + " }\n";
    return good(text)->nodes.find("n")->second.bmc->agent;
  };
  EXPECT_EQ(agent(""), "local");
  EXPECT_EQ(agent("console = { line = 'test', agent = 'a' }\n"), "a");
  EXPECT_EQ(agent("agent = 'b'\nconsole = { line = 'test', agent = 'a' }\n"), "b");
  EXPECT_EQ(agent("agent = 'b'\n", ", agent = 'a'"), "a");
  const auto inventory = good(
      "[agent.a]\n[node.n]\nconsole = { line = 'sol' }\nbmc = { address = 'x', password-file = 's', agent = 'a' }\n");
  EXPECT_EQ(inventory->find_console("n")->agent, "a");
}

TEST(Inventory, a_wrong_bmc_is_told_with_its_place) {
  const auto said = [](const std::string& bmc) {
    Diagnostics to;
    EXPECT_FALSE(load({{"a.toml", "[node.n]\nbmc = { " + bmc + " }\n"}}, to)) << bmc;
    return to.text();
  };
  EXPECT_NE(said("address = 'x'").find("\"password-file\" is missing"), std::string::npos);
  EXPECT_NE(said("address = 'x', password-file = 's', busy = 'wait'").find("unknown key \"busy\""), std::string::npos);
  const auto clear = said("address = '10.9.1.1', password-file = 's', suite = 'lan-md5'");
  EXPECT_TRUE(clear.starts_with("inventory.d/a.toml:2:60: error: IPMI 1.5 does not encrypt")) << clear;
  EXPECT_NE(said("address = 'x', password-file = 's', agent = 'nobody'").find("no agent \"nobody\""),
            std::string::npos);
  EXPECT_NE(said("address = '10.9.1.1:623', password-file = 's'").find("a key of its own: port"), std::string::npos);
  good("[node.n]\nbmc = { address = '10.9.1.1', password-file = 's', suite = 'lan-md5', insecure = true }\n");
}

TEST(Inventory, a_mistake_in_a_bmc_is_told_once_and_not_of_the_console_that_takes_it_over_too) {
  for (const std::string bmc :
       {"address = 'x'", "password-file = 's'", "address = 'x', password-file = 's', suite = '0'",
        "address = 5, password-file = 's'"}) {
    Diagnostics to;
    EXPECT_FALSE(load({{"a.toml", "[node.n]\nbmc = { " + bmc + " }\nconsole = { line = 'sol' }\n"}}, to)) << bmc;
    EXPECT_EQ(to.errors(), 1u) << to.text();
  }
}

TEST(Inventory, names_select_nodes_that_have_a_bmc_by_group_and_label) {
  const auto inventory =
      good("[node.web01]\nlabels = { role = 'web' }\n" + kBmc + "console = { line = 'test' }\n[node.web02]\n" + kBmc +
           "[node.bare]\nconsole = { line = 'test' }\n[console.db1]\nline = 'test'\n[group]\nall = ['web*', 'bare', "
           "'db1']\n");
  const auto chosen = [&](const std::string& names) {
    const auto found = select_bmcs(names, inventory);
    if (!found) return found.error().message;
    std::string out;
    for (const auto* node : *found) out += node->name + " ";
    return out;
  };
  EXPECT_EQ(chosen("*"), "web01 web02 ");
  EXPECT_EQ(chosen("@all"), "web01 web02 ");
  EXPECT_EQ(chosen("role=web"), "web01 ");
  EXPECT_EQ(chosen("web0[1-2]"), "web01 web02 ");
  EXPECT_EQ(chosen("bare"), "node \"bare\" has no BMC in the inventory: bmc = { address = .. }");
  EXPECT_EQ(chosen("db1"), "\"db1\" is a console; power and BMCs are a node's");
  EXPECT_EQ(chosen("web03"), "no name \"web03\"; did you mean \"web01\"?");
}

TEST(Inventory, files_with_secrets_are_looked_at_and_each_fault_has_its_place) {
  char name[] = "/tmp/oob-test-XXXXXX";
  const std::string folder = mkdtemp(name);
  ASSERT_TRUE(write_private_file(folder + "/good", "x\n"));
  ASSERT_TRUE(write_private_file(folder + "/empty", ""));
  ASSERT_TRUE(write_private_file(folder + "/big", std::string(5000, 'x')));
  ASSERT_TRUE(write_private_file(folder + "/open", "x"));
  std::filesystem::permissions(folder + "/open", std::filesystem::perms::others_read,
                               std::filesystem::perm_options::add);
  std::string text;
  for (const char* place : {"good", "agent:/none", "none", "open", "empty", "big"}) {
    text += "[console.c" + std::to_string(text.size()) + "]\nline = 'test'\nsecret-file = '" + place + "'\n";
  }
  Diagnostics to;
  std::vector<SecretPlace> secrets;
  const std::vector<InventoryFile> files{{"a.toml", text}};
  ASSERT_TRUE(load_inventory(files, folder, line_kinds(), to, &secrets)) << to.text();
  check_secret_files(secrets, folder, to);
  ASSERT_EQ(to.errors(), 4u) << to.text();
  const std::string said = to.text(), at = folder + "/a.toml:";
  EXPECT_NE(said.find(at + "9:15: error: cannot open \"" + folder + "/none\": No such file"), std::string::npos)
      << said;
  EXPECT_NE(said.find(at + "12:15: error: \"" + folder + "/open\" has mode 0604"), std::string::npos) << said;
  EXPECT_NE(said.find(at + "15:15: error: \"" + folder + "/empty\" is empty"), std::string::npos) << said;
  EXPECT_NE(said.find(at + "18:15: error: \"" + folder + "/big\" is too long"), std::string::npos) << said;
  std::filesystem::remove_all(folder);
}

TEST(Inventory, a_port_whose_name_may_change_is_warned_about_and_loaded) {
  Diagnostics to;
  const auto inventory = load({{"a.toml", "[console.sw1]\nline = 'serial'\ndevice = '/dev/ttyUSB0'\n"}}, to);
  ASSERT_TRUE(inventory);
  EXPECT_FALSE(to.failed());
  EXPECT_TRUE(to.text().starts_with("inventory.d/a.toml:3:10: warning: \"/dev/ttyUSB0\" may be another")) << to.text();
  EXPECT_NE(to.text().find("/dev/serial/by-path/"), std::string::npos);
}

TEST(Inventory, two_consoles_of_one_agent_that_want_the_same_port_or_sender_are_warned_about_and_loaded) {
  const std::string line = "line = 'etherconsole'\ninterface = 'eth0'\ninsecure = true\nmac = '02:00:00:00:00:11'\n";
  const std::string port = "line = 'serial'\ndevice = '/dev/serial/by-path/a'\n";
  Diagnostics to;
  const std::string text = "[console.a]\n" + line + "[console.b]\n" + line + "[console.c]\nether-type = 0x88b7\n" +
                           line + "[console.d]\n" + port + "[console.e]\nagent = 'far'\n" + port + "[agent.far]\n";
  ASSERT_TRUE(load({{"a.toml", text}}, to)) << to.text();
  EXPECT_EQ(
      to.text(),
      "inventory.d/a.toml:6:10: warning: \"b\" and \"a\" have the same interface, mac; only one of them can be up\n");
}

TEST(Inventory, two_consoles_of_one_source_bmc_hardware_address_or_call_are_warned_about_and_others_are_not) {
  const auto said = [](const std::string& first, const std::string& second) {
    Diagnostics to;
    const auto console = [](const std::string& name, const std::string& keys) {
      return "[console." + name + "]\n" + keys + "\n";
    };
    EXPECT_TRUE(load({{"a.toml", console("a", first) + console("b", second)}}, to)) << to.text();
    return to.text();
  };
  const auto one = [](const std::string& keys) {
    return "warning: \"b\" and \"a\" have the same " + keys + "; only one of them can be up\n";
  };
  const std::string net = "line = 'netconsole'\ninsecure = true\nlisten = '10.9.0.1:6666'\nsource = ";
  EXPECT_NE(said(net + "'10.9.0.5'", net + "'10.9.0.5'").find(one("listen, source")), std::string::npos);
  EXPECT_EQ(said(net + "'10.9.0.5'", net + "'10.9.0.6'"), "");
  const std::string ether = "line = 'etherconsole'\ninsecure = true\ninterface = 'eth0'\nmac = ";
  EXPECT_NE(said(ether + "'02:00:00:00:0a:11'", ether + "'02:00:00:00:0A:11'").find(one("interface, mac")),
            std::string::npos);
  const std::string sol = "line = 'sol'\nuser = 'x'\npassword-file = 'agent:/x'\naddress = ";
  EXPECT_NE(said(sol + "'bmc1'", sol + "'BMC1'").find(one("address")), std::string::npos);
  EXPECT_EQ(said(sol + "'bmc1'", sol + "'bmc1'\ninstance = 2"), "");
  const std::string serial = "line = 'serial'\ndevice = '/dev/serial/by-path/";
  EXPECT_NE(said(serial + "a'", serial + "a'").find(one("device")), std::string::npos);
  EXPECT_EQ(said(serial + "a'", serial + "A'"), "");
  const std::string call = "line = 'callhome'\nlisten = '127.0.0.1:7000'\nsource = ";
  EXPECT_NE(said(call + "'127.0.0.1'", call + "'127.0.0.1'").find(one("listen, source")), std::string::npos);
  EXPECT_EQ(said(call + "'127.0.0.1'", call + "'127.0.0.2'"), "");
}

struct Mistake {
  const char* text;
  const char* wanted;  // after "inventory.d/a.toml:"; KINDS are all that there are
};

class EveryMistake : public ::testing::TestWithParam<Mistake> {};

TEST_P(EveryMistake, is_told_in_exact_words_and_nothing_is_loaded) {
  Diagnostics to;
  EXPECT_EQ(load({{"a.toml", GetParam().text}}, to), nullptr);
  std::string wanted = GetParam().wanted, kinds;
  for (const auto& kind : line_kinds()) kinds += (kinds.empty() ? "" : ", ") + std::string(kind.name);
  if (const auto at = wanted.find("KINDS"); at != std::string::npos) wanted.replace(at, 5, kinds);
  EXPECT_EQ(to.text(), "inventory.d/a.toml:" + wanted + "\n");
}

INSTANTIATE_TEST_SUITE_P(
    Inventory, EveryMistake,
    ::testing::Values(
        Mistake{"[console.a]\nline = 'serial'\ndevice = '/dev/ttyS0'\nspeed = 4000001\n",
                "4:9: error: \"speed\" is from 45 to 4000000, this is 4000001"},
        Mistake{"[console.a]\nline = 'serial'\ndevice = '/dev/ttyS0'\nparity = 'evn'\n",
                "4:10: error: \"evn\" is none of: none, even, odd, mark, space; did you mean \"even\"?"},
        Mistake{"[nod.web01]\n", "1:2: error: unknown table \"nod\"; did you mean \"node\"?"},
        Mistake{"[console.a\n", "1:11: error: in this table header: expected ']', saw '\\n'"},
        Mistake{"console = 'a'\n", "1:11: error: \"console\" wants a table, this is text in quotes"},
        Mistake{"[console]\na = 'x'\n", "2:1: error: \"a\" is to be a table: [console.a]"},
        Mistake{"[console.a]\n", "1:1: error: the key \"line\" is missing in the console \"a\""},
        Mistake{"[console.a]\nline = 'tpc'\n",
                "2:8: error: \"line\" is one of KINDS; this is \"tpc\"; did you mean \"tcp\"?"},
        Mistake{"[console.a]\nline = 'test'\nraet = 5\n",
                "3:1: error: unknown key \"raet\" in the console \"a\"; did you mean \"rate\"?"},
        Mistake{"[console.a]\nline = 'test'\nrate = '5'\n",
                "3:8: error: \"rate\" wants a whole number, this is text in quotes"},
        Mistake{"[console.a]\nline = 'test'\nlength = 5\n", "3:10: error: \"length\" is from 16 to 4096, this is 5"},
        Mistake{"[console.a]\nline = 'test'\nflood = 1\n",
                "3:9: error: \"flood\" wants true or false, this is a whole number"},
        Mistake{"[console.a]\nlien = 'test'\n",
                "2:1: error: unknown key \"lien\" in the console \"a\"; did you mean \"line\"?"},
        Mistake{"[console.a]\nline = 'tcp'\naddres = 'localhost:7'\n",
                "3:1: error: unknown key \"addres\" in the console \"a\"; did you mean \"address\"?"},
        Mistake{"[console.a]\nline = 'tcp'\n", "1:1: error: the key \"address\" is missing in the console \"a\""},
        Mistake{"[console.a]\nline = 'tcp'\naddress = ''\n", "3:11: error: \"address\" is empty"},
        Mistake{"[console.a]\nline = 'exec'\ncommand = '/bin/sh'\n",
                "3:11: error: \"command\" wants a list, this is text in quotes"},
        Mistake{"[console.a]\nline = 'exec'\ncommand = ['/bin/sh', 5]\n",
                "3:23: error: \"command\" wants a list of text in quotes, here is a whole number"},
        Mistake{"[console.a]\nline = 'exec'\ncommand = []\n", "3:11: error: \"command\" is empty"},
        Mistake{"[agent.rack3]\n[console.a]\nline = 'test'\nagent = 'rack4'\n",
                "4:9: error: no agent \"rack4\"; did you mean \"rack3\"?"},
        Mistake{"[agent.a]\nlabel = {}\n",
                "2:1: error: unknown table \"label\" in [agent.a]; did you mean \"labels\"?"},
        Mistake{"[node.a]\nconsol = {}\n",
                "2:1: error: unknown table \"consol\" in [node.a]; did you mean \"console\"?"},
        Mistake{"[node.a]\nconsole = 'test'\n", "2:11: error: \"console\" wants a table, this is text in quotes"},
        Mistake{"[node.a.consoles]\nbmc = 'x'\n",
                "2:1: error: a further console is to be a table with a name: [node.a.consoles.bmc]"},
        Mistake{"[console.log]\nline = 'test'\n", "1:10: error: \"log\" cannot be a name: it is a command of oob"},
        Mistake{"[node.power]\n", "1:7: error: \"power\" cannot be a name: it is a command of oob"},
        Mistake{"[console.'../../etc']\nline = 'test'\n",
                "1:10: error: \"../../etc\" is no name: it begins with a letter or digit"},
        Mistake{"[console.\"a\\u001b[2J\"]\nline = 'test'\n",
                "1:10: error: \"a\\x1b[2J\" is no name: letters, digits, \".\", \"_\" and \"-\" may stand in it"},
        Mistake{"[console.a]\nline = 'test'\n[node.a]\n",
                "1:10: error: \"a\" is there twice; the first is at inventory.d/a.toml:3:7"},
        Mistake{"[node.a.consoles.b]\nline = 'test'\n[console.\"a.b\"]\nline = 'test'\n",
                "3:10: error: \"a.b\" is there twice; the first is at inventory.d/a.toml:1:18"},
        Mistake{"[console.a]\nline = 'test'\n[console.a]\nline = 'test'\n",
                "3:1: error: in this table header: cannot redefine existing table 'console.a'; it is there first at "
                "inventory.d/a.toml:1:1"},
        Mistake{"[node.a]\nlabels = { rack = 3 }\n",
                "2:19: error: the label \"rack\" wants text in quotes, this is a whole number"},
        Mistake{"[node.a]\nlabels = { 'a b' = '' }\n",
                "2:12: error: label: \"a b\" is no name: letters, digits, \".\", \"_\" and \"-\" may stand in it"},
        Mistake{"[node.a]\nlabels = { rack = '1,2' }\n",
                "2:19: error: the label \"rack\" cannot be \"1,2\": no \", ! & [ ] \\\", control characters, or spaces "
                "at its ends; at most 256 bytes"},
        Mistake{"[group]\nweb = 'web01'\n",
                "2:7: error: the group \"web\" wants a list of names, this is text in quotes"},
        Mistake{"[group]\nweb = [1]\n", "2:8: error: a group holds names in quotes, this is a whole number"},
        Mistake{"[group]\nweb = ['a\tb']\n", "2:8: error: \"a\\x09b\" is neither a name nor a person"},
        Mistake{"[node.web01]\n[group]\nweb = ['web[01-02]']\n",
                "3:8: error: no name \"web02\"; did you mean \"web01\"?"},
        Mistake{"[group]\nweb = ['@wob']\n", "2:8: error: no group \"wob\"; did you mean \"web\"?"},
        Mistake{"[group]\na = ['@b']\nb = ['@c']\nc = ['@a']\n", "2:1: error: the group \"a\" contains itself"}));

TEST(Inventory, cleartext_beyond_loopback_has_to_be_asked_for) {
  Diagnostics to;
  EXPECT_FALSE(load({{"a.toml", "[console.a]\nline = 'tcp'\naddress = '192.0.2.1:7001'\n"}}, to));
  EXPECT_TRUE(to.text().starts_with("inventory.d/a.toml:3:11: error: ")) << to.text();
  EXPECT_NE(to.text().find("insecure = true"), std::string::npos) << to.text();
}

TEST(Inventory, the_same_name_in_two_files_names_both_places) {
  Diagnostics to;
  EXPECT_FALSE(load({{"a.toml", "\n[node.web01]\n"}, {"b.toml", "[node.web01]\n"}}, to));
  EXPECT_EQ(to.text(),
            "inventory.d/b.toml:1:7: error: \"web01\" is there twice; the first is at "
            "inventory.d/a.toml:2:7\n");
}

TEST(Inventory, all_mistakes_are_told_at_once) {
  Diagnostics to;
  EXPECT_FALSE(load({{"a.toml", "[console.a]\nline = 'x'\n[console.b]\nline = 'test'\nagent = 'q'\nfoo = 1\n"},
                     {"b.toml", "[group]\nx = ['*x*']\n[nonsense]\n"}},
                    to));
  EXPECT_EQ(to.errors(), 5u) << to.text();
}

TEST(Inventory, one_wrong_file_refuses_all) {
  Diagnostics to;
  EXPECT_FALSE(load({{"a.toml", "[console.a]\nline = 'test'\n"}, {"b.toml", "="}}, to));
}

TEST(Inventory, groups_in_groups_are_bounded) {
  std::string text = "[group]\n";
  for (int i = 0; i < 2000; ++i)
    text += "g" + std::to_string(100000 + i) + " = ['@g" + std::to_string(100001 + i) + "']\n";
  text += "g102000 = []\n";
  Diagnostics to;
  EXPECT_FALSE(load({{"a.toml", text}}, to));
  EXPECT_NE(to.text().find("lies too deep in other groups"), std::string::npos) << to.text();
}

TEST(Inventory, more_consoles_than_the_limit_are_refused) {
  std::string text;
  for (std::size_t i = 0; i <= limits::names_max; ++i) text += "console.c" + std::to_string(i) + ".line='test'\n";
  Diagnostics to;
  EXPECT_FALSE(load({{"a.toml", text}}, to));
  EXPECT_EQ(to.text(), "inventory.d/a.toml:65537:9: error: more than 65536 consoles\n");
}

TEST(InventoryFolder, is_read_in_file_name_order_without_hidden_and_other_files) {
  std::string folder = ::testing::TempDir() + "oob_inventory.XXXXXX";
  ASSERT_NE(::mkdtemp(folder.data()), nullptr);
  for (const auto* name : {"b.toml", "a.toml", ".c.toml", "a.toml~", "10.toml"}) {
    std::ofstream(folder + "/" + name) << "# " << name;
  }
  Diagnostics to;
  const auto files = read_inventory_folder(folder, to);
  ASSERT_TRUE(files);
  EXPECT_EQ(*files, (Files{{"10.toml", "# 10.toml"}, {"a.toml", "# a.toml"}, {"b.toml", "# b.toml"}}));
  std::filesystem::create_directory(folder + "/d.toml");
  EXPECT_FALSE(read_inventory_folder(folder, to));
  EXPECT_EQ(to.text(), folder + "/d.toml: error: is not a regular file\n");
  std::filesystem::remove_all(folder);
  Diagnostics missing;
  EXPECT_FALSE(read_inventory_folder(folder, missing));
  EXPECT_EQ(missing.text(), folder + ": error: the inventory's folder cannot be opened: No such file or directory\n");
}

}  // namespace
}  // namespace oob
