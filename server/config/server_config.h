// oobd.toml: what is local to one server. What is managed is inventory (server/inventory). Read once, at start-up.
#pragma once
#include <chrono>
#include <optional>
#include <string>
#include <vector>

#include "common/limits.h"
#include "common/log.h"
#include "common/toml/diagnostics.h"

namespace oob {

// Relative paths in the file are relative to the file's folder; here they are as open(2) wants them.
struct ServerConfig {
  std::string state = "/var/lib/oob";
  std::string inventory;                      // default: inventory.d beside the file
  std::string socket = "/run/oob/oobd.sock";  // clients
  LogLevel log_level = LogLevel::Info;
  std::string agents_listen = "127.0.0.1:7420";  // [agents] listen; "": no agent dials in over the network
  std::string agents_socket;                     // [agents] socket; default: agents.sock beside `socket`
  std::string agents_local_user;                 // [agents] local-user; "": oobd's own user and root only
  std::chrono::seconds certificate_life = limits::certificate_life;  // [agents] certificate-days
  std::vector<std::string> api_listen = {"127.0.0.1:7443"};  // [api] listen; empty: no client comes over the network
  std::vector<std::string> api_names;  // [api] names, of the certificate oobd makes; empty: this machine's
  std::string api_certificate;         // [api] certificate and key: the admin's own; "": the one oobd makes
  std::string api_key;
  std::string log_folder;            // [log] folder; default: <state>/log
  std::string access_group = "oob";  // [access] group
};

// What is wrong goes to `to`; the result is complete with defaults, and to be used only if !to.failed().
ServerConfig load_server_config(const std::string& path, Diagnostics& to);
ServerConfig read_server_config(std::string_view text, const std::string& path, Diagnostics& to);  // from memory

}  // namespace oob
