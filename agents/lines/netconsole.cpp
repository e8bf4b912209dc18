// Line kind `netconsole`: what one Linux kernel sends as UDP datagrams (its module netconsole). One way: nothing can be
// typed. Cleartext, and whoever can forge a sender's address can speak in its name: beyond loopback only with
// `insecure = true`.
#include "agents/lines/kinds.h"
#include "agents/lines/netconsole_decoder.h"
#include "agents/lines/netconsole_listener.h"
#include "agents/lines/settings.h"
#include "common/limits.h"
#include "common/pace.h"
#include "common/text.h"

namespace oob {
namespace {

constexpr LineKey kKeys[] = {
    {"listen", LineKey::Type::Address, true, "address:port or interface:port on which the agent listens"},
    {"source", LineKey::Type::Text, true, "the sender's numeric address"},
    {"insecure", LineKey::Type::Boolean, false, "true allows cleartext from beyond loopback"},
};
constexpr std::string_view kUnshared[] = {"listen", "source"};

Result<> check(const LineConfig& config, std::string& key) {
  key = "source";
  if (const auto source = parse_sender(text_setting(config, key, "")); !source) return tl::unexpected(source.error());
  key = "listen";
  const std::string listen = text_setting(config, key, "");
  const auto place = parse_udp_place(listen);
  if (!place) return tl::unexpected(place.error());
  if (place->address.sin6_port == 0) return fail(ErrorCode::Usage, "the port cannot be 0");
  const bool own = place->interface == "lo" || (place->interface.empty() && is_loopback(parse_host_port(listen)->host));
  if (own || boolean_setting(config, "insecure")) return {};
  return fail(ErrorCode::Usage, "netconsole is cleartext; beyond loopback write insecure = true as well");
}

class NetconsoleLine final : public Line, private NetconsoleListener::Receiver {
 public:
  NetconsoleLine(Shard& shard, const LineConfig& config, LineEvents& events)
      : shard_(shard),
        events_(events),
        console_(config.name),
        listen_(text_setting(config, "listen", "")),
        source_(text_setting(config, "source", "")),
        decoder_(events),
        wait_(shard),
        facts_(shard),
        drops_(10, 1) {}
  ~NetconsoleLine() override {
    if (!listener_) return;
    listener_->leave(*this);
    // A line that takes this one's place finds the socket open, and what came meanwhile among the strangers.
    shard_.keep(std::move(listener_), limits::listener_kept);
  }
  void start() override {
    shard_.post([this, alive = std::weak_ptr(alive_)] {
      if (!alive.expired()) open();
    });
  }
  std::size_t write(ByteView) override { return 0; }
  const char* takes_no_input() const override { return "netconsole carries messages one way; nothing can be typed"; }
  void set_reading(bool) override {}
  bool can_wait() const override { return false; }

 private:
  void open();
  void adopt();
  void received(ByteView datagram, bool cut) override {
    decoder_.receive(datagram, cut, shard_.clock().now());
    heard_ = true;
  }
  void received_all() override;
  void kernel_dropped(unsigned count) override;
  void await_the_missing();
  void tell_facts();

  Shard& shard_;
  LineEvents& events_;
  const std::string console_, listen_, source_;
  std::shared_ptr<NetconsoleListener> listener_;
  NetconsoleDecoder decoder_;
  Timer wait_, facts_;
  bool heard_ = false;  // since the facts were told
  Pace drops_;
  std::uint64_t drops_seen_ = 0, drops_untold_ = 0;
  std::shared_ptr<int> alive_ = std::make_shared<int>();
};

void NetconsoleLine::open() {
  listener_ = shard_.shared<NetconsoleListener>("netconsole " + listen_);
  const auto sender = parse_sender(source_);
  Result<> opened = sender ? listener_->open(listen_) : Result<>(tl::unexpected(sender.error()));
  if (opened) opened = listener_->join(*sender, console_, *this);
  if (!opened) {
    listener_.reset();
    return events_.line_down(opened.error().message);
  }
  events_.line_up("from " + source_ + " to " + escape_controls(listen_), 0);
  adopt();
}

// What it said before this line was there, all of it at once: the times are lost but for the first.
void NetconsoleLine::adopt() {
  const auto before = listener_->adopt(*parse_sender(source_));
  if (!before) return;
  events_.line_note("said from " + format_utc(before->first) + " on, before a line named this sender");
  if (before->dropped > 0) {
    events_.line_lost(count_of(before->dropped, "message", "messages") + " before a line named this sender");
  }
  for (const Bytes& datagram : before->kept) received(datagram, false);
  received_all();
}

void NetconsoleLine::received_all() {
  if (!heard_) return;
  await_the_missing();
  if (!facts_.armed()) {
    facts_.once(limits::line_facts_every, [this] { tell_facts(); });
  }
}

void NetconsoleLine::await_the_missing() {
  const auto deadline = decoder_.next_deadline();
  if (!deadline || wait_.armed()) return;
  const auto wait = std::chrono::ceil<Duration>(*deadline - shard_.clock().now());
  wait_.once(std::max(wait, Duration(1)), [this] {
    decoder_.tick(shard_.clock().now());
    await_the_missing();
  });
}

// The kernel does not say whose they were. The extended format's numbers will, from its first datagram on; in basic
// format any line may lack some.
void NetconsoleLine::kernel_dropped(unsigned count) {
  drops_seen_ += count;
  drops_untold_ += count;
  const bool numbered = decoder_.counters().extended > 0 && decoder_.counters().basic == 0;
  if (numbered || !drops_.take(shard_.clock().now())) return;
  events_.line_lost("the agent was too slow for " + count_of(std::exchange(drops_untold_, 0), "datagram", "datagrams") +
                    " to " + escape_controls(listen_) + "; they may have been of this line");
}

void NetconsoleLine::tell_facts() {
  if (!std::exchange(heard_, false)) return;
  const auto& counters = decoder_.counters();
  LineFacts facts{{"datagrams-basic", std::to_string(counters.basic)},
                  {"datagrams-extended", std::to_string(counters.extended)}};
  const auto add = [&](const char* key, std::uint64_t count) {
    if (count > 0) facts.emplace_back(key, std::to_string(count));
  };
  add("messages-missing", counters.missing);
  add("messages-late", counters.late);
  add("messages-repeated", counters.repeated);
  add("datagrams-malformed", counters.malformed);
  add("sender-restarts", counters.restarts);
  add("datagrams-dropped-here", drops_seen_);
  events_.line_facts(std::move(facts));
}

std::unique_ptr<Line> make(Shard& shard, const LineConfig& config, LineEvents& events) {
  return std::make_unique<NetconsoleLine>(shard, config, events);
}

}  // namespace

extern const LineKind kNetconsoleKind{.name = "netconsole",
                                      .doc = "what a Linux kernel sends by UDP",
                                      .keys = kKeys,
                                      .check = check,
                                      .make = make,
                                      .speaks_on = true,
                                      .unshared = kUnshared};

}  // namespace oob
