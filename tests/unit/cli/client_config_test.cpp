// A person's configuration: what is wrong is said with its place, and login changes nothing else in it.
#include "cli/client_config.h"

#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>

#include "common/limits.h"

namespace oob {
namespace {

const std::string kDigits(64, 'a');

ClientConfig read_well(std::string_view text) {
  Diagnostics to;
  const ClientConfig config = read_client_config(text, "config.toml", to);
  EXPECT_FALSE(to.failed()) << to.text();
  return config;
}

std::string mistakes_of(std::string_view text) {
  Diagnostics to;
  read_client_config(text, "config.toml", to);
  return to.text();
}

TEST(ClientConfig, reads_servers_the_default_and_how_a_person_attaches) {
  const auto config = read_well(
      "default = 'home'\n[attach]\nescape = '^]q'\nescape-style = 'ssh'\nlines = 100\n"
      "[server.home]\nurl = 'https://OOB.example.org'\nfingerprint = 'sha256:" +
      kDigits +
      "'\n"
      "[server.lab]\nurl = 'https://[::1]:8443/'\n");
  EXPECT_EQ(config.default_server, "home");
  EXPECT_EQ(config.servers.at("home").url, "https://oob.example.org:7443");
  EXPECT_EQ(config.servers.at("home").fingerprint, kDigits);
  EXPECT_EQ(config.servers.at("lab").url, "https://[::1]:8443");
  EXPECT_EQ(config.attach.escape, "^]q");
  EXPECT_EQ(config.attach.escape_style, "ssh");
  EXPECT_EQ(config.attach.lines, 100u);
  EXPECT_FALSE(read_well("").attach.lines);
}

TEST(ClientConfig, each_mistake_is_said_with_its_place_and_the_nearest_word) {
  struct Mistake {
    std::string text, said;
  };
  for (const auto& [text, said] : {
           Mistake{"defualt = 'x'\n", "config.toml:1:1: error: unknown key \"defualt\"; did you mean \"default\"?"},
           Mistake{"default = 'hom'\n[server.home]\nurl = 'https://a'\n",
                   "config.toml:1:11: error: no server \"hom\" is in this file; did you mean \"home\"?"},
           Mistake{"[server.a]\n", "config.toml:1:1: error: the key \"url\" is missing in [server.a]"},
           Mistake{"[server.a]\nurl = 'http://a'\n", "config.toml:2:7: error: a server is written as https://HOST"},
           Mistake{"[server.a]\nurl = 'https://a'\nfingerprint = 'sha256:12'\n",
                   "config.toml:3:15: error: a fingerprint"},
           Mistake{"[server.'../a']\nurl = 'https://a'\n", "config.toml:1:9: error: "},
           Mistake{"[attach]\nescape = 'xyz'\n", "config.toml:2:10: error: "},
           Mistake{"[attach]\nescape-style = 'shs'\n", "did you mean \"ssh\"?"},
           Mistake{"[attach]\nlines = -1\n", "config.toml:2:9: error: "},
       }) {
    EXPECT_NE(mistakes_of(text).find(said), std::string::npos) << text << mistakes_of(text);
  }
}

TEST(ClientConfig, an_address_is_a_host_and_a_port_and_nothing_else) {
  for (const std::string bad :
       {"", "https://", "https://a:0", "https://a:65536", "https://a:", "https://a/v1", "ftp://a", "https://u@a",
        "https://[::1", "https://a b", "https://[::1]7443", "https://[a%]", "a", "https://a\x1b"}) {
    const auto url = parse_server_url(bad);
    ASSERT_FALSE(url) << bad;
    EXPECT_EQ(url.error().message.find('\x1b'), std::string::npos);
  }
  EXPECT_EQ(parse_server_url("https://[::1]")->text(), "https://[::1]:7443");
  EXPECT_EQ(parse_server_url("https://a:0443/")->text(), "https://a:443");
  const std::string longest = "https://" + std::string(limits::host_bytes_max, 'a');
  EXPECT_TRUE(parse_server_url(parse_server_url(longest)->text()));
  EXPECT_FALSE(parse_server_url(longest + "a"));
}

TEST(ClientConfig, a_fingerprint_is_taken_in_the_ways_tools_print_it) {
  std::string colons;
  for (int i = 0; i < 32; ++i) colons += i == 0 ? "AA" : ":AA";
  for (const std::string& text : {"sha256:" + kDigits, "SHA256:" + colons, colons, kDigits}) {
    const auto digits = parse_fingerprint(text);
    ASSERT_TRUE(digits) << text;
    EXPECT_EQ(*digits, kDigits);
  }
  EXPECT_FALSE(parse_fingerprint("sha256:" + kDigits + "a"));
}

TEST(ClientConfig, a_login_changes_its_own_server_and_not_a_letter_else) {
  const std::string mine = "# my servers\n[attach] # as I like it\nlines = 5\n";
  const std::string old = "[server.a]\nurl = \"https://old\"\n# inside\n";
  const std::string other = "[server.b] # kept\nurl = 'https://b'\n";
  const auto added = with_server(mine + old + other, "a", ClientServer{"https://new:1", kDigits}, "a");
  ASSERT_TRUE(added) << added.error().message;
  EXPECT_EQ(*added, "default = \"a\"\n" + mine + other +
                        "[server.a]\nurl = \"https://new:1\"\nfingerprint = \"sha256:" + kDigits + "\"\n");
  const auto dotted = with_server("", "a.b", ClientServer{"https://c:1", ""}, "a.b");
  ASSERT_TRUE(dotted) << dotted.error().message;
  EXPECT_EQ(read_well(*dotted).servers.at("a.b").url, "https://c:1");
  const auto removed = with_server(*added, "a", std::nullopt, "");
  ASSERT_TRUE(removed);
  EXPECT_EQ(*removed, mine + other);
}

TEST(ClientConfig, a_file_that_is_written_otherwise_is_left_to_its_author) {
  const std::string inline_table = "server = { a = { url = 'https://a' } }\n";
  const auto added = with_server(inline_table, "b", ClientServer{"https://b:7443", ""}, "");
  ASSERT_FALSE(added);
  EXPECT_NE(added.error().message.find("[server.b]"), std::string::npos);
  EXPECT_FALSE(with_server("[server]\na.url = 'https://a'\n", "a", std::nullopt, ""));
}

struct Folder {
  Folder() {
    char name[] = "/tmp/oob-config-XXXXXX";
    path = mkdtemp(name);
  }
  ~Folder() { std::filesystem::remove_all(path); }
  std::string path;
};

unsigned mode_of(const std::string& path) {
  struct stat status {};
  EXPECT_EQ(::stat(path.c_str(), &status), 0) << path;
  return status.st_mode & 0777u;
}

TEST(ClientConfig, tokens_are_kept_from_others_and_not_read_if_they_were_not) {
  Folder home;
  const std::string path = home.path + "/deep/oob";
  const ClientFolder folder(path);
  ASSERT_TRUE(folder.read());  // no file is no mistake
  ASSERT_TRUE(folder.put("a", {"https://a:7443", ""}, Secret(std::string("oob_secret")), true));
  EXPECT_EQ(mode_of(path), 0700u);
  EXPECT_EQ(mode_of(folder.config()), 0600u);
  EXPECT_EQ(mode_of(folder.token_file("a")), 0600u);
  EXPECT_EQ(folder.token("a")->reveal(), "oob_secret");
  EXPECT_EQ(folder.read()->default_server, "a");

  ::chmod(folder.token_file("a").c_str(), 0640);
  ASSERT_FALSE(folder.token("a"));
  EXPECT_NE(folder.token("a").error().message.find("chmod 600"), std::string::npos);
  ::chmod(folder.token_file("a").c_str(), 0600);
  ::chmod(path.c_str(), 0755);
  ASSERT_FALSE(folder.token("a"));
  EXPECT_NE(folder.token("a").error().message.find("chmod 700"), std::string::npos);
  ::chmod(path.c_str(), 0700);

  ASSERT_TRUE(folder.remove("a"));
  EXPECT_EQ(folder.token("a").error().code, ErrorCode::NotFound);
  EXPECT_TRUE(folder.read()->servers.empty());
  EXPECT_EQ(folder.read()->default_server, "");
}

}  // namespace
}  // namespace oob
