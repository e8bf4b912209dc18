// The routes of the API and the one place where a request meets the access check. A route names the right it takes and,
// by "{name}" in its pattern, the object; its code runs only after Access::check() has agreed.
// On the shard. Errors leave as {"error":{"code","message"}}: 404 unknown path, 405 wrong method, else by their code.
#pragma once
#include <functional>
#include <span>
#include <string>
#include <string_view>

#include "common/http/http.h"
#include "server/access/access.h"
#include "server/front/backend.h"

namespace oob {

// A request that was let in.
struct Call {
  const HttpRequest& request;  // valid during the call; answers that come later copy what they need
  const Identity& who;
  std::string name;  // what stood for "{name}"
  const Access& access;
  bool may(Right right, const std::string& console) const { return access.check(who, right, {console}).has_value(); }
};

struct Route {
  std::string_view method, pattern;
  Right right;
  bool on_console;                              // "{name}" is a console's: the object of the access check
  void (*run)(Backend&, const Call&, Respond);  // null: answered by an upgrade only
};

std::span<const Route> rest_routes();  // rest.cpp
std::string route_list();              // "GET /v1/version\n" ...

class Router {
 public:
  Router(Backend& backend, const Access& access) : backend_(backend), access_(access) {}
  void run(const Identity& who, const HttpRequest& request, Respond respond) const;
  // For a request to upgrade: 101 if its path is one that upgrades and `who` may.
  HttpResponse admit_upgrade(const Identity& who, const HttpRequest& request) const;

 private:
  struct Match {
    const Route* route = nullptr;
    std::string name;
  };
  tl::expected<Match, HttpResponse> admit(const Identity& who, const HttpRequest& request) const;

  Backend& backend_;
  const Access& access_;
};

}  // namespace oob
