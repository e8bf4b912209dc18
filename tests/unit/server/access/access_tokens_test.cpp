// What a token lets its holder do, and when it no longer does.
#include "server/access/access_tokens.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <mutex>

#include "common/limits.h"

namespace oob {
namespace {

using namespace std::chrono_literals;
using Wish = AccessTokens::Wish;

struct Tokens : ::testing::Test {
  Tokens() {
    char name[] = "/tmp/oob-tokens-XXXXXX";
    folder = mkdtemp(name);
    database = std::move(*Database::open(folder + "/db"));
    access.set_selects([](const std::string& names, const std::string& console) {
      return names == "*" || names == console || (names == "web*" && console.starts_with("web"));
    });
    open();
  }
  ~Tokens() override {
    tokens.reset();
    disk.reset();
    std::filesystem::remove_all(folder);
  }

  void open() {
    disk = std::make_unique<Worker>(shard);
    tokens = std::make_unique<AccessTokens>(
        shard, *disk, *database, access,
        [](const std::string& names, const std::string&) -> Result<> {
          if (names == "nowhere") return fail(ErrorCode::NotFound, "no console \"nowhere\"");
          return {};
        },
        [this](const std::string& name) -> Result<std::optional<Identity>> {
          const std::lock_guard lock(users_mutex);
          if (directory_down) return fail(ErrorCode::Unavailable, "no answer");
          const auto found = system_users.find(name);
          return found == system_users.end() ? std::nullopt : std::optional(found->second);
        });
    ASSERT_TRUE(tokens->start());
    tokens->on_ended([this](const std::string& id, const std::string& why) { ended.push_back(id + ": " + why); });
  }
  void open_again() {
    tokens.reset();
    disk.reset();  // everything is written
    open();
  }

  void system_user(const std::string& name, const std::optional<Identity>& who) {
    const std::lock_guard lock(users_mutex);
    system_users.erase(name);
    if (who) system_users[name] = *who;
  }

  template <typename Condition>
  bool until(Condition condition) {
    const auto give_up = std::chrono::steady_clock::now() + 10s;
    while (!condition() && std::chrono::steady_clock::now() < give_up) shard.io().run_one_for(50ms);
    return condition();
  }
  Result<AccessTokens::Made> make(const Identity& who, const Wish& wish) {
    std::optional<Result<AccessTokens::Made>> made;
    tokens->create(who, wish, [&](auto m) { made = std::move(m); });
    EXPECT_TRUE(until([&] { return made.has_value(); }));
    return *made;
  }
  Identity holder(const AccessTokens::Made& made) {
    auto who = tokens->login(made.text, "10.0.0.1");
    EXPECT_TRUE(who);
    return who.value_or(Identity{});
  }
  Result<> revoke(const Identity& who, const std::string& id) {
    std::optional<Result<>> done;
    tokens->revoke(who, id, [&](Result<> d) { done = std::move(d); });
    EXPECT_TRUE(until([&] { return done.has_value(); }));
    return *done;
  }
  bool may(const Identity& who, Right right, const std::string& console) {
    return access.check(who, right, {console}).has_value();
  }

  std::string folder;
  Shard shard;
  std::unique_ptr<Database> database;
  std::unique_ptr<Worker> disk;
  Access access{"oob", 900};
  std::unique_ptr<AccessTokens> tokens;
  std::vector<std::string> ended;
  std::map<std::string, Identity> system_users{{"root", {"root", 0, {"root"}, "local"}}};
  bool directory_down = false;
  std::mutex users_mutex;  // they are looked up on another thread
  const Identity root{"root", 0, {"root"}, "local"};
  const Identity alice{"alice", 1000, {"oob"}, "local"};
};

TEST_F(Tokens, one_without_limits_acts_as_its_maker_wherever_it_is_used) {
  const auto made = make(root, {});
  ASSERT_TRUE(made) << made.error().message;
  const Identity who = holder(*made);
  EXPECT_EQ(who.user, "root");
  EXPECT_EQ(who.from, "10.0.0.1");
  for (const Right right : kAllRights) EXPECT_TRUE(may(who, right, "web01") && may(who, right, ""));
}

TEST_F(Tokens, a_limited_one_has_its_rights_on_its_consoles_and_nothing_of_the_server) {
  const auto made = make(root, {"ci", "", {}, {"read", "log"}, "web*"});
  ASSERT_TRUE(made) << made.error().message;
  const Identity who = holder(*made);
  EXPECT_TRUE(may(who, Right::Read, "web01") && may(who, Right::Log, "web01") && may(who, Right::List, "web01"));
  EXPECT_FALSE(may(who, Right::Write, "web01"));
  EXPECT_FALSE(may(who, Right::Read, "db1") || may(who, Right::List, "db1"));
  EXPECT_TRUE(may(who, Right::List, ""));
  EXPECT_FALSE(may(who, Right::Config, "") || may(who, Right::Admin, ""));
}

TEST_F(Tokens, somebody_without_an_account_may_exactly_what_an_admin_wrote) {
  EXPECT_EQ(make(root, {"", "carol", {}, {}, ""}).error().code, ErrorCode::Usage) << "no rights were named";
  const auto made = make(root, {"", "carol", {}, {"read"}, ""});
  ASSERT_TRUE(made) << made.error().message;
  const Identity who = holder(*made);
  EXPECT_EQ(who.user, "carol");
  EXPECT_TRUE(may(who, Right::Read, "db1"));
  EXPECT_FALSE(may(who, Right::Write, "db1"));
  EXPECT_EQ(make(who, {"", "root", {}, {"read"}, ""}).error().code, ErrorCode::Denied) << "only an admin makes them";
}

TEST_F(Tokens, a_name_of_an_account_alone_gives_none_of_its_rights) {
  const auto made = make(alice, {"", "root", {}, {"read"}, ""});  // alice may all, so she may grant
  ASSERT_TRUE(made);
  const Identity who = holder(*made);
  EXPECT_EQ(who.user, "root");
  EXPECT_FALSE(may(who, Right::Admin, ""));
}

TEST_F(Tokens, an_account_that_lost_its_rights_takes_its_tokens_with_it) {
  const Identity bob{"bob", 1001, {"users"}, "local"};
  const auto made = make(bob, {});
  ASSERT_TRUE(made) << made.error().message;
  EXPECT_FALSE(may(holder(*made), Right::List, ""));
}

TEST_F(Tokens, one_made_with_another_is_bounded_by_it_and_ends_with_it) {
  const auto first = make(root, {"", "carol", Duration(3'600'000), {"read", "write"}, "web*"});
  ASSERT_TRUE(first);
  const Identity carol = holder(*first);
  EXPECT_EQ(make(carol, {"", "", {}, {"admin"}, ""}).error().code, ErrorCode::Denied);
  const auto second = make(carol, {"", "", {}, {}, "*"});
  ASSERT_TRUE(second) << second.error().message;
  EXPECT_LE(second->token.expires_wall_ms, first->token.expires_wall_ms);
  const Identity who = holder(*second);
  EXPECT_TRUE(may(who, Right::Write, "web01"));
  EXPECT_FALSE(may(who, Right::Break, "web01") || may(who, Right::Read, "db1"));

  EXPECT_EQ(revoke(who, first->token.id).error().code, ErrorCode::NotFound) << "not its own to end";
  EXPECT_EQ(tokens->list(who).size(), 1u);
  ASSERT_TRUE(revoke(root, first->token.id));
  EXPECT_EQ(ended.size(), 2u);
  EXPECT_FALSE(tokens->login(first->text, "") || tokens->login(second->text, ""));
  open_again();
  EXPECT_FALSE(tokens->login(first->text, "") || tokens->login(second->text, ""));
}

TEST_F(Tokens, one_that_expires_is_told_and_refused) {
  const auto made = make(root, {"", "", Duration(1), {}, ""});
  ASSERT_TRUE(made);
  EXPECT_TRUE(until([&] { return !ended.empty(); }));
  EXPECT_EQ(ended, std::vector<std::string>{made->token.id + ": this token has expired"});
  EXPECT_FALSE(tokens->login(made->text, ""));
}

TEST_F(Tokens, last_use_and_all_else_outlive_a_restart_and_the_secret_is_nowhere_on_disk) {
  const auto made = make(root, {"ci", "", {}, {"read"}, "web*"});
  ASSERT_TRUE(made);
  holder(*made);
  const auto before = tokens->list(root);
  open_again();
  EXPECT_EQ(tokens->list(root), before);
  EXPECT_EQ(before.at(0).used_from, "10.0.0.1");
  EXPECT_EQ(holder(*made).token->name, "ci");
  EXPECT_EQ(before.at(0).hash.find(made->text.reveal().substr(13)), std::string::npos);
}

TEST_F(Tokens, a_wrong_secret_an_unknown_id_and_nonsense_are_all_the_same) {
  const auto made = make(root, {});
  ASSERT_TRUE(made);
  std::string other(made->text.reveal());
  other[20] = other[20] == 'A' ? 'B' : 'A';
  std::string unknown(made->text.reveal());
  unknown[4] = unknown[4] == '0' ? '1' : '0';
  for (const std::string& text : {other, unknown, std::string("oob_"), std::string()}) {
    EXPECT_FALSE(tokens->login(Secret(std::string(text)), ""));
  }
  EXPECT_TRUE(tokens->login(made->text, ""));
}

TEST_F(Tokens, a_wish_that_makes_no_sense_is_refused_with_the_nearest_word) {
  EXPECT_NE(make(root, {"", "", {}, {"raed"}, ""}).error().message.find("\"read\""), std::string::npos);
  EXPECT_EQ(make(root, {"", "", {}, {}, "nowhere"}).error().code, ErrorCode::NotFound);
  EXPECT_EQ(make(root, {"", "", Duration(std::chrono::hours(24 * 400)), {}, ""}).error().code, ErrorCode::Usage);
  EXPECT_EQ(make(root, {"a b", "", {}, {}, ""}).error().code, ErrorCode::Usage);
  EXPECT_EQ(make(Identity{"uid 7", 7, {"oob"}, "local"}, {}).error().code, ErrorCode::Usage);
  EXPECT_NE(revoke(root, "12345678").error().message.find("no token"), std::string::npos);
}

TEST_F(Tokens, one_still_being_written_ends_with_the_token_it_is_made_with) {
  const auto first = make(root, {});
  ASSERT_TRUE(first);
  std::optional<Result<AccessTokens::Made>> second;
  tokens->create(holder(*first), {}, [&](auto made) { second = std::move(made); });
  ASSERT_TRUE(revoke(root, first->token.id));
  ASSERT_TRUE(until([&] { return second.has_value(); }));
  ASSERT_FALSE(*second);
  EXPECT_EQ(second->error().code, ErrorCode::Denied);
  open_again();
  for (const auto& token : tokens->list(root)) EXPECT_NE(token.revoked_wall_ms, 0) << token.id;
}

TEST_F(Tokens, nothing_is_made_with_one_that_ended) {
  const auto first = make(root, {});
  ASSERT_TRUE(first);
  const Identity who = holder(*first);
  ASSERT_TRUE(revoke(root, first->token.id));
  const auto second = make(who, {});
  ASSERT_FALSE(second);
  EXPECT_EQ(second.error().code, ErrorCode::Denied);
}

TEST_F(Tokens, those_still_being_written_count_against_the_limit) {
  std::size_t answered = 0, made = 0;
  for (std::size_t i = 0; i <= limits::access_tokens_of_user_max; ++i) {
    tokens->create(root, {}, [&](const auto& one) { ++answered, made += one.has_value(); });
  }
  ASSERT_TRUE(until([&] { return answered == limits::access_tokens_of_user_max + 1; }));
  EXPECT_EQ(made, limits::access_tokens_of_user_max);
}

TEST_F(Tokens, a_revocation_is_called_done_only_when_it_is_on_disk) {
  const auto made = make(root, {});
  ASSERT_TRUE(made);
  ASSERT_TRUE(database->run("PRAGMA query_only = ON"));
  for (int attempt = 0; attempt < 2; ++attempt) {
    const auto done = revoke(root, made->token.id);
    ASSERT_FALSE(done) << "attempt " << attempt;
    EXPECT_NE(done.error().message.find("refused from now on"), std::string::npos) << done.error().message;
    EXPECT_FALSE(tokens->login(made->text, ""));
  }
  EXPECT_EQ(ended.size(), 1u);
  ASSERT_TRUE(database->run("PRAGMA query_only = OFF"));
  EXPECT_TRUE(revoke(root, made->token.id));
  open_again();
  EXPECT_FALSE(tokens->login(made->text, ""));
}

TEST_F(Tokens, a_revocation_that_could_not_be_written_is_written_later_by_itself) {
  const auto made = make(root, {});
  ASSERT_TRUE(made);
  ASSERT_TRUE(database->run("PRAGMA query_only = ON"));
  ASSERT_FALSE(revoke(root, made->token.id));
  ASSERT_TRUE(database->run("PRAGMA query_only = OFF"));
  open_again();  // the end writes what the timer would
  EXPECT_FALSE(tokens->login(made->text, ""));
}

TEST_F(Tokens, a_chain_of_them_is_bounded_in_length_and_in_what_it_says_of_consoles) {
  Identity who = root;
  for (std::size_t depth = 0; depth <= limits::access_token_depth_max; ++depth) {
    const auto made = make(who, {});
    ASSERT_TRUE(made) << made.error().message;
    who = holder(*made);
  }
  EXPECT_EQ(make(who, {}).error().code, ErrorCode::Usage);

  const std::string half(limits::access_scope_bytes_max / 2, 'w');
  const auto first = make(root, {"", "", {}, {}, half});
  ASSERT_TRUE(first);
  const auto same = make(holder(*first), {"", "", {}, {}, half});
  ASSERT_TRUE(same) << same.error().message;
  EXPECT_EQ(same->token.consoles, first->token.consoles);
  const auto more = make(holder(*same), {"", "", {}, {}, "x" + half});
  ASSERT_FALSE(more);
  EXPECT_EQ(more.error().code, ErrorCode::Usage);
}

TEST_F(Tokens, who_leaves_the_group_is_told_so_wherever_a_token_of_theirs_is_in_use) {
  system_user("alice", alice);
  const auto hers = make(alice, {});
  const auto granted = make(root, {"", "alice", {}, {"read"}, ""});  // not by her account: it has its own rights
  ASSERT_TRUE(hers && granted);
  const auto looked = [&](auto condition) { return until([&] { return tokens->look_up_accounts(), condition(); }); };
  Identity changed = alice;
  changed.groups = {"users"};
  system_user("alice", changed);
  ASSERT_TRUE(looked([&] { return !ended.empty(); }));
  EXPECT_EQ(ended, std::vector<std::string>{hers->token.id + ": alice has no right on this server any more"});
  EXPECT_FALSE(may(holder(*hers), Right::List, ""));

  system_user("alice", alice);  // the token was not revoked
  ASSERT_TRUE(looked([&] { return may(holder(*hers), Right::List, ""); }));
  EXPECT_EQ(ended.size(), 1u);
  system_user("alice", std::nullopt);
  ASSERT_TRUE(looked([&] { return ended.size() == 2; }));
}

TEST_F(Tokens, a_user_database_that_does_not_answer_cuts_nobody_off) {
  system_user("alice", alice);
  const auto hers = make(alice, {});
  ASSERT_TRUE(hers);
  const auto down = [&](bool is_down) {
    const std::lock_guard lock(users_mutex);
    directory_down = is_down;
  };
  down(true);
  tokens->look_up_accounts();
  const auto made = make(root, {});  // behind it on the way there and back
  ASSERT_TRUE(made);
  EXPECT_TRUE(may(holder(*hers), Right::List, ""));
  EXPECT_TRUE(ended.empty());
  open_again();  // not known yet, and not taken for somebody who has no right for good
  EXPECT_FALSE(may(holder(*hers), Right::List, ""));
  down(false);
  ASSERT_TRUE(until([&] { return tokens->look_up_accounts(), may(holder(*hers), Right::List, ""); }));
}

TEST_F(Tokens, who_has_left_the_group_when_they_ask_for_another_token_is_told_so_too) {
  const auto first = make(alice, {});
  ASSERT_TRUE(first);
  ASSERT_TRUE(make(Identity{"alice", 1000, {"users"}, "local"}, {}));
  EXPECT_EQ(ended, std::vector<std::string>{first->token.id + ": alice has no right on this server any more"});
}

}  // namespace
}  // namespace oob
