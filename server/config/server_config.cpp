// The keys of oobd.toml, their defaults and checks.
#include "server/config/server_config.h"

#include <charconv>

#include "common/limits.h"
#include "common/toml/table.h"

namespace oob {
namespace {

constexpr std::size_t kSocketPath_bytes = 107;  // sockaddr_un, unix(7)

class ConfigReader {
 public:
  ConfigReader(const toml_file::Value& top, const std::string& path, Diagnostics& to)
      : top_(top, "", to), to_(to), path_(path) {}

  ServerConfig run() {
    out_.inventory = path_beside(path_, "inventory.d");
    read_path(top_, "state", out_.state);
    read_path(top_, "inventory", out_.inventory);
    read_path(top_, "socket", out_.socket);
    check_socket(top_, "socket", out_.socket);
    read_level();
    out_.agents_socket = path_beside(out_.socket, "agents.sock");
    out_.log_folder = out_.state + "/log";
    if (const auto* table = top_.table("agents")) read_agents(*table);
    if (const auto* table = top_.table("api")) read_api(*table);
    if (const auto* table = top_.table("log")) {
      TableReader log(*table, "[log]", to_);
      read_path(log, "folder", out_.log_folder);
      log.finish();
    }
    if (const auto* table = top_.table("access")) {
      TableReader access(*table, "[access]", to_);
      read_word(access, "group", out_.access_group);
      access.finish();
    }
    top_.finish();
    return out_;
  }

 private:
  void read_agents(const toml_file::Value& table) {
    TableReader agents(table, "[agents]", to_);
    if (const auto listen = agents.text("listen")) {
      out_.agents_listen = *listen;
      check_listen(agents, *listen);
    }
    read_path(agents, "socket", out_.agents_socket);
    check_socket(agents, "socket", out_.agents_socket);
    read_word(agents, "local-user", out_.agents_local_user);
    if (const auto days = agents.integer("certificate-days", 1, limits::certificate_days_max))
      out_.certificate_life = std::chrono::hours(24) * *days;
    agents.finish();
  }

  void read_api(const toml_file::Value& table) {
    TableReader api(table, "[api]", to_);
    if (const auto* listen = api.any("listen"); listen && listen->is(toml_file::Value::Type::List)) {
      out_.api_listen = api.texts("listen").value_or(std::vector<std::string>{});
    } else if (listen) {
      out_.api_listen = {api.text("listen").value_or("")};
    }
    for (const std::string& address : out_.api_listen) check_listen(api, address);
    std::erase(out_.api_listen, "");
    if (out_.api_listen.size() > limits::front_listens_max) api.error("listen", "\"listen\" has too many addresses");
    if (const auto names = api.texts("names")) out_.api_names = *names;
    read_path(api, "certificate", out_.api_certificate);
    read_path(api, "key", out_.api_key);
    if (out_.api_certificate.empty() != out_.api_key.empty()) {
      api.error(out_.api_key.empty() ? "certificate" : "key",
                "\"certificate\" and \"key\" belong together; one is missing");
    }
    api.finish();
  }

  void read_path(TableReader& table, std::string_view key, std::string& into) {
    const auto path = table.text(key);
    if (!path) return;
    if (path->empty()) return table.error(key, in_quotes(key) + " is empty; write a path, or leave the key out");
    into = path_beside(path_, *path);
  }

  void read_word(TableReader& table, std::string_view key, std::string& into) {
    const auto word = table.text(key);
    if (!word) return;
    if (word->empty()) return table.error(key, in_quotes(key) + " is empty; write a name, or leave the key out");
    into = *word;
  }

  void read_level() {
    const auto level = top_.one_of("log-level", {"debug", "info", "warning", "error"});
    if (!level) return;
    out_.log_level = *level == "debug"     ? LogLevel::Debug
                     : *level == "info"    ? LogLevel::Info
                     : *level == "warning" ? LogLevel::Warning
                                           : LogLevel::Error;
  }

  void check_socket(TableReader& table, std::string_view key, const std::string& path) {
    if (path.size() <= kSocketPath_bytes) return;
    table.error(key, "the socket's path " + in_quotes(path) + " is too long; at most " +
                         std::to_string(kSocketPath_bytes) + " bytes");
  }

  // "host:port" or "[v6]:port"; which of the machine's addresses exist is seen when oobd listens.
  void check_listen(TableReader& table, const std::string& address) {
    if (address.empty()) return;
    const auto colon = address.rfind(':');
    const std::string host = colon == std::string::npos ? "" : address.substr(0, colon);
    const std::string port = colon == std::string::npos ? "" : address.substr(colon + 1);
    const bool v6 = host.size() > 2 && host.starts_with('[') && host.ends_with(']');
    unsigned number = 65536;
    const auto [end, problem] = std::from_chars(port.data(), port.data() + port.size(), number);
    const bool port_fine = problem == std::errc{} && end == port.data() + port.size() && number < 65536;
    if (port_fine && !host.empty() && (v6 || host.find(':') == std::string::npos)) return;
    table.error("listen",
                "\"listen\" is an address and a port as \"0.0.0.0:7420\" or \"[::]:7420\", or \"\" for none; "
                "this is " +
                    in_quotes(address));
  }

  TableReader top_;
  Diagnostics& to_;
  const std::string& path_;
  ServerConfig out_;
};

}  // namespace

ServerConfig read_server_config(std::string_view text, const std::string& path, Diagnostics& to) {
  const auto document = toml_file::parse(text, path, to);
  return document ? ConfigReader(*document, path, to).run() : ServerConfig{};
}

ServerConfig load_server_config(const std::string& path, Diagnostics& to) {
  const auto text = toml_file::read_config_file(path, path, to);
  return text ? read_server_config(*text, path, to) : ServerConfig{};
}

}  // namespace oob
