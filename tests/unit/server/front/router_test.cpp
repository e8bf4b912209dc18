// The API's routes: held against schema/rest.openapi.yaml, and nothing runs before the access check.
#include "server/front/router.h"

#include "common/json/json.h"
#include "server/front/rows.h"
#include "tests/unit/server/front/backend_for_test.h"

namespace oob {
namespace {

struct Api : ::testing::Test {
  Shard shard;
  TestBackend backend{shard};
  Access access{"oob", 900};
  Router router{backend, access};
  Identity alice{"alice", 1000, {"oob"}, "local"};
  Identity bob{"bob", 1001, {}, "local"};

  HttpResponse ask(const Identity& who, const std::string& method, const std::string& target,
                   const std::string& body = "") {
    HttpRequest request{method, "", {}, body};
    EXPECT_TRUE(parse_target(target, request));
    std::optional<HttpResponse> answer;
    router.run(who, request, [&](HttpResponse a) { answer = std::move(a); });
    EXPECT_TRUE(run_until(shard, [&] { return answer.has_value(); })) << target;
    return answer.value_or(HttpResponse{});
  }
  json::value get(const std::string& target) {
    const HttpResponse answer = ask(alice, "GET", target);
    EXPECT_EQ(answer.status, 200u) << answer.body;
    return json::parse(answer.body);
  }
  std::string error(const HttpResponse& answer) { return error_of(answer).message; }
  void say(const std::string& name, const std::string& text) {
    Console& console = *backend.consoles.at(name);
    console.line_opened(1, console.log().position().line_offset);
    console.line_output(console.log().position().line_offset, WallTime{}, as_bytes(text));
  }
};

std::set<std::string> keys_of(const json::object& object) {
  std::set<std::string> keys;
  for (const auto& entry : object) keys.emplace(entry.key());
  return keys;
}

// The property names of one of the schema's components, read line by line.
std::set<std::string> schema_keys(const std::string& component) {
  std::set<std::string> keys;
  bool inside = false, properties = false;
  for (const std::string& line : schema_lines("rest.openapi.yaml")) {
    const std::size_t indent = line.find_first_not_of(' ');
    if (indent == std::string::npos) continue;
    const std::string word = line.substr(indent, line.find(':') - indent);
    if (indent == 4) inside = word == component, properties = false;
    if (inside && indent == 6) properties = word == "properties";
    if (inside && properties && indent == 8) keys.insert(word);
  }
  EXPECT_FALSE(keys.empty()) << component;
  return keys;
}

TEST(Routes, are_those_of_the_schema_and_no_others) {
  std::set<std::string> described, served;
  std::string path;
  for (const std::string& line : schema_lines("rest.openapi.yaml")) {
    if (line.starts_with("  /")) path = line.substr(2, line.rfind(':') - 2);
    for (const std::string method : {"get", "post", "put", "delete", "patch"}) {
      if (line == "    " + method + ":") described.insert((method == "get" ? "GET " : "POST ") + path);
    }
  }
  std::istringstream list(route_list());
  for (std::string line; std::getline(list, line);) served.insert(line);
  EXPECT_EQ(described, served);
}

TEST_F(Api, a_stranger_gets_403_in_words_everywhere_and_nothing_is_done) {
  for (const Route& route : rest_routes()) {
    std::string path(route.pattern);
    if (const auto at = path.find("{name}"); at != std::string::npos) path.replace(at, 6, "a");
    const HttpResponse answer = ask(bob, std::string(route.method), path);
    EXPECT_EQ(answer.status, 403u) << path;
    EXPECT_NE(error(answer).find("group oob"), std::string::npos);
  }
  EXPECT_EQ(ask(bob, "GET", "/v1/nothing").status, 403u);
  EXPECT_EQ(router.admit_upgrade(bob, {"GET", "/v1/stream", {}, ""}).status, 403u);
  EXPECT_TRUE(backend.orders.empty());
}

TEST_F(Api, unknown_paths_and_wrong_methods_are_told_apart) {
  EXPECT_EQ(ask(alice, "GET", "/v2").status, 404u);
  EXPECT_EQ(ask(alice, "GET", "/v1/consoles/").status, 404u);
  EXPECT_EQ(ask(alice, "GET", "/v1/consoles/a%2Flog").status, 200u);  // decoded before it is looked up
  EXPECT_EQ(ask(alice, "GET", "/v1/consoles/a/x/log").status, 404u);
  const HttpResponse wrong = ask(alice, "DELETE", "/v1/consoles/a");
  EXPECT_EQ(wrong.status, 405u);
  EXPECT_NE(error(wrong).find("GET"), std::string::npos);
}

TEST_F(Api, only_the_stream_upgrades) {
  EXPECT_EQ(router.admit_upgrade(alice, {"GET", "/v1/stream", {}, ""}).status, 101u);
  EXPECT_EQ(router.admit_upgrade(alice, {"GET", "/v1/version", {}, ""}).status, 400u);
  EXPECT_EQ(ask(alice, "GET", "/v1/stream").status, 426u);
}

TEST_F(Api, a_version_says_who_one_is) {
  const json::value version = get("/v1/version");
  EXPECT_EQ(version.at("user"), "alice");
  EXPECT_EQ(keys_of(version.as_object()), schema_keys("Version"));
}

TEST_F(Api, consoles_have_the_fields_of_the_schema) {
  say("a", "hello\n");
  backend.consoles.at("a")->line_state(true, "127.0.0.1:1", WallTime{}, 4711);
  backend.consoles.at("a")->line_facts({{"settings", "9600 8N1"}, {"overruns", "0"}});
  EXPECT_EQ(get("/v1/consoles").at("consoles").as_array().size(), 2u);
  const json::value one = get("/v1/consoles/a");
  EXPECT_EQ(keys_of(one.as_object()), schema_keys("Console"));
  EXPECT_EQ(one.at("name"), "a");
  EXPECT_EQ(one.at("facts"), json::value({{"settings", "9600 8N1"}, {"overruns", "0"}}));
  EXPECT_EQ(one.at("bytes_in").to_number<int>(), 6);
  EXPECT_EQ(get("/v1/consoles?names=b").at("consoles").at(0).at("name"), "b");
  EXPECT_EQ(ask(alice, "GET", "/v1/consoles?names=zz").status, 404u);
  const HttpResponse near = ask(alice, "GET", "/v1/consoles/aa");
  EXPECT_EQ(near.status, 404u);
  EXPECT_NE(error(near).find("did you mean \"a\"?"), std::string::npos);
}

TEST_F(Api, a_session_row_has_the_fields_of_the_schema) {
  const SessionRow row{7, "alice", "run", "local", SessionMode::Writer, WallTime{}, WallTime{}, WallTime{}};
  EXPECT_EQ(keys_of(session_json("a", row)), schema_keys("Session"));
  EXPECT_EQ(get("/v1/sessions").at("sessions").as_array().size(), 0u);
}

TEST_F(Api, a_power_act_is_a_job_whose_rows_come_as_they_end) {
  const HttpResponse begun = ask(alice, "POST", "/v1/power", R"({"names": "a", "act": "off", "seconds": 7})");
  ASSERT_EQ(begun.status, 200u) << begun.body;
  const json::value job = json::parse(begun.body);
  EXPECT_EQ(job.at("nodes").at(0).at("node"), "a");
  const std::string name(job.at("job").as_string());
  const json::value view = get("/v1/jobs/" + name + "?wait=8");
  EXPECT_EQ(keys_of(view.as_object()), schema_keys("Job"));
  const json::object row = view.at("rows").at(0).as_object();
  EXPECT_EQ(keys_of(row), schema_keys("JobRow"));
  EXPECT_EQ(keys_of(row.at("findings").at(0).as_object()), schema_keys("Finding"));
  EXPECT_EQ(row.at("result"), "done");
  EXPECT_EQ(get("/v1/jobs/" + name + "?seen=1").at("rows").as_array().size(), 0u);
  EXPECT_EQ(backend.orders, std::vector<std::string>{"off of a by rack1"});
  Identity carol{"carol", 1002, {"oob"}, "local"};
  EXPECT_EQ(ask(carol, "GET", "/v1/jobs/" + name).status, 404u) << "another one's job";
}

TEST_F(Api, a_power_act_that_is_none_or_on_what_is_no_node_does_nothing) {
  const auto post = [&](const std::string& body) { return ask(alice, "POST", "/v1/power", body); };
  EXPECT_EQ(post(R"({"names": "a", "act": "explode"})").status, 400u);
  EXPECT_EQ(post(R"({"names": "a"})").status, 400u);
  EXPECT_EQ(post(R"({"names": "zz", "act": "off"})").status, 404u);
  EXPECT_EQ(post(R"({"names": "a", "act": "off", "seconds": 100000})").status, 400u);
  EXPECT_EQ(post(R"({"names": "a", "act": "off", "dry_run": true})").status, 200u);
  EXPECT_EQ(ask(alice, "POST", "/v1/nodes/a/bmc", R"({"act": "off"})").status, 400u);
  EXPECT_EQ(ask(alice, "POST", "/v1/nodes/a/bmc", R"({"act": "info", "mends": ["x"]})").status, 400u);
  EXPECT_EQ(ask(alice, "POST", "/v1/nodes/a/bmc", R"({"act": "doctor", "mends": []})").status, 400u);
  EXPECT_TRUE(backend.orders.empty());
}

TEST_F(Api, power_is_a_right_of_its_own_and_a_change_of_a_bmc_takes_admin) {
  const auto scope = [](std::set<Right> rights) {
    auto token = std::make_shared<TokenScope>();
    token->id = "t", token->rights = std::move(rights);
    return Identity{"alice", 1000, {"oob"}, "local", token};
  };
  const auto power = [&](const Identity& who, const std::string& act) {
    return ask(who, "POST", "/v1/power", R"({"names": "a", "act": ")" + act + "\"}").status;
  };
  EXPECT_EQ(power(scope({Right::PowerStatus}), "status"), 200u);
  EXPECT_EQ(power(scope({Right::PowerStatus}), "on"), 403u);
  EXPECT_EQ(power(scope({Right::Write}), "status"), 403u);
  EXPECT_EQ(power(scope({Right::Power}), "on"), 200u);
  const auto doctor = [&](const Identity& who, const std::string& more) {
    return ask(who, "POST", "/v1/nodes/a/bmc", R"({"act": "doctor")" + more + "}").status;
  };
  EXPECT_EQ(doctor(scope({Right::Bmc}), ""), 200u);
  EXPECT_EQ(doctor(scope({Right::Bmc}), R"(, "mends": ["sol-enable"])"), 403u);
  EXPECT_EQ(doctor(scope({Right::Admin}), R"(, "mends": ["sol-enable"])"), 200u);
  EXPECT_EQ(doctor(scope({Right::Power}), ""), 403u);
}

TEST_F(Api, a_log_is_read_by_lines_and_by_offset_to_its_end) {
  say("a", "one\ntwo\nthree\n");
  const auto text_of = [](const json::value& log) {
    std::string text;
    for (const json::value& piece : log.at("pieces").as_array()) {
      if (piece.as_object().contains("data")) text += piece.at("data").as_string();
    }
    return text;
  };
  const json::value log = get("/v1/consoles/a/log?lines=1");
  EXPECT_EQ(text_of(log), "dGhyZWUK");  // "three\n"
  EXPECT_EQ(log.at("next"), log.at("end"));
  const std::set<std::string> keys = keys_of(log.as_object());
  const std::set<std::string> known = schema_keys("Log"), seldom{"begins", "ends", "skip"};
  EXPECT_TRUE(std::includes(known.begin(), known.end(), keys.begin(), keys.end()));
  EXPECT_EQ(keys.size() + seldom.size(), known.size());
  const json::value part = get("/v1/consoles/a/log?from=4&max=3");
  EXPECT_EQ(text_of(part), "dHdv");  // "two"
  EXPECT_EQ(part.at("next").to_number<int>(), 7);
}

TEST_F(Api, a_log_waits_for_more_and_gives_events_once) {
  say("a", "one\n");
  const json::value log = get("/v1/consoles/a/log?from=0");
  const std::string on = "/v1/consoles/a/log?from=4&wait=8&skip=" +
                         std::to_string(log.as_object().contains("skip") ? log.at("skip").to_number<int>() : 0);
  std::optional<HttpResponse> answer;
  HttpRequest request{"GET", "", {}, ""};
  ASSERT_TRUE(parse_target(on, request));
  router.run(alice, request, [&](HttpResponse response) { answer = std::move(response); });
  for (int turn = 0; turn < 50; ++turn) shard.io().run_one_for(std::chrono::milliseconds(1));
  EXPECT_FALSE(answer);
  say("a", "two\n");
  ASSERT_TRUE(run_until(shard, [&] { return answer.has_value(); }));
  const json::value more = json::parse(answer->body);
  ASSERT_EQ(more.at("pieces").as_array().size(), 1u);
  EXPECT_EQ(more.at("pieces").at(0).at("data"), "dHdvCg==");
}

TEST_F(Api, a_search_has_the_fields_of_the_schema) {
  say("a", "one\ntwo\n");
  const json::value found = get("/v1/consoles/a/grep?pattern=tw");
  EXPECT_EQ(keys_of(found.as_object()), schema_keys("Found"));
  EXPECT_EQ(found.at("lines").at(0).at("data"), "dHdv");
  EXPECT_EQ(ask(alice, "GET", "/v1/consoles/a/grep?pattern=(").status, 400u);
  EXPECT_EQ(ask(alice, "GET", "/v1/consoles/a/grep").status, 400u);
  EXPECT_EQ(ask(alice, "GET", "/v1/consoles/a/grep?pattern=x&since=yesterday").status, 400u);
}

TEST_F(Api, history_and_diff_have_the_fields_of_the_schema_and_orders_are_read) {
  EXPECT_EQ(keys_of(get("/v1/inventory/history").at("revisions").at(0).as_object()), schema_keys("Revision"));
  EXPECT_EQ(keys_of(get("/v1/inventory/diff?from=1").as_object()), schema_keys("Difference"));
  EXPECT_EQ(ask(alice, "GET", "/v1/inventory/diff?from=x").status, 400u);
  EXPECT_EQ(ask(alice, "POST", "/v1/inventory/apply", R"({"yes":true,"replace":true})").status, 200u);
  EXPECT_EQ(ask(alice, "POST", "/v1/inventory/apply", R"({"yes":1})").status, 400u);
  EXPECT_EQ(ask(alice, "POST", "/v1/inventory/rollback", R"({"revision":2})").status, 200u);
  EXPECT_EQ(ask(alice, "POST", "/v1/inventory/rollback", "{}").status, 400u);
  EXPECT_EQ(backend.orders, (std::vector<std::string>{"apply yes replace", "rollback 2"}));
}

TEST_F(Api, a_list_of_tokens_comes_in_parts_that_join_without_a_gap_or_repeat) {
  std::vector<std::string> made, listed;
  for (int i = 0; i < 5; ++i) {
    const auto token = json::parse(ask(alice, "POST", "/v1/tokens").body);
    made.emplace_back(token.at("id").as_string());
  }
  std::string after;
  do {
    const auto page = get("/v1/tokens?max=2" + (after.empty() ? "" : "&after=" + after)).as_object();
    EXPECT_LE(page.at("tokens").as_array().size(), 2u);
    for (const auto& token : page.at("tokens").as_array()) listed.emplace_back(token.at("id").as_string());
    after = page.contains("next") ? std::string(page.at("next").as_string()) : "";
  } while (!after.empty() && listed.size() < 10);
  std::ranges::sort(made), std::ranges::sort(listed);
  EXPECT_EQ(listed, made);
  EXPECT_EQ(ask(alice, "GET", "/v1/tokens?after=zz").status, 404u);
}

TEST_F(Api, a_check_of_any_folder_takes_the_right_admin_as_it_quotes_what_is_in_the_files) {
  Identity limited = alice;
  auto scope = std::make_shared<TokenScope>();
  scope->account = true;
  scope->rights = {Right::Config};
  limited.token = scope;
  EXPECT_EQ(ask(limited, "POST", "/v1/inventory/check", R"({"dir":"/etc/oob"})").status, 403u);
  EXPECT_TRUE(backend.orders.empty());
  EXPECT_EQ(ask(limited, "POST", "/v1/inventory/check").status, 200u);
  EXPECT_EQ(ask(alice, "POST", "/v1/inventory/check", R"({"dir":"/etc/oob"})").status, 200u);
}

TEST_F(Api, numbers_in_a_query_have_to_be_numbers) {
  for (const std::string query : {"lines=x", "from=-1", "max=1x", "max=0", "lines=99999999999999999999"}) {
    EXPECT_EQ(ask(alice, "GET", "/v1/consoles/a/log?" + query).status, 400u) << query;
  }
}

TEST_F(Api, messages_are_said_on_each_console_and_kicks_need_somebody_there) {
  const auto post = [&](const std::string& path, const std::string& body) {
    return ask(alice, "POST", path, body).status;
  };
  EXPECT_EQ(post("/v1/messages", R"({"names":"a","text":"hello"})"), 200u);
  EXPECT_EQ(post("/v1/messages", R"({"names":"zz","text":"hello"})"), 404u);
  EXPECT_EQ(post("/v1/messages", R"({"names":"a","text":""})"), 400u);
  EXPECT_EQ(post("/v1/messages", R"({"names":"a","text":")" + std::string(501, 'x') + "\"}"), 400u);
  EXPECT_EQ(post("/v1/messages", "[]"), 400u);
  EXPECT_EQ(post("/v1/consoles/a/kick", R"({"user":"bob"})"), 404u);
  EXPECT_EQ(post("/v1/consoles/a/kick", R"({"all":true})"), 404u);
  EXPECT_EQ(post("/v1/consoles/a/kick", R"({"all":1})"), 400u);
}

TEST_F(Api, orders_reach_the_line_and_the_agent) {
  EXPECT_EQ(ask(alice, "POST", "/v1/consoles/a/retry").status, 200u);
  EXPECT_EQ(ask(alice, "POST", "/v1/consoles/a/down").status, 200u);
  EXPECT_EQ(ask(alice, "POST", "/v1/consoles/a/up").status, 200u);
  EXPECT_EQ(ask(alice, "POST", "/v1/consoles/zz/up").status, 404u);
  EXPECT_EQ(ask(alice, "POST", "/v1/agents/rack9/revoke").status, 200u);
  const HttpResponse token = ask(alice, "POST", "/v1/agents/rack9/enroll");
  EXPECT_EQ(keys_of(json::parse(token.body).as_object()), schema_keys("Token"));
  EXPECT_EQ(backend.orders, (std::vector<std::string>{"a 0", "a 1", "a 2", "revoke rack9 by alice", "enroll rack9"}));
}

TEST_F(Api, what_unknown_senders_say_is_console_output_and_for_admins) {
  const auto sender = [&](const Identity& who) {
    return json::parse(ask(who, "GET", "/v1/agents").body).at("agents").at(0).at("unknown_senders").at(0).as_object();
  };
  EXPECT_EQ(keys_of(sender(alice)), schema_keys("UnknownSender"));
  EXPECT_EQ(sender(alice).at("said"), "login: ");
  const auto token = std::make_shared<TokenScope>();
  token->id = "t", token->rights = {Right::Read, Right::Log, Right::Config};
  const json::object for_others = sender(Identity{"alice", 1000, {"oob"}, "local", token});
  EXPECT_FALSE(for_others.contains("said") || for_others.contains("called"));
  EXPECT_EQ(for_others.at("sender"), "10.9.1.7");
}

TEST_F(Api, agents_and_inventory_have_the_fields_of_the_schema) {
  EXPECT_EQ(keys_of(get("/v1/agents").at("agents").at(0).as_object()), schema_keys("Agent"));
  EXPECT_EQ(keys_of(get("/v1/inventory").as_object()), schema_keys("Inventory"));
  backend.report.asks = "x";
  const HttpResponse plan = ask(alice, "POST", "/v1/inventory/plan");
  EXPECT_EQ(keys_of(json::parse(plan.body).as_object()), schema_keys("Report"));
}

TEST_F(Api, an_inventory_with_errors_is_refused_with_all_of_them) {
  backend.report.problems = {{true, "a.toml:1:1: error: x"}, {false, "a.toml:2:1: warning: y"}};
  const HttpResponse answer = ask(alice, "POST", "/v1/inventory/apply");
  EXPECT_EQ(answer.status, 400u);
  const json::value body = json::parse(answer.body);
  EXPECT_EQ(body.at("errors").to_number<int>(), 1);
  EXPECT_EQ(body.at("problems").as_array().size(), 2u);
  EXPECT_EQ(error(answer), "the inventory has 1 error; nothing was changed");
  EXPECT_EQ(ask(alice, "POST", "/v1/inventory/check").status, 200u);  // finding errors is what it is for
}

TEST_F(Api, who_one_is_and_ones_tokens_have_the_fields_of_the_schema) {
  const HttpResponse made = ask(alice, "POST", "/v1/tokens", R"({"name":"ci","may":["read"],"on":"a","seconds":60})");
  ASSERT_EQ(made.status, 200u) << made.body;
  const json::value token = json::parse(made.body);
  auto identity = backend.tokens.login(Secret(std::string(token.at("token").as_string())), "10.0.0.1");
  ASSERT_TRUE(identity);
  const json::value who = json::parse(ask(*identity, "GET", "/v1/whoami").body);
  EXPECT_EQ(keys_of(who.as_object()), schema_keys("Identity"));
  EXPECT_EQ(who.at("rights"), (json::array{"list", "read"}));
  std::set<std::string> keys = keys_of(token.as_object());
  keys.insert({"last_used", "last_from", "parent", "revoked"});  // what has no value yet
  EXPECT_EQ(keys, schema_keys("AccessToken"));
  const HttpResponse revoked = ask(alice, "POST", "/v1/tokens/" + std::string(token.at("id").as_string()) + "/revoke");
  EXPECT_EQ(revoked.status, 200u) << revoked.body;
  EXPECT_EQ(get("/v1/tokens").at("tokens").at(0).at("state"), "revoked");
  for (const std::string body : {"[]", "{", R"({"nmae":"x"})", R"({"may":"read"})", R"({"seconds":-1})"}) {
    EXPECT_EQ(ask(alice, "POST", "/v1/tokens", body).status, 400u) << body;
  }
}

TEST_F(Api, a_folder_to_check_has_to_be_absolute) {
  EXPECT_EQ(ask(alice, "POST", "/v1/inventory/check", R"({"dir":"etc"})").status, 400u);
  EXPECT_EQ(ask(alice, "POST", "/v1/inventory/check", "[]").status, 400u);
  EXPECT_EQ(ask(alice, "POST", "/v1/inventory/check", R"({"dir":"/etc/x"})").status, 200u);
  EXPECT_EQ(backend.orders, std::vector<std::string>{"check /etc/x"});
}

}  // namespace
}  // namespace oob
