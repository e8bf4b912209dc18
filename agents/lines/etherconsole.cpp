// Line kind `etherconsole`: a console in raw Ethernet frames (docs/etherconsole.md), for a node that has no network yet
// or no longer. Both ways; or, plain, the text of whatever frames a sender broadcasts. Without a key anyone in that
// Ethernet can speak in the node's name, so it takes `insecure = true`.
#include <algorithm>
#include <fstream>

#include "agents/lines/ether_listener.h"
#include "agents/lines/kinds.h"
#include "agents/lines/settings.h"
#include "common/crypto/secret.h"
#include "common/limits.h"
#include "common/pace.h"
#include "common/text.h"

namespace oob {
namespace {

using Type = ConsoleFrame::Type;

constexpr LineKey kKeys[] = {
    {"interface", LineKey::Type::Text, true, "the agent's Ethernet or VLAN interface"},
    {"mac", LineKey::Type::Text, true, "the node's hardware address"},
    {"key-file", LineKey::Type::SecretFile, false, "file with the key that both ends have; default: no key"},
    {"ether-type", LineKey::Type::Integer, false, "type of the frames; default 34997 (0x88b5)", 0x0600, 0xffff},
    {"plain", LineKey::Type::Boolean, false, "true: frames of text and nothing else, one way"},
    {"insecure", LineKey::Type::Boolean, false, "true allows frames without a key"},
};
constexpr std::string_view kUnshared[] = {"interface", "ether-type", "mac"};
constexpr char kOneWay[] = "plain frames carry text one way; nothing can be typed";
constexpr std::size_t kKeyBytesMin = 16;

Result<> check(const LineConfig& config, std::string& key) {
  key = "interface";
  if (!is_interface_name(text_setting(config, key, ""))) {
    return fail(ErrorCode::Usage, "that is no name of an interface; `ip link` on the agent shows them");
  }
  key = "mac";
  const auto mac = parse_mac(text_setting(config, key, ""));
  if (!mac) return tl::unexpected(mac.error());
  if (((*mac)[0] & 1) != 0) return fail(ErrorCode::Usage, "that is a group's address; write the node's own");
  const bool keyed = config.settings.contains("key-file"), plain = boolean_setting(config, "plain");
  key = "plain";
  if (keyed && plain) return fail(ErrorCode::Usage, "plain frames have no key; leave out plain or key-file");
  key = "mac";
  if (keyed || boolean_setting(config, "insecure")) return {};
  return fail(ErrorCode::Usage, "anyone in that Ethernet could speak as this node: write key-file, or insecure = true");
}

class EtherconsoleLine final : public Line, private EtherListener::Receiver {
 public:
  EtherconsoleLine(Shard& shard, const LineConfig& config, LineEvents& events)
      : shard_(shard),
        events_(events),
        console_(config.name),
        interface_(text_setting(config, "interface", "")),
        mac_text_(text_setting(config, "mac", "")),
        ether_type_(
            static_cast<std::uint16_t>(integer_setting(config, key_of(kKeys, "ether-type"), kEtherTypeConsole))),
        plain_(boolean_setting(config, "plain")),
        keyed_(config.settings.contains("key-file")),
        order_(keyed_),
        again_(shard),
        silence_(shard),
        facts_(shard) {
    if (const auto key = config.secrets.find("key-file"); keyed_ && key != config.secrets.end()) key_ = key->second;
    if (keyed_ && !config.state_folder.empty()) session_path_ = config.state_folder + "/session";
  }
  ~EtherconsoleLine() override {
    if (!listener_) return;
    listener_->leave(*this);
    shard_.keep(std::move(listener_), limits::listener_kept);
  }
  void start() override {
    later([this] { open(); });
  }
  std::size_t write(ByteView bytes) override;
  void withdraw() override;
  const char* takes_no_input() const override { return plain_ ? kOneWay : nullptr; }
  void set_reading(bool) override {}
  bool can_wait() const override { return false; }
  Result<Duration> send_break(Duration duration) override;

 private:
  struct Counters {
    std::uint64_t frames = 0, missing = 0, repeated = 0, refused = 0, restarts = 0, dropped = 0, unconfirmed = 0;
  };

  Result<> prepare();
  void open();
  void say_adopted();
  void received(ByteView bytes) override;
  void kernel_dropped(unsigned count) override;
  void broken(const std::string& why) override { down(why); }
  void received_plain(ByteView text);
  void received_frame(const ConsoleFrame& frame);
  void in_order(FrameOrder::Is is, std::uint32_t missing);
  void keep_session();
  void alive(const ConsoleFrame& frame);
  void say(ByteView text);
  void lost(std::uint64_t count);
  void note(const char* text);
  void confirmed(std::uint32_t sequence);
  void queue(Type type, ByteView text);
  void send();
  void tell_facts();
  void down(const std::string& why);
  void later(std::function<void()> act) {
    shard_.post([alive = std::weak_ptr(alive_), act = std::move(act)] {
      if (!alive.expired()) act();
    });
  }

  Shard& shard_;
  LineEvents& events_;
  const std::string console_, interface_, mac_text_;
  const std::uint16_t ether_type_;
  const bool plain_, keyed_;
  Secret key_;
  std::string session_path_;  // of the file that holds the node's session, so that no earlier one is taken again
  std::uint64_t kept_session_ = 0;
  MacAddress node_{};
  std::shared_ptr<EtherListener> listener_;
  FrameOrder order_;
  bool up_ = false, down_ = false;
  std::optional<WallTime> adopted_;  // when it was first heard, before this line was there
  bool after_cr_ = false, early_ = false;
  Pace marks_{limits::netconsole_marks_at_once, limits::netconsole_marks_per_second};
  std::uint64_t missing_untold_ = 0;

  // What we send: one frame at a time, again until it is confirmed.
  const std::uint64_t session_ = static_cast<std::uint64_t>(
      std::chrono::duration_cast<std::chrono::microseconds>(shard_.clock().wall().time_since_epoch()).count());
  std::uint32_t sequence_ = 0;
  Type sending_{};
  Bytes unconfirmed_;
  bool waits_ = false;    // for a confirmation
  bool refused_ = false;  // write() took less than it was given
  int tries_ = 0;

  Timer again_, silence_, facts_;
  Counters counters_;
  std::shared_ptr<int> alive_ = std::make_shared<int>();
};

Result<> EtherconsoleLine::prepare() {
  if (keyed_ && key_.reveal().size() < kKeyBytesMin) {
    return fail(ErrorCode::Usage,
                "the key in the key-file has to have 16 bytes at least; `openssl rand -hex 32` makes one");
  }
  const auto mac = parse_mac(mac_text_);
  if (!mac) return tl::unexpected(mac.error());
  node_ = *mac;
  if (std::uint64_t before = 0; !session_path_.empty() && std::ifstream(session_path_) >> before) {
    order_ = FrameOrder(true, before);
    kept_session_ = before;
  }
  listener_ = shard_.shared<EtherListener>("etherconsole " + interface_ + " " + std::to_string(ether_type_));
  if (const auto opened = listener_->open(interface_, ether_type_); !opened) return opened;
  return listener_->join(node_, console_, *this);
}

void EtherconsoleLine::open() {
  if (const auto prepared = prepare(); !prepared) {
    listener_.reset();
    return down(prepared.error().message);
  }
  if (plain_) {
    up_ = true;
    events_.line_up("from " + mac_text_ + " on " + interface_, 0);
  } else {
    events_.line_waits("waits for " + mac_text_ + " on " + interface_);
  }
  const auto before = listener_->adopt(node_);
  if (!before) return;
  adopted_ = before->first;
  if (plain_) say_adopted();
  for (const Bytes& frame : before->kept) received(frame);
}

void EtherconsoleLine::say_adopted() {
  const auto since = std::exchange(adopted_, {});
  if (since) events_.line_note("said from " + format_utc(*since) + " on, before a line named this sender");
}

void EtherconsoleLine::received(ByteView bytes) {
  if (down_) return;
  ++counters_.frames;
  if (!facts_.armed()) facts_.once(limits::line_facts_every, [this] { tell_facts(); });
  if (plain_) return received_plain(bytes.subspan(kEtherHeaderBytes));
  const auto frame = read_console_frame(bytes, keyed_ ? &key_ : nullptr);
  if (!frame || !frame->from_node()) {
    ++counters_.refused;
    return;
  }
  received_frame(*frame);
}

void EtherconsoleLine::received_plain(ByteView text) {
  std::string out;
  for (const char c : as_text(without_padding(text))) {
    if (c == '\n' && !after_cr_) out += '\r';
    out += c;
    after_cr_ = c == '\r';
  }
  if (!out.empty()) events_.line_output(as_bytes(out));
}

void EtherconsoleLine::received_frame(const ConsoleFrame& frame) {
  std::uint32_t missing = 0;
  switch (frame.type) {
    case Type::Output: {
      const auto is = order_.take(frame.session, frame.sequence, missing);
      if (is == FrameOrder::Is::Repeated) ++counters_.repeated;
      if (is == FrameOrder::Is::OfEarlierSession) ++counters_.refused;
      if (is == FrameOrder::Is::Repeated || is == FrameOrder::Is::OfEarlierSession) return;
      alive(frame);
      in_order(is, missing);
      const bool early = (frame.flags & ConsoleFrame::kEarly) != 0;
      if (early && !early_) note("the node said the following before it could send");
      early_ = early;
      return say(frame.text);
    }
    case Type::Hello: {
      // It bears the number of the last output: what is missing at the end shows without another.
      const auto is = order_.take_last(frame.session, frame.sequence, missing);
      if (is == FrameOrder::Is::OfEarlierSession) {
        ++counters_.refused;
        return;
      }
      alive(frame);
      return in_order(is, missing);
    }
    case Type::Ack:
      if (up_ && frame.session == order_.session() && frame.peer == session_) confirmed(frame.sequence);
      return;
    default:
      ++counters_.refused;
  }
}

void EtherconsoleLine::alive(const ConsoleFrame& frame) {
  silence_.once(limits::ether_silence_max, [this] {
    down("nothing was heard from " + mac_text_ + " for " + std::to_string(limits::ether_silence_max.count()) + " s");
  });
  if (std::exchange(up_, true)) return;
  const bool hello = frame.type == Type::Hello && !frame.text.empty();
  events_.line_up(
      mac_text_ + " on " + interface_ + (keyed_ ? ", keyed" : "") +
          (hello ? ", " + std::string(as_text(frame.text.first(std::min<std::size_t>(frame.text.size(), 64)))) : ""),
      0);
  say_adopted();
  // Before the first number is known, nothing else would tell.
  listener_->look_for_drops();
  if (counters_.dropped > 0) {
    events_.line_lost("the agent was too slow for " + count_of(counters_.dropped, "frame", "frames") + " on " +
                      interface_ + "; this line's first may be among them");
  }
}

void EtherconsoleLine::in_order(FrameOrder::Is is, std::uint32_t missing) {
  keep_session();
  if (is == FrameOrder::Is::NewSession) {
    // What was for the earlier one is not for this: it is not sent again, and withdrawn in time.
    again_.cancel();
    if (waits_ && sending_ == Type::Break) confirmed(sequence_);
    ++counters_.restarts;
    note("the node's console began anew");
  }
  if (missing > 0) lost(missing);
}

// Also the first one that this line hears: it may have begun while nobody listened.
void EtherconsoleLine::keep_session() {
  if (session_path_.empty() || order_.session() == kept_session_) return;
  kept_session_ = order_.session();
  if (const auto kept = write_private_file(session_path_, std::to_string(kept_session_) + "\n"); !kept) {
    events_.line_note("frames that were recorded before now may be taken after a restart of the agent: " +
                      kept.error().message);
  }
}

void EtherconsoleLine::lost(std::uint64_t count) {
  counters_.missing += count;
  missing_untold_ += count;
  if (!marks_.take(shard_.clock().now())) return;
  events_.line_lost(count_of(std::exchange(missing_untold_, 0), "frame", "frames") + " did not come");
}

// What anyone may cause who can forge a frame is not told without end: other lines have events, too.
void EtherconsoleLine::note(const char* text) {
  if (marks_.take(shard_.clock().now())) events_.line_note(text);
}

void EtherconsoleLine::say(ByteView text) {
  if (!text.empty()) events_.line_output(text);
}

void EtherconsoleLine::kernel_dropped(unsigned count) {
  counters_.dropped += count;
  if (plain_ && marks_.take(shard_.clock().now())) {
    events_.line_lost("the agent was too slow for " + count_of(count, "frame", "frames") + " on " + interface_ +
                      "; they may have been of this line");
  }
}

// --- input ---

std::size_t EtherconsoleLine::write(ByteView bytes) {
  if (!up_ || plain_) return 0;
  refused_ = waits_;
  if (waits_) return 0;
  const std::size_t taken = std::min(bytes.size(), kConsoleTextBytesMax);
  refused_ = taken < bytes.size();
  queue(Type::Input, bytes.first(taken));
  return taken;
}

void EtherconsoleLine::withdraw() {
  if (!std::exchange(waits_, false)) return;
  again_.cancel();
  ++counters_.unconfirmed;
  events_.line_note("the node did not confirm what was typed; it may not have arrived");
}

Result<Duration> EtherconsoleLine::send_break(Duration duration) {
  if (plain_) return fail(ErrorCode::Conflict, kOneWay);
  if (waits_) return fail(ErrorCode::Conflict, "the node has not confirmed what was typed before; try again");
  const Duration time = duration.count() > 0 ? duration : Duration(250);
  const std::string text = std::to_string(time.count());
  queue(Type::Break, as_bytes(text));
  return time;
}

void EtherconsoleLine::queue(Type type, ByteView text) {
  sending_ = type;
  unconfirmed_.assign(text.begin(), text.end());
  ++sequence_;
  waits_ = true;
  tries_ = 0;
  send();
}

void EtherconsoleLine::send() {
  if (tries_++ == limits::ether_tries_max) {
    if (sending_ != Type::Break) return;  // withdraw() comes just now
    ++counters_.unconfirmed;
    events_.line_note("the node did not confirm a break; it may not have arrived");
    return confirmed(sequence_);
  }
  ConsoleFrame frame;
  frame.to = node_, frame.from = listener_->own(), frame.ether_type = ether_type_;
  frame.type = sending_, frame.session = session_, frame.peer = order_.session(), frame.sequence = sequence_;
  frame.text = unconfirmed_;
  std::array<std::byte, kConsoleFrameBytesMax> bytes;  // NOLINT: filled before it is read
  const std::size_t size = write_console_frame(frame, keyed_ ? &key_ : nullptr, bytes);
  listener_->send(ByteView(bytes).first(size));  // one that has no room is sent again
  again_.once(limits::ether_again_after, [this] { send(); });
}

void EtherconsoleLine::confirmed(std::uint32_t sequence) {
  if (!waits_ || sequence != sequence_) return;
  waits_ = false;
  again_.cancel();
  const bool refused = std::exchange(refused_, false);
  if (sending_ == Type::Input) return events_.line_confirmed(unconfirmed_.size());
  if (!refused) return;
  later([this] {
    if (!down_) events_.line_writable();
  });
}

void EtherconsoleLine::tell_facts() {
  if (!up_ || down_) return;
  if (missing_untold_ > 0) lost(0);
  if (missing_untold_ > 0) facts_.once(limits::line_facts_every, [this] { tell_facts(); });
  LineFacts facts{{"frames", std::to_string(counters_.frames)}};
  const auto add = [&](const char* key, std::uint64_t count) {
    if (count > 0) facts.emplace_back(key, std::to_string(count));
  };
  add("frames-missing", counters_.missing);
  add("frames-repeated", counters_.repeated);
  add("frames-refused", counters_.refused);
  add("node-restarts", counters_.restarts);
  add("frames-dropped-here", counters_.dropped);
  add("input-unconfirmed", counters_.unconfirmed);
  events_.line_facts(std::move(facts));
}

// Not from inside the listener's or a timer's callback.
void EtherconsoleLine::down(const std::string& why) {
  if (std::exchange(down_, true)) return;
  again_.cancel(), silence_.cancel(), facts_.cancel();
  later([this, why] { events_.line_down(why); });
}

std::unique_ptr<Line> make(Shard& shard, const LineConfig& config, LineEvents& events) {
  return std::make_unique<EtherconsoleLine>(shard, config, events);
}

}  // namespace

extern const LineKind kEtherconsoleKind{.name = "etherconsole",
                                        .doc = "a console in raw Ethernet frames",
                                        .keys = kKeys,
                                        .check = check,
                                        .make = make,
                                        .speaks_on = true,
                                        .listens = true,
                                        .unshared = kUnshared,
                                        .confirms = true};

}  // namespace oob
