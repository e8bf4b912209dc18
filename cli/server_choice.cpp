// See server_choice.h.
#include "cli/server_choice.h"

#include <cstdlib>
#include <vector>

#include "cli/client_config.h"
#include "common/nearest.h"

namespace oob {
namespace {

constexpr const char* kSocket = "/run/oob/oobd.sock";

std::string variable(const char* name) {
  const char* value = std::getenv(name);
  return value != nullptr ? value : "";
}

Result<HttpEndpoint> logged_in(const ClientFolder& folder, const std::string& name, const ClientServer& server) {
  const auto url = parse_server_url(server.url);
  if (!url) return tl::unexpected(url.error());
  auto token = folder.token(name);
  if (!token && token.error().code == ErrorCode::NotFound) {
    return fail(ErrorCode::Denied, "you are not logged in at " + server.url + "; run: oob login " + server.url);
  }
  if (!token) return tl::unexpected(token.error());
  auto tls = TlsContext::client(url->host, server.fingerprint);
  if (!tls) return tl::unexpected(tls.error());
  std::string_view word = token->reveal();
  while (!word.empty() && (word.back() == '\n' || word.back() == ' ')) word.remove_suffix(1);
  const std::string next =
      server.fingerprint.empty()
          ? "to trust it all the same, compare it with `oobd fingerprint` on the server and log in again: "
          : "if it was changed on purpose, compare it with `oobd fingerprint` on the server and log in again; if not, "
            "somebody may sit in between: ";
  return HttpEndpoint{server.url, url->host_port(), std::move(*tls), Secret(as_bytes(word)),
                      next + "oob login " + server.url};
}

Result<HttpEndpoint> by_name(const ClientFolder& folder, const ClientConfig& config, const std::string& asked) {
  if (asked.starts_with('/')) return unix_endpoint(asked);
  std::string wanted = asked;
  if (asked.find("://") != std::string::npos) {
    const auto url = parse_server_url(asked);
    if (!url) return tl::unexpected(url.error());
    for (const auto& [name, server] : config.servers) {
      if (server.url == url->text()) return logged_in(folder, name, server);
    }
    return fail(ErrorCode::Denied, "you are not logged in at " + url->text() + "; run: oob login " + url->text());
  }
  if (const auto found = config.servers.find(asked); found != config.servers.end()) {
    return logged_in(folder, asked, found->second);
  }
  std::vector<std::string> names;
  for (const auto& [name, server] : config.servers) names.push_back(name);
  return fail(ErrorCode::NotFound, "no server " + in_quotes(asked) + " is known here" +
                                       (names.empty() ? "; `oob login https://HOST` makes one known"
                                                      : did_you_mean(nearest_of(asked, names))));
}

}  // namespace

Result<HttpEndpoint> choose_server(const std::string& asked) {
  const std::string named = asked.empty() ? variable("OOB_SERVER") : asked;
  if (named.starts_with('/')) return unix_endpoint(named);
  const std::string socket = variable("OOB_SOCKET");
  if (named.empty() && !socket.empty()) return unix_endpoint(socket);
  const auto folder = ClientFolder::own();
  if (!folder && named.empty()) return unix_endpoint(kSocket);
  if (!folder) return tl::unexpected(folder.error());
  const auto config = folder->read();
  if (!config) return tl::unexpected(config.error());
  const std::string& name = named.empty() ? config->default_server : named;
  return name.empty() ? unix_endpoint(kSocket) : by_name(*folder, *config, name);
}

}  // namespace oob
