// Which lines an agent is given: none of which it would leave something out.
#include "server/agents/agent_abilities.h"

#include <gtest/gtest.h>

#include "agents/lines/line.h"
#include "proto/versions.h"
#include "tunnel.pb.h"

namespace oob {
namespace {

wire::LineSpec line(const std::string& kind, const std::map<std::string, std::string>& settings) {
  wire::LineSpec spec;
  spec.set_kind(kind);
  for (const auto& [key, value] : settings) (*spec.mutable_settings())[key] = value;
  spec.add_argv("/bin/sh");
  return spec;
}

TEST(Abilities, of_a_first_agent_are_the_kinds_it_named_with_the_keys_of_then) {
  wire::Hello hello;
  for (const char* kind : {"exec", "tcp", "test", "unix"}) hello.add_line_kinds(kind);
  AgentAbilities old;
  old.learn(hello);
  EXPECT_EQ(old.lacks(line("exec", {{"user", "nobody"}, {"term", "xterm"}})), "");
  EXPECT_EQ(old.lacks(line("exec", {{"user", "nobody"}, {"zeal", "1"}})), "key \"zeal\" of kind \"exec\"");
  EXPECT_EQ(old.lacks(line("tcp", {{"user", "nobody"}})), "key \"user\" of kind \"tcp\"");
  EXPECT_EQ(old.lacks(line("carrier-pigeon", {})), "kind \"carrier-pigeon\"");
}

TEST(Abilities, of_an_agent_that_names_its_keys_are_those) {
  wire::Hello hello;
  hello.add_line_kinds("pigeon"), hello.add_line_keys("pigeon name");
  AgentAbilities abilities;
  abilities.learn(hello);
  EXPECT_EQ(abilities.lacks(line("pigeon", {{"name", "x"}})), "");
  EXPECT_EQ(abilities.lacks(line("pigeon", {{"grain", "x"}})), "key \"grain\" of kind \"pigeon\"");
  EXPECT_EQ(abilities.lacks(line("exec", {})), "kind \"exec\"");
}

TEST(Abilities, a_line_an_agent_is_too_old_for_reaches_it_as_no_kind_at_all) {
  wire::LineSpec spec = line("exec", {{"zeal", "1"}});
  make_unknown(spec, "key \"zeal\"");
  EXPECT_EQ(find_line_kind(spec.kind()), nullptr);
  EXPECT_TRUE(spec.settings().empty() && spec.argv().empty());
}

TEST(Protocols, the_newest_that_both_speak_is_spoken) {
  static_assert(kProtocolMin == 1 && kProtocolMax == 3);
  EXPECT_EQ(protocol_of_both(1, 1), 1u) << "an older agent";
  EXPECT_EQ(protocol_of_both(1, 2), 2u);
  EXPECT_EQ(protocol_of_both(2, 7), 3u) << "a newer one that still speaks ours";
  EXPECT_EQ(protocol_of_both(4, 7), 0u) << "one that is too new";
  EXPECT_EQ(protocol_of_both(0, 0), 0u);
  EXPECT_EQ(protocol_of_both(2, 1), 0u) << "nonsense";
}

}  // namespace
}  // namespace oob
