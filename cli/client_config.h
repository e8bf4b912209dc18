// A person's own configuration, ~/.config/oob/config.toml: the servers they logged in to and how they like to attach.
// `oob login` and `oob logout` change the servers in it; everything else in the file stays as it was written. Tokens
// are in files of their own beside it (0600, the folder 0700).
#pragma once
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>

#include "common/crypto/secret.h"
#include "common/result.h"
#include "common/toml/diagnostics.h"

namespace oob {

// A server's address as people write it: "https://host[:port]", "https://[v6]:port"; without a port 7443. Nothing may
// follow but one slash. Error: Usage, says what is wanted.
struct ServerUrl {
  std::string host;  // without brackets, lower case
  std::string port;
  std::string text() const;       // "https://host:port": two of the same server are equal
  std::string host_port() const;  // "host:port", "[v6]:port"
};
Result<ServerUrl> parse_server_url(std::string_view text);

// "sha256:" and 64 hex digits, in either case and with or without colons between bytes, as the digits in lower case.
Result<std::string> parse_fingerprint(std::string_view text);
std::string fingerprint_text(std::string_view digits);  // "sha256:.."

struct ClientServer {
  std::string url;          // as ServerUrl::text()
  std::string fingerprint;  // hex digits; "": the certificate has to be vouched for by the system's CAs
};

struct AttachSettings {                     // [attach]; what is not written is empty
  std::optional<std::string> escape;        // as parse_escape() takes it: "^Ec"
  std::optional<std::string> escape_style;  // "conserver", "conman" or "ssh"
  std::optional<std::uint64_t> lines;       // of replay
};

struct ClientConfig {
  std::string default_server;  // "": none
  std::map<std::string, ClientServer> servers;
  AttachSettings attach;
};

// Servers' names are as check_name_letters() wants them. What is wrong goes to `to`; the result is to be used only if
// !to.failed(). `shown`: the file's name in messages.
ClientConfig read_client_config(std::string_view text, const std::string& shown, Diagnostics& to);

// The text with that server set (or, without one, removed) and made the default or not; all other lines are kept.
// Error: Usage, the file is written in a way that a program should not change.
Result<std::string> with_server(const std::string& text, const std::string& name,
                                const std::optional<ClientServer>& server, const std::string& default_server);

// The folder and its files.
class ClientFolder {
 public:
  explicit ClientFolder(std::string path) : path_(std::move(path)) {}
  // $XDG_CONFIG_HOME/oob, else ~/.config/oob. Error: Usage, neither is known.
  static Result<ClientFolder> own();

  std::string config() const { return path_ + "/config.toml"; }
  std::string token_file(const std::string& server) const { return path_ + "/" + server + ".token"; }
  // No file: an empty configuration. Error: Usage, with the file's mistakes, one a line.
  Result<ClientConfig> read() const;
  // Denied if others can get at it, and says which command sets that right; NotFound.
  Result<Secret> token(const std::string& server) const;
  Result<> put(const std::string& name, const ClientServer& server, const Secret& token, bool make_default) const;
  Result<> remove(const std::string& name) const;

 private:
  Result<std::string> text() const;  // "" if there is no file
  Result<> check_private() const;

  std::string path_;
};

}  // namespace oob
