// Names and NAMES expressions: the grammar, its refusals, its bounds, and folding back.
#include "common/names.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <map>

#include "common/limits.h"

namespace oob {
namespace {

class Rack final : public NameUniverse {
 public:
  explicit Rack(std::vector<std::string> names) : all_(std::move(names)) { std::ranges::sort(all_); }
  const std::vector<std::string>& all() const override { return all_; }
  const std::vector<std::string>* members(std::string_view group) const override {
    const auto found = groups_.find(std::string(group));
    return found == groups_.end() ? nullptr : &found->second;
  }
  std::vector<std::string> groups() const override { return {"web", "people"}; }
  std::vector<std::string> labelled(std::string_view label, std::string_view value) const override {
    if (label == "role" && value == "db") return {"db1", "db2"};
    return {};
  }
  std::vector<std::string> labels() const override { return {"role=db"}; }

 private:
  std::vector<std::string> all_;
  std::map<std::string, std::vector<std::string>> groups_{{"web", {"web01", "web02", "gone"}}, {"people", {"alice"}}};
};

const Rack kRack({"web01", "web02", "web03", "web10", "db1", "db2", "r1u01", "r1u02", "r2u01", "r2u02", "web01.bmc"});

std::string chosen(std::string_view expression) {
  const auto names = select_names(expression, kRack);
  if (!names) return "error: " + names.error().message;
  std::string out;
  for (const auto& name : *names) out += (out.empty() ? "" : " ") + name;
  return out;
}

TEST(Names, letters_digits_dot_underscore_and_dash_make_a_name) {
  for (const auto* name : {"web01", "a", "1", "R2-D2", "a_b.c-d"}) EXPECT_TRUE(check_name(name)) << name;
  EXPECT_TRUE(check_name(std::string(64, 'a')));
}

TEST(Names, what_is_no_name_is_refused_with_the_reason) {
  EXPECT_EQ(check_name("").error().message, "a name cannot be empty");
  EXPECT_EQ(check_name("../etc").error().message, "\"../etc\" is no name: it begins with a letter or digit");
  EXPECT_EQ(check_name("a/b").error().message,
            "\"a/b\" is no name: letters, digits, \".\", \"_\" and \"-\" may stand in it");
  EXPECT_EQ(check_name("a\x1b[2J").error().message,
            "\"a\\x1b[2J\" is no name: letters, digits, \".\", \"_\" and \"-\" may stand in it");
  EXPECT_FALSE(check_name("pdu1:4"));
  EXPECT_FALSE(check_name("w\xc3\xa4rme"));
  EXPECT_NE(check_name(std::string(65, 'a')).error().message.find("too long"), std::string::npos);
  EXPECT_EQ(check_name("").error().code, ErrorCode::Usage);
}

TEST(Names, a_verb_is_refused_as_a_name) {
  for (const auto* verb : {"ls", "attach", "ask", "version", "gang", "tty", "help"}) {
    EXPECT_EQ(check_name(verb).error().message,
              "\"" + std::string(verb) + "\" cannot be a name: it is a command of oob");
  }
  EXPECT_TRUE(check_name("log1"));
  EXPECT_TRUE(check_name_letters("log"));
}

TEST(Names, ranges_keep_the_zeros_of_the_first_bound) {
  EXPECT_EQ(chosen("web[01-03]"), "web01 web02 web03");
  EXPECT_EQ(chosen("web[01-02,10]"), "web01 web02 web10");
  EXPECT_EQ(chosen("r[1-2]u[01-02]"), "r1u01 r1u02 r2u01 r2u02");
  EXPECT_EQ(*expand_ranges("p[008-11]"), (std::vector<std::string>{"p008", "p009", "p010", "p011"}));
  EXPECT_EQ(*expand_ranges("p[8-11]x"), (std::vector<std::string>{"p8x", "p9x", "p10x", "p11x"}));
}

TEST(Names, globs_match_whole_names) {
  EXPECT_EQ(chosen("web0?"), "web01 web02 web03");
  EXPECT_EQ(chosen("*u01"), "r1u01 r2u01");
  EXPECT_EQ(chosen("*b*1*c"), "web01.bmc");
  EXPECT_EQ(chosen("r[1-2]*2"), "r1u02 r2u02");
}

TEST(Names, a_union_names_each_once_in_the_order_written) {
  EXPECT_EQ(chosen("db2,web01,db1,web01"), "db2 web01 db1");
  EXPECT_EQ(chosen(" db1 , web[01, 02] "), "db1 web01 web02");
}

TEST(Names, taking_away_and_keeping_bind_tighter_than_the_comma) {
  EXPECT_EQ(chosen("web0?!web02"), "web01 web03");
  EXPECT_EQ(chosen("web0?!web02,web02"), "web01 web03 web02");
  EXPECT_EQ(chosen("*&role=db"), "db1 db2");
  EXPECT_EQ(chosen("web0?&@web!web01"), "web02");
}

TEST(Names, groups_and_labels_stand_for_what_is_there) {
  EXPECT_EQ(chosen("@web"), "web01 web02");
  EXPECT_EQ(chosen("role=db"), "db1 db2");
}

TEST(Names, one_unknown_name_selects_nothing_at_all) {
  EXPECT_EQ(chosen("web01,web04"), "error: no name \"web04\"; did you mean \"web01\"?");
  EXPECT_EQ(chosen("web01!web04"), "error: no name \"web04\"; did you mean \"web01\"?");
  EXPECT_EQ(chosen("zzzzzz"), "error: no name \"zzzzzz\"");
  EXPECT_EQ(chosen("@wep"), "error: no group \"wep\"; did you mean \"web\"?");
  EXPECT_EQ(chosen("role=bd"), "error: nothing has the label \"role=bd\"; did you mean \"role=db\"?");
  EXPECT_EQ(select_names("web04", kRack).error().code, ErrorCode::NotFound);
}

TEST(Names, an_empty_result_is_not_found) {
  EXPECT_EQ(chosen("x*"), "error: \"x*\" selects nothing");
  EXPECT_EQ(chosen("web01!web01"), "error: \"web01!web01\" selects nothing");
  EXPECT_EQ(chosen("@people"), "error: \"@people\" selects nothing");
  EXPECT_EQ(select_names("x*", kRack).error().code, ErrorCode::NotFound);
}

TEST(Names, a_malformed_expression_is_refused_with_the_reason) {
  const std::string missing =
      "error: a name is missing in the expression, before or after one of \",\", \"!\" and \"&\"";
  for (const auto* expression : {"", ",", "web01,", "!web01", "web01&", "web01,,db1", "  "}) {
    EXPECT_EQ(chosen(expression), missing) << expression;
  }
  EXPECT_EQ(chosen("web[01"), "error: the \"[\" in \"web[01\" is not closed by \"]\"");
  EXPECT_EQ(chosen("web01]"), "error: the \"]\" in \"web01]\" closes nothing");
  EXPECT_EQ(chosen("web[3-1]"), "error: the range \"3-1\" runs backwards; write the lower number first");
  EXPECT_EQ(chosen("web[a-b]"), "error: the range \"a-b\" is no number or \"01-16\"");
  EXPECT_EQ(chosen("web[]"), "error: the range \"\" is no number or \"01-16\"");
  EXPECT_EQ(chosen("web 01"), "error: \" \" in \"web 01\" can stand in no name");
  EXPECT_EQ(chosen("web\x1b"), "error: \"\\x1b\" in \"web\\x1b\" can stand in no name");
}

TEST(Names, hostile_expressions_are_bounded) {
  EXPECT_NE(chosen("x[1-999999999999999999]").find("more than 65536 names"), std::string::npos);
  EXPECT_NE(chosen("x[0-999]y[0-999]").find("more than 65536 names"), std::string::npos);
  EXPECT_NE(chosen("x[1-99999999999999999999]").find("is no number"), std::string::npos);
  EXPECT_NE(chosen("x[1-65536,1-65536]").find("more than 65536 names"), std::string::npos);
  EXPECT_NE(chosen(std::string(limits::names_expression_bytes_max + 1, 'a')).find("longer than"), std::string::npos);
  EXPECT_NE(chosen(std::string(1000, '[')).find("is not closed"), std::string::npos);
  std::string deep;
  for (int i = 0; i < 1000; ++i) deep += "[1]";
  EXPECT_NE(chosen(deep).find("longer than a name can be"), std::string::npos);
  std::string globs = "x[1-60000]*a*a*a*a*b";
  for (int i = 0; i < 20; ++i) globs += ",x[1-60000]*a*a*a*a*b";
  EXPECT_NE(chosen(globs).find("too many names"), std::string::npos);
}

TEST(Names, as_many_names_as_the_limit_are_served) {
  std::vector<std::string> names;
  for (std::size_t i = 0; i < limits::names_max; ++i) names.push_back("n" + std::to_string(i));
  const Rack rack(names);
  EXPECT_EQ(select_names("n[0-65535]", rack)->size(), limits::names_max);
  EXPECT_EQ(select_names("*", rack)->size(), limits::names_max);
}

TEST(Names, folding_gives_ranges_that_expand_to_the_same_names) {
  EXPECT_EQ(fold_names({"web01", "web02", "web03", "web20"}), "web[01-03,20]");
  EXPECT_EQ(fold_names({"web8", "web9", "web10"}), "web[8-10]");
  EXPECT_EQ(fold_names({"web08", "web09", "web10"}), "web[08-10]");
  EXPECT_EQ(fold_names({"web99", "web100"}), "web[99-100]");
  EXPECT_EQ(fold_names({"web9", "web010"}), "web[9,010]");
  EXPECT_EQ(fold_names({"db", "web02", "web01.bmc", "web01", "web02.bmc"}), "db,web[01-02],web[01-02].bmc");
  EXPECT_EQ(fold_names({"web7"}), "web7");
  EXPECT_EQ(fold_names({}), "");
  EXPECT_EQ(fold_names({"s12345678901234567890"}), "s12345678901234567890");
  for (const std::vector<std::string>& names :
       {std::vector<std::string>{"a1", "a01", "a2", "a02", "a3"}, {"a0", "a00", "a1"}, {"1", "2", "03"}}) {
    std::string folded = fold_names(names);
    const Rack rack(names);
    auto back = *select_names(folded, rack);
    EXPECT_TRUE(std::ranges::is_permutation(back, names)) << folded;
  }
}

TEST(Nearest, one_edit_in_three_letters_is_near) {
  const std::vector<std::string> keys{"listen", "socket", "local-user"};
  EXPECT_EQ(nearest_of("listn", keys), "listen");
  EXPECT_EQ(nearest_of("lsiten", keys), "listen");
  EXPECT_EQ(nearest_of("scoket", keys), "socket");
  EXPECT_EQ(nearest_of("sodium", keys), std::nullopt);
  EXPECT_EQ(nearest_of("", keys), std::nullopt);
  EXPECT_EQ(nearest_of("a", {"b"}), std::nullopt);
  EXPECT_EQ(nearest_of(std::string(100'000, 'a'), {std::string(100'000, 'b')}), std::nullopt);
}

TEST(Nearest, the_only_word_that_begins_so_is_near) {
  EXPECT_EQ(nearest_of("password", {"address", "password-file", "kg-file"}), "password-file");
  EXPECT_EQ(nearest_of("admin", {"user", "operator", "administrator"}), "administrator");
  EXPECT_EQ(nearest_of("rack3", {"rack3-console-1", "rack3-console-2"}), std::nullopt) << "which one?";
  EXPECT_EQ(nearest_of("web", {"web-of-the-office"}), std::nullopt);
}

TEST(Nearest, quoting_escapes_and_cuts) {
  EXPECT_EQ(in_quotes("a\nb"), "\"a\\x0ab\"");
  EXPECT_EQ(in_quotes(std::string(100, 'a')), "\"" + std::string(80, 'a') + "...\"");
  EXPECT_EQ(did_you_mean(std::nullopt), "");
}

}  // namespace
}  // namespace oob
