// The keys of config.toml, and changing its servers without touching what a person wrote.
#include "cli/client_config.h"

#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cctype>
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <filesystem>

#include "common/escape_keys.h"
#include "common/limits.h"
#include "common/names.h"
#include "common/nearest.h"
#include "common/toml/table.h"

namespace oob {
namespace {

constexpr std::string_view kScheme = "https://";
constexpr std::string_view kDefaultPort = ":7443";
constexpr std::string_view kFingerprintPrefix = "sha256:";
constexpr std::size_t kFingerprintDigits = 64;

class ClientConfigReader {
 public:
  ClientConfigReader(const toml_file::Value& top, Diagnostics& to) : top_(top, "", to), to_(to) {}

  ClientConfig run() {
    const auto chosen = top_.text("default");
    if (const auto* table = top_.table("server")) read_servers(*table);
    if (const auto* table = top_.table("attach")) read_attach(*table);
    top_.finish();
    if (chosen) check_default(*chosen);
    return std::move(out_);
  }

 private:
  void read_servers(const toml_file::Value& table) {
    for (const auto& entry : table.entries) {
      if (const auto name = check_name_letters(entry.key); !name) {
        to_.error(entry.at, name.error().message);
      } else if (!entry.value.is(toml_file::Value::Type::Table)) {
        to_.error(entry.value.at, "a server is a table: [server." + entry.key + "]");
      } else {
        read_server(entry);
      }
    }
  }

  void read_server(const toml_file::Entry& entry) {
    TableReader server(entry.value, "[server." + entry.key + "]", to_);
    ClientServer& out = out_.servers[entry.key];
    if (server.require("url")) {
      const auto text = server.text("url");
      const auto url = text ? parse_server_url(*text) : fail(ErrorCode::Usage, "");
      if (url) out.url = url->text();
      if (text && !url) server.error("url", url.error().message);
    }
    if (const auto text = server.text("fingerprint")) {
      const auto digits = parse_fingerprint(*text);
      if (digits) out.fingerprint = *digits;
      if (!digits) server.error("fingerprint", digits.error().message);
    }
    server.finish();
  }

  void read_attach(const toml_file::Value& table) {
    TableReader attach(table, "[attach]", to_);
    AttachSettings& out = out_.attach;
    out.escape = attach.text("escape");
    if (const auto keys = out.escape ? parse_escape(*out.escape) : EscapeSequence{}; !keys) {
      attach.error("escape", keys.error().message);
    }
    out.escape_style = attach.one_of("escape-style", {"conserver", "conman", "ssh"});
    if (const auto lines = attach.integer("lines", 0, limits::replay_lines_max)) {
      out.lines = static_cast<std::uint64_t>(*lines);
    }
    attach.finish();
  }

  void check_default(const std::string& name) {
    out_.default_server = name;
    if (out_.servers.contains(name)) return;
    std::vector<std::string> names;
    for (const auto& [known, server] : out_.servers) names.push_back(known);
    to_.error_about(top_.position("default"), "no server " + in_quotes(name) + " is in this file", name, names);
  }

  TableReader top_;
  Diagnostics& to_;
  ClientConfig out_;
};

std::string_view trimmed(std::string_view line) {
  const auto blank = [](char c) { return c == ' ' || c == '\t' || c == '\r' || c == '\n'; };
  while (!line.empty() && blank(line.front())) line.remove_prefix(1);
  while (!line.empty() && blank(line.back())) line.remove_suffix(1);
  return line;
}

// The line's key if it is "key = ..".
std::string_view key_of(std::string_view line) {
  return trimmed(line.substr(0, std::min(line.find('='), line.size())));
}

std::string title_of(const std::string& name, bool quoted) {
  return quoted ? "[server.\"" + name + "\"]" : "[server." + name + "]";
}

std::string server_lines(const std::string& name, const ClientServer& server) {
  const bool dotted = name.find('.') != std::string::npos;  // which would be a table in a table
  std::string out = title_of(name, dotted) + "\nurl = \"" + server.url + "\"\n";
  if (!server.fingerprint.empty()) out += "fingerprint = \"" + fingerprint_text(server.fingerprint) + "\"\n";
  return out;
}

bool same(const ClientServer& a, const ClientServer& b) { return a.url == b.url && a.fingerprint == b.fingerprint; }

Result<> cannot(const std::string& what, const std::string& path) {
  return fail(ErrorCode::Unavailable, "cannot " + what + " " + in_quotes(path) + ": " + std::strerror(errno));
}

}  // namespace

// --- addresses and fingerprints ---

std::string ServerUrl::host_port() const {
  return (host.find(':') == std::string::npos ? host : "[" + host + "]") + ":" + port;
}
std::string ServerUrl::text() const { return std::string(kScheme) + host_port(); }

Result<ServerUrl> parse_server_url(std::string_view text) {
  const auto wrong = [&](const std::string& why) {
    return fail(ErrorCode::Usage, "a server is written as https://HOST or https://HOST:PORT; " + in_quotes(text) + why);
  };
  if (text.size() > limits::url_bytes_max) return wrong(" is too long");
  if (text.starts_with("http://")) return wrong(" would be without encryption, which there is not");
  if (!text.starts_with(kScheme)) return wrong(" does not begin with https://");
  std::string_view rest = text.substr(kScheme.size());
  if (rest.ends_with('/')) rest.remove_suffix(1);
  const bool bracketed = rest.starts_with('[');
  const auto end = bracketed ? rest.find(']') : rest.find(':');
  if (bracketed && end == std::string_view::npos) return wrong(" lacks the closing ]");
  ServerUrl url;
  url.host = rest.substr(bracketed ? 1 : 0, bracketed ? end - 1 : end);
  std::string_view port = end == std::string_view::npos ? "" : rest.substr(end + (bracketed ? 1 : 0));
  if (port.empty()) port = kDefaultPort;
  const auto fits = [&](char c) {
    return std::isalnum(static_cast<unsigned char>(c)) != 0 || c == '.' || c == '-' || c == '_' ||
           (bracketed && (c == ':' || c == '%'));
  };
  if (url.host.empty()) return wrong(" names no host");
  if (url.host.size() > limits::host_bytes_max) return wrong(" has a longer name than a host can have");
  if (bracketed && url.host.find(':') == std::string::npos) return wrong(" has brackets around no IPv6 address");
  if (!std::all_of(url.host.begin(), url.host.end(), fits)) return wrong(" has more in it than a host and a port");
  std::transform(url.host.begin(), url.host.end(), url.host.begin(),
                 [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  if (!port.starts_with(':')) return wrong(" has something else than a port after the host");
  port.remove_prefix(1);
  const bool digits = !port.empty() && port.size() <= 5 &&
                      std::all_of(port.begin(), port.end(), [](char c) { return c >= '0' && c <= '9'; });
  const int number = digits ? std::stoi(std::string(port)) : 0;
  if (number < 1 || number > 65535) return wrong(" has no port from 1 to 65535 after the host");
  url.port = std::to_string(number);
  return url;
}

Result<std::string> parse_fingerprint(std::string_view text) {
  std::string digits;
  std::string_view rest = text;
  if (rest.starts_with(kFingerprintPrefix) || rest.starts_with("SHA256:"))
    rest.remove_prefix(kFingerprintPrefix.size());
  for (const char c : rest) {
    if (c != ':') digits += static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
  }
  const bool hex = std::all_of(digits.begin(), digits.end(),
                               [](char c) { return std::isxdigit(static_cast<unsigned char>(c)) != 0; });
  if (hex && digits.size() == kFingerprintDigits) return digits;
  return fail(ErrorCode::Usage,
              "a fingerprint is sha256: and 64 hexadecimal digits, as `oobd fingerprint` prints it; this is " +
                  in_quotes(text));
}

std::string fingerprint_text(std::string_view digits) { return std::string(kFingerprintPrefix) + std::string(digits); }

// --- the file ---

ClientConfig read_client_config(std::string_view text, const std::string& shown, Diagnostics& to) {
  const auto document = toml_file::parse(text, shown, to);
  return document ? ClientConfigReader(*document, to).run() : ClientConfig{};
}

Result<std::string> with_server(const std::string& text, const std::string& name,
                                const std::optional<ClientServer>& server, const std::string& default_server) {
  std::string out;
  bool skipping = false, in_table = false;
  for (std::size_t at = 0; at < text.size();) {
    const std::size_t end = std::min(text.find('\n', at), text.size() - 1) + 1;
    const std::string_view line = std::string_view(text).substr(at, end - at);
    at = end;
    const std::string_view plain = trimmed(line.substr(0, std::min(line.find('#'), line.size())));
    if (plain.starts_with('['))
      in_table = true, skipping = plain == title_of(name, false) || plain == title_of(name, true);
    if (!skipping && (in_table || key_of(plain) != "default")) out += line;
  }
  if (!out.empty() && !out.ends_with('\n')) out += '\n';
  if (!default_server.empty()) out = "default = \"" + default_server + "\"\n" + out;
  if (server) out += server_lines(name, *server);
  // Whatever way the file was written, it has to say now what is wanted, and of the rest what it said before.
  Diagnostics before_to, to;
  ClientConfig before = read_client_config(text, "", before_to);
  const ClientConfig after = read_client_config(out, "", to);
  before.servers.erase(name);
  if (server) before.servers[name] = *server;
  const bool right =
      !to.failed() && after.default_server == default_server &&
      std::equal(after.servers.begin(), after.servers.end(), before.servers.begin(), before.servers.end(),
                 [](const auto& a, const auto& b) { return a.first == b.first && same(a.second, b.second); });
  if (right) return out;
  return fail(ErrorCode::Usage,
              "the file is written in a way that a program should not change; edit it by hand: the "
              "server is\n" +
                  (server ? server_lines(name, *server) : name + ", to be taken out"));
}

// --- the folder ---

Result<ClientFolder> ClientFolder::own() {
  const char* config = std::getenv("XDG_CONFIG_HOME");
  if (config != nullptr && *config == '/') return ClientFolder(std::string(config) + "/oob");
  const char* home = std::getenv("HOME");
  if (home != nullptr && *home == '/') return ClientFolder(std::string(home) + "/.config/oob");
  return fail(ErrorCode::Usage,
              "HOME is not set, so there is no place for a configuration; set it, or XDG_CONFIG_HOME");
}

Result<std::string> ClientFolder::text() const {
  if (::access(config().c_str(), F_OK) != 0 && errno == ENOENT) return std::string();
  Diagnostics to;
  const auto read = toml_file::read_config_file(config(), config(), to);
  return read ? Result<std::string>(*read) : fail(ErrorCode::Usage, to.text());
}

Result<ClientConfig> ClientFolder::read() const {
  const auto written = text();
  if (!written) return tl::unexpected(written.error());
  Diagnostics to;
  ClientConfig config_read = read_client_config(*written, config(), to);
  if (!to.failed()) return config_read;
  std::string mistakes = to.text();
  while (mistakes.ends_with('\n')) mistakes.pop_back();
  return fail(ErrorCode::Usage, mistakes);
}

Result<> ClientFolder::check_private() const {
  struct stat status {};
  if (::stat(path_.c_str(), &status) != 0) {
    return fail(ErrorCode::NotFound, "there is no folder " + in_quotes(path_) + " yet");
  }
  if (status.st_uid != ::geteuid() || (status.st_mode & 077u) != 0) {
    return fail(ErrorCode::Denied, in_quotes(path_) + " holds tokens and may be open to you only; chmod 700 it" +
                                       (status.st_uid != ::geteuid() ? " (it belongs to somebody else)" : ""));
  }
  return {};
}

Result<Secret> ClientFolder::token(const std::string& server) const {
  if (const auto own = check_private(); !own) return tl::unexpected(own.error());
  return read_secret_file(token_file(server));
}

Result<> ClientFolder::put(const std::string& name, const ClientServer& server, const Secret& token,
                           bool make_default) const {
  std::error_code error;
  std::filesystem::create_directories(std::filesystem::path(path_).parent_path(), error);
  if (::mkdir(path_.c_str(), 0700) != 0 && errno != EEXIST) return cannot("make", path_);
  if (const auto own = check_private(); !own) return own;
  const auto before = text();
  const auto config_before = read();
  if (!before || !config_before) return tl::unexpected(before ? config_before.error() : before.error());
  const auto after = with_server(*before, name, server, make_default ? name : config_before->default_server);
  if (!after) return fail(after.error().code, in_quotes(config()) + ": " + after.error().message);
  if (const auto written = write_private_file(token_file(name), token.reveal()); !written) return written;
  return write_private_file(config(), *after);
}

Result<> ClientFolder::remove(const std::string& name) const {
  const auto before = text();
  const auto config_before = read();
  if (!before || !config_before) return tl::unexpected(before ? config_before.error() : before.error());
  const std::string& chosen = config_before->default_server;
  const auto after = with_server(*before, name, std::nullopt, chosen == name ? "" : chosen);
  if (!after) return fail(after.error().code, in_quotes(config()) + ": " + after.error().message);
  if (::unlink(token_file(name).c_str()) != 0 && errno != ENOENT) return cannot("remove", token_file(name));
  return write_private_file(config(), *after);
}

}  // namespace oob
