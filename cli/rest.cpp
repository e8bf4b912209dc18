// Requests to the server and its errors as ours.
#include "cli/rest.h"

#include <cstdlib>
#include <optional>

#include "cli/show.h"
#include "common/limits.h"

namespace oob {

std::string server_socket() {
  const char* socket = std::getenv("OOB_SOCKET");
  return socket != nullptr && *socket != '\0' ? socket : "/run/oob/oobd.sock";
}

Result<json::value> read_answer(const Result<HttpResponse>& response, json::value* refused) {
  if (!response) return tl::unexpected(response.error());
  boost::system::error_code wrong;
  json::value body = response->body.empty() ? json::value(json::object()) : json::parse(response->body, wrong);
  if (response->status >= 300) {
    if (refused != nullptr && !wrong) *refused = std::move(body);
    Error error = error_of(*response);
    return fail(error.code, escape_lines(error.message));
  }
  if (wrong) return fail(ErrorCode::Internal, "the server's answer is not JSON; are `oob` and `oobd` of one version?");
  return body;
}

void Rest::call(const std::string& method, const std::string& path, Query query, std::string body, Done done) {
  HttpRequest request{method, path, std::move(query), std::move(body)};
  http_request(shard_, socket_, std::move(request), limits::client_time_out,
               [done = std::move(done)](const Result<HttpResponse>& response) { done(read_answer(response)); });
}

Result<json::value> Rest::wait(const std::string& method, const std::string& path, Query query, std::string body,
                               json::value* refused) {
  std::optional<Result<HttpResponse>> answer;
  HttpRequest request{method, path, std::move(query), std::move(body)};
  http_request(shard_, socket_, std::move(request), limits::client_time_out, [&](Result<HttpResponse> response) {
    answer = std::move(response);
    shard_.stop();
  });
  shard_.io().restart();
  shard_.run();
  if (!answer) return fail(ErrorCode::Internal, "the request was given up");
  return read_answer(*answer, refused);
}

}  // namespace oob
