// Two ends of a connection on one shard, with real engines and a real socket between them, for tests.
#pragma once
#include <gtest/gtest.h>
#include <sys/socket.h>

#include <array>
#include <string>

#include "common/clock.h"
#include "common/crypto/certificate.h"
#include "common/tls/secure_stream.h"
#include "tests/unit/common/runtime/pump.h"

namespace oob {

inline WallTime wall_now() { return SystemClock().wall(); }

// A server's CA, its certificate and contexts.
struct Realm {
  KeyAndCertificate authority = make_authority(wall_now()).value();
  KeyAndCertificate server = make_server_certificate(authority, wall_now()).value();

  KeyAndCertificate enrol(const std::string& name, WallTime at = wall_now()) const {
    auto made = make_key_and_request(name).value();
    return {made.key_pem, sign_request(authority, made.request_der, name, at).value()};
  }
  std::shared_ptr<TlsContext> server_context() const {
    return TlsContext::server(server.certificate_pem, server.key_pem, authority.certificate_pem).value();
  }
  std::shared_ptr<TlsContext> agent_context(const KeyAndCertificate& agent) const {
    return TlsContext::agent(agent.certificate_pem, agent.key_pem, authority.certificate_pem).value();
  }
  std::string fingerprint() const { return certificate_facts(authority.certificate_pem)->fingerprint; }
};

struct End {
  std::unique_ptr<SecureStream> stream;
  bool ready = false;
  std::size_t closed = 0, pulls = 0, largest_pull = 0;
  std::string reason;
  Bytes got, to_send;
  std::size_t sent = 0;

  void open(Shard& shard, int fd, std::optional<TlsEngine> engine) {
    stream = std::make_unique<SecureStream>(shard, fd, std::move(engine));
  }
  SecureStream::Events events() {
    return {[this] { ready = true; }, [this](ByteView bytes) { append(got, bytes); },
            [this](const std::string& why) { ++closed, reason = why; },
            [this](MutableBytes into) {
              const std::size_t n = std::min(into.size(), to_send.size() - sent);
              std::copy_n(to_send.begin() + static_cast<std::ptrdiff_t>(sent), n, into.begin());
              sent += n, ++pulls;
              largest_pull = std::max(largest_pull, n);
              return n;
            }};
  }
  void send(std::string_view text) {
    append(to_send, text);
    stream->flush();
  }
};

struct Pair {
  Shard shard;
  End agent, server;

  Pair() = default;
  Pair(std::optional<TlsEngine> agents, std::optional<TlsEngine> servers) {
    const auto [a, b] = sockets();
    agent.open(shard, a, std::move(agents));
    server.open(shard, b, std::move(servers));
  }
  static std::array<int, 2> sockets() {
    std::array<int, 2> fds{};
    EXPECT_EQ(socketpair(AF_UNIX, SOCK_STREAM, 0, fds.data()), 0);
    return fds;
  }
  void start() { agent.stream->start(agent.events()), server.stream->start(server.events()); }
  bool until(const std::function<bool()>& happened) { return pump_until(shard, happened); }
  bool until_ready() {
    return until([&] { return agent.ready && server.ready; });
  }
  bool until_closed() {
    return until([&] { return agent.closed > 0 && server.closed > 0; });
  }
};

}  // namespace oob
