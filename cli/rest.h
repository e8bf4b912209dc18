// Rest: requests to oobd, answers as JSON, over one connection as long as they follow each other. On the shard; the
// waiting form runs the shard itself and is for commands that do one thing after another. Limits:
// limits::client_time_out and those of common/http.
#pragma once
#include <functional>
#include <map>
#include <memory>
#include <string>

#include "common/http/http.h"
#include "common/json/json.h"

namespace oob {

class Rest {
 public:
  using Query = std::map<std::string, std::string>;
  using Done = std::function<void(Result<json::value>)>;
  // Without a server every request fails as that error says.
  Rest(Shard& shard, const Result<HttpEndpoint>& server);

  // Errors: what the server said (its message escaped), or Unavailable. `body` is JSON or empty. Path: undecoded names.
  void call(const std::string& method, const std::string& path, Query query, std::string body, Done done);
  // `refused`: gets the whole answer of a request that failed, for those that say more than an error.
  Result<json::value> wait(const std::string& method, const std::string& path, Query query = {}, std::string body = {},
                           json::value* refused = nullptr);

 private:
  Shard& shard_;
  Error no_server_;
  std::unique_ptr<HttpClient> client_;
};

// The answer's JSON, or its {"error": {"code", "message"}} as an Error.
Result<json::value> read_answer(const Result<HttpResponse>& response, json::value* refused = nullptr);

}  // namespace oob
