// The whole front over a real socket: who the kernel says a peer is, REST, and the stream.
#include "server/front/unix_front.h"

#include <sys/stat.h>
#include <unistd.h>

#include "common/http/http.h"
#include "common/json/json.h"
#include "tests/unit/server/front/backend_for_test.h"

namespace oob {
namespace {

using namespace std::chrono_literals;

struct Front : ::testing::Test {
  void SetUp() override {
    chmod(backend.folder.path.c_str(), 0755);
    const auto listening = front->listen(path);
    ASSERT_TRUE(listening) << listening.error().message;
  }
  Result<HttpResponse> ask(const std::string& target) {
    std::optional<Result<HttpResponse>> answer;
    HttpClient(shard, unix_endpoint(path)).request({"GET", target, {}, ""}, 5s, [&](auto a) { answer = std::move(a); });
    EXPECT_TRUE(run_until(shard, [&] { return answer.has_value(); }));
    return *answer;
  }

  Shard shard;
  TestBackend backend{shard};
  Access access{"no-such-group"};
  std::string path = backend.folder.path + "/oobd.sock";
  std::unique_ptr<UnixFront> front = std::make_unique<UnixFront>(shard, backend, access);
};

TEST_F(Front, knows_its_own_user_by_the_kernels_word) {
  const auto answer = ask("/v1/version");
  ASSERT_TRUE(answer) << answer.error().message;
  EXPECT_EQ(json::parse(answer->body).at("user").as_string(), identify_peer(geteuid(), getegid()).user);
  EXPECT_TRUE(run_until(shard, [&] { return front->connections() == 0; }));
}

TEST_F(Front, an_attach_that_comes_with_the_upgrade_is_answered_in_the_same_round_trip) {
  std::optional<Result<std::unique_ptr<WebSocket>>> socket;
  const std::string attach = R"({"type":"attach","channel":1,"console":"a"})";
  websocket_connect(shard, unix_endpoint(path), "/v1/stream?first=" + url_encode(attach), 5s,
                    [&](auto s) { socket = std::move(s); });
  ASSERT_TRUE(run_until(shard, [&] { return socket.has_value(); }));
  ASSERT_TRUE(*socket) << socket->error().message;
  std::string got;
  (**socket)->on({[&](ByteView b, bool) { got += as_text(b); }, {}, {}});
  EXPECT_TRUE(run_until(shard, [&] { return got.find("\"attached\"") != std::string::npos; })) << got;
}

TEST_F(Front, lets_a_stranger_in_to_be_told) {
  if (geteuid() != 0) GTEST_SKIP() << "needs root, to become somebody else";
  struct stat status {};
  ASSERT_EQ(stat(path.c_str(), &status), 0);
  EXPECT_EQ(status.st_mode & 0777, 0666u);
  // The kernel notes who connects at connect(2).
  access = Access("no-such-group", 0);
  ASSERT_EQ(seteuid(65534), 0);
  std::optional<Result<HttpResponse>> answer;
  HttpClient(shard, unix_endpoint(path)).request({"GET", "/v1/consoles", {}, ""}, 5s, [&](auto a) {
    answer = std::move(a);
  });
  ASSERT_EQ(seteuid(0), 0);
  ASSERT_TRUE(run_until(shard, [&] { return answer.has_value(); }));
  ASSERT_TRUE(*answer) << answer->error().message;
  EXPECT_EQ((*answer)->status, 403u);
  EXPECT_NE(error_of(**answer).message.find("ask to be put in group no-such-group"), std::string::npos);
}

TEST_F(Front, carries_the_stream) {
  std::optional<Result<std::unique_ptr<WebSocket>>> socket;
  websocket_connect(shard, unix_endpoint(path), "/v1/stream", 5s, [&](auto s) { socket = std::move(s); });
  ASSERT_TRUE(run_until(shard, [&] { return socket.has_value(); }));
  ASSERT_TRUE(*socket) << socket->error().message;
  std::vector<std::string> got;
  bool closed = false;
  (**socket)->on(
      {[&](ByteView b, bool) { got.emplace_back(as_text(b)); }, [&](const std::string&) { closed = true; }, {}});
  const std::string attach = R"({"type":"attach","channel":1,"console":"a"})";
  (**socket)->send(Bytes(as_bytes(attach).begin(), as_bytes(attach).end()), false);
  ASSERT_TRUE(run_until(shard, [&] { return got.size() >= 3; }));
  EXPECT_NE(got[0].find("welcome"), std::string::npos);
  EXPECT_EQ(backend.consoles.at("a")->sessions().size(), 1u);
  front.reset();
  EXPECT_TRUE(run_until(shard, [&] { return closed; }));
  EXPECT_EQ(backend.consoles.at("a")->sessions().size(), 0u);
}

TEST_F(Front, refuses_to_listen_where_another_server_answers) {
  UnixFront second(shard, backend, access);
  EXPECT_FALSE(second.listen(path));
}

TEST_F(Front, refuses_the_stream_of_a_wrong_path_in_words) {
  std::optional<Error> error;
  websocket_connect(shard, unix_endpoint(path), "/v1/version", 5s, [&](auto s) { error = s.error(); });
  ASSERT_TRUE(run_until(shard, [&] { return error.has_value(); }));
  EXPECT_EQ(error->message, "/v1/version is no WebSocket");
}

}  // namespace
}  // namespace oob
