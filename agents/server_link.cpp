// See server_link.h.
#include "agents/server_link.h"

#include <algorithm>

#include "agents/identity.h"
#include "agents/lines/line.h"
#include "common/crypto/certificate.h"
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

// Figures that stay the same are told again after so long, for the clock's sake.
constexpr auto kStatusAgain = std::chrono::seconds(60);

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
      status_(shard),
      backoff_(limits::reconnect_delay_min, limits::reconnect_delay_max) {}

ServerLink::~ServerLink() = default;

Result<std::unique_ptr<ServerLink>> ServerLink::make(Shard& shard, const AgentConfig& config,
                                                     ServerLinkEvents& events) {
  std::unique_ptr<ServerLink> link(new ServerLink(shard, config, events));
  if (config.servers.front().starts_with("unix:")) return link;
  if (const auto loaded = link->load(); !loaded) return tl::unexpected(loaded.error());
  return link;
}

// The renewed identity is tried first; with it, the old one need not be sound (identity.h).
Result<> ServerLink::load() {
  const auto context_of = [](const AgentIdentity& identity) {
    return TlsContext::agent(identity.certificate_pem, identity.key_pem, identity.ca_pem);
  };
  const auto renewed = load_renewed(config_.state);
  if (renewed) {
    if (auto context = context_of(*renewed)) renewed_tls_ = std::move(*context), use_renewed_ = true;
  } else if (renewed.error().code != ErrorCode::NotFound) {
    log_error("agent", "the renewed certificate cannot be used: " + renewed.error().message);
  }
  const auto present = load_identity(config_.state);
  auto context = present ? context_of(*present) : tl::unexpected(present.error());
  if (!context && !renewed_tls_) return tl::unexpected(context.error());
  if (context) tls_ = std::move(*context);
  const AgentIdentity& identity = use_renewed_ ? *renewed : *present;
  ca_pem_ = identity.ca_pem;
  if (config_.name.empty()) name_ = identity.name;
  if (const WallTime ends{Duration(identity.not_after_wall_ms)}; ends < shard_.clock().wall()) {
    log_error("agent",
              "this agent's certificate has expired, if this machine's clock is right; on the server, run `oob agent "
              "enroll " +
                  name_ + "`, then `oob-agent join` here with that token",
              {{"ended", format_utc(ends)}});
  }
  return {};
}

void ServerLink::start() { dial(); }

// A dead address costs little: with several, each has a short time, and a longer one each round, for slow networks.
Duration ServerLink::time_for_one() const {
  if (config_.servers.size() == 1) return limits::tunnel_login_time_max;
  return std::min<Duration>(limits::tunnel_login_time_max,
                            limits::tunnel_next_server_after * (1 << std::min(rounds_, 4u)));
}

void ServerLink::dial() {
  at_once_ = false;
  connector_.connect(server(), time_for_one(), [this](Result<int> fd) { connected(std::move(fd)); });
}

void ServerLink::connected(Result<int> fd) {
  if (!fd) return lost(fd.error().message);
  std::optional<TlsEngine> engine;
  dialled_ = true;
  if (const auto& tls = use_renewed_ ? renewed_tls_ : tls_) engine = tls->engine();
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
  login_.once(time_for_one(), [this] {
    if (connection_) connection_->close("the server did not say welcome in time");
  });
}

void ServerLink::run() { connection_->run(std::move(stream_)); }

void ServerLink::lost(const std::string& reason) {
  login_.cancel();
  tick_.cancel();
  status_.cancel();
  connection_.reset();
  stream_.reset();
  const bool was_up = std::exchange(welcome_, false);
  hello_ = 0;
  next_key_ = {};
  const std::string lost_server = server();
  // Who answers and does not let us in may want the other certificate.
  const bool refused = std::exchange(dialled_, false) && !was_up;
  if (refused && renewed_tls_ && tls_) use_renewed_ = !use_renewed_;
  if (was_up) backoff_.reset(), rounds_ = 0;
  const bool round_is_over = was_up || address_ + 1 == config_.servers.size();
  address_ = round_is_over ? 0 : address_ + 1;
  rounds_ += round_is_over && !was_up;
  const Duration wait = !round_is_over || at_once_ ? Duration(0) : backoff_.next();
  if (!at_once_) {
    log_limited(LogLevel::Warning, "agent", lost_server + reason,
                was_up ? "lost the server" : "cannot reach the server",
                {{"server", lost_server}, {"reason", reason}, {"next_try_ms", wait.count()}});
  }
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
  if (path == "/v1/bmc" && welcome_) return events_.bmc_opened(connection_->mux(), id);
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
  for (const LineKind& kind : line_kinds()) {
    hello.add_line_kinds(std::string(kind.name));
    for (const LineKey& key : kind.keys) hello.add_line_keys(std::string(kind.name) + " " + std::string(key.name));
  }
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

void ServerLink::send_secret_wanted(std::uint64_t number, std::uint32_t id, const std::string& key) {
  wire::FromAgent message;
  auto& wanted = *message.mutable_secret_wanted();
  wanted.set_number(number), wanted.set_id(id), wanted.set_key(key);
  send(message);
}

void ServerLink::given(wire::SecretGiven& message) {
  std::string& content = *message.mutable_content();
  Secret secret(as_bytes(content));
  wipe(content);
  if (!message.error().empty()) {
    return events_.given(message.number(), fail(ErrorCode::Unavailable, escape_controls(message.error())));
  }
  events_.given(message.number(), std::move(secret));
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
      welcomed(message.welcome().protocol(), message.welcome().version());
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
    case wire::ToAgent::kRenew:
      renew();
      break;
    case wire::ToAgent::kRenewed:
      renewed(message.renewed().error(), as_bytes(message.renewed().certificate()));
      break;
    case wire::ToAgent::kSecretGiven:
      given(*message.mutable_secret_given());
      break;
    case wire::ToAgent::BODY_NOT_SET:
      break;  // of a newer server
  }
  return {};
}

void ServerLink::welcomed(std::uint32_t protocol, const std::string& version) {
  login_.cancel();
  if (welcome_) return;
  welcome_ = true;
  protocol_ = protocol;
  log_info("agent", "connected",
           {{"server", server()}, {"server_version", escape_controls(version.substr(0, 64))}, {"protocol", protocol}});
  // Whichever certificate has just logged in is the only one from now on.
  if (renewed_tls_ && use_renewed_) {
    if (const auto adopted = adopt_renewed(config_.state); !adopted) {
      log_error("agent", "the renewed certificate stays beside the old one: " + adopted.error().message);
    }
    tls_ = std::move(renewed_tls_);
  } else if (renewed_tls_) {
    log_warning("agent", "the server does not know the renewed certificate; the old one stays in use");
    drop_renewed(config_.state);
  }
  renewed_tls_ = nullptr;
  use_renewed_ = false;
  events_.link_up();
  last_status_.clear();
  send_status();
  status_.every(limits::tunnel_status_every, [this] { send_status(); });
}

void ServerLink::send_status() {
  wire::FromAgent message;
  events_.status(*message.mutable_status());
  message.mutable_status()->clear_uptime_ms();
  const std::string figures = message.SerializeAsString();
  const SteadyTime now = shard_.clock().now();
  if (figures == last_status_ && now - status_sent_ < kStatusAgain) return;
  last_status_ = figures;
  status_sent_ = now;
  events_.status(*message.mutable_status());
  message.mutable_status()->set_wall_ms(wall_ms(shard_.clock().wall()));
  send(message);
}

// --- a new certificate ---

void ServerLink::renew() {
  if (!tls_ || !welcome_) return;
  auto made = make_key_and_request(name_);
  if (!made) return log_error("agent", "the certificate is not renewed: " + made.error().message);
  next_key_ = std::move(made->key_pem);
  wire::FromAgent message;
  message.mutable_certificate_request()->set_request(made->request_der.data(), made->request_der.size());
  send(message);
}

void ServerLink::renewed(const std::string& error, ByteView der) {
  const Secret key = std::exchange(next_key_, {});
  if (key.empty()) return;  // nobody asked for it
  const auto refuse = [](const std::string& why) {
    log_error("agent", "the certificate is not renewed, the present one stays in use: " + why);
  };
  if (!error.empty()) return refuse("the server says: " + escape_controls(error));
  const auto pem = certificate_pem(der);
  if (!pem) return refuse(pem.error().message);
  const auto facts = certificate_facts(*pem);
  auto context = TlsContext::agent(*pem, key, ca_pem_);
  if (!facts || !context || facts->name != name_) return refuse("what the server sent is no certificate of ours");
  if (const auto saved = save_renewed(config_.state, key, *pem); !saved) return refuse(saved.error().message);
  log_info("agent", "the certificate was renewed; connecting with it",
           {{"ends", format_utc(WallTime(Duration(facts->not_after_wall_ms)))}});
  renewed_tls_ = std::move(*context);
  use_renewed_ = true;
  at_once_ = true;
  connection_->close("renewed its certificate");
}

void ServerLink::stream_closed(const std::string& reason) {
  hello_ = 0;
  if (connection_) connection_->close(reason.empty() ? "the server ended the conversation" : reason);
}

}  // namespace oob
