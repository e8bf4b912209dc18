// HTTP and WebSocket under TLS, over real TCP sockets: whom a client trusts, one connection for many requests, and a
// peer that has gone silent.
#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <sys/socket.h>
#include <unistd.h>

#include "common/crypto/certificate.h"
#include "common/http/http.h"
#include "common/limits.h"
#include "common/runtime/descriptor.h"

namespace oob {
namespace {

using namespace std::chrono_literals;

struct Https : ::testing::Test {
  struct Events : HttpServerEvents {
    explicit Events(Https& s) : server(s) {}
    void request(const HttpRequest& request, Respond respond) override {
      server.tokens.emplace_back(request.token.reveal());
      HttpResponse response{200, "text/plain", request.path + " " + request.origin};
      response.close = request.path == "/last";
      respond(response);
    }
    HttpResponse upgrade(const HttpRequest& request) override {
      server.tokens.emplace_back(request.token.reveal());
      return {101, "", ""};
    }
    void opened(std::unique_ptr<WebSocket> socket, const HttpRequest&) override {
      server.far = std::move(socket);
      server.far->on({[](ByteView, bool) {}, [this](const std::string& why) { server.far_closed = why; }, {}});
    }
    Https& server;
  };

  Https() {
    const auto made = make_front_certificate({"localhost", "127.0.0.1"}, shard.clock().wall());
    EXPECT_TRUE(made);
    fingerprint = certificate_facts(made->certificate_pem)->fingerprint;
    tls = *TlsContext::front(made->certificate_pem, made->key_pem);
    const auto listening = listener.listen("127.0.0.1:0", 0, [this](int fd, const std::string&) {
      ++accepted;
      connections.push_back(serve_http(
          shard, fd, std::make_unique<Events>(*this), [] {}, tls->engine()));
    });
    EXPECT_TRUE(listening) << listening.error().message;
  }

  HttpEndpoint endpoint(const std::string& pin) {
    return {"https://" + listener.address(), listener.address(), *TlsContext::client("127.0.0.1", pin),
            Secret(std::string("oob_x")), "log in again"};
  }
  template <typename Condition>
  bool until(Condition condition) {
    const auto give_up = std::chrono::steady_clock::now() + 20s;
    while (!condition() && std::chrono::steady_clock::now() < give_up) shard.io().run_one_for(100ms);
    return condition();
  }
  Result<HttpResponse> ask(HttpClient& client, const std::string& path) {
    std::optional<Result<HttpResponse>> answer;
    HttpRequest request;
    request.method = "GET";
    request.path = path;
    client.request(std::move(request), 5s, [&](Result<HttpResponse> a) { answer = std::move(a); });
    EXPECT_TRUE(until([&] { return answer.has_value(); }));
    return *answer;
  }

  Shard shard;
  Listener listener{shard};
  std::shared_ptr<TlsContext> tls;
  std::string fingerprint;
  std::vector<std::string> tokens;
  std::unique_ptr<WebSocket> far;
  std::string far_closed;
  std::vector<std::unique_ptr<HttpConnection>> connections;
  int accepted = 0;
};

TEST_F(Https, requests_that_follow_each_other_share_one_connection_and_each_shows_the_token) {
  HttpClient client(shard, endpoint(fingerprint));
  for (int i = 0; i < 3; ++i) {
    const auto answer = ask(client, "/a b");
    ASSERT_TRUE(answer) << answer.error().message;
    EXPECT_EQ(answer->body, "/a b ");
  }
  EXPECT_EQ(accepted, 1);
  EXPECT_EQ(tokens, std::vector<std::string>(3, "oob_x"));
}

TEST_F(Https, a_connection_that_the_server_has_closed_meanwhile_is_dialled_anew) {
  HttpClient client(shard, endpoint(fingerprint));
  ASSERT_TRUE(ask(client, "/"));
  connections.clear();
  const auto answer = ask(client, "/again");
  ASSERT_TRUE(answer) << answer.error().message;
  EXPECT_EQ(accepted, 2);
  ASSERT_TRUE(ask(client, "/last"));
  ASSERT_TRUE(ask(client, "/"));
  EXPECT_EQ(accepted, 3);
}

TEST_F(Https, another_certificate_is_refused_before_anything_is_said_to_it) {
  HttpClient client(shard, endpoint(std::string(64, '0')));
  const auto answer = ask(client, "/");
  ASSERT_FALSE(answer);
  EXPECT_EQ(answer.error().code, ErrorCode::Denied);
  EXPECT_NE(answer.error().message.find("expected sha256:0000"), std::string::npos);
  EXPECT_NE(answer.error().message.find("seen sha256:" + fingerprint), std::string::npos);
  EXPECT_NE(answer.error().message.find("log in again"), std::string::npos);
  EXPECT_TRUE(tokens.empty());
}

TEST_F(Https, one_that_no_ca_vouches_for_is_refused_and_its_fingerprint_told) {
  HttpEndpoint server = endpoint("");
  std::string seen;
  bool vouched = true;
  server.certificate_seen = [&](const std::string& one, bool trusted) { seen = one, vouched = trusted; };
  HttpClient client(shard, server);
  EXPECT_EQ(ask(client, "/").error().code, ErrorCode::Denied);
  EXPECT_EQ(seen, fingerprint);
  EXPECT_FALSE(vouched);
}

TEST_F(Https, a_large_answer_arrives_whole_and_so_does_what_follows) {
  struct Large : HttpServerEvents {
    void request(const HttpRequest&, Respond respond) override { respond({200, "", std::string(3'000'000, 'x')}); }
    HttpResponse upgrade(const HttpRequest&) override { return {}; }
    void opened(std::unique_ptr<WebSocket>, const HttpRequest&) override {}
  };
  Listener large(shard);
  std::vector<std::unique_ptr<HttpConnection>> served;
  ASSERT_TRUE(large.listen("127.0.0.1:0", 0, [&](int fd, const std::string&) {
    served.push_back(serve_http(
        shard, fd, std::make_unique<Large>(), [] {}, tls->engine()));
  }));
  HttpEndpoint server = endpoint(fingerprint);
  server.address = large.address();
  HttpClient client(shard, server);
  for (int i = 0; i < 2; ++i) {
    const auto answer = ask(client, "/");
    ASSERT_TRUE(answer) << answer.error().message;
    EXPECT_EQ(answer->body, std::string(3'000'000, 'x'));
  }
  EXPECT_EQ(served.size(), 1u);
}

TEST_F(Https, a_web_socket_shows_the_token_and_lives_on_in_silence_while_both_sides_are_there) {
  std::unique_ptr<WebSocket> near;
  std::string near_closed;
  websocket_connect(shard, endpoint(fingerprint), "/stream", 5s, [&](auto socket) {
    ASSERT_TRUE(socket) << socket.error().message;
    near = std::move(*socket);
    near->on({[](ByteView, bool) {}, [&](const std::string& why) { near_closed = why; }, {}});
  });
  ASSERT_TRUE(until([&] { return near && far; }));
  EXPECT_EQ(tokens, std::vector<std::string>{"oob_x"});
  near->set_reading(false);  // a terminal that is stopped
  const auto end = std::chrono::steady_clock::now() + limits::stream_silence_max + 2s;
  until([&] { return std::chrono::steady_clock::now() > end || !far_closed.empty(); });
  EXPECT_EQ(far_closed, "") << "it pinged all the while";
  near->set_reading(true);
  near.reset();
  EXPECT_TRUE(until([&] { return !far_closed.empty(); }));
}

// The plain bytes a stranger gets back, until the server closes.
std::string answer_to(Https& site, const std::string& sent) {
  sockaddr_in to{};
  to.sin_family = AF_INET;
  to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  to.sin_port = htons(static_cast<std::uint16_t>(std::stoi(site.listener.address().substr(10))));
  const int fd = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  EXPECT_EQ(::connect(fd, reinterpret_cast<sockaddr*>(&to), sizeof to), 0);
  EXPECT_EQ(::send(fd, sent.data(), sent.size(), MSG_NOSIGNAL), static_cast<ssize_t>(sent.size()));
  std::string got;
  bool open = true;
  EXPECT_TRUE(site.until([&] {
    char buffer[4096];
    const ssize_t count = ::recv(fd, buffer, sizeof buffer, MSG_DONTWAIT);
    if (count > 0) got.append(buffer, static_cast<std::size_t>(count));
    open = count > 0 || (count < 0 && errno == EAGAIN);
    return !open;
  }));
  ::close(fd);
  return got;
}

TEST_F(Https, whoever_speaks_without_tls_is_told_and_nonsense_is_closed) {
  EXPECT_NE(answer_to(*this, "GET / HTTP/1.1\r\n\r\n").find("HTTPS only"), std::string::npos);
  EXPECT_EQ(answer_to(*this, std::string(300, '\0')).find("HTTP"), std::string::npos);
  EXPECT_TRUE(tokens.empty());
}

TEST(BearerToken, is_what_stands_behind_the_word_and_nothing_else) {
  EXPECT_EQ(bearer_token("Bearer oob_1").reveal(), "oob_1");
  EXPECT_EQ(bearer_token("bEaReR x").reveal(), "x");
  for (const std::string bad : {"", "Bearer", "Bearer ", "Basic eDp5", "Bearer a b", "Bearer \x01", "Bearerx"}) {
    EXPECT_TRUE(bearer_token(bad).empty()) << bad;
  }
  EXPECT_TRUE(bearer_token("Bearer " + std::string(5000, 'a')).empty());
}

}  // namespace
}  // namespace oob
