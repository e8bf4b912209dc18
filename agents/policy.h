// The agent's own file, agent.toml: where it finds its server, where it keeps its things, and its policy: what it will
// serve whatever a server asks for. A server broken into is not root on every agent. Read once, at the start.
#pragma once
#include <string>
#include <vector>

#include "agents/lines/line.h"
#include "common/log.h"
#include "common/toml/diagnostics.h"

namespace oob {

class TableReader;

// What [allow] permits; without that table, nothing but lines of kind `test`.
class Policy {
 public:
  // Reads [allow]; mistakes go to the reader's Diagnostics.
  static Policy read(TableReader& allow, Diagnostics& to);

  // Denied: the message says what to add to agent.toml.
  Result<> permits(const LineConfig& line) const;
  // Likewise, for a BMC at "host:port" that is to be asked without a line.
  Result<> permits_bmc(const std::string& address) const;

 private:
  struct AllowedProgram {
    std::string path;  // compared with argv[0] as text: no links followed, no folder parts folded
    bool any_arguments = true;
    std::vector<std::string> arguments;  // unless any: exactly these
    std::vector<std::string> users;
  };
  struct Destination {                   // "host:7001", "host:*", "10.9.0.0/16:7001", "[2001:db8::/32]:*"
    std::string host;                    // lower case; empty if a network
    std::vector<unsigned char> network;  // 4 or 16 bytes
    unsigned prefix_bits = 0;
    std::string port;  // "*" is any
    static Result<Destination> parse(const std::string& text);
    bool matches(std::string_view to_host, std::string_view to_port) const;
  };
  void read_programs(TableReader& allow, Diagnostics& to);
  static void read_destinations(TableReader& allow, const char* key, std::vector<Destination>& to);
  void read_paths(TableReader& allow, const char* key, const char* what, std::vector<std::string>& to);
  bool permits_program(const LineConfig& line) const;
  static bool permits(const std::vector<Destination>& allowed, const std::string& address);
  Result<> permits_secrets(const LineConfig& line) const;

  std::vector<AllowedProgram> programs_;
  std::vector<Destination> tcp_, bmc_;
  std::vector<Destination> netconsole_, callhome_;    // where to listen: "10.9.0.1:6666", "eth1:6666"
  std::vector<std::string> interfaces_;               // of etherconsoles
  std::vector<std::string> unix_, serial_, secrets_;  // patterns of paths
  bool test_ = true;
};

struct AgentConfig {
  std::string name;  // empty: as its certificate says. Without a certificate (server on a UNIX socket): "local"
  std::vector<std::string> servers;  // "host:port", in the order in which they are tried; or one "unix:/path"
  std::string state = "/var/lib/oob-agent";
  std::string rings = "/run/oob-agent/rings";  // on tmpfs: survives the agent, not the machine
  LogLevel log_level = LogLevel::Info;
  Policy policy;
};

// Of no use if `to` failed.
AgentConfig load_agent_config(const std::string& path, Diagnostics& to);

}  // namespace oob
