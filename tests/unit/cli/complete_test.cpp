// What a shell's Tab promises.
#include "cli/complete.h"

#include <gtest/gtest.h>

#include <algorithm>

#include "cli/command.h"

namespace oob {
namespace {

using Words = std::vector<std::string>;

LiveNames server(Live) {
  return {.consoles = {"db1", "web01", "web02"},
          .groups = {"rack3"},
          .labels = {"role=web"},
          .agents = {"local", "rack1"},
          .servers = {"home", "work"},
          .users = {"alice", "bob"},
          .tokens = {{"38243845", "carol"}},
          .revisions = {{"3", ""}, {"4", ""}}};
}
LiveNames no_server(Live) { return {}; }

Words offered(const Words& words, const std::function<LiveNames(Live)>& ask = server) {
  Words out;
  for (const Candidate& one : candidates(words, ask)) out.push_back(one.word);
  return out;
}
bool offers(const Words& words, const std::string& word) {
  const Words all = offered(words);
  return std::find(all.begin(), all.end(), word) != all.end();
}

TEST(Complete, a_first_word_is_a_verb_or_a_console) {
  EXPECT_EQ(offered({"w"}), (Words{"who", "whoami", "web01", "web02"}));
  for (const std::string& verb : verbs()) EXPECT_TRUE(offers({""}, verb)) << verb;
  EXPECT_EQ(offered({"w"}, no_server), (Words{"who", "whoami"}));
}

TEST(Complete, second_words_of_a_verb_that_has_them) {
  EXPECT_EQ(offered({"inventory", "p"}), (Words{"plan"}));
  EXPECT_EQ(offered({"help", "agen"}), (Words{"agent"}));
  EXPECT_EQ(offered({"help", "agent", "e"}), (Words{"enroll"}));
}

TEST(Complete, an_argument_is_what_its_table_says) {
  EXPECT_EQ(offered({"info", "web"}), (Words{"web01", "web02"}));
  EXPECT_EQ(offered({"agent", "revoke", ""}), (Words{"local", "rack1"}));
  EXPECT_EQ(offered({"ether", "watch", "--agent", ""}), (Words{"local", "rack1"}));
  EXPECT_EQ(offered({"inventory", "check", ""}), (Words{":folders"}));
  EXPECT_EQ(offered({"info", "web01", ""}), Words{}) << "one is enough";
  EXPECT_EQ(offered({"who", "web01", "d"}), (Words{"db1"})) << "it takes many";
}

TEST(Complete, servers_rights_tokens_users_and_revisions) {
  EXPECT_EQ(offered({"logout", ""}), (Words{"home", "work"}));
  EXPECT_EQ(offered({"--server", ""}), (Words{"home", "work"}));
  EXPECT_EQ(offered({"ls", "--server", "w"}), (Words{"work"}));
  EXPECT_EQ(offered({"ls", "--server=h"}), (Words{"--server=home"}));
  EXPECT_EQ(offered({"--server", "work", "info", "web"}), (Words{"web01", "web02"})) << "it is no argument";
  EXPECT_TRUE(offers({"--s"}, "--server"));
  EXPECT_EQ(offered({"token", "create", "--may", "read,w"}), (Words{"read,write"}));
  EXPECT_EQ(offered({"token", "create", "--may=read,l"}), (Words{"--may=read,list", "--may=read,log"}));
  EXPECT_EQ(offered({"token", "create", "--user", "a"}), (Words{"alice"}));
  EXPECT_EQ(offered({"token", "revoke", ""}), (Words{"38243845"}));
  EXPECT_EQ(offered({"kick", "web01", ""}), (Words{"alice", "bob"}));
  EXPECT_EQ(offered({"inventory", "rollback", ""}), (Words{"3", "4"}));
  EXPECT_EQ(offered({"inventory", "diff", "3", ""}), (Words{"3", "4"}));
  for (const std::string_view right :
       {"list", "read", "write", "takeover", "break", "sysrq", "down", "log", "config", "admin"}) {
    EXPECT_TRUE(offers({"token", "create", "--may", ""}, std::string(right))) << right;
  }
}

TEST(Complete, options_are_offered_once_and_never_beside_those_they_exclude) {
  EXPECT_TRUE(offers({"attach", "--"}, "--force"));
  EXPECT_FALSE(offers({"attach", "-f", "--"}, "--force"));
  EXPECT_FALSE(offers({"attach", "-r", "--"}, "--force"));
  EXPECT_FALSE(offers({"attach", "-f", "--"}, "--read-only"));
  EXPECT_FALSE(offers({"attach", "--", "--"}, "--force")) << "behind -- all are arguments";
}

TEST(Complete, an_options_value_is_not_taken_for_an_argument) {
  EXPECT_EQ(offered({"ls", "-o", ""}), (Words{"text", "json"}));
  EXPECT_EQ(offered({"ls", "--output=j"}), (Words{"--output=json"}));
  EXPECT_EQ(offered({"log", "-n", ""}), Words{});
  EXPECT_EQ(offered({"log", "-n", "5", "db"}), (Words{"db1"}));
  EXPECT_EQ(offered({"log", "--lines=5", "db"}), (Words{"db1"}));
}

TEST(Complete, a_plain_name_takes_attachs_options) {
  EXPECT_TRUE(offers({"web01", "--f"}, "--force"));
  EXPECT_TRUE(offers({"-r", "w"}, "web01"));
}

TEST(Complete, of_names_what_stands_before_an_operator_is_kept) {
  EXPECT_EQ(offered({"ls", "db1,w"}), (Words{"db1,web01", "db1,web02"}));
  EXPECT_EQ(offered({"ls", "web[01-16],d"}), (Words{"web[01-16],db1"}));
  EXPECT_EQ(offered({"ls", "web[01,d"}), Words{}) << "a comma within brackets is none between names";
  EXPECT_EQ(offered({"ls", "@"}), (Words{"@rack3"}));
  EXPECT_EQ(offered({"ls", "web*!@r"}), (Words{"web*!@rack3"}));
  EXPECT_EQ(offered({"ls", "role="}), (Words{"role=web"}));
}

TEST(Complete, odd_words_harm_nothing) {
  for (const Words& words : {Words{}, Words{""}, Words{"", ""}, Words{"-", "-"}, Words{"--", ""},
                             Words{"agent", "x", ""}, Words{"ls", "]]][", ""}, Words{"log", "-n"}, Words{"ls", "="}}) {
    (void)candidates(words, server);
  }
}

}  // namespace
}  // namespace oob
