// Promises of the table of kinds: what the checker refuses, and that each key is documented.
#include <gtest/gtest.h>

#include <fstream>
#include <sstream>

#include "agents/lines/line.h"
#include "agents/lines/settings.h"

namespace oob {
namespace {

// What is wrong with a line, as "key: message"; empty if nothing is.
std::string wrong(const LineConfig& config) {
  std::string key;
  const auto good = find_line_kind(config.kind)->check(config, key);
  return good ? "" : key + ": " + good.error().message;
}
testing::AssertionResult says(const std::string& text, std::string_view key, std::string_view part) {
  if (text.starts_with(std::string(key) + ": ") && text.find(part) != std::string::npos) {
    return testing::AssertionSuccess();
  }
  return testing::AssertionFailure() << text;
}

TEST(LineKinds, are_found_by_name) {
  for (const char* name :
       {"callhome", "etherconsole", "exec", "netconsole", "serial", "sol", "ssh", "tcp", "telnet", "test", "unix"}) {
    ASSERT_NE(find_line_kind(name), nullptr);
    EXPECT_EQ(find_line_kind(name)->name, name);
  }
  EXPECT_EQ(find_line_kind("tests"), nullptr);
}

TEST(LineKinds, each_kind_and_key_has_its_place_in_the_document) {
  std::ifstream file(OOB_SOURCE_DIR "/docs/LINES.md");
  std::stringstream all;
  all << file.rdbuf();
  const std::string text = all.str();
  for (const auto& kind : line_kinds()) {
    const auto chapter = text.find("\n## `" + std::string(kind.name) + "`");
    ASSERT_NE(chapter, std::string::npos) << kind.name;
    const std::string body = text.substr(chapter + 1, text.find("\n## ", chapter + 1) - chapter - 1);
    for (const auto& key : kind.keys) {
      EXPECT_NE(body.find("| `" + std::string(key.name) + "` |"), std::string::npos) << kind.name << " " << key.name;
      EXPECT_FALSE(key.doc.empty());
    }
  }
}

TEST(LineKinds, a_cleartext_line_beyond_loopback_has_to_be_asked_for) {
  const auto tcp = [](std::string address, std::map<std::string, std::string> more = {}) {
    more["address"] = std::move(address);
    return wrong({"web01", "tcp", more, {}});
  };
  EXPECT_EQ(tcp("127.0.0.1:7001"), "");
  EXPECT_EQ(tcp("[::1]:7001"), "");
  EXPECT_EQ(tcp("localhost:7001"), "");
  EXPECT_TRUE(says(tcp("10.9.0.12:7001"), "address", "insecure = true"));
  EXPECT_TRUE(says(tcp("127.evil.example:7001"), "address", "insecure = true"));
  EXPECT_EQ(tcp("10.9.0.12:7001", {{"insecure", "true"}}), "");
  EXPECT_TRUE(says(tcp("10.9.0.12:7001", {{"insecure", "false"}}), "address", "insecure = true"));
  EXPECT_TRUE(says(tcp("10.9.0.12", {{"insecure", "true"}}), "address", "port is missing"));
  EXPECT_TRUE(says(tcp("127.0.0.1:00"), "address", "cannot be 0"));
}

TEST(LineKinds, an_ssh_line_names_keys_and_algorithms_that_can_be) {
  const auto ssh = [](std::string key, std::string value) {
    std::map<std::string, std::string> settings{{"address", "10.9.0.1"}, {"user", "oob"}};
    settings[std::move(key)] = std::move(value);
    return wrong({"web01", "ssh", std::move(settings), {}});
  };
  const std::string pin = "SHA256:" + std::string(43, 'x');
  EXPECT_EQ(ssh("host-key", pin + "," + pin), "");
  EXPECT_TRUE(says(ssh("host-key", pin + "y"), "host-key", "ssh-keyscan"));
  EXPECT_TRUE(says(ssh("host-key", "MD5:" + pin), "host-key", "no fingerprint"));
  EXPECT_EQ(ssh("old-algorithms", "ssh-rsa,3des-cbc"), "");
  EXPECT_TRUE(says(ssh("old-algorithms", "ssh-rsa,diffie-hellman-group1-sha"), "old-algorithms",
                   "did you mean \"diffie-hellman-group1-sha1\"?"));
  EXPECT_EQ(ssh("address", "db.example:2200"), "");
  EXPECT_TRUE(says(ssh("address", "db:0"), "address", "cannot be 0"));
  EXPECT_TRUE(says(ssh("address", "db:"), "address", "port"));
}

TEST(LineKinds, an_ssh_address_without_a_port_has_port_22) {
  EXPECT_EQ(ssh_address("10.9.0.1").value(), "10.9.0.1:22");
  EXPECT_EQ(ssh_address("db:2200").value(), "db:2200");
  EXPECT_EQ(ssh_address("[2001:db8::1]").value(), "[2001:db8::1]:22");
  EXPECT_EQ(ssh_address("2001:db8::1").value(), "[2001:db8::1]:22");
  EXPECT_EQ(ssh_address("[2001:db8::1]:2200").value(), "[2001:db8::1]:2200");
}

TEST(LineKinds, a_netconsole_line_names_where_and_whom_it_hears_and_that_it_is_cleartext) {
  const auto netconsole = [](std::string listen, std::string source, std::string insecure = "false") {
    return wrong({"web01", "netconsole", {{"listen", listen}, {"source", source}, {"insecure", insecure}}, {}});
  };
  EXPECT_EQ(netconsole("127.0.0.1:6666", "127.0.0.2"), "");
  EXPECT_EQ(netconsole("lo:6666", "::1"), "");
  EXPECT_EQ(netconsole("eth1.100:6666", "2001:db8::7", "true"), "");
  EXPECT_EQ(netconsole("[::]:6666", "10.9.1.7", "true"), "");
  EXPECT_TRUE(says(netconsole("10.9.0.1:6666", "10.9.1.7"), "listen", "insecure = true"));
  EXPECT_TRUE(says(netconsole("eth1:6666", "10.9.1.7"), "listen", "insecure = true"));
  EXPECT_TRUE(says(netconsole("10.9.0.1", "10.9.1.7", "true"), "listen", "port is missing"));
  EXPECT_TRUE(says(netconsole("10.9.0.1:0", "10.9.1.7", "true"), "listen", "cannot be 0"));
  EXPECT_TRUE(says(netconsole("10.9.0.300:6666", "10.9.1.7", "true"), "listen", "no address and no interface"));
  EXPECT_TRUE(says(netconsole("a-name-that-is-long:6666", "10.9.1.7", "true"), "listen", "no interface"));
  EXPECT_TRUE(says(netconsole("127.0.0.1:6666", "web01"), "source", "numeric address"));
  EXPECT_TRUE(says(netconsole("127.0.0.1:6666", "10.9.1.7:6665"), "source", "without a port"));
}

TEST(LineKinds, a_callhome_line_lets_nobody_in_whom_it_cannot_tell) {
  const auto callhome = [](std::string listen, std::map<std::string, std::string> more) {
    more["listen"] = std::move(listen);
    return wrong({"web01", "callhome", more, {}});
  };
  EXPECT_EQ(callhome("10.9.0.1:7500", {{"token-file", "t"}, {"tls-file", "c"}}), "");
  EXPECT_EQ(callhome("127.0.0.1:7500", {{"token-file", "t"}}), "");
  EXPECT_EQ(callhome("10.9.0.1:7500", {{"source", "10.9.1.0/24"}, {"insecure", "true"}}), "");
  EXPECT_TRUE(says(callhome("127.0.0.1:7500", {}), "listen", "anyone could call"));
  EXPECT_TRUE(says(callhome("10.9.0.1:7500", {{"tls-file", "c"}}), "listen", "write token-file"));
  EXPECT_TRUE(says(callhome("10.9.0.1:7500", {{"token-file", "t"}}), "listen", "cleartext"));
  EXPECT_TRUE(says(callhome("10.9.0.1:7500", {{"token-file", "t"}, {"insecure", "true"}}), "listen", "need source"));
  EXPECT_TRUE(says(callhome("rack3:7500", {{"token-file", "t"}, {"tls-file", "c"}}), "listen", "numeric address"));
  EXPECT_TRUE(says(callhome("127.0.0.1:0", {{"token-file", "t"}}), "listen", "cannot be 0"));
  EXPECT_TRUE(says(callhome("127.0.0.1:7500", {{"source", "10.9.0.0/33"}}), "source", "no network"));
}

TEST(LineKinds, an_etherconsole_line_names_an_interface_and_a_machine_and_has_a_key_or_says_that_it_has_none) {
  const auto ether = [](std::string interface, std::string mac, std::map<std::string, std::string> more) {
    more["interface"] = std::move(interface), more["mac"] = std::move(mac);
    return wrong({"web01", "etherconsole", more, {}});
  };
  const std::string mac = "52:54:00:12:34:56";
  EXPECT_EQ(ether("eth1.100", mac, {{"key-file", "k"}}), "");
  EXPECT_EQ(ether("eth1", mac, {{"insecure", "true"}, {"plain", "true"}}), "");
  EXPECT_TRUE(says(ether("eth1", mac, {}), "mac", "key-file, or insecure = true"));
  EXPECT_TRUE(says(ether("an-interface-too-long", mac, {{"key-file", "k"}}), "interface", "no name"));
  EXPECT_TRUE(says(ether("../eth1", mac, {{"key-file", "k"}}), "interface", "no name"));
  EXPECT_TRUE(says(ether("eth1", "52:54:00:12:34", {{"key-file", "k"}}), "mac", "hardware address"));
  EXPECT_TRUE(says(ether("eth1", "ff:ff:ff:ff:ff:ff", {{"key-file", "k"}}), "mac", "group's"));
  EXPECT_TRUE(says(ether("eth1", mac, {{"key-file", "k"}, {"plain", "true"}}), "plain", "have no key"));
}

TEST(LineKinds, a_telnet_line_is_cleartext_too_and_sets_a_port_in_words_that_exist) {
  const auto telnet = [](std::map<std::string, std::string> settings) {
    settings.try_emplace("address", "127.0.0.1:2001");
    return wrong({"sw1", "telnet", std::move(settings), {}});
  };
  EXPECT_EQ(telnet({{"parity", "even"}, {"flow", "xonxoff"}}), "");
  EXPECT_TRUE(says(telnet({{"address", "10.9.0.12:23"}}), "address", "a telnet line is cleartext"));
  EXPECT_EQ(telnet({{"address", "10.9.0.12:23"}, {"insecure", "true"}}), "");
  EXPECT_TRUE(says(telnet({{"parity", "evn"}}), "parity", "did you mean \"even\"?"));
  EXPECT_TRUE(says(telnet({{"flow", "rts/cts"}}), "flow", "none, xonxoff, rtscts"));
}

TEST(LineKinds, an_exec_line_names_its_program_by_absolute_path) {
  const auto exec = [](std::vector<std::string> argv, std::map<std::string, std::string> settings = {}) {
    return wrong({"web01", "exec", std::move(settings), std::move(argv)});
  };
  EXPECT_EQ(exec({"/bin/bash", "-l"}, {{"user", "nobody"}, {"term", "xterm-256color"}}), "");
  EXPECT_TRUE(says(exec({}), "command", "empty"));
  EXPECT_TRUE(says(exec({"bash"}), "command", "absolute"));
  EXPECT_TRUE(says(exec({"/bin/bash", std::string("a\0b", 3)}), "command", "NUL"));
  EXPECT_TRUE(says(exec({"/bin/bash"}, {{"user", "a b"}}), "user", "letters"));
  EXPECT_TRUE(says(exec({"/bin/bash"}, {{"term", "x\nLD_PRELOAD=/tmp/x"}}), "term", "letters"));
}

TEST(LineKinds, a_unix_line_names_a_socket_that_can_exist) {
  EXPECT_EQ(wrong({"vm", "unix", {{"path", "/run/vm/a.sock"}}, {}}), "");
  EXPECT_TRUE(says(wrong({"vm", "unix", {{"path", "vm.sock"}}, {}}), "path", "absolute"));
  EXPECT_TRUE(says(wrong({"vm", "unix", {{"path", "/" + std::string(200, 'x')}}, {}}), "path", "107 bytes"));
}

TEST(LineKinds, a_serial_line_names_a_port_and_words_that_exist) {
  const auto serial = [](std::map<std::string, std::string> settings) {
    settings.try_emplace("device", "/dev/ttyS0");
    return wrong({"sw1", "serial", std::move(settings), {}});
  };
  EXPECT_EQ(serial({{"parity", "mark"}, {"flow", "rtscts"}, {"hangup", "close"}}), "");
  EXPECT_TRUE(says(serial({{"device", "ttyS0"}}), "device", "absolute"));
  EXPECT_TRUE(says(serial({{"device", "/dev/"}}), "device", "absolute"));
  EXPECT_TRUE(says(serial({{"parity", "evn"}}), "parity", "none, even, odd, mark, space; did you mean \"even\"?"));
  EXPECT_TRUE(says(serial({{"flow", "rts/cts"}}), "flow", "none, xonxoff, rtscts"));
  EXPECT_TRUE(says(serial({{"hangup", "always"}}), "hangup", "never, close"));
}

TEST(LineKinds, a_serial_port_by_a_number_that_may_change_is_advised_against) {
  const auto advice = [](const char* device) {
    std::string key;
    const std::string text = find_line_kind("serial")->advice({"sw1", "serial", {{"device", device}}, {}}, key);
    EXPECT_EQ(key, "device");
    return text;
  };
  for (const char* device : {"/dev/ttyUSB0", "/dev/ttyACM12"}) {
    EXPECT_NE(advice(device).find("/dev/serial/by-path/"), std::string::npos) << device;
    EXPECT_NE(advice(device).find("/dev/serial/by-id/"), std::string::npos) << device;
  }
  for (const char* device : {"/dev/ttyS0", "/dev/serial/by-path/pci-0000:00:14.0-usb-0:2:1.0-port0"}) {
    EXPECT_EQ(advice(device), "");
  }
}

TEST(LineKinds, a_sol_line_is_encrypted_and_its_words_exist) {
  const auto sol = [](std::map<std::string, std::string> settings, std::vector<std::string> quirks = {}) {
    settings.try_emplace("address", "10.9.1.1");
    return wrong({"web01", "sol", std::move(settings), std::move(quirks)});
  };
  EXPECT_EQ(sol({{"user", "oob"}, {"suite", "17, 3"}, {"privilege", "operator"}, {"busy", "ask"}}, {"authcap"}), "");
  EXPECT_EQ(sol({{"address", "2001:db8::1"}}), "");
  EXPECT_EQ(sol({{"address", "bmc1.example"}, {"port", "6230"}}), "");
  EXPECT_TRUE(says(sol({{"address", "10.9.1.1:623"}}), "address", "port"));
  EXPECT_TRUE(says(sol({{"suite", "0"}}), "suite", "does not encrypt"));
  EXPECT_TRUE(says(sol({{"suite", "lan-md5"}}), "suite", "1.5"));
  EXPECT_TRUE(says(sol({{"privilege", "admin"}}), "privilege", "user, operator, administrator"));
  EXPECT_TRUE(says(sol({{"busy", "seal"}}), "busy", "did you mean \"steal\"?"));
  EXPECT_TRUE(says(sol({}, {"authcaps"}), "quirks", "did you mean \"authcap\"?"));
  EXPECT_TRUE(says(sol({{"user", "a-name-of-17-bytes"}}), "user", "16"));
}

TEST(LineKinds, a_test_line_has_one_speed) {
  EXPECT_EQ(wrong({"t", "test", {}, {}}), "");
  EXPECT_TRUE(says(wrong({"t", "test", {{"flood", "true"}, {"rate", "5"}}, {}}), "flood", "exclude"));
  EXPECT_TRUE(says(wrong({"t", "test", {{"lines", "5"}}, {}}), "lines", "rate or flood"));
}

TEST(LineKinds, a_number_that_the_server_should_not_have_let_through_is_replaced_by_the_default) {
  const LineKey key{"rows", LineKey::Type::Integer, false, "", 1, 500};
  for (const char* text : {"0", "501", "-3", "", "12x", "99999999999999999999"}) {
    EXPECT_EQ(integer_setting({"t", "exec", {{"rows", text}}, {}}, key, 24), 24) << text;
  }
  EXPECT_EQ(integer_setting({"t", "exec", {{"rows", "500"}}, {}}, key, 24), 500);
}

}  // namespace
}  // namespace oob
