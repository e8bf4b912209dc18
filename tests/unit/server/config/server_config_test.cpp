// oobd.toml: defaults, paths, and every mistake with its exact message.
#include "server/config/server_config.h"

#include <gtest/gtest.h>

namespace oob {
namespace {

ServerConfig read(std::string_view text, Diagnostics& to) { return read_server_config(text, "/etc/oob/oobd.toml", to); }

TEST(ServerConfig, an_empty_file_gives_the_defaults) {
  Diagnostics to;
  const auto config = read("", to);
  EXPECT_EQ(to.text(), "");
  EXPECT_EQ(config.state, "/var/lib/oob");
  EXPECT_EQ(config.inventory, "/etc/oob/inventory.d");
  EXPECT_EQ(config.socket, "/run/oob/oobd.sock");
  EXPECT_EQ(config.log_level, LogLevel::Info);
  EXPECT_EQ(config.agents_listen, "127.0.0.1:7420");
  EXPECT_EQ(config.agents_socket, "/run/oob/agents.sock");
  EXPECT_EQ(config.agents_local_user, "");
  EXPECT_EQ(config.log_folder, "/var/lib/oob/log");
  EXPECT_EQ(config.access_group, "oob");
  EXPECT_EQ(config.certificate_life, std::chrono::hours(24 * 90));
  EXPECT_EQ(config.api_listen, std::vector<std::string>{"127.0.0.1:7443"});
}

TEST(ServerConfig, clients_may_come_to_one_address_to_several_or_to_none) {
  Diagnostics to;
  EXPECT_TRUE(read("[api]\nlisten = ''\n", to).api_listen.empty());
  EXPECT_TRUE(read("[api]\nlisten = []\n", to).api_listen.empty());
  EXPECT_EQ(read("[api]\nlisten = '[::]:443'\n", to).api_listen, std::vector<std::string>{"[::]:443"});
  const auto config = read(
      "[api]\nlisten = ['127.0.0.1:1', '[::1]:1']\nnames = ['oob.example.org']\ncertificate = 'c.pem'\nkey = 'c.key'\n",
      to);
  EXPECT_EQ(to.text(), "");
  EXPECT_EQ(config.api_listen.size(), 2u);
  EXPECT_EQ(config.api_names, std::vector<std::string>{"oob.example.org"});
  EXPECT_EQ(config.api_certificate, "/etc/oob/c.pem");
  EXPECT_EQ(config.api_key, "/etc/oob/c.key");
}

TEST(ServerConfig, what_is_written_counts_and_paths_are_relative_to_the_file) {
  Diagnostics to;
  const auto config = read(
      "state = 'state'\ninventory = '/srv/inventory'\nsocket = 'run/o.sock'\nlog-level = 'debug'\n"
      "[agents]\nlisten = ''\nlocal-user = 'oob-agent'\ncertificate-days = 7\n[access]\ngroup = 'ops'\n",
      to);
  EXPECT_EQ(to.text(), "");
  EXPECT_EQ(config.state, "/etc/oob/state");
  EXPECT_EQ(config.inventory, "/srv/inventory");
  EXPECT_EQ(config.socket, "/etc/oob/run/o.sock");
  EXPECT_EQ(config.agents_socket, "/etc/oob/run/agents.sock");
  EXPECT_EQ(config.log_folder, "/etc/oob/state/log");
  EXPECT_EQ(config.log_level, LogLevel::Debug);
  EXPECT_EQ(config.agents_listen, "");
  EXPECT_EQ(config.agents_local_user, "oob-agent");
  EXPECT_EQ(config.certificate_life, std::chrono::hours(24 * 7));
  EXPECT_EQ(config.access_group, "ops");
}

TEST(ServerConfig, the_example_is_right_and_says_the_defaults) {
  Diagnostics to;
  const auto config = load_server_config(OOB_SOURCE_DIR "/etc/oobd.toml", to);
  EXPECT_EQ(to.text(), "");
  EXPECT_EQ(config.agents_listen, "127.0.0.1:7420");
  EXPECT_EQ(config.inventory, OOB_SOURCE_DIR "/etc/inventory.d");
}

TEST(ServerConfig, a_missing_file_is_an_error) {
  Diagnostics to;
  load_server_config("/nowhere/oobd.toml", to);
  EXPECT_EQ(to.text(), "/nowhere/oobd.toml: error: cannot be opened: No such file or directory\n");
}

struct Mistake {
  const char* text;
  const char* wanted;  // after the file's name
};

class EveryMistake : public ::testing::TestWithParam<Mistake> {};

TEST_P(EveryMistake, is_told_in_exact_words) {
  Diagnostics to;
  read(GetParam().text, to);
  EXPECT_EQ(to.text(), "/etc/oob/oobd.toml:" + std::string(GetParam().wanted) + "\n");
}

INSTANTIATE_TEST_SUITE_P(
    ServerConfig, EveryMistake,
    ::testing::Values(
        Mistake{"stat = '/x'\n", "1:1: error: unknown key \"stat\"; did you mean \"state\"?"},
        Mistake{"[agent]\n", "1:2: error: unknown table \"agent\"; did you mean \"agents\"?"},
        Mistake{"[agents]\nlocal_user = 'x'\n",
                "2:1: error: unknown key \"local_user\" in [agents]; did you mean \"local-user\"?"},
        Mistake{"[log]\nfoldr = 'x'\n", "2:1: error: unknown key \"foldr\" in [log]; did you mean \"folder\"?"},
        Mistake{"[access]\ngroup = ['x']\n", "2:9: error: \"group\" wants text in quotes, this is a list"},
        Mistake{"access = 'x'\n", "1:10: error: \"access\" wants a table, this is text in quotes"},
        Mistake{"state = ''\n", "1:9: error: \"state\" is empty; write a path, or leave the key out"},
        Mistake{"[access]\ngroup = ''\n", "2:9: error: \"group\" is empty; write a name, or leave the key out"},
        Mistake{"log-level = 'warn'\n",
                "1:13: error: \"log-level\" is one of debug, info, warning, error; this is \"warn\""},
        Mistake{"log-level = 'eror'\n",
                "1:13: error: \"log-level\" is one of debug, info, warning, error; this is \"eror\"; did you mean "
                "\"error\"?"},
        Mistake{"[api]\nlisten = 7443\n", "2:10: error: \"listen\" wants text in quotes, this is a whole number"},
        Mistake{"[api]\nlisten = ['7443']\n",
                "2:10: error: \"listen\" is an address and a port as \"0.0.0.0:7420\" or \"[::]:7420\", or \"\" for "
                "none; this is \"7443\""},
        Mistake{"[api]\ncertificate = 'c.pem'\n",
                "2:15: error: \"certificate\" and \"key\" belong together; one is missing"},
        Mistake{"[api]\nnmaes = []\n", "2:1: error: unknown key \"nmaes\" in [api]; did you mean \"names\"?"},
        Mistake{"[agents]\nlisten = '7420'\n",
                "2:10: error: \"listen\" is an address and a port as \"0.0.0.0:7420\" or \"[::]:7420\", or \"\" for "
                "none; this is \"7420\""},
        Mistake{"[agents]\nlisten = '127.0.0.1:70000'\n",
                "2:10: error: \"listen\" is an address and a port as \"0.0.0.0:7420\" or \"[::]:7420\", or \"\" for "
                "none; this is \"127.0.0.1:70000\""},
        Mistake{"[agents]\nlisten = '::1:7420'\n",
                "2:10: error: \"listen\" is an address and a port as \"0.0.0.0:7420\" or \"[::]:7420\", or \"\" for "
                "none; this is \"::1:7420\""}));

TEST(ServerConfig, a_socket_path_the_system_cannot_take_is_refused) {
  Diagnostics to;
  read("socket = '/" + std::string(107, 'a') + "'\n", to);
  EXPECT_NE(to.text().find("is too long; at most 107 bytes"), std::string::npos) << to.text();
}

TEST(ServerConfig, all_mistakes_are_told_at_once) {
  Diagnostics to;
  read("state = 1\n[agents]\nlisten = 'x'\nfoo = 1\n[log]\nfolder = 2\n", to);
  EXPECT_EQ(to.errors(), 4u);
}

}  // namespace
}  // namespace oob
