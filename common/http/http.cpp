// http.h on Boost.Beast over UNIX stream sockets. A connection's parts are shared with its pending operations; the
// handles that callers hold (HttpConnection, WebSocket) close them and cut the callbacks when destroyed.
#include "common/http/http.h"

#include <unistd.h>

#include <boost/beast/http.hpp>
#include <optional>

#include "common/http/beast_websocket.h"

namespace oob {
namespace {

// --- server ----------------------------------------------------------------------------------------------------------

class ServerConnection : public std::enable_shared_from_this<ServerConnection> {
 public:
  ServerConnection(Shard& shard, Socket socket, std::unique_ptr<HttpServerEvents> events, std::function<void()> closed)
      : shard_(shard),
        socket_(std::move(socket)),
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
    Code ignored;
    socket_.close(ignored);
    if (!calling_) events_.reset();
  }

 private:
  void end() {
    if (stopped_) return;
    stopped_ = true;
    timer_.cancel();
    Code ignored;
    socket_.close(ignored);
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
    http::async_read(socket_, buffer_, *parser_, [self = shared_from_this()](Code error, std::size_t) {
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
    request_ = {std::string(message.method_string()), {}, {}, message.body()};
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
    response_->keep_alive(keep_alive_);
    response_->body() = from.body;
    response_->prepare_payload();
    timer_.once(limits::http_idle_max, [this] { end(); });
    http::async_write(socket_, *response_, [self = shared_from_this()](Code error, std::size_t) {
      if (self->stopped_) return;
      if (error || !self->keep_alive_) return self->end();
      self->response_.reset();
      self->read();
    });
  }

  void accept() {
    const auto core = std::make_shared<Core>(shard_, std::make_shared<Outbox>(std::move(socket_)));
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
  Socket socket_;
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

// What both kinds of dialling share: the socket, the time-out, one answer.
template <typename Value>
struct Dial : std::enable_shared_from_this<Dial<Value>> {
  Dial(Shard& s, std::string p, std::function<void(Result<Value>)> d)
      : shard(s), socket(s.io()), timer(s), path(std::move(p)), done(std::move(d)) {}

  void connect(Duration time_out, std::function<void()> connected) {
    const auto self = this->shared_from_this();
    timer.once(time_out, [weak = this->weak_from_this()] {
      const auto dial = weak.lock();
      if (!dial) return;
      dial->finish(fail(ErrorCode::Unavailable, "the server at " + dial->path + " did not answer in time"));
      if (dial->abort) dial->abort();
    });
    try {
      socket.async_connect(asio::local::stream_protocol::endpoint(path), [self, connected](Code error) {
        if (!self->done) return;
        error ? self->finish(tl::unexpected(connect_error(error, self->path))) : connected();
      });
    } catch (const boost::system::system_error& error) {  // a path longer than sun_path
      shard.post([self, code = error.code()] { self->finish(tl::unexpected(connect_error(code, self->path))); });
    }
  }

  void finish(Result<Value> result) {
    if (!done) return;
    const auto call = std::move(done);
    done = nullptr;
    timer.cancel();
    Code ignored;
    socket.close(ignored);
    call(std::move(result));
  }

  void fail_by(Code error) {
    finish(fail(ErrorCode::Unavailable, "the server at " + path + " broke off: " + error.message()));
  }

  Shard& shard;
  Socket socket;
  Timer timer;
  std::string path;
  std::function<void(Result<Value>)> done;
  std::function<void()> abort;
};

struct RequestDial : Dial<HttpResponse> {
  using Dial::Dial;
  http::request<http::string_body> request;
  http::response_parser<http::string_body> parser;
  beast::flat_buffer buffer;

  void run() {
    const auto self = std::static_pointer_cast<RequestDial>(shared_from_this());
    http::async_write(socket, request, [self](Code, std::size_t) {
      // A server that refuses the request may close before it was written; its answer can be read all the same.
      http::async_read(self->socket, self->buffer, self->parser, [self](Code error, std::size_t) {
        if (error) return self->fail_by(error);
        auto& answer = self->parser.get();
        self->finish(HttpResponse{answer.result_int(), std::string(answer[http::field::content_type]),
                                  std::move(answer.body())});
      });
    });
  }
};

}  // namespace

std::unique_ptr<HttpConnection> serve_http(Shard& shard, int fd, std::unique_ptr<HttpServerEvents> events,
                                           std::function<void()> closed) {
  Socket socket(shard.io());
  Code error;
  socket.assign(asio::local::stream_protocol(), fd, error);
  if (error) ::close(fd);  // the first read fails, which ends the connection
  auto connection = std::make_shared<ServerConnection>(shard, std::move(socket), std::move(events), std::move(closed));
  connection->start();
  return std::make_unique<ServedConnection>(std::move(connection));
}

void http_request(Shard& shard, const std::string& socket_path, HttpRequest request, Duration time_out,
                  std::function<void(Result<HttpResponse>)> done) {
  const auto dial = std::make_shared<RequestDial>(shard, socket_path, std::move(done));
  std::string target;
  for (const char c : request.path) target += c == '/' ? "/" : url_encode(std::string_view(&c, 1));
  char mark = '?';
  for (const auto& [key, value] : request.query) {
    target += mark + url_encode(key) + "=" + url_encode(value);
    mark = '&';
  }
  dial->request.method_string(request.method);
  dial->request.target(target);
  dial->request.set(http::field::host, "localhost");
  dial->request.keep_alive(false);
  if (!request.body.empty()) dial->request.set(http::field::content_type, "application/json");
  dial->request.body() = std::move(request.body);
  dial->request.prepare_payload();
  dial->parser.body_limit(limits::http_body_bytes_max);
  dial->connect(time_out, [weak = std::weak_ptr(dial)] {
    if (const auto self = weak.lock()) self->run();
  });
}

void websocket_connect(Shard& shard, const std::string& socket_path, const std::string& target, Duration time_out,
                       std::function<void(Result<std::unique_ptr<WebSocket>>)> done) {
  const auto dial = std::make_shared<Dial<std::unique_ptr<WebSocket>>>(shard, socket_path, std::move(done));
  dial->connect(time_out, [weak = std::weak_ptr(dial), &shard, target] {
    const auto self = weak.lock();
    if (!self) return;
    const auto core = std::make_shared<Core>(shard, std::make_shared<Outbox>(std::move(self->socket)));
    self->abort = [weak_core = std::weak_ptr(core)] {
      if (const auto waiting = weak_core.lock()) waiting->abandon();
    };
    const auto answer = std::make_shared<websocket::response_type>();
    core->stream().async_handshake(*answer, "localhost", target, [self, core, answer](Code error) {
      auto socket = std::make_unique<BeastWebSocket>(core);
      if (!error) return self->finish(std::unique_ptr<WebSocket>(std::move(socket)));
      if (error != websocket::error::upgrade_declined) return self->fail_by(error);
      self->finish(tl::unexpected(error_of({answer->result_int(), "", answer->body()})));
    });
  });
}

}  // namespace oob
