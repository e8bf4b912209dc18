// Who may what, and who a peer is by the system's own word.
#include "server/access/access.h"

#include <grp.h>
#include <gtest/gtest.h>
#include <unistd.h>

namespace oob {
namespace {

Identity somebody(std::string user, unsigned uid, std::set<std::string> groups, std::string from = "local") {
  return {std::move(user), uid, std::move(groups), std::move(from)};
}

constexpr Right kAll[] = {Right::List, Right::Read, Right::Write,  Right::TakeOver, Right::Break,
                          Right::Down, Right::Log,  Right::Config, Right::Admin};

TEST(Access, root_the_servers_user_and_the_group_may_all) {
  const Access access("oob", 900);
  for (const Right right : kAll) {
    EXPECT_TRUE(access.check(somebody("root", 0, {}), right, {"web01"}));
    EXPECT_TRUE(access.check(somebody("oobd", 900, {}), right, {}));
    EXPECT_TRUE(access.check(somebody("alice", 1000, {"users", "oob"}), right, {"web01"}));
  }
}

TEST(Access, a_stranger_may_nothing_and_is_told_whom_to_ask) {
  const Access access("oob", 900);
  for (const Right right : kAll) {
    const auto result = access.check(somebody("bob", 1001, {"users"}), right, {"web01"});
    ASSERT_FALSE(result);
    EXPECT_EQ(result.error().code, ErrorCode::Denied);
    EXPECT_NE(result.error().message.find("user bob"), std::string::npos);
    EXPECT_NE(result.error().message.find(right_name(right)), std::string::npos);
    EXPECT_NE(result.error().message.find("web01"), std::string::npos);
    EXPECT_NE(result.error().message.find("group oob"), std::string::npos);
  }
}

TEST(Access, a_uid_from_elsewhere_or_none_at_all_counts_for_nothing) {
  EXPECT_FALSE(Access("oob", 900).check(somebody("root", 0, {}, "10.0.0.1"), Right::List, {}));
  EXPECT_FALSE(Access("oob", ~0u).check(Identity{"x", ~0u, {}, "local"}, Right::List, {}));
}

TEST(Access, a_name_with_control_characters_is_escaped_in_the_refusal) {
  const auto result = Access("oob", 900).check(somebody("bob", 1, {}), Right::Read, {"a\x1b[2J"});
  ASSERT_FALSE(result);
  EXPECT_EQ(result.error().message.find('\x1b'), std::string::npos);
}

TEST(Access, every_right_has_a_name_of_its_own) {
  std::set<std::string_view> names;
  for (const Right right : kAll) names.insert(right_name(right));
  EXPECT_EQ(names.size(), std::size(kAll));
}

TEST(Access, a_peer_gets_its_name_and_groups_from_the_system) {
  const Identity root = identify_peer(0, 0);
  EXPECT_EQ(root.user, "root");
  EXPECT_EQ(root.from, "local");
  EXPECT_TRUE(root.groups.contains("root"));
}

TEST(Access, an_unknown_uid_is_named_by_its_number_and_keeps_its_group) {
  const group* daemon = getgrnam("daemon");
  ASSERT_TRUE(daemon);
  const Identity nobody = identify_peer(3'999'999, daemon->gr_gid);
  EXPECT_EQ(nobody.user, "uid 3999999");
  EXPECT_EQ(nobody.groups, std::set<std::string>{"daemon"});
}

}  // namespace
}  // namespace oob
