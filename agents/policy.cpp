// Reading agent.toml, and the policy's decisions.
#include "agents/policy.h"

#include <arpa/inet.h>
#include <fnmatch.h>
#include <pwd.h>
#include <unistd.h>

#include <algorithm>
#include <charconv>

#include "agents/ipmi/login.h"
#include "agents/lines/settings.h"
#include "common/ether/packet_socket.h"
#include "common/limits.h"
#include "common/names.h"
#include "common/runtime/descriptor.h"
#include "common/runtime/socket_address.h"
#include "common/toml/table.h"

namespace oob {
namespace {

using toml_file::Value;

std::string setting(const LineConfig& line, const std::string& key) {
  const auto at = line.settings.find(key);
  return at == line.settings.end() ? "" : at->second;
}

std::string lower(std::string_view text) {
  std::string out(text);
  for (char& c : out) c = c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
  return out;
}

// Empty if it is no numeric address.
std::vector<unsigned char> address_bytes(std::string_view host) {
  std::vector<unsigned char> out(16);
  const std::string text(host);
  if (inet_pton(AF_INET6, text.c_str(), out.data()) == 1) return out;
  out.resize(4);
  if (inet_pton(AF_INET, text.c_str(), out.data()) == 1) return out;
  return {};
}

// Who runs a program for which the line names nobody.
std::string own_user() {
  std::vector<char> buffer(64 * 1024);
  passwd entry{}, *found = nullptr;
  getpwuid_r(geteuid(), &entry, buffer.data(), buffer.size(), &found);
  return found ? found->pw_name : "";
}

std::string user_of(const LineConfig& line) {
  const std::string user = setting(line, "user");
  return user.empty() ? own_user() : user;
}

bool has_dot_parts(std::string_view path) {
  const std::string closed = std::string(path) + "/";
  return closed.find("/../") != std::string::npos || closed.find("/./") != std::string::npos;
}

bool matches_one(const std::vector<std::string>& patterns, const std::string& path) {
  return !has_dot_parts(path) && std::ranges::any_of(patterns, [&](const std::string& pattern) {
    return fnmatch(pattern.c_str(), path.c_str(), FNM_PATHNAME | FNM_PERIOD | FNM_NOESCAPE) == 0;
  });
}

std::string address_of_bmc(const LineConfig& line) {
  const std::string port = setting(line, "port");
  return ipmi::bmc_address(setting(line, "address"), port.empty() ? ipmi::kIpmiPort : port);
}

// Whether it reaches a host and port, which the key `tcp` permits.
bool dials(const LineConfig& line) { return line.kind == "tcp" || line.kind == "telnet" || line.kind == "ssh"; }

std::string destination_of(const LineConfig& line) {
  const std::string address = setting(line, "address");
  return line.kind == "ssh" ? ssh_address(address).value_or(address) : address;
}

// What would permit the line, as it is to be written in [allow].
std::string remedy(const LineConfig& line) {
  if (line.kind == "exec") {
    const std::string program = line.argv.empty() ? "" : line.argv[0];
    return "programs = [{ program = " + in_quotes(program) + ", users = [" + in_quotes(user_of(line)) + "] }]";
  }
  if (line.kind == "sol") return "bmc = [" + in_quotes(address_of_bmc(line)) + "]";
  if (dials(line)) return "tcp = [" + in_quotes(destination_of(line)) + "]";
  if (line.kind == "netconsole") return "netconsole = [" + in_quotes(setting(line, "listen")) + "]";
  if (line.kind == "callhome") return "callhome = [" + in_quotes(setting(line, "listen")) + "]";
  if (line.kind == "etherconsole") return "etherconsole = [" + in_quotes(setting(line, "interface")) + "]";
  if (line.kind == "unix") return "unix = [" + in_quotes(setting(line, "path")) + "]";
  if (line.kind == "serial") return "serial = [" + in_quotes(setting(line, "device")) + "]";
  return "test = true";
}

tl::unexpected<Error> refused(const std::string& to_allow) {
  return fail(ErrorCode::Denied,
              "the agent's own policy does not allow it; to allow it, its agent.toml needs below [allow]: " + to_allow);
}

}  // namespace

Result<Policy::Destination> Policy::Destination::parse(const std::string& text) {
  const auto malformed = [&](std::string_view what) {
    return fail(ErrorCode::Usage, in_quotes(text) + " is no destination: " + std::string(what));
  };
  Destination out;
  const std::size_t colon = text.rfind(':');
  if (colon == std::string::npos) return malformed("write host:port, host:*, or a network as in 10.9.0.0/16:7001");
  out.port = text.substr(colon + 1);
  std::string host = text.substr(0, colon);
  const bool bracketed = host.starts_with('[') && host.ends_with(']');
  if (bracketed) host = host.substr(1, host.size() - 2);
  const std::size_t slash = host.find('/');
  const std::string address = host.substr(0, slash);
  const auto good =
      parse_host_port((bracketed ? "[" + address + "]" : address) + ":" + (out.port == "*" ? "0" : out.port));
  if (!good) return malformed(good.error().message);
  out.network = address_bytes(address);
  out.prefix_bits = static_cast<unsigned>(out.network.size() * 8);
  if (out.network.empty()) out.host = lower(address);
  if (slash == std::string::npos) return out;
  unsigned bits = 0;
  const char* end = host.data() + host.size();
  const auto [stop, error] = std::from_chars(host.data() + slash + 1, end, bits);
  if (out.network.empty() || error != std::errc() || stop != end || bits > out.prefix_bits) {
    return malformed("a network is a numeric address, a slash and the number of its leading bits");
  }
  out.prefix_bits = bits;
  return out;
}

bool Policy::Destination::matches(std::string_view to_host, std::string_view to_port) const {
  if (port != "*" && port != to_port) return false;
  if (network.empty()) return host == lower(to_host);
  const auto address = address_bytes(to_host);
  if (address.size() != network.size()) return false;
  for (unsigned bit = 0; bit < prefix_bits; ++bit) {
    if (((address[bit / 8] ^ network[bit / 8]) >> (7 - bit % 8)) & 1) return false;
  }
  return true;
}

void Policy::read_programs(TableReader& allow, Diagnostics& to) {
  const Value* list = allow.list("programs");
  if (!list) return;
  for (const Value& element : list->list) {
    if (!element.is(Value::Type::Table)) {
      to.error(element.at, "a program is written { program = \"/path\", users = [\"name\"] }");
      continue;
    }
    TableReader entry(element, "a program of [allow]", to);
    AllowedProgram program;
    if (entry.require("program")) program.path = entry.text("program").value_or("");
    if (!program.path.empty() && !program.path.starts_with('/'))
      entry.error("program", "a program is an absolute path");
    if (entry.require("users")) program.users = entry.texts("users").value_or(std::vector<std::string>());
    program.any_arguments = entry.any("arguments") == nullptr;
    program.arguments = entry.texts("arguments").value_or(std::vector<std::string>());
    entry.finish();
    programs_.push_back(std::move(program));
  }
}

void Policy::read_destinations(TableReader& allow, const char* key, std::vector<Destination>& to) {
  for (const auto& text : allow.texts(key).value_or(std::vector<std::string>())) {
    auto destination = Destination::parse(text);
    destination ? to.push_back(*std::move(destination)) : allow.error(key, destination.error().message);
  }
}

void Policy::read_paths(TableReader& allow, const char* key, const char* what, std::vector<std::string>& to) {
  for (const auto& path : allow.texts(key).value_or(std::vector<std::string>())) {
    path.starts_with('/')
        ? to.push_back(path)
        : allow.error(key, in_quotes(path) + " is no absolute path of " + what + " (* and ? are allowed)");
  }
}

Policy Policy::read(TableReader& allow, Diagnostics& to) {
  Policy out;
  out.read_programs(allow, to);
  out.read_destinations(allow, "tcp", out.tcp_);
  out.read_destinations(allow, "bmc", out.bmc_);
  out.read_destinations(allow, "netconsole", out.netconsole_);
  out.read_destinations(allow, "callhome", out.callhome_);
  out.interfaces_ = allow.texts("etherconsole").value_or(std::vector<std::string>());
  for (const std::string& name : out.interfaces_) {
    if (!is_interface_name(name)) allow.error("etherconsole", in_quotes(name) + " is no name of an interface");
  }
  out.read_paths(allow, "unix", "a socket", out.unix_);
  out.read_paths(allow, "serial", "a serial port", out.serial_);
  out.read_paths(allow, "secrets", "a file", out.secrets_);
  out.test_ = allow.boolean("test").value_or(true);
  allow.finish();
  return out;
}

bool Policy::permits_program(const LineConfig& line) const {
  if (line.argv.empty()) return false;
  const std::string user = user_of(line);
  return !user.empty() && std::ranges::any_of(programs_, [&](const AllowedProgram& allowed) {
    return allowed.path == line.argv[0] && std::ranges::find(allowed.users, user) != allowed.users.end() &&
           (allowed.any_arguments ||
            std::equal(line.argv.begin() + 1, line.argv.end(), allowed.arguments.begin(), allowed.arguments.end()));
  });
}

bool Policy::permits(const std::vector<Destination>& allowed, const std::string& address) {
  const auto to = parse_host_port(address);
  return to && std::ranges::any_of(allowed, [&](const Destination& d) { return d.matches(to->host, to->port); });
}

Result<> Policy::permits_bmc(const std::string& address) const {
  if (permits(bmc_, address)) return {};
  return refused("bmc = [" + in_quotes(address) + "]");
}

Result<> Policy::permits(const LineConfig& line) const {
  const bool permitted =
      (line.kind == "exec" && permits_program(line)) || (dials(line) && permits(tcp_, destination_of(line))) ||
      (line.kind == "sol" && permits(bmc_, address_of_bmc(line))) ||
      (line.kind == "netconsole" && permits(netconsole_, setting(line, "listen"))) ||
      (line.kind == "callhome" && permits(callhome_, setting(line, "listen"))) ||
      (line.kind == "etherconsole" && std::ranges::count(interfaces_, setting(line, "interface"))) ||
      (line.kind == "unix" && matches_one(unix_, setting(line, "path"))) ||
      (line.kind == "serial" && matches_one(serial_, setting(line, "device"))) || (line.kind == "test" && test_);
  if (permitted) return permits_secrets(line);
  if (!find_line_kind(line.kind)) {
    return fail(ErrorCode::Denied, "this agent knows no line of kind " + in_quotes(line.kind) + "; update it");
  }
  return refused(remedy(line));
}

Result<> Policy::permits_secrets(const LineConfig& line) const {
  for (const auto& [key, place] : secret_places(*find_line_kind(line.kind), line)) {
    if (!place.starts_with(kSecretOfAgent)) continue;
    const std::string path = place.substr(kSecretOfAgent.size());
    if (!matches_one(secrets_, path)) return refused("secrets = [" + in_quotes(path) + "]");
  }
  return {};
}

// "host:port", a list of them, or "unix:/path"; whether it is the latter.
static bool read_servers(TableReader& top, std::vector<std::string>& out) {
  if (!top.require("server")) return false;
  const Value* value = top.any("server");
  if (value != nullptr && value->is(Value::Type::Text)) {
    out = {top.text("server").value_or("")};
  } else {
    const auto list = top.texts("server");
    if (list) out = *list;
    if (list && list->empty()) top.error("server", "name one server at least, as \"oob.example:7420\"");
  }
  if (out.size() > limits::agent_servers_max)
    top.error("server", "at most " + std::to_string(limits::agent_servers_max) + " addresses are tried");
  for (const std::string& server : out) {
    if (server.starts_with(kUnixPrefix)) {
      if (out.size() > 1)
        top.error("server", "the server's socket stands alone: an agent beside it needs no other way");
      if (!server.starts_with("unix:/")) top.error("server", "the path of the server's socket must be absolute");
    } else if (const auto good = parse_host_port(server); !good) {
      top.error("server", good.error().message);
    }
  }
  return out.size() == 1 && out[0].starts_with(kUnixPrefix);
}

AgentConfig load_agent_config(const std::string& path, Diagnostics& to) {
  AgentConfig out;
  const auto file = toml_file::load(path, to);
  if (!file) return out;
  TableReader top(*file, "", to);
  const bool local = read_servers(top, out.servers);
  out.name = top.text("name").value_or(local ? "local" : "");
  if (!out.name.empty()) {
    if (const auto good = check_name(out.name); !good) top.error("name", good.error().message);
  }
  if (const auto state = top.text("state")) out.state = path_beside(path, *state);
  if (const auto rings = top.text("rings")) out.rings = path_beside(path, *rings);
  const std::vector<std::string> levels{"debug", "info", "warning", "error"};
  const auto level = std::ranges::find(levels, top.one_of("log-level", levels).value_or("info"));
  if (level != levels.end()) out.log_level = static_cast<LogLevel>(level - levels.begin());
  if (const Value* table = top.table("allow")) {
    TableReader allow(*table, "[allow]", to);
    out.policy = Policy::read(allow, to);
  }
  top.finish();
  return out;
}

}  // namespace oob
