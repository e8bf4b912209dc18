// Line kind `callhome`: the node dials the agent, with one connection for both ways or with two, one for each. Under
// TLS and with a token; or plain, beyond loopback only from named addresses and with `insecure = true`.
#include "agents/lines/callhome_listener.h"
#include "agents/lines/kinds.h"
#include "agents/lines/settings.h"
#include "common/limits.h"
#include "common/text.h"

namespace oob {
namespace {

using Way = CallGreeting::Way;

constexpr LineKey kKeys[] = {
    {"listen", LineKey::Type::Address, true, "address:port on which the agent is called"},
    {"token-file", LineKey::Type::SecretFile, false, "file with the token that the node shows"},
    {"tls-file", LineKey::Type::SecretFile, false, "file with the certificate and key (PEM) for TLS; default: plain"},
    {"source", LineKey::Type::Text, false, "the node's numeric address, or a network; default: any"},
    {"insecure", LineKey::Type::Boolean, false, "true allows plain calls from beyond loopback"},
};

constexpr std::string_view kUnshared[] = {"listen", "source", "token-file"};

Result<> check(const LineConfig& config, std::string& key) {
  const bool token = config.settings.contains("token-file"), tls = config.settings.contains("tls-file");
  const std::string source = text_setting(config, "source", "");
  key = "source";
  if (!source.empty()) {
    if (const auto rule = parse_sender_rule(source); !rule) return tl::unexpected(rule.error());
  }
  key = "listen";
  const auto place = parse_host_port(text_setting(config, key, ""));
  if (!place) return tl::unexpected(place.error());
  if (const auto own = parse_sender(place->host); !own) return tl::unexpected(own.error());
  if (place->port.find_first_not_of('0') == std::string::npos) return fail(ErrorCode::Usage, "the port cannot be 0");
  if (tls && !token) return fail(ErrorCode::Usage, "anyone could call: write token-file as well");
  if (tls) return {};
  if (!token && source.empty()) return fail(ErrorCode::Usage, "anyone could call: write token-file, or source");
  if (is_loopback(place->host)) return {};
  if (!boolean_setting(config, "insecure")) {
    return fail(ErrorCode::Usage,
                "calls without tls-file are cleartext; beyond loopback write "
                "tls-file, or insecure = true and source");
  }
  if (source.empty()) return fail(ErrorCode::Usage, "plain calls from beyond loopback need source, the node's address");
  return {};
}

class CallhomeLine final : public Line {
 public:
  CallhomeLine(Shard& shard, const LineConfig& config, LineEvents& events)
      : shard_(shard),
        events_(events),
        config_(config),
        listen_(text_setting(config, "listen", "")),
        other_half_(shard) {}
  ~CallhomeLine() override {
    if (!listener_) return;
    listener_->leave(config_.name, ticket_);
    shard_.keep(std::move(listener_), limits::listener_kept);
  }
  void start() override {
    later([this] { open(); });
  }
  std::size_t write(ByteView bytes) override;
  void set_reading(bool) override {}
  bool can_wait() const override { return false; }

 private:
  Result<> join();
  void open();
  void called();
  void place(std::unique_ptr<Call> call);
  void up();
  void wait();
  void half(Way way, std::unique_ptr<Call>& into, std::unique_ptr<Call> call);
  void ended(const std::string& reason);
  std::size_t fill(MutableBytes into);
  void later(std::function<void()> act) {
    shard_.post([alive = std::weak_ptr(alive_), act = std::move(act)] {
      if (!alive.expired()) act();
    });
  }

  Shard& shard_;
  LineEvents& events_;
  const LineConfig config_;
  const std::string listen_;
  std::shared_ptr<CallhomeListener> listener_;
  std::uint64_t ticket_ = 0;
  std::unique_ptr<Call> out_,
      in_;  // what the node says, and is told; one call for both is out_
  Timer other_half_;
  Bytes unsent_;
  bool up_ = false, down_ = false,
       refused_ = false;  // refused_: write() took less than it was given
  std::shared_ptr<int> alive_ = std::make_shared<int>();
};

Result<> CallhomeLine::join() {
  CallhomeListener::Terms terms;
  const auto secret = [&](const char* key) {
    const auto found = config_.secrets.find(key);
    return found == config_.secrets.end() ? Secret() : found->second;
  };
  terms.token = secret("token-file"), terms.tls = secret("tls-file");
  terms.tls_place = text_setting(config_, "tls-file", "");
  // A broken server does not make us let in whom the inventory would not.
  if (config_.settings.contains("token-file") && (terms.token.reveal().size() < limits::callhome_token_bytes_min ||
                                                  terms.token.reveal().size() > limits::callhome_token_bytes_max)) {
    return fail(ErrorCode::Usage,
                "the token has to be one word of 16 to 256 "
                "letters; `openssl rand -hex 32` makes one");
  }
  if (config_.settings.contains("tls-file") && terms.tls.empty())
    return fail(ErrorCode::Usage, "the tls-file is empty");
  if (const std::string source = text_setting(config_, "source", ""); !source.empty()) {
    const auto rule = parse_sender_rule(source);
    if (!rule) return tl::unexpected(rule.error());
    terms.source = *rule;
  }
  listener_ = shard_.shared<CallhomeListener>("callhome " + listen_);
  if (const auto opened = listener_->open(listen_); !opened) return opened;
  const auto joined = listener_->join(config_.name, std::move(terms), [this, alive = std::weak_ptr(alive_)] {
    if (!alive.expired()) called();
  });
  ticket_ = listener_->ticket_of(config_.name);
  return joined;
}

void CallhomeLine::open() {
  if (const auto joined = join(); !joined) {
    down_ = true;
    return events_.line_down(joined.error().message);
  }
  wait();
}

void CallhomeLine::wait() { events_.line_waits("waits for a call to " + escape_controls(listen_)); }

void CallhomeLine::called() {
  // The call is left for the driver that follows at once.
  if (up_) return ended("the node called anew");
  while (!up_ && !down_) {
    auto call = listener_->take(config_.name);
    if (!call) return;
    if (!call->ended) place(std::move(call));
  }
}

void CallhomeLine::place(std::unique_ptr<Call> call) {
  const Way way = call->way;
  auto& into = way == Way::In ? in_ : out_;
  half(way, into, std::move(call));
  if (way == Way::Both || (out_ && out_->way == Way::Both)) in_.reset();
  if (way == Way::Both || (out_ && in_)) return up();
  events_.line_waits(std::string("one call of two has come to ") + escape_controls(listen_) + "; waits for the one " +
                     (way == Way::In ? "out" : "in"));
  other_half_.once(limits::callhome_login_time_max, [this] {
    out_.reset(), in_.reset();
    wait();
  });
}

void CallhomeLine::half(Way way, std::unique_ptr<Call>& into, std::unique_ptr<Call> call) {
  into = std::move(call);
  into->closed = [this](const std::string& reason) { ended(reason); };
  into->fill = [this, way](MutableBytes room) { return way == Way::Out ? 0 : fill(room); };
}

void CallhomeLine::up() {
  up_ = true;
  other_half_.cancel();
  out_->bytes = [this](ByteView bytes) { events_.line_output(bytes); };
  if (in_) in_->bytes = [](ByteView) {};  // it was opened for the other way
  events_.line_up("called from " + out_->peer + (in_ ? " and " + in_->peer : "") +
                      (out_->stream.engine() == nullptr ? "" : " with TLS"),
                  0);
  const Bytes early = std::exchange(out_->early, {});
  if (!early.empty()) events_.line_output(early);
}

void CallhomeLine::ended(const std::string& reason) {
  if (down_) return;
  down_ = up_;
  // Not from inside the stream's callback: it is destroyed here.
  later([this, reason] {
    if (up_) {
      out_.reset(), in_.reset();
      return events_.line_down(reason);
    }
    if (out_ && out_->ended) out_.reset();
    if (in_ && in_->ended) in_.reset();
    if (out_ || in_) return;
    other_half_.cancel();
    wait();
  });
}

std::size_t CallhomeLine::write(ByteView bytes) {
  if (!up_ || down_) return 0;
  const std::size_t taken = std::min(bytes.size(), limits::callhome_unsent_bytes_max - unsent_.size());
  append(unsent_, bytes.first(taken));
  refused_ = taken < bytes.size();
  (in_ ? in_ : out_)->stream.flush();
  return taken;
}

std::size_t CallhomeLine::fill(MutableBytes into) {
  const std::size_t size = std::min(into.size(), unsent_.size());
  std::copy_n(unsent_.begin(), size, into.begin());
  unsent_.erase(unsent_.begin(), unsent_.begin() + std::ptrdiff_t(size));
  if (size > 0 && std::exchange(refused_, false)) {
    later([this] {
      if (!down_) events_.line_writable();
    });
  }
  return size;
}

std::unique_ptr<Line> make(Shard& shard, const LineConfig& config, LineEvents& events) {
  return std::make_unique<CallhomeLine>(shard, config, events);
}

}  // namespace

extern const LineKind kCallhomeKind{.name = "callhome",
                                    .doc = "the node dials the agent",
                                    .keys = kKeys,
                                    .check = check,
                                    .make = make,
                                    .listens = true,
                                    .unshared = kUnshared};

}  // namespace oob
