// Promises of agent.toml and of the agent's own policy.
#include "agents/policy.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>

namespace oob {
namespace {

struct Loaded {
  explicit Loaded(const std::string& text) {
    char name[] = "/tmp/oob-test-XXXXXX";
    const std::string folder = mkdtemp(name);
    path = folder + "/agent.toml";
    std::ofstream(path) << text;
    config = load_agent_config(path, diagnostics);
    std::filesystem::remove_all(folder);
  }
  bool permits(const LineConfig& line) const {
    EXPECT_FALSE(diagnostics.failed()) << diagnostics.text();
    return config.policy.permits(line).has_value();
  }
  std::string path;
  Diagnostics diagnostics;
  AgentConfig config;
};
const std::string kServer = "server = \"unix:/run/oobd/agents\"\n";

LineConfig exec(std::vector<std::string> argv, const std::string& user) {
  return {"c", "exec", {{"user", user}}, std::move(argv)};
}
LineConfig tcp(const std::string& address) { return {"c", "tcp", {{"address", address}}, {}}; }
LineConfig socket_at(const std::string& path) { return {"c", "unix", {{"path", path}}, {}}; }
LineConfig port_at(const std::string& path) { return {"c", "serial", {{"device", path}}, {}}; }
const LineConfig kTest{"c", "test", {}, {}};

TEST(AgentConfig, the_example_loads_as_it_is) {
  Diagnostics diagnostics;
  const auto config = load_agent_config(OOB_SOURCE_DIR "/etc/agent.toml", diagnostics);
  EXPECT_EQ(diagnostics.text(), "");
  EXPECT_FALSE(diagnostics.failed());
  EXPECT_EQ(config.state, "/var/lib/oob-agent");
  EXPECT_TRUE(config.policy.permits(kTest));
}

TEST(AgentConfig, says_where_a_mistake_is) {
  const Loaded bad(
      "server = \"nowhere\"\nnam = \"rack3\"\nlog-level = \"loud\"\n[allow]\ntcp = [\"x\"]\nprograms = "
      "[\"/bin/sh\"]\n");
  const std::string text = bad.diagnostics.text();
  EXPECT_NE(text.find(":1:10: error: address \"nowhere\""), std::string::npos) << text;
  EXPECT_NE(text.find(":2:1: error: unknown key \"nam\"; did you mean \"name\"?"), std::string::npos) << text;
  EXPECT_NE(text.find(":3:"), std::string::npos) << text;
  EXPECT_NE(text.find(":5:"), std::string::npos) << text;
  EXPECT_NE(text.find(":6:13: error: a program is written {"), std::string::npos) << text;
  EXPECT_NE(Loaded("").diagnostics.text().find("\"server\" is missing"), std::string::npos);
  EXPECT_TRUE(Loaded("server = \"unix:run/s\"").diagnostics.failed());
  EXPECT_TRUE(Loaded(kServer + "name = \"../x\"").diagnostics.failed());
}

TEST(AgentConfig, has_defaults_and_resolves_paths_beside_itself) {
  const Loaded local(kServer + "state = \"state\"\nlog-level = \"debug\"\n");
  EXPECT_EQ(local.config.name, "local");
  EXPECT_EQ(local.config.state, std::filesystem::path(local.path).parent_path() / "state");
  EXPECT_EQ(local.config.rings, "/run/oob-agent/rings");
  EXPECT_EQ(local.config.log_level, LogLevel::Debug);
  EXPECT_EQ(Loaded("server = \"[::1]:4100\"").config.name, "");
}

TEST(AgentConfig, names_one_server_or_several) {
  using Servers = std::vector<std::string>;
  EXPECT_EQ(Loaded("server = \"a:7420\"").config.servers, Servers{"a:7420"});
  const Loaded two("server = [\"a.example:7420\", \"[::1]:7421\"]");
  EXPECT_FALSE(two.diagnostics.failed());
  EXPECT_EQ(two.config.servers, (Servers{"a.example:7420", "[::1]:7421"}));
  EXPECT_EQ(two.config.name, "");
  for (const char* bad : {"[]", "[\"a:1\", 7]", "7", "[\"nowhere\"]", "[\"unix:/a\", \"b:1\"]", "\"\"",
                          "[\"a:1\",\"a:1\",\"a:1\",\"a:1\",\"a:1\",\"a:1\",\"a:1\",\"a:1\",\"a:1\"]"}) {
    EXPECT_TRUE(Loaded(std::string("server = ") + bad).diagnostics.failed()) << bad;
  }
}

TEST(Policy, without_a_word_nothing_but_test_lines_is_served) {
  const Loaded none(kServer);
  EXPECT_TRUE(none.permits(kTest));
  EXPECT_FALSE(none.permits(exec({"/bin/sh"}, "nobody")));
  EXPECT_FALSE(none.permits(tcp("127.0.0.1:7001")));
  EXPECT_FALSE(none.permits(socket_at("/run/s")));
  EXPECT_FALSE(none.permits({"c", "serial", {}, {}}));
  EXPECT_FALSE(Loaded(kServer + "[allow]\ntest = false").permits(kTest));
}

TEST(Policy, a_program_runs_as_listed_users_only_and_by_that_very_path) {
  const Loaded some(kServer +
                    "[allow]\nprograms = [{ program = \"/bin/bash\", users = [\"nobody\"] },\n"
                    "{ program = \"/usr/bin/virsh\", arguments = [\"console\", \"a\"], users = [\"root\"] }]");
  EXPECT_TRUE(some.permits(exec({"/bin/bash", "-l"}, "nobody")));
  EXPECT_FALSE(some.permits(exec({"/bin/bash"}, "root")));
  EXPECT_FALSE(some.permits(exec({"/bin/../bin/bash"}, "nobody")));
  EXPECT_FALSE(some.permits(exec({"/bin/bash2"}, "nobody")));
  EXPECT_FALSE(some.permits({"c", "exec", {}, {"/bin/bash"}})) << "without a user it would run as the agent's own";
  EXPECT_TRUE(some.permits(exec({"/usr/bin/virsh", "console", "a"}, "root")));
  EXPECT_FALSE(some.permits(exec({"/usr/bin/virsh", "console", "b"}, "root")));
  EXPECT_FALSE(some.permits(exec({"/usr/bin/virsh", "console", "a", "x"}, "root")));
  EXPECT_FALSE(some.permits(exec({}, "root")));
}

TEST(Policy, a_destination_is_a_host_or_a_network_and_a_port) {
  const Loaded some(
      kServer + "[allow]\ntcp = [\"cs1.example:*\", \"10.9.0.0/18:7001\", \"[2001:db8::/33]:*\", \"127.0.0.1:80\"]");
  EXPECT_TRUE(some.permits(tcp("CS1.example:7001")));
  EXPECT_FALSE(some.permits(tcp("cs2.example:7001")));
  EXPECT_TRUE(some.permits({"c", "telnet", {{"address", "cs1.example:2001"}}, {}})) << "it is a TCP connection";
  EXPECT_FALSE(some.permits({"c", "telnet", {{"address", "cs2.example:2001"}}, {}}));
  EXPECT_TRUE(some.permits(tcp("10.9.63.255:7001")));
  EXPECT_FALSE(some.permits(tcp("10.9.64.0:7001")));
  EXPECT_FALSE(some.permits(tcp("10.9.0.1:7002")));
  EXPECT_TRUE(some.permits(tcp("[2001:db8:7fff::1]:1")));
  EXPECT_FALSE(some.permits(tcp("[2001:db8:8000::1]:1")));
  EXPECT_TRUE(some.permits(tcp("127.0.0.1:80")));
  EXPECT_FALSE(some.permits(tcp("127.1:80")));
  EXPECT_FALSE(some.permits(tcp("nonsense")));
  EXPECT_TRUE(Loaded(kServer + "[allow]\ntcp = [\"0.0.0.0/0:*\"]").permits(tcp("192.0.2.1:23")));
  const Loaded bmcs(kServer + "[allow]\nbmc = [\"10.9.1.0/24:623\", \"[2001:db8::/32]:*\"]");
  const auto sol = [](const std::string& host, std::map<std::string, std::string> more = {}) {
    more["address"] = host;
    return LineConfig{"c", "sol", more, {}};
  };
  EXPECT_TRUE(bmcs.permits(sol("10.9.1.7")));
  EXPECT_FALSE(bmcs.permits(sol("10.9.1.7", {{"port", "624"}})));
  EXPECT_FALSE(bmcs.permits(sol("10.9.2.7")));
  EXPECT_TRUE(bmcs.permits(sol("2001:db8::1", {{"port", "6230"}})));
  EXPECT_FALSE(bmcs.permits(tcp("10.9.1.7:623")));
  EXPECT_FALSE(some.permits(sol("10.9.0.1", {{"port", "7001"}})));
  for (const char* bad : {"10.9.0.0/33:1", "cs1/8:1", "10.9.0.0/:1", "10.9.0.0", "2001:db8::/32:1", ":1", "a:b"}) {
    EXPECT_TRUE(Loaded(kServer + "[allow]\ntcp = [\"" + bad + "\"]").diagnostics.failed()) << bad;
  }
}

TEST(Policy, a_destination_is_reached_by_ssh_as_by_tcp_and_has_port_22_unless_written) {
  const auto ssh = [](const std::string& address) { return LineConfig{"c", "ssh", {{"address", address}}, {}}; };
  const Loaded some(kServer + "[allow]\ntcp = [\"10.9.0.0/16:22\", \"cs1.example:3007\"]");
  EXPECT_TRUE(some.permits(ssh("10.9.0.1")));
  EXPECT_TRUE(some.permits(ssh("10.9.0.1:22")));
  EXPECT_TRUE(some.permits(ssh("cs1.example:3007")));
  EXPECT_FALSE(some.permits(ssh("10.9.0.1:2200")));
  EXPECT_FALSE(some.permits(ssh("cs1.example")));
  const auto refused = some.config.policy.permits(ssh("cs1.example"));
  ASSERT_FALSE(refused);
  EXPECT_NE(refused.error().message.find("tcp = [\"cs1.example:22\"]"), std::string::npos) << refused.error().message;
}

TEST(Policy, a_socket_is_a_path_or_a_pattern_that_does_not_climb) {
  const Loaded some(kServer + "[allow]\nunix = [\"/run/vm/*.sock\"]");
  EXPECT_TRUE(some.permits(socket_at("/run/vm/a.sock")));
  EXPECT_FALSE(some.permits(socket_at("/run/vm/a/b.sock")));
  EXPECT_FALSE(some.permits(socket_at("/run/docker.sock")));
  EXPECT_TRUE(Loaded(kServer + "[allow]\nunix = [\"/run/*/s\"]").permits(socket_at("/run/vm/s")));
  EXPECT_FALSE(Loaded(kServer + "[allow]\nunix = [\"/run/[.]*/s\"]").permits(socket_at("/run/../s")));
  EXPECT_FALSE(Loaded(kServer + "[allow]\nunix = [\"/run/../s\"]").permits(socket_at("/run/../s")));
}

TEST(Policy, a_serial_port_is_a_path_or_a_pattern_and_never_allowed_by_itself) {
  EXPECT_FALSE(Loaded(kServer + "[allow]").permits(port_at("/dev/ttyS0")));
  const Loaded some(kServer + "[allow]\nserial = [\"/dev/ttyS*\", \"/dev/serial/by-path/*\"]");
  EXPECT_TRUE(some.permits(port_at("/dev/ttyS1")));
  EXPECT_TRUE(some.permits(port_at("/dev/serial/by-path/pci-0000:00:14.0-usb-0:2:1.0-port0")));
  EXPECT_FALSE(some.permits(port_at("/dev/ttyUSB0")));
  EXPECT_FALSE(some.permits(port_at("/dev/serial/by-path/../../mem")));
  EXPECT_FALSE(some.permits(socket_at("/dev/ttyS1")));
  EXPECT_TRUE(Loaded(kServer + "[allow]\nserial = [\"ttyS0\"]").diagnostics.failed());
}

TEST(Policy, a_netconsole_line_listens_where_it_may_and_nowhere_by_itself) {
  const auto at = [](const char* listen) { return LineConfig{"c", "netconsole", {{"listen", listen}}, {}}; };
  EXPECT_FALSE(Loaded(kServer + "[allow]\ntcp = [\"10.9.0.1:6666\"]").permits(at("10.9.0.1:6666")));
  const Loaded some(kServer + "[allow]\nnetconsole = [\"10.9.0.1:6666\", \"eth1:*\"]");
  EXPECT_TRUE(some.permits(at("10.9.0.1:6666")));
  EXPECT_TRUE(some.permits(at("eth1:7")));
  EXPECT_FALSE(some.permits(at("10.9.0.1:6667")));
  EXPECT_FALSE(some.permits(at("0.0.0.0:6666")));
  EXPECT_FALSE(some.permits(at("eth0:6666")));
}

TEST(Policy, calls_are_taken_and_frames_read_only_where_it_is_allowed) {
  const auto home = [](const char* listen) { return LineConfig{"c", "callhome", {{"listen", listen}}, {}}; };
  const auto ether = [](const char* interface) {
    return LineConfig{"c", "etherconsole", {{"interface", interface}}, {}};
  };
  const Loaded none(kServer + "[allow]\nnetconsole = [\"10.9.0.1:7500\", \"eth1:*\"]");
  EXPECT_FALSE(none.permits(home("10.9.0.1:7500")));
  EXPECT_FALSE(none.permits(ether("eth1")));
  const Loaded some(kServer + "[allow]\ncallhome = [\"10.9.0.1:7500\"]\netherconsole = [\"eth1\"]");
  EXPECT_TRUE(some.permits(home("10.9.0.1:7500")));
  EXPECT_FALSE(some.permits(home("0.0.0.0:7500")));
  EXPECT_TRUE(some.permits(ether("eth1")));
  EXPECT_FALSE(some.permits(ether("eth1.100")));
  EXPECT_TRUE(Loaded(kServer + "[allow]\netherconsole = [\"eth1:7\"]").diagnostics.failed());
}

TEST(Policy, a_refusal_says_what_to_write_and_that_helps) {
  const Loaded none(kServer);
  for (const auto& line : {exec({"/bin/bash"}, "nobody"), tcp("10.9.0.1:7001"), socket_at("/run/s"),
                           port_at("/dev/ttyS0"), LineConfig{"c", "netconsole", {{"listen", "eth1:6666"}}, {}},
                           LineConfig{"c", "callhome", {{"listen", "[::1]:7500"}}, {}},
                           LineConfig{"c", "etherconsole", {{"interface", "eth1"}}, {}}}) {
    const std::string message = none.config.policy.permits(line).error().message;
    const auto at = message.find("[allow]: ");
    ASSERT_NE(at, std::string::npos) << message;
    EXPECT_TRUE(Loaded(kServer + "[allow]\n" + message.substr(at + 9)).permits(line)) << message;
  }
}

}  // namespace
}  // namespace oob
