// See server_link.h.
#include "agents/server_link.h"

#include <algorithm>

#include "agents/join.h"
#include "agents/lines/line.h"
#include "common/limits.h"
#include "common/log.h"
#include "common/text.h"
#include "proto/versions.h"
#include "tunnel.pb.h"

namespace oob {
namespace {

// The states of all lines at once, after an assignment of thousands.
constexpr std::size_t kHelloBytesMax = 4 * limits::tunnel_message_bytes_max;
constexpr std::string_view kConsolePath = "/v1/console/";

void warn_before_expiry(std::int64_t not_after_wall_ms, WallTime now) {
  const auto left = WallTime(Duration(not_after_wall_ms)) - now;
  if (left > limits::certificate_warn_before) return;
  log_error("agent", "this agent's certificate ends soon; join again with a new token of `oob agent enroll`",
            {{"ends", format_utc(WallTime(Duration(not_after_wall_ms)))}});
}

}  // namespace

ServerLink::ServerLink(Shard& shard, const AgentConfig& config, ServerLinkEvents& events)
    : shard_(shard),
      config_(config),
      name_(config.name.empty() ? "local" : config.name),
      events_(events),
      connector_(shard),
      redial_(shard),
      login_(shard),
      tick_(shard),
      backoff_(limits::reconnect_delay_min, limits::reconnect_delay_max) {}

ServerLink::~ServerLink() = default;

Result<std::unique_ptr<ServerLink>> ServerLink::make(Shard& shard, const AgentConfig& config,
                                                     ServerLinkEvents& events) {
  std::unique_ptr<ServerLink> link(new ServerLink(shard, config, events));
  if (config.server.starts_with("unix:")) return link;
  auto identity = load_identity(config.state);
  if (!identity) return tl::unexpected(identity.error());
  auto context =
      TlsContext::agent(identity->certificate_pem, std::string(identity->key_pem.reveal()), identity->ca_pem);
  if (!context) return tl::unexpected(context.error());
  link->tls_ = std::move(*context);
  if (config.name.empty()) link->name_ = identity->name;
  warn_before_expiry(identity->not_after_wall_ms, shard.clock().wall());
  return link;
}

void ServerLink::start() { dial(); }

void ServerLink::dial() {
  connector_.connect(config_.server, limits::tunnel_login_time_max,
                     [this](Result<int> fd) { connected(std::move(fd)); });
}

void ServerLink::connected(Result<int> fd) {
  if (!fd) return lost(fd.error().message);
  std::optional<TlsEngine> engine;
  if (tls_) engine = tls_->engine();
  stream_ = std::make_unique<SecureStream>(shard_, *fd, std::move(engine));
  connection_ = std::make_unique<TunnelConnection>(
      shard_, Mux::Role::Accepter,
      TunnelConnection::Events{[this](StreamId id, const std::string& path) { return opened(id, path); },
                               [this](const std::string& reason) { lost(reason); }});
  const auto connection = connection_->self();
  stream_->start(
      {.ready = [this] { run(); },
       .bytes =
           [connection](ByteView bytes) {
             if (*connection != nullptr) (*connection)->received(bytes);
           },
       .closed =
           [connection](const std::string& reason) {
             if (*connection != nullptr) (*connection)->stream_closed(reason);
           },
       .fill = [connection](
                   MutableBytes into) { return *connection != nullptr ? (*connection)->fill(into) : std::size_t(0); }});
  login_.once(limits::tunnel_login_time_max, [this] {
    if (connection_) connection_->close("the server did not say welcome within 10 s");
  });
}

void ServerLink::run() { connection_->run(std::move(stream_)); }

void ServerLink::lost(const std::string& reason) {
  login_.cancel();
  tick_.cancel();
  connection_.reset();
  stream_.reset();
  const bool was_up = std::exchange(welcome_, false);
  hello_ = 0;
  if (was_up) backoff_.reset();
  const Duration wait = backoff_.next();
  log_limited(LogLevel::Warning, "agent", reason, was_up ? "lost the server" : "cannot reach the server",
              {{"server", config_.server}, {"reason", reason}, {"next_try_ms", wait.count()}});
  redial_.once(wait, [this] { dial(); });
  if (was_up) events_.link_down(reason);
}

Mux::Accepted ServerLink::opened(StreamId id, const std::string& path) {
  if (path == "/v1/hello" && hello_ == 0) {
    hello_ = id;
    queue_ = std::make_unique<MessageQueue>(kHelloBytesMax);
    send_hello();
    return {this, StreamClass::Control, limits::tunnel_message_bytes_max};
  }
  if (path.starts_with(kConsolePath) && welcome_) {
    return events_.console_opened(connection_->mux(), id, path.substr(kConsolePath.size()));
  }
  return {};
}

void ServerLink::send_hello() {
  wire::FromAgent message;
  auto& hello = *message.mutable_hello();
  hello.set_protocol_min(kProtocolMin);
  hello.set_protocol_max(kProtocolMax);
  hello.set_version(OOB_VERSION);
  hello.set_name(name_);
  for (const LineKind& kind : line_kinds()) hello.add_line_kinds(std::string(kind.name));
  hello.set_revision(events_.revision());
  hello.set_steady_ms(steady_ms(shard_.clock().now()));
  hello.set_wall_ms(wall_ms(shard_.clock().wall()));
  send(message);
  tick_.every(limits::tunnel_tick_every, [this] {
    wire::FromAgent tick;
    tick.mutable_tick()->set_steady_ms(steady_ms(shard_.clock().now()));
    send(tick);
  });
}

void ServerLink::send(const wire::FromAgent& message) {
  if (hello_ == 0 || !connection_) return;
  if (!queue_->push(message)) return connection_->close("the server does not read what this agent says");
  connection_->mux().wake(hello_);
}

void ServerLink::send_taken(std::uint64_t revision) {
  wire::FromAgent message;
  message.mutable_taken()->set_revision(revision);
  send(message);
}

void ServerLink::send_state(const wire::LineState& state) {
  wire::FromAgent message;
  *message.mutable_line() = state;
  send(message);
}

void ServerLink::send_facts(const wire::LineFacts& facts) {
  wire::FromAgent message;
  *message.mutable_facts() = facts;
  send(message);
}

Result<> ServerLink::stream_message(ByteView bytes) {
  wire::ToAgent message;
  if (!message.ParseFromArray(bytes.data(), int(bytes.size()))) return fail(ErrorCode::Usage, "malformed ToAgent");
  if (!welcome_ && !message.has_welcome()) return fail(ErrorCode::Usage, "the server did not begin with welcome");
  switch (message.body_case()) {
    case wire::ToAgent::kWelcome:
      if (message.welcome().protocol() < kProtocolMin || message.welcome().protocol() > kProtocolMax) {
        return fail(ErrorCode::Usage, "the server speaks protocol " + std::to_string(message.welcome().protocol()) +
                                          ", which this agent does not; upgrade the older of the two");
      }
      login_.cancel();
      welcome_ = true;
      log_info("agent", "connected", {{"server", config_.server}, {"server_version", message.welcome().version()}});
      events_.link_up();
      break;
    case wire::ToAgent::kAssignment:
      events_.assigned(message.assignment());
      break;
    case wire::ToAgent::kAcks:
      for (const auto& ack : message.acks().acks()) events_.acknowledged(ack);
      break;
    case wire::ToAgent::kOrder:
      events_.ordered(message.order());
      break;
    case wire::ToAgent::BODY_NOT_SET:
      break;  // of a newer server
  }
  return {};
}

void ServerLink::stream_closed(const std::string& reason) {
  hello_ = 0;
  if (connection_) connection_->close(reason.empty() ? "the server ended the conversation" : reason);
}

}  // namespace oob
