// HTTP and WebSocket over real UNIX sockets: limits, errors in words, flow control, goodbyes.
#include "common/http/http.h"

#include <gtest/gtest.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstdlib>

#include "common/limits.h"
#include "common/runtime/descriptor.h"

namespace oob {
namespace {

using namespace std::chrono_literals;

// A server in the test's own thread: answers requests with what it was asked, echoes or records on WebSockets.
struct Server {
  struct Events : HttpServerEvents {
    explicit Events(Server& s) : server(s) {}
    void request(const HttpRequest& request, Respond respond) override {
      server.requests.push_back(request);
      if (request.path == "/later") {
        server.pending.push_back(respond);
      } else {
        respond({200, "text/plain", request.method + " " + request.path + " " + request.body});
      }
    }
    HttpResponse upgrade(const HttpRequest& request) override {
      if (request.path == "/closed") return error_response({ErrorCode::Denied, "user bob may not; ask alice"});
      return {101, "", ""};
    }
    void opened(std::unique_ptr<WebSocket> socket, const HttpRequest&) override { server.opened(std::move(socket)); }
    Server& server;
  };

  Server() : listener(shard) {
    char name[] = "/tmp/oob-http-XXXXXX";
    folder = mkdtemp(name);
    path = folder + "/s";
    const auto listening = listener.listen("unix:" + path, 0666, [this](int fd, const std::string&) { serve(fd); });
    EXPECT_TRUE(listening) << listening.error().message;
  }
  ~Server() {
    connections.clear();
    listener.close();
    unlink(path.c_str());
    rmdir(folder.c_str());
  }

  void serve(int fd) {
    const std::size_t at = connections.size();
    connections.push_back(serve_http(shard, fd, std::make_unique<Events>(*this), [this, at] {
      ++ended;
      connections[at].reset();
    }));
  }

  void opened(std::unique_ptr<WebSocket> socket) {
    far = std::move(socket);
    far->on({[this](ByteView bytes, bool binary) { got.push_back(std::string(as_text(bytes)) + (binary ? "#" : "")); },
             [this](const std::string& reason) { far_closed = reason; }, [this] { ++far_drained; }});
  }

  template <typename Condition>
  bool until(Condition condition) {
    const auto give_up = std::chrono::steady_clock::now() + 10s;
    while (!condition() && std::chrono::steady_clock::now() < give_up) shard.io().run_one_for(100ms);
    return condition();
  }

  Result<HttpResponse> ask(HttpRequest request) {
    std::optional<Result<HttpResponse>> answer;
    HttpClient(shard, unix_endpoint(path)).request(std::move(request), 5s, [&](Result<HttpResponse> a) {
      answer = std::move(a);
    });
    if (!until([&] { return answer.has_value(); })) return fail(ErrorCode::Internal, "no callback came");
    return *answer;
  }

  // A connected pair of WebSockets: the client's is returned, the server's is `far`.
  std::unique_ptr<WebSocket> connect() {
    std::optional<Result<std::unique_ptr<WebSocket>>> near;
    websocket_connect(shard, unix_endpoint(path), "/stream", 5s, [&](auto socket) { near = std::move(socket); });
    EXPECT_TRUE(until([&] { return near && far; }));
    EXPECT_TRUE(near && *near);
    return near && *near ? std::move(**near) : nullptr;
  }

  // What a raw peer gets back for `sent`, until the server closes.
  std::string raw(const std::string& sent) {
    int pair[2];
    EXPECT_EQ(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, pair), 0);
    serve(pair[0]);
    std::string got_back;
    std::size_t at = 0;
    bool open = true;
    until([&] {
      const ssize_t wrote = at < sent.size() ? ::send(pair[1], sent.data() + at, sent.size() - at, MSG_NOSIGNAL) : 0;
      if (wrote > 0) at += static_cast<std::size_t>(wrote);
      char buffer[4096];
      const ssize_t count = ::read(pair[1], buffer, sizeof buffer);
      if (count > 0) got_back.append(buffer, static_cast<std::size_t>(count));
      open = count > 0 || (count < 0 && errno == EAGAIN);
      return !open;
    });
    EXPECT_FALSE(open) << "the server did not close";
    ::close(pair[1]);
    return got_back;
  }

  Shard shard;
  std::string folder, path;
  Listener listener;
  std::vector<std::unique_ptr<HttpConnection>> connections;
  std::vector<HttpRequest> requests;
  std::vector<Respond> pending;
  std::unique_ptr<WebSocket> far;
  std::vector<std::string> got;
  std::optional<std::string> far_closed;
  int far_drained = 0, ended = 0;
};

Bytes bytes_of(std::string_view text) { return {as_bytes(text).begin(), as_bytes(text).end()}; }

TEST(Http, a_request_arrives_decoded_and_its_answer_comes_back) {
  Server server;
  const auto answer = server.ask({"POST", "/v1/a b/%", {{"names", "web[01-3],@x&y"}}, "body"});
  ASSERT_TRUE(answer) << answer.error().message;
  EXPECT_EQ(answer->status, 200u);
  EXPECT_EQ(answer->body, "POST /v1/a b/% body");
  EXPECT_EQ(answer->content_type, "text/plain");
  EXPECT_EQ(server.requests.at(0).query.at("names"), "web[01-3],@x&y");
}

TEST(Http, one_connection_serves_one_request_after_the_other) {
  Server server;
  const std::string got = server.raw(
      "GET /one HTTP/1.1\r\nHost: x\r\n\r\nGET /two HTTP/1.1\r\nHost: x\r\n\r\n"
      "GET /three HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
  EXPECT_EQ(server.requests.size(), 3u);
  EXPECT_LT(got.find("GET /one"), got.find("GET /two"));
  EXPECT_LT(got.find("GET /two"), got.find("GET /three"));
  EXPECT_NE(got.find("GET /three"), std::string::npos);
}

TEST(Http, nonsense_is_answered_with_400_and_closed) {
  Server server;
  EXPECT_TRUE(server.raw("\x16\x03\x01 nonsense\r\n\r\n").starts_with("HTTP/1.1 400"));
  EXPECT_TRUE(server.raw("GET /%zz HTTP/1.1\r\nConnection: close\r\n\r\n").starts_with("HTTP/1.1 400"));
  EXPECT_TRUE(server.requests.empty());
}

TEST(Http, headers_and_bodies_beyond_the_limits_are_refused) {
  Server server;
  const std::string long_header(limits::http_header_bytes_max + 1, 'x');
  EXPECT_TRUE(server.raw("GET / HTTP/1.1\r\nX: " + long_header + "\r\n\r\n").starts_with("HTTP/1.1 431"));
  EXPECT_TRUE(server.raw("POST / HTTP/1.1\r\nContent-Length: 99999999\r\n\r\n").starts_with("HTTP/1.1 413"));
  std::string chunked = "POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n";
  for (int i = 0; i < 9; ++i) chunked += "100000\r\n" + std::string(0x100000, 'x') + "\r\n";
  EXPECT_TRUE(server.raw(chunked).starts_with("HTTP/1.1 413"));
  EXPECT_TRUE(server.requests.empty());
}

TEST(Http, an_answer_to_a_connection_that_is_gone_is_dropped) {
  Server server;
  bool called = false;
  HttpClient(server.shard, unix_endpoint(server.path)).request({"GET", "/later", {}, ""}, 5s, [&](auto) {
    called = true;
  });
  ASSERT_TRUE(server.until([&] { return !server.pending.empty(); }));
  server.connections.clear();
  server.pending[0]({});
  EXPECT_TRUE(server.until([&] { return called; }));
}

TEST(Http, a_server_that_does_not_answer_is_unavailable_after_the_time_out) {
  Server server;
  std::optional<Result<HttpResponse>> answer;
  HttpClient(server.shard, unix_endpoint(server.path)).request({"GET", "/later", {}, ""}, 50ms, [&](auto a) {
    answer = std::move(a);
  });
  ASSERT_TRUE(server.until([&] { return answer.has_value(); }));
  ASSERT_FALSE(*answer);
  EXPECT_EQ(answer->error().code, ErrorCode::Unavailable);
}

TEST(Http, no_server_is_said_with_the_path_and_what_to_do) {
  Server server;
  for (const std::string& path : {server.folder + "/none", std::string(200, 'x')}) {
    std::optional<Error> error;
    HttpClient(server.shard, unix_endpoint(path)).request({"GET", "/", {}, ""}, 5s, [&](auto a) { error = a.error(); });
    ASSERT_TRUE(server.until([&] { return error.has_value(); }));
    EXPECT_EQ(error->code, ErrorCode::Unavailable);
    EXPECT_NE(error->message.find(path), std::string::npos);
    error.reset();
    websocket_connect(server.shard, unix_endpoint(path), "/", 5s, [&](auto a) { error = a.error(); });
    ASSERT_TRUE(server.until([&] { return error.has_value(); }));
    EXPECT_EQ(error->code, ErrorCode::Unavailable);
  }
}

TEST(Http, a_socket_that_may_not_be_opened_is_denied) {
  Server server;
  chmod(server.path.c_str(), 0);
  chmod(server.folder.c_str(), 0755);
  const bool root = geteuid() == 0;
  if (root) ASSERT_EQ(seteuid(65534), 0);  // what follows is root's otherwise
  const auto answer = server.ask({"GET", "/", {}, ""});
  if (root) ASSERT_EQ(seteuid(0), 0);
  ASSERT_FALSE(answer);
  EXPECT_EQ(answer.error().code, ErrorCode::Denied);
}

TEST(Http, a_percent_without_digits_is_no_target) {
  HttpRequest request;
  EXPECT_FALSE(parse_target("/a%2", request));
  EXPECT_FALSE(parse_target("/a?x=%g0", request));
  ASSERT_TRUE(parse_target("/a%20b?x=1+2&y&=z", request));
  EXPECT_EQ(request.path, "/a b");
  EXPECT_EQ(request.query, (std::map<std::string, std::string>{{"x", "1 2"}, {"y", ""}}));
}

TEST(Http, an_error_survives_the_way_as_json) {
  const Error error = error_of(error_response({ErrorCode::NotFound, "no console \"a\""}));
  EXPECT_EQ(error.code, ErrorCode::NotFound);
  EXPECT_EQ(error.message, "no console \"a\"");
  EXPECT_EQ(error_of({503, "", "<html>"}).code, ErrorCode::Unavailable);
}

TEST(WebSocket, messages_pass_both_ways_in_order_and_in_kind) {
  Server server;
  const auto near = server.connect();
  std::vector<std::string> got;
  near->on({[&](ByteView b, bool binary) { got.push_back(std::string(as_text(b)) + (binary ? "#" : "")); }, {}, {}});
  for (int i = 0; i < 100; ++i) {
    near->send(bytes_of(std::to_string(i)), i % 2 == 1);
    server.far->send(bytes_of(std::to_string(i)), i % 2 == 0);
  }
  const std::string big(limits::stream_message_bytes_max, 'x');
  server.far->send(bytes_of(big), true);
  ASSERT_TRUE(server.until([&] { return got.size() == 101 && server.got.size() == 100; }));
  EXPECT_EQ(got[0], "0#");
  EXPECT_EQ(got[99], "99");
  EXPECT_EQ(got[100], big + "#");
  EXPECT_EQ(server.got[99], "99#");
  EXPECT_EQ(near->unsent(), 0u);
}

TEST(WebSocket, a_refused_upgrade_brings_the_servers_own_words) {
  Server server;
  std::optional<Error> error;
  websocket_connect(server.shard, unix_endpoint(server.path), "/closed", 5s,
                    [&](auto socket) { error = socket.error(); });
  ASSERT_TRUE(server.until([&] { return error.has_value(); }));
  EXPECT_EQ(error->code, ErrorCode::Denied);
  EXPECT_EQ(error->message, "user bob may not; ask alice");
}

TEST(WebSocket, close_delivers_what_was_queued_and_then_the_reason) {
  Server server;
  const auto near = server.connect();
  std::vector<std::string> got;
  near->on({[&](ByteView b, bool) { got.emplace_back(as_text(b)); },
            [&](const std::string& reason) { got.push_back("closed: " + reason); },
            {}});
  server.far->send(bytes_of("last words"), false);
  server.far->close("console removed");
  ASSERT_TRUE(server.until([&] { return got.size() == 2 && server.far_closed && server.ended == 1; }));
  EXPECT_EQ(got, (std::vector<std::string>{"last words", "closed: console removed"}));
  EXPECT_EQ(*server.far_closed, "console removed");
}

TEST(WebSocket, a_peer_that_goes_away_is_noticed_and_ends_the_connection) {
  Server server;
  server.connect().reset();
  ASSERT_TRUE(server.until([&] { return server.far_closed.has_value(); }));
  EXPECT_TRUE(server.until([&] { return server.ended == 1; }));
}

TEST(WebSocket, destroying_it_closes_and_nothing_is_called_any_more) {
  Server server;
  const auto near = server.connect();
  bool closed = false;
  near->on({{}, [&](const std::string&) { closed = true; }, {}});
  server.far.reset();
  ASSERT_TRUE(server.until([&] { return closed && server.ended == 1; }));
  EXPECT_FALSE(server.far_closed);
}

TEST(WebSocket, while_reading_is_off_no_message_comes_and_none_is_lost) {
  Server server;
  const auto near = server.connect();
  server.far->set_reading(false);
  for (int i = 0; i < 3; ++i) near->send(bytes_of(std::to_string(i)), false);
  bool turned = false;
  ASSERT_TRUE(server.until([&] { return near->unsent() == 0; }));
  server.shard.post([&] { turned = true; });
  ASSERT_TRUE(server.until([&] { return turned; }));
  EXPECT_TRUE(server.got.empty());
  server.far->set_reading(true);
  ASSERT_TRUE(server.until([&] { return server.got.size() == 3; }));
  EXPECT_EQ(server.got, (std::vector<std::string>{"0", "1", "2"}));
}

TEST(WebSocket, a_slow_peer_is_seen_in_unsent_and_told_when_it_drained) {
  Server server;
  const auto near = server.connect();
  std::size_t got = 0;
  near->set_reading(false);
  near->on({[&](ByteView b, bool) { got += b.size(); }, {}, {}});
  std::size_t sent = 0;
  while (server.far->unsent() <= limits::viewer_queue_bytes) {
    server.far->send(Bytes(10'000), true);
    sent += 10'000;
    server.shard.io().poll();
  }
  EXPECT_EQ(server.far_drained, 0);
  near->set_reading(true);
  ASSERT_TRUE(server.until([&] { return got == sent; }));
  EXPECT_TRUE(server.until([&] { return server.far_drained == 1; }));
  EXPECT_FALSE(server.far_closed);
}

TEST(WebSocket, a_peer_that_never_reads_is_closed_at_four_times_the_limit) {
  Server server;
  const auto near = server.connect();
  near->set_reading(false);
  near->on({});
  for (int i = 0; i < 1000 && !server.far_closed; ++i) {
    server.far->send(Bytes(10'000), true);
    EXPECT_LE(server.far->unsent(), 4 * limits::viewer_queue_bytes + 1000);
    server.shard.io().poll();
  }
  ASSERT_TRUE(server.far_closed);
  EXPECT_NE(server.far_closed->find("does not take"), std::string::npos);
}

TEST(WebSocket, a_message_beyond_the_limit_closes) {
  Server server;
  const auto near = server.connect();
  bool closed = false;
  near->on({{}, [&](const std::string&) { closed = true; }, {}});
  near->send(Bytes(limits::stream_message_bytes_max + 1), true);
  ASSERT_TRUE(server.until([&] { return server.far_closed.has_value() && closed; }));
  EXPECT_TRUE(server.got.empty());
}

}  // namespace
}  // namespace oob
