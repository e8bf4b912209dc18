// http.h on Boost.Beast over a Wire. A connection's parts are shared with its pending operations; the
// handles that callers hold (HttpConnection, WebSocket) close them and cut the callbacks when destroyed.
#include "common/http/http.h"

#include <unistd.h>

#include <boost/asio/local/stream_protocol.hpp>
#include <boost/beast/http.hpp>
#include <optional>

#include "common/http/beast_websocket.h"
#include "common/runtime/descriptor.h"

namespace oob {
namespace {

// --- server ----------------------------------------------------------------------------------------------------------

constexpr std::string_view kNoTls =
    "HTTP/1.1 400 Bad Request\r\nContent-Type: text/plain\r\nContent-Length: 43\r\nConnection: close\r\n\r\n"
    "This port speaks HTTPS only: use https://.\n";

// For browsers: an answer is neither shown inside another page, nor run, nor kept.
constexpr std::pair<std::string_view, std::string_view> kNetworkHeaders[] = {
    {"X-Content-Type-Options", "nosniff"},
    {"Cache-Control", "no-store"},
    {"Content-Security-Policy", "default-src 'none'; frame-ancestors 'none'"},
    {"Referrer-Policy", "no-referrer"}};

class ServerConnection : public std::enable_shared_from_this<ServerConnection> {
 public:
  ServerConnection(Shard& shard, std::shared_ptr<Wire> wire, std::unique_ptr<HttpServerEvents> events,
                   std::function<void()> closed)
      : shard_(shard),
        wire_(std::move(wire)),
        stream_(wire_),
        timer_(shard),
        events_(std::move(events)),
        closed_(std::move(closed)) {}

  void start() {
    shard_.post([self = shared_from_this()] { self->read(); });
  }

  // The handle is gone.
  void stop() {
    stopped_ = true;
    closed_ = nullptr;
    timer_.cancel();
    wire_->close();
    if (!calling_) events_.reset();
  }

 private:
  void end() {
    if (stopped_) return;
    stopped_ = true;
    timer_.cancel();
    wire_->close();
    shard_.post([self = shared_from_this()] {
      const auto call = std::move(self->closed_);
      self->closed_ = nullptr;
      if (call) call();
    });
  }

  // A whole request has to arrive within the idle time: one that trickles in is as good as none.
  void read() {
    if (stopped_) return;
    parser_.emplace();
    parser_->header_limit(limits::http_header_bytes_max);
    parser_->body_limit(limits::http_request_bytes_max);
    timer_.once(limits::http_idle_max, [this] { end(); });
    http::async_read(stream_, buffer_, *parser_, [self = shared_from_this()](Code error, std::size_t) {
      if (self->stopped_) return;
      self->timer_.cancel();
      error ? self->refuse(error) : self->dispatch();
    });
  }

  void refuse(Code error) {
    keep_alive_ = false;
    HttpResponse response = error_response({ErrorCode::Usage, "this is not an HTTP request: " + error.message()});
    if (error == http::error::body_limit) {
      response = error_response({ErrorCode::Usage, "the request is larger than " +
                                                       std::to_string(limits::http_request_bytes_max) + " bytes"});
      response.status = 413;
    } else if (error == http::error::header_limit || error == http::error::buffer_overflow) {
      response.status = 431;
    } else if (error.category() != make_error_code(http::error::bad_target).category() ||
               error == http::error::end_of_stream || error == http::error::partial_message) {
      return end();
    }
    write(response);
  }

  void dispatch() {
    const auto& message = parser_->get();
    keep_alive_ = message.keep_alive();
    request_ = {std::string(message.method_string()), {}, {}, message.body(), {}, {}, {}};
    if (message.count(http::field::authorization) == 1) {
      request_.token = bearer_token(message[http::field::authorization]);
    }
    request_.origin = message[http::field::origin];
    request_.host = message[http::field::host];
    if (!parse_target(message.target(), request_)) {
      return write(error_response({ErrorCode::Usage, "the request's path is not well formed: a % without two digits"}));
    }
    calling_ = true;
    if (websocket::is_upgrade(message)) {
      const HttpResponse answer = events_->upgrade(request_);
      called();
      if (stopped_) return;
      answer.status == 101 ? accept() : write(answer);
    } else {
      events_->request(request_, [weak = weak_from_this(), turn = turn_](HttpResponse response) {
        const auto self = weak.lock();
        if (!self || self->stopped_ || self->turn_ != turn) return;
        ++self->turn_;
        self->write(response);
      });
      called();
    }
  }

  void called() {
    calling_ = false;
    if (stopped_ && !closed_) events_.reset();  // the handle was destroyed in the call
  }

  void write(const HttpResponse& from) {
    response_.emplace(static_cast<http::status>(from.status), 11);
    response_->set(http::field::content_type, from.content_type);
    for (const auto& [name, value] : from.headers) response_->set(name, value);
    if (wire_->engine) {
      for (const auto& [name, value] : kNetworkHeaders) response_->set(name, value);
    }
    keep_alive_ = keep_alive_ && !from.close;
    response_->keep_alive(keep_alive_);
    response_->body() = from.body;
    response_->prepare_payload();
    timer_.once(limits::http_idle_max, [this] { end(); });
    http::async_write(stream_, *response_, [self = shared_from_this()](Code error, std::size_t) {
      if (self->stopped_) return;
      if (error) return self->end();
      self->response_.reset();
      self->wire_->progress = [weak = self->weak_from_this()] {
        if (const auto connection = weak.lock()) connection->progressed();
      };
      self->wire_->flush();
    });
  }

  // The answer was queued; it is over when all of it is sent.
  void progressed() {
    if (stopped_ || (wire_->unsent() > 0 && !wire_->failed)) return;
    wire_->progress = nullptr;
    shard_.post([self = shared_from_this()] {
      if (self->stopped_) return;
      if (self->wire_->failed) return self->end();
      self->keep_alive_ ? self->read() : self->linger();
    });
  }

  // TCP throws away an answer that was not read yet when its sender closes with input unread.
  void linger() {
    if (!wire_->engine) return end();
    wire_->engine->close_notify();
    wire_->flush();
    Code ignored;
    wire_->socket.shutdown(Socket::shutdown_send, ignored);
    timer_.once(limits::http_linger_time_max, [this] { end(); });
    throw_away();
  }

  void throw_away() {
    wire_->socket.async_wait(Socket::wait_read, [self = shared_from_this()](Code error) {
      if (self->stopped_) return;
      const MutableBytes buffer = self->shard_.read_buffer();
      if (!error) self->wire_->socket.read_some(asio::buffer(buffer.data(), buffer.size()), error);
      error&& error != asio::error::would_block ? self->end() : self->throw_away();
    });
  }

  void accept() {
    const auto core = std::make_shared<Core>(shard_, wire_);
    core->ended = [weak = weak_from_this()] {
      if (const auto self = weak.lock()) self->end();
    };
    core->stream().async_accept(parser_->get(), [self = shared_from_this(), core](Code error) {
      auto socket = std::make_unique<BeastWebSocket>(core);
      if (self->stopped_ || error) return;  // the handle closes, and that ends this connection
      self->calling_ = true;
      self->events_->opened(std::move(socket), self->request_);
      self->called();
    });
  }

  Shard& shard_;
  std::shared_ptr<Wire> wire_;
  GatherStream stream_;
  Timer timer_;
  beast::flat_buffer buffer_;
  std::optional<http::request_parser<http::string_body>> parser_;
  std::optional<http::response<http::string_body>> response_;
  HttpRequest request_;
  std::unique_ptr<HttpServerEvents> events_;
  std::function<void()> closed_;
  std::uint64_t turn_ = 0;  // which request may be answered
  bool keep_alive_ = false, stopped_ = false, calling_ = false;
};

class ServedConnection final : public HttpConnection {
 public:
  explicit ServedConnection(std::shared_ptr<ServerConnection> connection) : connection_(std::move(connection)) {}
  ~ServedConnection() override { connection_->stop(); }

 private:
  std::shared_ptr<ServerConnection> connection_;
};

// --- client ----------------------------------------------------------------------------------------------------------

Error connect_error(Code error, const std::string& path) {
  if (error == asio::error::access_denied) {
    return {ErrorCode::Denied,
            "this user may not open " + path + "; ask to be let in (OOB_SOCKET names another server)"};
  }
  if (error == boost::system::errc::no_such_file_or_directory || error == asio::error::connection_refused) {
    return {ErrorCode::Unavailable, "no server answers at " + path + "; is oobd running? (OOB_SOCKET names another)"};
  }
  return {ErrorCode::Unavailable, "cannot reach the server at " + path + ": " + error.message()};
}

// What both kinds of dialling share: the wire, the time-out, one answer.
template <typename Value>
struct Dial : std::enable_shared_from_this<Dial<Value>> {
  Dial(Shard& s, HttpEndpoint e, std::function<void(Result<Value>)> d)
      : shard(s), timer(s), endpoint(std::move(e)), connector(s), done(std::move(d)) {}

  void limit(Duration time_out) {
    timer.once(time_out, [weak = this->weak_from_this()] {
      const auto dial = weak.lock();
      if (!dial) return;
      dial->finish(fail(ErrorCode::Unavailable, "the server at " + dial->endpoint.shown + " did not answer in time"));
      if (dial->abort) dial->abort();
    });
  }

  void connect(Duration time_out, std::function<void()> connected) {
    if (endpoint.tls) return connect_tls(time_out, std::move(connected));
    const std::string path = endpoint.address.substr(std::string_view("unix:").size());
    const auto socket = std::make_shared<Socket>(shard.io());
    const auto self = this->shared_from_this();
    try {
      socket->async_connect(asio::local::stream_protocol::endpoint(path), [self, socket, path, connected](Code error) {
        if (!self->done) return;
        if (error) return self->finish(tl::unexpected(connect_error(error, path)));
        self->wire = std::make_shared<Wire>(self->shard, std::move(*socket), std::nullopt);
        connected();
      });
    } catch (const boost::system::system_error& error) {  // a path longer than sun_path
      shard.post([self, path, code = error.code()] { self->finish(tl::unexpected(connect_error(code, path))); });
    }
  }

  void connect_tls(Duration time_out, std::function<void()> connected) {
    connector.connect(endpoint.address, time_out, [self = this->shared_from_this(), connected](Result<int> fd) {
      if (!self->done && fd) ::close(*fd);
      if (!self->done) return;
      if (!fd) {
        const bool refused = fd.error().message.ends_with("refused");
        const std::string hint = refused ? "; does oobd run there, with [api] listen?" : "";
        return self->finish(fail(ErrorCode::Unavailable, fd.error().message + hint));
      }
      Socket socket(self->shard.io());
      Code error;
      socket.assign(asio::generic::stream_protocol(AF_INET, 0), *fd, error);  // of IPv6 likewise
      if (error) ::close(*fd);
      self->wire = std::make_shared<Wire>(self->shard, std::move(socket), self->endpoint.tls->engine());
      connected();
    });
  }

  void finish(Result<Value> result) {
    if (!done) return;
    const auto call = std::move(done);
    done = nullptr;
    timer.cancel();
    connector.cancel();
    tell_certificate();
    if (wire) wire->close();
    call(std::move(result));
  }

  void tell_certificate() {
    const std::string seen = wire && wire->engine ? wire->engine->fingerprint_seen() : "";
    if (!seen.empty() && endpoint.certificate_seen) endpoint.certificate_seen(seen, wire->engine->handshake_done());
  }

  void fail_by(Code error) {
    if (!wire || wire->why.empty()) {
      return finish(fail(ErrorCode::Unavailable, "the server at " + endpoint.shown + " broke off: " + error.message()));
    }
    const bool certificate =
        wire->engine && !wire->engine->handshake_done() && !wire->engine->fingerprint_seen().empty();
    const std::string next = certificate && !endpoint.if_refused.empty() ? "; " + endpoint.if_refused : "";
    finish(fail(certificate ? ErrorCode::Denied : ErrorCode::Unavailable, endpoint.shown + ": " + wire->why + next));
  }

  std::string authorization() const { return "Bearer " + std::string(endpoint.token.reveal()); }
  std::string host() const { return endpoint.tls ? endpoint.address : "localhost"; }

  Shard& shard;
  std::shared_ptr<Wire> wire;
  Timer timer;
  HttpEndpoint endpoint;
  Connector connector;
  std::function<void(Result<Value>)> done;
  std::function<void()> abort;
};

struct RequestDial : Dial<HttpResponse> {
  using Dial::Dial;
  http::request<http::string_body> request;
  std::optional<http::response_parser<http::string_body>> parser;
  std::optional<GatherStream> stream;
  beast::flat_buffer buffer;
  Duration time_out{};
  bool reused = false;
  std::function<void(std::shared_ptr<Wire>)> keep;  // a connection that may be used again

  void dial() {
    connect(time_out, [weak = weak_from_this()] {
      if (const auto self = weak.lock()) static_cast<RequestDial&>(*self).run();
    });
  }

  void run() {
    const auto self = std::static_pointer_cast<RequestDial>(shared_from_this());
    parser.emplace();
    parser->body_limit(limits::http_body_bytes_max);
    stream.emplace(wire);
    http::async_write(*stream, request, [self](Code, std::size_t) {
      // A server that refuses the request may close before it was written; its answer can be read all the same.
      http::async_read(*self->stream, self->buffer, *self->parser, [self](Code error, std::size_t) {
        if (!self->done) return;
        error ? self->failed(error) : self->answered();
      });
    });
  }

  // A server may close an idle connection just when it is used again; what only asks can be asked anew.
  void failed(Code error) {
    const bool again = std::exchange(reused, false) && !parser->got_some() && request.method() == http::verb::get;
    if (!again) return fail_by(error);
    wire->close();
    wire.reset();
    buffer.clear();
    dial();
  }

  void answered() {
    auto& answer = parser->get();
    HttpResponse response{answer.result_int(), std::string(answer[http::field::content_type]),
                          std::move(answer.body())};
    tell_certificate();
    if (parser->keep_alive() && buffer.size() == 0) keep(std::exchange(wire, nullptr));
    finish(std::move(response));
  }
};

}  // namespace

std::unique_ptr<HttpConnection> serve_http(Shard& shard, int fd, std::unique_ptr<HttpServerEvents> events,
                                           std::function<void()> closed, std::optional<TlsEngine> tls) {
  Socket socket(shard.io());
  Code error;
  socket.assign(asio::generic::stream_protocol(tls ? AF_INET : AF_UNIX, 0), fd, error);
  if (error) ::close(fd);  // the first read fails, which ends the connection
  auto wire = std::make_shared<Wire>(shard, std::move(socket), std::move(tls));
  wire->no_tls = kNoTls;
  auto connection = std::make_shared<ServerConnection>(shard, std::move(wire), std::move(events), std::move(closed));
  connection->start();
  return std::make_unique<ServedConnection>(std::move(connection));
}

HttpEndpoint unix_endpoint(const std::string& path) { return {path, "unix:" + path, nullptr, {}}; }

struct HttpClient::State {
  Shard& shard;
  HttpEndpoint endpoint;
  std::shared_ptr<Wire> idle;
  SteadyTime idle_since{};
};

HttpClient::HttpClient(Shard& shard, HttpEndpoint endpoint)
    : state_(std::make_shared<State>(State{shard, std::move(endpoint), nullptr, {}})) {}
HttpClient::~HttpClient() {
  if (state_->idle) state_->idle->close();
}
const HttpEndpoint& HttpClient::endpoint() const { return state_->endpoint; }

void HttpClient::request(HttpRequest request, Duration time_out, std::function<void(Result<HttpResponse>)> done) {
  State& state = *state_;
  const auto dial = std::make_shared<RequestDial>(state.shard, state.endpoint, std::move(done));
  std::string target;
  for (const char c : request.path) target += c == '/' ? "/" : url_encode(std::string_view(&c, 1));
  char mark = '?';
  for (const auto& [key, value] : request.query) {
    target += mark + url_encode(key) + "=" + url_encode(value);
    mark = '&';
  }
  dial->request.method_string(request.method);
  dial->request.target(target);
  dial->request.set(http::field::host, dial->host());
  if (!state.endpoint.token.empty()) dial->request.set(http::field::authorization, dial->authorization());
  if (!request.body.empty()) dial->request.set(http::field::content_type, "application/json");
  dial->request.body() = std::move(request.body);
  dial->request.prepare_payload();
  dial->time_out = time_out;
  dial->keep = [weak = std::weak_ptr(state_)](std::shared_ptr<Wire> wire) {
    const auto self = weak.lock();
    if (!self || self->idle) return wire->close();
    self->idle = std::move(wire);
    self->idle_since = self->shard.clock().now();
  };
  dial->limit(time_out);
  if (state.idle && state.shard.clock().now() - state.idle_since > limits::client_reuse_max) {
    std::exchange(state.idle, nullptr)->close();
  }
  if (!state.idle) return dial->dial();
  dial->wire = std::exchange(state.idle, nullptr);
  dial->reused = true;
  dial->run();
}

void websocket_connect(Shard& shard, const HttpEndpoint& endpoint, const std::string& target, Duration time_out,
                       std::function<void(Result<std::unique_ptr<WebSocket>>)> done) {
  const auto dial = std::make_shared<Dial<std::unique_ptr<WebSocket>>>(shard, endpoint, std::move(done));
  dial->limit(time_out);
  dial->connect(time_out, [weak = std::weak_ptr(dial), &shard, target] {
    const auto self = weak.lock();
    if (!self) return;
    const auto core = std::make_shared<Core>(shard, self->wire);
    self->abort = [weak_core = std::weak_ptr(core)] {
      if (const auto waiting = weak_core.lock()) waiting->abandon();
    };
    if (!self->endpoint.token.empty()) {
      core->stream().set_option(
          websocket::stream_base::decorator([token = self->endpoint.token](websocket::request_type& request) {
            request.set(http::field::authorization, "Bearer " + std::string(token.reveal()));
          }));
    }
    const auto answer = std::make_shared<websocket::response_type>();
    core->stream().async_handshake(*answer, self->host(), target, [self, core, answer](Code error) {
      auto socket = std::make_unique<BeastWebSocket>(core);
      if (!error) {
        self->wire.reset();
        return self->finish(std::unique_ptr<WebSocket>(std::move(socket)));
      }
      if (error != websocket::error::upgrade_declined) return self->fail_by(error);
      self->finish(tl::unexpected(error_of({answer->result_int(), "", answer->body()})));
    });
  });
}

}  // namespace oob
