// See router.h.
#include "server/front/router.h"

#include "common/log.h"
#include "common/text.h"

namespace oob {
namespace {

constexpr std::string_view kName = "{name}";

// Does `path` fit `pattern`? "{name}" stands for one non-empty part without a slash.
bool fits(std::string_view pattern, std::string_view path, std::string& name) {
  const std::size_t at = pattern.find(kName);
  if (at == std::string_view::npos) return pattern == path;
  const std::string_view before = pattern.substr(0, at), after = pattern.substr(at + kName.size());
  if (path.size() <= before.size() + after.size() || !path.starts_with(before) || !path.ends_with(after)) return false;
  const std::string_view part = path.substr(before.size(), path.size() - before.size() - after.size());
  if (part.find('/') != std::string_view::npos) return false;
  name = part;
  return true;
}

}  // namespace

std::string route_list() {
  std::string out;
  for (const Route& route : rest_routes()) out += std::string(route.method) + " " + std::string(route.pattern) + "\n";
  return out;
}

tl::expected<Router::Match, HttpResponse> Router::admit(const Identity& who, const HttpRequest& request) const {
  Match match;
  std::string other_methods;
  for (const Route& route : rest_routes()) {
    std::string name;
    if (!fits(route.pattern, request.path, name)) continue;
    if (route.method == request.method) {
      match = {&route, name};
      break;
    }
    other_methods += (other_methods.empty() ? "" : " or ") + std::string(route.method);
  }
  // Strangers are told so before they are told what there is.
  const Right right = match.route ? match.route->right : Right::List;
  const bool on_console = match.route && match.route->on_console;
  if (const auto allowed = access_.check(who, right, {on_console ? match.name : ""}); !allowed) {
    log_limited(LogLevel::Warning, "front", who.user, "refused",
                {{"user", who.user}, {"from", who.from}, {"request", request.method + " " + request.path}});
    return tl::unexpected(error_response(allowed.error()));
  }
  if (match.route) return match;
  HttpResponse refusal = error_response(
      {ErrorCode::NotFound, "this server has no " + escape_controls(request.path) + "; its version is " OOB_VERSION});
  if (!other_methods.empty()) {
    refusal = error_response({ErrorCode::Usage, escape_controls(request.path) + " takes " + other_methods});
    refusal.status = 405;
  }
  return tl::unexpected(refusal);
}

void Router::run(const Identity& who, const HttpRequest& request, Respond respond) const {
  auto match = admit(who, request);
  if (!match) return respond(match.error());
  if (!match->route->run) {
    HttpResponse refusal = error_response({ErrorCode::Usage, request.path + " is a WebSocket; ask for an upgrade"});
    refusal.status = 426;
    return respond(refusal);
  }
  match->route->run(backend_, Call{request, who, match->name, access_}, std::move(respond));
}

HttpResponse Router::admit_upgrade(const Identity& who, const HttpRequest& request) const {
  const auto match = admit(who, request);
  if (!match) return match.error();
  if (!match->route->run) return {101, "", ""};
  return error_response({ErrorCode::Usage, request.path + " is no WebSocket"});
}

}  // namespace oob
