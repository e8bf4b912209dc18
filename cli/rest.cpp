// Requests to the server and its errors as ours.
#include "cli/rest.h"

#include <optional>

#include "cli/show.h"
#include "common/limits.h"

namespace oob {

Rest::Rest(Shard& shard, const Result<HttpEndpoint>& server) : shard_(shard) {
  if (server) client_ = std::make_unique<HttpClient>(shard, *server);
  if (!server) no_server_ = server.error();
}

Result<json::value> read_answer(const Result<HttpResponse>& response, json::value* refused) {
  if (!response) return tl::unexpected(response.error());
  boost::system::error_code wrong;
  json::value body = response->body.empty() ? json::value(json::object()) : json::parse(response->body, wrong);
  if (response->status >= 300) {
    if (refused != nullptr && !wrong) *refused = std::move(body);
    Error error = error_of(*response);
    return fail(error.code, escape_text_lines(error.message));
  }
  if (wrong) return fail(ErrorCode::Internal, "the server's answer is not JSON; are `oob` and `oobd` of one version?");
  return body;
}

void Rest::call(const std::string& method, const std::string& path, Query query, std::string body, Done done) {
  if (!client_) return shard_.post([done = std::move(done), error = no_server_] { done(tl::unexpected(error)); });
  HttpRequest request{method, path, std::move(query), std::move(body)};
  client_->request(std::move(request), limits::client_time_out,
                   [done = std::move(done)](const Result<HttpResponse>& response) { done(read_answer(response)); });
}

Result<json::value> Rest::wait(const std::string& method, const std::string& path, Query query, std::string body,
                               json::value* refused) {
  if (!client_) return tl::unexpected(no_server_);
  std::optional<Result<HttpResponse>> answer;
  HttpRequest request{method, path, std::move(query), std::move(body)};
  client_->request(std::move(request), limits::client_time_out, [&](Result<HttpResponse> response) {
    answer = std::move(response);
    shard_.stop();
  });
  shard_.io().restart();
  shard_.run();
  if (!answer) return fail(ErrorCode::Internal, "the request was given up");
  return read_answer(*answer, refused);
}

}  // namespace oob
