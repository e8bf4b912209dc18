// The database, its stores and the state folder: what is promised over restarts, versions and second servers.
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>

#include "server/database/agents.h"
#include "server/database/revisions.h"
#include "server/database/state_folder.h"

namespace oob {
namespace {

// As enrolment does it.
Result<> consume(TokenStore tokens, std::string_view hash, std::string_view agent, std::int64_t now) {
  const auto good = tokens.check(hash, agent, now);
  return good ? tokens.use(hash, now) : good;
}

namespace fs = std::filesystem;

class Folder : public ::testing::Test {
 protected:
  void SetUp() override {
    std::string made = ::testing::TempDir() + "oob_database.XXXXXX";
    ASSERT_NE(::mkdtemp(made.data()), nullptr);
    folder_ = made;
  }
  void TearDown() override { fs::remove_all(folder_); }

  std::string path() const { return folder_ + "/db"; }
  std::unique_ptr<Database> open() {
    auto database = Database::open(path());
    EXPECT_TRUE(database) << database.error().message;
    return std::move(*database);
  }

  std::string folder_;
};

using DatabaseFile = Folder;
using Agents = Folder;
using Tokens = Folder;
using Revisions = Folder;
using State = Folder;

TEST_F(DatabaseFile, is_for_its_owner_only) {
  const auto database = open();
  RevisionStore(*database).append({}).value();
  for (const auto& file : fs::directory_iterator(folder_)) {
    EXPECT_EQ(file.status().permissions(), fs::perms::owner_read | fs::perms::owner_write) << file.path();
  }
}

TEST_F(DatabaseFile, of_a_newer_server_is_refused_and_left_as_it_is) {
  { ASSERT_TRUE(open()->run("PRAGMA user_version=99")); }
  const auto refused = Database::open(path());
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, ErrorCode::Unavailable);
  EXPECT_EQ(refused.error().message, "the database " + path() +
                                         " was made by a newer oobd (its schema is 99, this oobd knows " +
                                         std::to_string(schema_migrations().back().number) +
                                         "); run that version, or restore a backup from before the upgrade");
}

TEST_F(DatabaseFile, of_an_older_server_is_brought_up_to_date_and_keeps_what_it_holds) {
  const Migration first{1, "CREATE TABLE a (x INTEGER NOT NULL) STRICT; INSERT INTO a VALUES (7)"};
  const Migration second{2, "ALTER TABLE a ADD COLUMN y INTEGER NOT NULL DEFAULT 5"};
  const Migration both[] = {first, second};
  ASSERT_TRUE(Database::open(path(), std::span(&first, 1)));
  for (int twice = 0; twice < 2; ++twice) {
    const auto database = Database::open(path(), both);
    ASSERT_TRUE(database);
    auto query = (*database)->prepare("SELECT x + y FROM a").value();
    EXPECT_TRUE(query.step().value());
    EXPECT_EQ(query.integer(0), 12);
  }
}

TEST_F(DatabaseFile, whose_migration_fails_stays_at_the_version_before) {
  const Migration broken[] = {{1, "CREATE TABLE a (x INTEGER) STRICT"},
                              {2, "CREATE TABLE b (x INTEGER) STRICT; nonsense"}};
  EXPECT_FALSE(Database::open(path(), broken));
  const auto database = Database::open(path(), std::span(broken, 1));
  ASSERT_TRUE(database) << database.error().message;
  EXPECT_FALSE((*database)->prepare("SELECT x FROM b"));
  EXPECT_TRUE((*database)->prepare("SELECT x FROM a"));
}

TEST_F(DatabaseFile, that_is_none_is_refused_by_name) {
  std::ofstream(path()) << std::string(4096, 'x');
  const auto refused = Database::open(path());
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().message, "the database " + path() + ": file is not a database");
  EXPECT_FALSE(Database::open(folder_ + "/none/db"));
}

TEST_F(DatabaseFile, forgets_a_transaction_that_failed) {
  const auto database = open();
  SettingStore settings(*database);
  const auto done = database->transaction([&]() -> Result<> {
    EXPECT_TRUE(settings.put("a", "1"));
    return fail(ErrorCode::Conflict, "no");
  });
  EXPECT_EQ(done.error().message, "no");
  EXPECT_EQ(settings.find("a").value(), std::nullopt);
  EXPECT_TRUE(settings.put("a", "1"));
  EXPECT_TRUE(settings.put("a", "2"));
  EXPECT_EQ(settings.find("a").value(), "2");
}

TEST_F(Agents, are_found_and_listed_by_name) {
  const auto database = open();
  AgentStore agents(*database);
  const AgentRecord rack2{"rack2", "key", "certificate", "01", 200, 100, 0}, rack1{"rack1", "k", "c", "02", 2, 1, 0};
  ASSERT_TRUE(agents.put(rack2));
  ASSERT_TRUE(agents.put(rack1));
  EXPECT_EQ(agents.find("rack2").value(), rack2);
  EXPECT_EQ(agents.find("rack3").value(), std::nullopt);
  EXPECT_EQ(agents.list().value(), (std::vector{rack1, rack2}));
}

TEST_F(Agents, that_enrol_again_replace_the_older_enrolment) {
  const auto database = open();
  AgentStore agents(*database);
  ASSERT_TRUE(agents.put({"rack1", "old", "c", "01", 2, 1, 7}));
  const AgentRecord again{"rack1", "new", "d", "02", 20, 10, 0};
  ASSERT_TRUE(agents.put(again));
  EXPECT_EQ(agents.list().value(), std::vector{again});
}

TEST_F(Agents, are_revoked_once_and_for_all) {
  const auto database = open();
  AgentStore agents(*database);
  ASSERT_TRUE(agents.put({"rack1", "k", "c", "01", 2, 1, 0}));
  EXPECT_TRUE(agents.revoke("rack1", 50));
  EXPECT_TRUE(agents.revoke("rack1", 60));
  EXPECT_EQ(agents.find("rack1").value()->revoked_wall_ms, 50);
  const auto unknown = agents.revoke("rack2", 50);
  EXPECT_EQ(unknown.error().code, ErrorCode::NotFound);
  EXPECT_EQ(unknown.error().message, "no agent \"rack2\" has enrolled; did you mean \"rack1\"?");
}

TEST_F(Tokens, serve_once_for_their_agent_and_in_time) {
  const auto database = open();
  TokenStore tokens(*database);
  ASSERT_TRUE(tokens.put({"hash", "rack1", 1000, 0}));
  EXPECT_EQ(consume(tokens, "hash", "rack2", 1).error().message,
            "wrong token: this server did not make it for this agent");
  EXPECT_EQ(consume(tokens, "other", "rack1", 1).error().code, ErrorCode::Denied);
  EXPECT_EQ(consume(tokens, "hash", "rack1", 1000).error().message, "this token has expired; ask for a new one");
  EXPECT_TRUE(consume(tokens, "hash", "rack1", 999));
  EXPECT_EQ(consume(tokens, "hash", "rack1", 999).error().message, "this token was used already; ask for a new one");
}

TEST_F(Tokens, that_were_used_stay_used_over_a_restart) {
  {
    const auto database = open();
    TokenStore tokens(*database);
    ASSERT_TRUE(tokens.put({"hash", "rack1", 1000, 0}));
    ASSERT_TRUE(consume(tokens, "hash", "rack1", 5));
  }
  const auto database = open();
  EXPECT_FALSE(consume(TokenStore(*database), "hash", "rack1", 6));
}

TEST_F(Tokens, are_forgotten_a_day_after_they_expired) {
  constexpr std::int64_t kDay = 24 * 3600 * 1000;
  const auto database = open();
  TokenStore tokens(*database);
  ASSERT_TRUE(tokens.put({"hash", "rack1", 1000, 0}));
  ASSERT_TRUE(tokens.forget_expired(kDay + 1000));
  EXPECT_NE(consume(tokens, "hash", "rack1", kDay).error().message.find("expired"), std::string::npos);
  ASSERT_TRUE(tokens.forget_expired(kDay + 1001));
  EXPECT_NE(consume(tokens, "hash", "rack1", kDay).error().message.find("wrong"), std::string::npos);
}

TEST_F(Revisions, keep_their_files_byte_for_byte) {
  const auto database = open();
  RevisionStore revisions(*database);
  EXPECT_FALSE(revisions.latest().value().has_value());
  const std::vector<RevisionFile> files{{"a.toml", "# \xc3\xa4\r\n\n"}, {"b.toml", ""}};
  EXPECT_EQ(revisions.append({0, 10, "alice", "first", files}).value(), 1);
  EXPECT_EQ(revisions.append({0, 20, "bob", "second", {}}).value(), 2);
  EXPECT_EQ(revisions.find(1).value()->files, files);
  EXPECT_EQ(revisions.latest().value()->number, 2);
  EXPECT_EQ(revisions.latest().value()->by, "bob");
  EXPECT_FALSE(revisions.find(3).value().has_value());
  const auto history = revisions.history(10).value();
  ASSERT_EQ(history.size(), 2u);
  EXPECT_EQ(history[0].number, 2);
  EXPECT_EQ(history[1].applied_wall_ms, 10);
  EXPECT_EQ(revisions.history(1).value().size(), 1u);
}

TEST_F(Revisions, that_could_not_be_stored_whole_are_not_stored) {
  const auto database = open();
  RevisionStore revisions(*database);
  EXPECT_FALSE(revisions.append({0, 10, "alice", "twice the same file", {{"a.toml", "1"}, {"a.toml", "2"}}}));
  EXPECT_FALSE(revisions.latest().value().has_value());
  EXPECT_EQ(revisions.append({0, 10, "alice", "again", {{"a.toml", "1"}}}).value(), 1);
}

TEST_F(State, folder_is_made_for_its_owner_only) {
  const auto state = StateFolder::open(folder_ + "/deep/state");
  ASSERT_TRUE(state) << state.error().message;
  for (const auto* sub : {"", "/log", "/db", "/ca", "/run"}) {
    struct stat status {};
    ASSERT_EQ(::stat((folder_ + "/deep/state" + sub).c_str(), &status), 0) << sub;
    EXPECT_EQ(status.st_mode & 07777, 0700u) << sub;
  }
  EXPECT_EQ((*state)->database(), folder_ + "/deep/state/db/oobd.sqlite");
}

TEST_F(State, folder_serves_one_server_at_a_time_and_names_the_first) {
  auto first = StateFolder::open(folder_ + "/state");
  ASSERT_TRUE(first);
  const auto second = StateFolder::open(folder_ + "/state");
  ASSERT_FALSE(second);
  EXPECT_EQ(second.error().code, ErrorCode::Conflict);
  EXPECT_EQ(second.error().message, "another oobd runs on this state folder (pid " + std::to_string(::getpid()) +
                                        "): " + folder_ + "/state/lock");
  first->reset();
  EXPECT_TRUE(StateFolder::open(folder_ + "/state"));
}

TEST_F(State, folder_of_a_killed_server_is_free_again) {
  const pid_t child = ::fork();
  if (child == 0) {
    const auto state = StateFolder::open(folder_ + "/state");
    if (state) ::raise(SIGKILL);
    ::_exit(1);
  }
  int status = 0;
  ASSERT_EQ(::waitpid(child, &status, 0), child);
  ASSERT_TRUE(WIFSIGNALED(status));
  EXPECT_TRUE(StateFolder::open(folder_ + "/state"));
}

TEST_F(State, folder_that_cannot_be_had_is_named) {
  std::ofstream(folder_ + "/file") << "x";
  const auto state = StateFolder::open(folder_ + "/file/state");
  EXPECT_EQ(state.error().message, folder_ + "/file cannot be used: Not a directory");
}

TEST_F(Tokens, that_were_cancelled_are_told_so_and_others_stay_good) {
  const auto database = open();
  TokenStore tokens(*database);
  ASSERT_TRUE(tokens.put({"one", "rack1", 1000, 0}));
  ASSERT_TRUE(tokens.put({"two", "rack1", 1000, 0}));
  ASSERT_TRUE(tokens.put({"three", "rack2", 1000, 0}));
  ASSERT_TRUE(consume(tokens, "one", "rack1", 5));
  EXPECT_EQ(tokens.cancel("rack1").value(), 1);
  EXPECT_NE(consume(tokens, "one", "rack1", 6).error().message.find("used already"), std::string::npos);
  EXPECT_NE(consume(tokens, "two", "rack1", 6).error().message.find("cancelled"), std::string::npos);
  EXPECT_TRUE(consume(tokens, "three", "rack2", 6));
}

TEST_F(Agents, have_their_next_certificate_as_the_present_one_once_it_was_used) {
  const auto database = open();
  AgentStore agents(*database);
  AgentRecord record{"rack1", "k1", "c1", "s1", 100, 10, 0, 10, "k2", "c2", "s2", 200, 90};
  ASSERT_TRUE(agents.put(record));
  ASSERT_TRUE(agents.use_next("rack1", "c3"));
  EXPECT_EQ(agents.find("rack1").value().value(), record);
  ASSERT_TRUE(agents.use_next("rack1", "c2"));
  const AgentRecord used{"rack1", "k2", "c2", "s2", 200, 10, 0, 90};
  EXPECT_EQ(agents.find("rack1").value().value(), used);
  use_next(record);
  EXPECT_EQ(record, used);
  ASSERT_TRUE(agents.use_next("rack1", ""));
  EXPECT_EQ(agents.find("rack1").value().value(), used);
}

}  // namespace
}  // namespace oob
