// HTTP/1.1 and WebSocket, server and client, over a UNIX socket or TLS. Boost.Beast is seen only in http.cpp: it takes
// most of a minute to compile. Everything runs on the shard; calls back on the shard, never from inside a call.
// Limits: limits::http_*; a peer that sends more, or nonsense, is closed.
#pragma once
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "common/bytes.h"
#include "common/crypto/secret.h"
#include "common/crypto/tls.h"
#include "common/result.h"
#include "common/runtime/shard.h"

namespace oob {

struct HttpRequest {
  std::string method;  // "GET"
  std::string path;    // decoded, without the query: "/v1/consoles/web01"
  std::map<std::string, std::string> query;
  std::string body;
  // Only of a request that came in:
  Secret token = {};        // "Authorization: Bearer ..", RFC 6750; empty if there is none, or more than one
  std::string origin = {};  // "Origin": a page in a browser made it; "" if there is none
  std::string host = {};    // "Host"
};

struct HttpResponse {
  unsigned status = 200;
  std::string content_type = "application/json";
  std::string body;
  std::vector<std::pair<std::string, std::string>> headers = {};  // besides Content-Type and the like
  bool close = false;                                             // nothing more is taken on this connection
};

// One open WebSocket. Destroying it closes the connection at once; close() says goodbye first.
class WebSocket {
 public:
  virtual ~WebSocket() = default;
  struct Events {
    std::function<void(ByteView message, bool binary)> message;
    std::function<void(const std::string& reason)> closed;  // once; nothing comes after it
    std::function<void()> drained;  // unsent() fell to half of limits::viewer_queue_bytes or below
  };
  virtual void on(Events events) = 0;  // before the first message is delivered
  // Queues a message. The caller looks at unsent() and holds back; beyond 4 times the limit the connection is closed.
  virtual void send(Bytes message, bool binary) = 0;
  virtual std::size_t unsent() const = 0;  // bytes queued here, not yet taken by the kernel
  virtual void set_reading(bool on) = 0;   // flow control: while off, nothing is read and message() is not called
  virtual void close(const std::string& reason) = 0;
};

using Respond = std::function<void(HttpResponse)>;  // call once; any time later, on the shard

class HttpServerEvents {
 public:
  virtual ~HttpServerEvents() = default;
  virtual void request(const HttpRequest& request, Respond respond) = 0;
  // A request to upgrade. Return an error response to refuse; status 101 accepts, then opened() follows.
  virtual HttpResponse upgrade(const HttpRequest& request) = 0;
  virtual void opened(std::unique_ptr<WebSocket> socket, const HttpRequest& request) = 0;
};

// Serves one accepted, connected socket until it closes; `events` belongs to it. Keep-alive; one request at a time;
// 30 s without a request closes. Destroying the handle closes; `closed` is called when it ended by itself. With `tls`
// it is a TCP socket: each side hears of the other every limits::stream_ping_every, and answers carry the headers that
// keep browsers from doing more with them than they should.
class HttpConnection {
 public:
  virtual ~HttpConnection() = default;
};
std::unique_ptr<HttpConnection> serve_http(Shard& shard, int fd, std::unique_ptr<HttpServerEvents> events,
                                           std::function<void()> closed, std::optional<TlsEngine> tls = {});

// --- client ---

// Where a server is, and what it is shown.
struct HttpEndpoint {
  std::string shown;                // in messages: the path, the URL
  std::string address;              // as Connector takes it: "unix:/path", "host:port", "[v6]:port"
  std::shared_ptr<TlsContext> tls;  // none: a UNIX socket
  Secret token;                     // "Authorization: Bearer .."; empty: none
  std::string if_refused = {};      // what to do if its certificate is not trusted, for that message; may be empty
  // Gets the fingerprint of the certificate that was shown, and whether it was trusted. May be empty.
  std::function<void(const std::string& fingerprint, bool trusted)> certificate_seen = {};
};
HttpEndpoint unix_endpoint(const std::string& path);

// Requests to one server. A connection is used for one after the other, while they come within
// limits::client_reuse_max. Error Unavailable: no server there (the message says which and what to do); Denied: the
// socket may not be opened by this user, or the certificate is not the one that is trusted.
class HttpClient {
 public:
  HttpClient(Shard& shard, HttpEndpoint endpoint);
  ~HttpClient();
  const HttpEndpoint& endpoint() const;
  void request(HttpRequest request, Duration time_out, std::function<void(Result<HttpResponse>)> done);

 private:
  struct State;
  std::shared_ptr<State> state_;
};

// `target` is a path with its query, encoded.
void websocket_connect(Shard& shard, const HttpEndpoint& endpoint, const std::string& target, Duration time_out,
                       std::function<void(Result<std::unique_ptr<WebSocket>>)> done);

// What stands behind "Bearer " in an Authorization header, RFC 6750 section 2.1; empty if it has another form.
Secret bearer_token(std::string_view header);

std::string url_encode(std::string_view text);
// "/v1/consoles/a%20b?names=x%5B1-3%5D" into path and query, decoded. False: a "%" that is not followed by two hex
// digits; the caller refuses.
bool parse_target(std::string_view target, HttpRequest& into);

// --- an Error on its way: {"error":{"code":"not-found","message":"no console ..."}} with the status of its code ---
// "usage", "denied", "not-found", "conflict", "unavailable", "internal"
std::string_view error_code_name(ErrorCode code);
ErrorCode error_code_of(std::string_view name);  // Internal for a name it does not know
unsigned http_status(ErrorCode code);
HttpResponse error_response(const Error& error);
// Of a response that is not 2xx; if it has no such body, from the status alone.
Error error_of(const HttpResponse& response);

}  // namespace oob
