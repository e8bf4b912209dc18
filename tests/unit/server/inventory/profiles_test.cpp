// Promises of profiles and console servers. Each profile of etc/profiles.d has a played transcript in
// tests/golden/profiles, which says what a console has by it (`= KEY VALUE`) and plays its login:
//   port 7 ssh [base 3000]   or   console ssh     begins one; below: < the device says, > we type, and at the end
//   done TEXT (what the console then says)        or   failed PART-OF-THE-REASON. In texts \r \n \xNN \\.
#include "server/inventory/profiles.h"

#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <sstream>

#include "agents/lines/login_dialogue.h"
#include "server/inventory/loader.h"

namespace oob {
namespace {

const std::string kTranscripts = OOB_SOURCE_DIR "/tests/golden/profiles/";

struct Loaded {
  explicit Loaded(const std::string& text) {
    inventory = load_inventory(std::vector<InventoryFile>{{"a.toml", text}}, "", line_kinds(), said);
  }
  std::string setting(const std::string& console, const std::string& key) const {
    const auto* entry = inventory ? inventory->find_console(console) : nullptr;
    if (!entry) return "(no console) " + said.text();
    const auto found = entry->line.settings.find(key);
    return found == entry->line.settings.end() ? "(none)" : found->second;
  }
  Diagnostics said;
  InventorySnapshot inventory;
};

testing::AssertionResult says(const Loaded& loaded, std::string_view part) {
  const std::string text = loaded.said.text();
  if (text.find(part) != std::string::npos) return testing::AssertionSuccess();
  return testing::AssertionFailure() << text;
}

const std::string kServer =
    "[agent.rack3]\n[console-server.cs1]\nprofile = 'opengear'\naddress = '10.9.0.11'\nuser = 'oob'\nagent = 'rack3'\n"
    "password-file = 'secrets/cs1'\n";

TEST(ConsoleServer, makes_a_console_of_each_port) {
  const Loaded it(kServer +
                  "labels = { rack = '3' }\nports = { '1-6' = 'db[01-06]', '8' = 'sw3', '10,12' = 'x[1,2]' }\n");
  EXPECT_EQ(it.said.text(), "");
  ASSERT_TRUE(it.inventory);
  EXPECT_EQ(it.inventory->consoles.size(), 9u);
  EXPECT_EQ(it.setting("db01", "address"), "10.9.0.11:3001");
  EXPECT_EQ(it.setting("db06", "address"), "10.9.0.11:3006");
  EXPECT_EQ(it.setting("sw3", "address"), "10.9.0.11:3008");
  EXPECT_EQ(it.setting("x2", "address"), "10.9.0.11:3012");
  EXPECT_EQ(it.setting("db02", "user"), "oob");
  EXPECT_EQ(it.setting("db02", "password-file"), "secrets/cs1");
  const auto* console = it.inventory->find_console("db02");
  EXPECT_EQ(console->agent, "rack3");
  EXPECT_EQ(console->line.kind, "ssh");
  EXPECT_EQ(console->labels, (Labels{{"rack", "3"}}));
}

TEST(ConsoleServer, what_is_written_goes_before_the_profile) {
  const Loaded it(kServer + "line = 'tcp'\nbase = 7000\nincrement = 10\nports = { '3' = 'db3' }\ninsecure = true\n");
  EXPECT_TRUE(says(it, "a.toml:5:1: error: unknown key \"user\"")) << "tcp has no user, and it is said once";
  const Loaded good(
      "[console-server.cs1]\nprofile = 'opengear'\naddress = '10.9.0.11'\nline = 'tcp'\nbase = 7000\n"
      "increment = 10\ninsecure = true\nports = { '3' = 'db3' }\n");
  EXPECT_EQ(good.said.text(), "");
  EXPECT_EQ(good.setting("db3", "address"), "10.9.0.11:7030");
}

TEST(ConsoleServer, a_port_with_a_nodes_name_is_that_nodes_console) {
  const Loaded it(kServer + "ports = { '1-2' = 'db[1-2]' }\n[node.db1]\nlabels = { role = 'db' }\n");
  EXPECT_EQ(it.said.text(), "");
  ASSERT_TRUE(it.inventory);
  EXPECT_EQ(it.inventory->nodes.at("db1").consoles, std::vector<std::string>{"db1"});
  EXPECT_EQ(it.inventory->find_console("db1")->node, "db1");
  EXPECT_EQ(it.inventory->find_console("db1")->labels, (Labels{{"role", "db"}}));
  EXPECT_EQ(it.inventory->find_console("db2")->node, "");
}

TEST(ConsoleServer, says_where_a_mistake_is) {
  const auto with = [](const std::string& ports) { return Loaded(kServer + "ports = { " + ports + " }\n"); };
  EXPECT_TRUE(
      says(with("'1-6' = 'db[01-05]'"), "a.toml:8:19: error: \"1-6\" is 6 ports, and \"db[01-05]\" is 5 names"));
  EXPECT_TRUE(says(with("'1' = 'db[01-05]'"), "\"1\" is 1 port, and"));
  EXPECT_TRUE(says(with("'1-2' = 'a[1-2]', '2' = 'b'"), "a.toml:8:29: error: port 2 is there twice"));
  EXPECT_TRUE(says(with("'x' = 'a'"), "a.toml:8:11: error: \"x\" is no list of ports"));
  EXPECT_TRUE(says(with("'6-1' = 'a'"), "is no list of ports"));
  EXPECT_TRUE(says(with("'1' = 5"), "want names in quotes"));
  EXPECT_TRUE(says(with("'1' = 'a*'"), "a.toml:8:17: error: "));
  EXPECT_TRUE(says(with("'97' = 'a'"), "port 97: the ports of profile \"opengear\" are 1 to 96"));
  EXPECT_TRUE(says(with("'0' = 'a'"), "port 0: the ports"));
  EXPECT_TRUE(says(with("'1' = 'a', '2' = 'a'"), "\"a\" is there twice; the first is at a.toml:8:17"));
  EXPECT_TRUE(says(Loaded("[console-server.a]\nprofile = 'opengaer'\naddress = 'x'\nports = {}\n"),
                   "a.toml:2:11: error: no profile \"opengaer\"; did you mean \"opengear\"?"));
  EXPECT_TRUE(says(Loaded("[console-server.a]\n"), "\"address\" is missing in [console-server.a]"));
  EXPECT_TRUE(says(Loaded("[console-server.a]\nprofile='opengear'\naddress='10.9.0.1:22'\nuser='x'\nports={'1'='a'}\n"),
                   "a.toml:3:9: error: write the address without a port; the profile has it: 3001"));
  EXPECT_TRUE(says(Loaded("[console-server.a]\nprofile='ser2net'\nline='tcp'\naddress='::1'\nports={'1'='a'}\n"),
                   "write base = N"));
  EXPECT_TRUE(says(Loaded("[console-server.a]\nprofile='opengear'\nline='test'\naddress='x'\nports={'1'='a'}\n"),
                   "a.toml:3:6: error: the profile \"opengear\" knows no line \"test\"; it has"));
  EXPECT_TRUE(says(Loaded("[console-server.a]\nprofile='opengear'\naddress='x'\nports={'1-9'='a[1-9]'}\n"),
                   "the key \"user\" is missing in the console \"a1\""));
}

TEST(ConsoleServer, what_is_wrong_with_all_ports_is_said_once) {
  const Loaded it("[console-server.a]\nprofile='opengear'\naddress='x'\nusr='oob'\nports={'1-9'='a[1-9]'}\n");
  EXPECT_EQ(it.said.errors(), 1u) << it.said.text();
  EXPECT_TRUE(says(it, "a.toml:4:1: error: unknown key \"usr\" in the console \"a1\"; did you mean \"user\"?"));
}

TEST(ConsoleServer, a_misspelt_key_that_is_needed_is_told_with_what_was_meant_and_once) {
  const Loaded it("[console-server.a]\nprofile='opengear'\nadress='x'\nusr='oob'\nprts={'1-9'='a[1-9]'}\n");
  EXPECT_EQ(it.said.text(),
            "a.toml:3:1: error: unknown key \"adress\" in [console-server.a]; did you mean \"address\"?\n"
            "a.toml:5:1: error: unknown table \"prts\" in [console-server.a]; did you mean \"ports\"?\n");
}

TEST(ConsoleServer, a_secret_that_is_missing_is_said_once_and_not_for_each_port) {
  Diagnostics said;
  std::vector<SecretPlace> places;
  const std::vector<InventoryFile> files{{"a.toml", kServer + "ports = { '1-9' = 'a[1-9]' }\n"}};
  ASSERT_TRUE(load_inventory(files, "", line_kinds(), said, &places));
  EXPECT_EQ(places.size(), 9u);
  check_secret_files(places, "/nonexistent", said);
  EXPECT_EQ(said.errors(), 1u) << said.text();
}

TEST(Profile, one_of_the_inventory_goes_before_the_one_in_the_program) {
  const Loaded it(
      "[profile.opengear]\nline = 'tcp'\n[profile.opengear.tcp]\nbase = 9000\ninsecure = true\n"
      "[console-server.cs1]\nprofile = 'opengear'\naddress = '10.9.0.11'\nports = { '1' = 'a' }\n");
  EXPECT_EQ(it.said.text(), "");
  EXPECT_EQ(it.setting("a", "address"), "10.9.0.11:9001");
}

TEST(Profile, of_the_inventory_is_checked_where_it_stands) {
  EXPECT_TRUE(says(Loaded("[profile.x]\nlin = 'tcp'\n"),
                   "a.toml:2:1: error: unknown key \"lin\" in [profile.x]; did you mean"));
  EXPECT_TRUE(says(Loaded("[profile.x.tcp]\nbase = 70000\n"), "a.toml:2:8: error: \"base\" is from 0 to 65535"));
  EXPECT_TRUE(says(Loaded("[profile.x.tcp]\nadress = 'y'\n"), "a.toml:2:1: error: unknown key \"adress\""));
  EXPECT_TRUE(says(Loaded("[profile.x.ssh]\nlogin = [ { expect = '(' } ]\n[console.a]\nprofile = 'x'\nline = 'ssh'\n"
                          "address = 'h'\nuser = 'u'\n"),
                   "a.toml:2:22: error: \"(\" is no regular expression: missing ): (\n"));
}

TEST(Profile, gives_one_console_its_keys_and_its_port) {
  const Loaded it(
      "[console.a]\nprofile = 'cyclades'\nport = 5\naddress = 'cs'\nuser = 'oob'\n"
      "[console.b]\nprofile = 'openbmc'\naddress = 'h'\nuser = 'root'\n"
      "[console.c]\nprofile = 'openbmc'\naddress = 'h:22'\nuser = 'root'\n");
  EXPECT_EQ(it.said.text(), "");
  EXPECT_EQ(it.setting("a", "user"), "oob:ttyS5");
  EXPECT_EQ(it.setting("b", "address"), "h:2200");
  EXPECT_EQ(it.setting("c", "address"), "h:22");
  EXPECT_TRUE(says(Loaded("[console.a]\nprofile = 'cyclades'\naddress = 'cs'\nuser = 'oob'\n"),
                   "a.toml:2:11: error: the profile \"cyclades\" wants to know which port: write port = N"));
}

TEST(Profile, a_console_beside_a_bmc_reaches_it_by_ssh_with_what_is_written_there) {
  const Loaded it(
      "[node.web01]\nbmc = { address = '10.9.1.1', user = 'oob', password-file = 's/web01' }\n"
      "[node.web01.consoles.bmc]\nline = 'ssh'\nprofile = 'ilo'\n");
  if (!find_line_kind("sol")) GTEST_SKIP() << "no kind sol yet";
  EXPECT_EQ(it.said.text(), "");
  EXPECT_EQ(it.setting("web01.bmc", "address"), "10.9.1.1");
  EXPECT_EQ(it.setting("web01.bmc", "password-file"), "s/web01");
}

TEST(LoginOfAConsole, is_checked_step_by_step) {
  const auto with = [](const std::string& steps, const std::string& more = "") {
    return Loaded("[console.a]\nline = 'ssh'\naddress = 'h'\nuser = 'u'\n" + more + "login = [ " + steps + " ]\n");
  };
  const Loaded good =
      with("{ expect = 'login: ', timeout = '3s' }, { send-secret = 'password-file' }, { pause = '1s' }",
           "password-file = 'x'\n");
  EXPECT_EQ(good.said.text(), "");
  EXPECT_EQ(good.setting("a", "login"), "expect \"login: \" 3000\nsecret password-file\npause 1000");
  EXPECT_TRUE(says(with("{ expect = '(' }"), "a.toml:5:22: error: \"(\" is no regular expression"));
  EXPECT_TRUE(says(with("{ expect = 'x', fail = 'y*' }"), "a.toml:5:34: error: \"y*\" is found in any text"));
  EXPECT_TRUE(
      says(with("{ expct = 'x' }"),
           "a.toml:5:13: error: unknown key \"expct\" in a step of the login script; did you mean \"expect\"?"));
  EXPECT_TRUE(says(with("{ }"), "a.toml:5:11: error: the step does nothing"));
  EXPECT_TRUE(says(with("'x'"), "a.toml:5:11: error: a step of the login script is written"));
  EXPECT_TRUE(says(with(""), "\"login\" has no step"));
  EXPECT_TRUE(says(with("{ send-secret = 'passwrd-file' }"), "did you mean \"password-file\"?"));
  EXPECT_TRUE(says(with("{ send-secret = 'password-file' }"), "the console has no such key"));
  EXPECT_TRUE(says(with("{ send = 'x', send-secret = 'password-file' }", "password-file = 'x'\n"), "not both"));
  EXPECT_TRUE(says(with("{ send = 'x', timeout = '1s' }"), "\"timeout\" is for a step that has \"expect\""));
  EXPECT_TRUE(says(with("{ pause = '11m' }"), "10 minutes at most"));
}

// --- the profiles there are ---

std::string unescape(std::string_view text) {
  std::string out;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] != '\\') {
      out += text[i];
    } else if (text[++i] == 'x') {
      out += static_cast<char>(std::stoi(std::string(text.substr(i + 1, 2)), nullptr, 16));
      i += 2;
    } else {
      out += text[i] == 'r' ? '\r' : text[i] == 'n' ? '\n' : text[i];
    }
  }
  return out;
}

// One console by a profile, as a transcript's line asks for it.
struct Played {
  Played(const std::string& profile, std::istringstream words) {
    std::string form, more;
    words >> form;
    std::string port;
    if (form == "port") words >> port;
    words >> kind;
    if (!find_line_kind(kind)) return;
    known = true;
    std::string text = "profile = '" + profile + "'\naddress = '10.9.0.11'\nline = '" + kind + "'\n";
    text += kind == "ssh" ? "user = 'oob'\npassword-file = 's'\n" : "insecure = true\n";
    while (words >> more) {
      std::string value;
      words >> value;
      text += more + " = " + value + "\n";
    }
    loaded =
        std::make_unique<Loaded>(form == "port" ? "[console-server.cs]\n" + text + "ports = { '" + port + "' = 'c' }\n"
                                                : "[console.c]\n" + text);
    EXPECT_EQ(loaded->said.text(), "");
    const std::string login = loaded->setting("c", "login");
    if (login == "(none)") return;
    const auto script = parse_login(login);
    EXPECT_TRUE(script) << login;
    if (!script) return;
    dialogue = std::make_unique<LoginDialogue>(*script, std::map<std::string, Secret>{{"password-file", Secret("pw")}},
                                               clock.now());
  }

  std::string kind;
  bool known = false;
  ManualClock clock;
  std::unique_ptr<Loaded> loaded;
  std::unique_ptr<LoginDialogue> dialogue;
};

void play_line(Played& played, char mark, const std::string& rest) {
  if (!played.known) return;
  if (mark == '=') {
    const auto space = rest.find(' ');
    EXPECT_EQ(played.loaded->setting("c", rest.substr(0, space)), unescape(rest.substr(space + 1)));
    return;
  }
  ASSERT_TRUE(played.dialogue) << "it has no login script";
  LoginDialogue& dialogue = *played.dialogue;
  if (mark == '<') {
    dialogue.received(as_bytes(unescape(rest)), played.clock.now());
  } else if (mark == '>') {
    const std::string typed(as_text(dialogue.unsent()));
    EXPECT_EQ(typed, unescape(rest)) << dialogue.standing();
    dialogue.sent(typed.size());
  } else if (mark == 'd') {
    dialogue.received(as_bytes(unescape(rest)), played.clock.now());
    ASSERT_EQ(dialogue.state(), LoginDialogue::State::Done) << dialogue.standing();
    const Bytes console = dialogue.take_rest();
    EXPECT_EQ(as_text(console), unescape(rest));
  } else {
    ASSERT_EQ(dialogue.state(), LoginDialogue::State::Failed) << dialogue.standing();
    EXPECT_NE(dialogue.failure().find(rest), std::string::npos) << dialogue.failure();
  }
}

TEST(Profile, each_one_does_what_its_transcript_shows) {
  Diagnostics said;
  for (const auto& name : Profiles({}, line_kinds(), said).names()) {
    SCOPED_TRACE(name);
    std::ifstream file(kTranscripts + name);
    ASSERT_TRUE(file) << "no transcript in tests/golden/profiles";
    std::unique_ptr<Played> played;
    for (std::string line; std::getline(file, line);) {
      SCOPED_TRACE(line);
      const auto rest = line.find(' ') == std::string::npos ? "" : line.substr(line.find(' ') + 1);
      if (line.empty() || line[0] == '#') continue;
      if (line.starts_with("port ") || line.starts_with("console ")) {
        played = std::make_unique<Played>(name, std::istringstream(line));
      } else {
        ASSERT_TRUE(played);
        play_line(*played, line[0], rest);
      }
    }
    EXPECT_TRUE(played);
  }
  EXPECT_EQ(said.text(), "");
}

TEST(Profile, each_file_names_its_profile_and_where_it_has_its_facts_from) {
  for (const auto& [file, text] : built_in_profiles()) {
    SCOPED_TRACE(file);
    Diagnostics said;
    const auto document = toml_file::parse(text, file, said);
    ASSERT_TRUE(document) << said.text();
    ASSERT_EQ(document->entries.size(), 1u);
    const auto& profiles = document->find("profile")->value.entries;
    ASSERT_EQ(profiles.size(), 1u);
    EXPECT_EQ(profiles[0].key + ".toml", file);
    for (const char* key : {"about", "source", "line"}) EXPECT_TRUE(profiles[0].value.find(key)) << key;
  }
}

}  // namespace
}  // namespace oob
