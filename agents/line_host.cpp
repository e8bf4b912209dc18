// See line_host.h.
#include "agents/line_host.h"

#include <unistd.h>

#include <algorithm>
#include <utility>

#include "agents/lines/settings.h"
#include "common/limits.h"
#include "common/log.h"

namespace oob {
namespace {
// A line that held for so long begins again with the shortest delay.
constexpr auto kSoundAfter = std::chrono::seconds(10);
}  // namespace

LineHost::LineHost(Shard& shard, LineConfig config, std::unique_ptr<LineStore> store, const Policy& policy,
                   LineHostEvents& events)
    : shard_(shard),
      config_(std::move(config)),
      store_(std::move(store)),
      policy_(policy),
      events_(events),
      input_([this](ByteView bytes) { return driver_ ? driver_->write(bytes) : 0; },
             [this](const InputQueue::Fate& fate) {
               if (fate.under_way > 0 && driver_) driver_->withdraw();
               events_.line_input_done(*this, fate);
             }),
      retry_(shard),
      input_deadline_(shard),
      facts_told_(shard),
      settle_(shard),
      backoff_(limits::reconnect_delay_min, limits::reconnect_delay_max) {}

LineHost::~LineHost() = default;

void LineHost::start() { attempt(); }

void LineHost::reconfigure(LineConfig config) {
  config_ = std::move(config);
  backoff_.reset();
  stopped_ = false;
  close_driver();
  give_up_fetching();
  set_state(false, "configuration changed", 0);
  attempt();
}

void LineHost::stop(const std::string& why) {
  stopped_ = true;
  retry_.cancel();
  device_.reset();
  close_driver();
  give_up_fetching();
  set_state(false, why, 0);
}

void LineHost::attempt() {
  retry_.cancel();
  device_.reset();
  stopped_ = false;
  if (const auto permitted = policy_.permits(config_); !permitted) return line_down(permitted.error().message);
  const LineKind* kind = find_line_kind(config_.kind);
  if (kind == nullptr)
    return line_down("this agent knows no line kind \"" + config_.kind + "\"; it is older than the server");
  if (fetch(*kind)) open();
}

void LineHost::open() {
  retry_.cancel();
  reading_ = true;
  const LineKind& kind = *find_line_kind(config_.kind);
  input_.set_confirms(kind.confirms);
  driver_ = kind.make(shard_, config_, *this);
  driver_->start();
  config_.secrets.clear();
}

// False: not all secrets are there; open() or line_down() follows, or was called.
bool LineHost::fetch(const LineKind& kind) {
  give_up_fetching();
  for (const auto& [key, place] : secret_places(kind, config_)) {
    if (!place.starts_with(kSecretOfAgent)) {
      wanted_.insert(key);
      continue;
    }
    auto secret = read_password_file(place.substr(kSecretOfAgent.size()));
    if (!secret) return line_down("its " + key + ", on the agent's machine: " + secret.error().message), false;
    config_.secrets[key] = std::move(*secret);
  }
  if (wanted_.empty()) return true;
  fetching_ = std::make_shared<int>();
  for (const std::string& key : wanted_) {
    const auto done = [this, key, alive = std::weak_ptr(fetching_)](Result<Secret> secret) {
      if (!alive.expired()) fetched(key, std::move(secret));
    };
    if (events_.line_wants_secret(*this, key, done)) continue;
    line_down("it needs its " + key + " from the server, which is not connected; it waits for that");
    waits_for_server_ = true;
    return false;
  }
  retry_.once(limits::line_secret_wait_max,
              [this] { line_down("the server did not send the line's secrets in time"); });
  return false;
}

void LineHost::fetched(const std::string& key, Result<Secret> secret) {
  if (!secret) return line_down("its " + key + ": " + secret.error().message);
  config_.secrets[key] = std::move(*secret);
  wanted_.erase(key);
  if (!wanted_.empty()) return;
  fetching_.reset();
  open();
}

void LineHost::give_up_fetching() {
  wanted_.clear();
  fetching_.reset();
  waits_for_server_ = false;
  config_.secrets.clear();
}

void LineHost::server_can_be_asked() {
  if (waits_for_server_) retry();
}

// The driver may be calling us just now: it is destroyed when it has returned.
void LineHost::close_driver() {
  if (!driver_) return;
  shard_.post([driver = std::shared_ptr<Line>(std::move(driver_))] {});
  driver_ = nullptr;
}

void LineHost::line_up(std::string detail, int pid) {
  up_since_ = shard_.clock().now();
  set_state(true, detail, pid);
}

void LineHost::tell_up() {
  if (!std::exchange(up_untold_, false)) return;
  settle_.cancel();
  last_logged_.clear();
  if (const LineKind* kind = find_line_kind(config_.kind); std::exchange(was_up_, true) && kind && kind->speaks_on) {
    line_lost("said while the line was down");
  }
  tell_state();
}

void LineHost::line_output(ByteView bytes) {
  tell_up();
  store_->append(bytes, wall_ms(shard_.clock().wall()));
  throttle();
  events_.line_has_output(*this);
}

// Told to the server, but not in the log: nothing happened.
void LineHost::line_waits(std::string for_what) {
  state_ = {false, std::move(for_what), wall_ms(shard_.clock().wall()), 0, {}};
  events_.line_changed(*this);
}

void LineHost::line_writable() {
  input_.pump(shard_.clock().now());
  arm_input_deadline();
}

void LineHost::line_confirmed(std::size_t bytes) {
  input_.confirmed(bytes, shard_.clock().now());
  arm_input_deadline();
}

void LineHost::line_down(std::string reason) {
  close_driver();
  give_up_fetching();
  const LineKind* kind = find_line_kind(config_.kind);
  const bool listens = kind != nullptr && kind->listens;  // it does not dial: who calls briefly is no storm of ours
  const bool at_once = state_.up && listens;
  if (state_.up) brief_ = !listens && shard_.clock().now() - up_since_ < kSoundAfter;
  if (state_.up && !brief_) backoff_.reset();
  set_state(false, reason, 0);
  const Duration rest = std::exchange(rest_, Duration(0));
  retry_.once(at_once ? rest : std::max(backoff_.next(), rest), [this] { attempt(); });
  await_device();
}

// Not after each event: a device whose name comes before its rights is a few tries late at most.
void LineHost::await_device() {
  const LineKind* kind = find_line_kind(config_.kind);
  if (kind == nullptr || kind->awaits.empty()) return;
  const auto path = config_.settings.find(std::string(kind->awaits));
  if (path == config_.settings.end()) return;
  device_ = std::make_unique<PathWatch>(shard_, path->second, [this, path = path->second] {
    if (::access(path.c_str(), F_OK) != 0) return;
    const auto watch = std::move(device_);  // it is calling us
    attempt();
  });
}

void LineHost::line_note(std::string text) {
  tell_up();
  store_->append_event(RingRecord::Kind::Note, text, wall_ms(shard_.clock().wall()));
  events_.line_has_output(*this);
}

void LineHost::line_lost(std::string why) {
  tell_up();
  store_->append_event(RingRecord::Kind::Unknown, why, wall_ms(shard_.clock().wall()));
  events_.line_has_output(*this);
}

void LineHost::line_facts(LineFacts facts) {
  state_.facts = std::move(facts);
  facts_wait_ = true;
  if (!facts_told_.armed()) tell_facts();
}

void LineHost::tell_facts() {
  if (!std::exchange(facts_wait_, false) || !state_.up) return;
  facts_told_.once(limits::line_facts_every, [this] { tell_facts(); });
  events_.line_told_facts(*this);
}

void LineHost::set_state(bool up, const std::string& detail, int pid) {
  state_ = {up, detail, wall_ms(shard_.clock().wall()), pid, {}};
  if (!up) {
    input_.refuse_all(why_down());
    input_deadline_.cancel();
  }
  up_untold_ = up;
  settle_.cancel();
  if (up && brief_) {
    settle_.once(limits::line_settles_after, [this] { tell_up(); });
  } else if (up) {
    tell_up();
  } else if (detail != std::exchange(last_logged_, detail)) {
    tell_state();
  }
  events_.line_changed(*this);
}

void LineHost::tell_state() {
  const bool up = state_.up;
  store_->append_event(up ? RingRecord::Kind::Up : RingRecord::Kind::Down, state_.detail, state_.since_wall_ms);
  log_limited(LogLevel::Info, "line", config_.name + (up ? "+" : "-"), up ? "up" : "down",
              {{"console", config_.name}, {"kind", config_.kind}, {up ? "to" : "reason", state_.detail}});
  events_.line_has_output(*this);
}

std::string LineHost::why_down() const { return "line is down: " + state_.detail; }

void LineHost::input(std::uint64_t session, std::uint64_t sequence, SteadyTime deadline, ByteView bytes) {
  const char* deaf = state_.up ? driver_->takes_no_input() : nullptr;
  input_.add(session, sequence, deadline, bytes, shard_.clock().now(), state_.up ? deaf ? deaf : "" : why_down());
  arm_input_deadline();
}

void LineHost::arm_input_deadline() {
  const auto deadline = input_.next_deadline();
  if (!deadline) return input_deadline_.cancel();
  if (input_deadline_.armed()) return;  // set for an earlier one; it looks again
  const auto wait = std::chrono::ceil<Duration>(*deadline - shard_.clock().now()) + Duration(1);
  input_deadline_.once(std::max(wait, Duration(1)), [this] {
    input_.pump(shard_.clock().now());
    arm_input_deadline();
  });
}

void LineHost::flush_input(std::uint64_t keep_session) {
  input_.refuse_others(keep_session, "the writer changed");
  line_writable();
}

void LineHost::send_break(std::uint64_t session, std::uint64_t sequence, Duration duration) {
  if (!input_.is_new(session, sequence)) return;
  InputQueue::Fate fate{session, sequence, 0, state_.up ? "" : why_down()};
  if (state_.up) {
    tell_up();
    // What was typed before it and waits must not come behind it: it might be taken for a command then.
    if (const auto sent = driver_->send_break(duration); !sent) {
      fate.refused = sent.error().message;
    } else {
      input_.refuse_waiting("a break was sent before the device took it");
      const std::string length = std::to_string(sent->count()) + " ms";
      store_->append_event(RingRecord::Kind::Break, *sent == Duration(0) ? "as long as the peer makes it" : length,
                           wall_ms(shard_.clock().wall()));
    }
    events_.line_has_output(*this);
  }
  events_.line_input_done(*this, fate);
}

void LineHost::retry() {
  if (state_.up || (driver_ && !stopped_) || fetching_) return;
  backoff_.reset();
  attempt();
}

void LineHost::down() { stop("taken down"); }

void LineHost::up() { retry(); }

void LineHost::server_here(bool here) {
  server_here_ = here;
  store_->set_server_away(!here);
  throttle();
}

void LineHost::acknowledged(std::uint64_t incarnation, std::uint64_t offset, std::uint64_t event) {
  store_->release(incarnation, offset, event);
  throttle();
}

void LineHost::rest() {
  // Not at each acknowledgement: a line that floods would give pages back and fault them in again all the time.
  store_->trim(std::exchange(end_at_last_rest_, store_->end()) == store_->end());
}

void LineHost::throttle() {
  if (!driver_) return;
  const bool read = !(server_here_ && store_->nearly_full() && driver_->can_wait());
  if (read == reading_) return;
  reading_ = read;
  driver_->set_reading(read);
}

}  // namespace oob
