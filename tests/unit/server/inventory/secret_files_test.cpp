// Who is told where a secret lies: the agent that serves the console, of the key that the line has.
#include "server/inventory/secret_files.h"

#include <gtest/gtest.h>

#include "server/inventory/loader.h"

namespace oob {
namespace {

TEST(SecretFiles, only_the_agent_a_console_is_assigned_to_may_ask_and_only_for_keys_that_name_secrets) {
  Diagnostics to;
  const std::vector<InventoryFile> files{{"a.toml",
                                          "[agent.rack1]\n[agent.rack2]\n[console.c]\nline = 'test'\nagent = "
                                          "'rack1'\nbanner = 'hello'\nsecret-file = 's'\n"
                                          "[console.bare]\nline = 'test'\nagent = 'rack1'\n"}};
  const auto inventory = load_inventory(files, "", line_kinds(), to);
  ASSERT_TRUE(inventory) << to.text();
  const auto place = [&](const std::string& agent, const std::string& console, const std::string& key) {
    return secret_place_for(agent, *inventory, console, key).value_or("");
  };
  EXPECT_EQ(place("rack1", "c", "secret-file"), "s");
  EXPECT_EQ(place("rack2", "c", "secret-file"), "");
  EXPECT_EQ(place("local", "c", "secret-file"), "");
  EXPECT_EQ(place("rack1", "c", "banner"), "");
  EXPECT_EQ(place("rack1", "bare", "secret-file"), "");
  EXPECT_EQ(place("rack1", "nix", "secret-file"), "");
}

TEST(SecretFiles, a_place_outside_the_folder_or_on_the_agents_machine_is_not_read) {
  EXPECT_EQ(read_secret("/tmp", "../etc/passwd").error().code, ErrorCode::Usage);
  EXPECT_EQ(read_secret("/tmp", "agent:/etc/passwd").error().code, ErrorCode::Usage);
  EXPECT_EQ(read_secret("/tmp", "").error().code, ErrorCode::Usage);
}

}  // namespace
}  // namespace oob
