// See power.h.
#include "agents/bmc/power.h"

#include <algorithm>
#include <array>

#include "common/limits.h"

namespace oob {
namespace {

constexpr std::uint8_t kGetChassisStatus = 0x01, kChassisControl = 0x02;
constexpr auto kLookEvery = std::chrono::milliseconds(300);
constexpr auto kAnotherSessionAfter = std::chrono::milliseconds(1000);
// A BMC's pause between off and on may be shorter than our looks are apart.
constexpr auto kCycleSeenWithin = std::chrono::seconds(6);

struct Act {
  std::string_view word;
  std::uint8_t control;  // of Chassis Control; unused for status
  bool repeatable;       // asked for twice it is still done once
};
constexpr std::array<Act, 7> kActs{{{"status", 0, true},
                                    {"on", 1, true},
                                    {"off", 0, true},
                                    {"cycle", 2, false},
                                    {"reset", 3, false},
                                    {"soft", 5, false},
                                    {"nmi", 4, false}}};

const Act& table_row(PowerAct act) { return kActs[static_cast<std::size_t>(act)]; }

// Faults in the chassis status.
std::string notes_of(const Bytes& status) {
  constexpr std::string_view kBits[] = {"", "overload", "switched off by the interlock", "power fault",
                                        "power control fault"};
  std::string out;
  for (unsigned bit = 1; bit < std::size(kBits); ++bit) {
    if ((std::to_integer<unsigned>(status[0]) >> bit & 1) != 0)
      out += (out.empty() ? "" : ", ") + std::string(kBits[bit]);
  }
  return out;
}

std::string seconds_of(Duration time) { return std::to_string(time / std::chrono::seconds(1)) + " s"; }

}  // namespace

std::optional<PowerAct> power_act_of(std::string_view word) {
  for (std::size_t i = 0; i < kActs.size(); ++i) {
    if (kActs[i].word == word) return static_cast<PowerAct>(i);
  }
  return std::nullopt;
}

Duration power_answer_time(PowerAct act, Duration patience) {
  const Duration usual = act == PowerAct::Status ? Duration(limits::power_status_time_max)
                         : act == PowerAct::Soft ? Duration(limits::power_patience_soft)
                                                 : Duration(limits::power_patience);
  if (patience <= usual) return limits::ipmi_answer_time_max;
  return std::clamp<Duration>(patience / 4, limits::ipmi_answer_time_max, limits::power_answer_time_max);
}

PowerRun::PowerRun(Shard& shard, NewBmc bmc, PowerAct act, Duration patience, std::function<void(PowerOutcome)> done)
    : shard_(shard),
      new_bmc_(std::move(bmc)),
      act_(act),
      patience_(patience),
      done_(std::move(done)),
      patience_timer_(shard),
      next_look_(shard) {}

// What is called back after we are gone does nothing.
template <typename Call>
auto PowerRun::guarded(Call call) {
  return [this, alive = std::weak_ptr(alive_), call](const auto& result) {
    if (!alive.expired()) (this->*call)(result);
  };
}

void PowerRun::start() {
  patience_timer_.once(patience_, [this] { out_of_time(); });
  connect();
}

void PowerRun::connect() {
  bmc_ = new_bmc_();
  bmc_->open(guarded(&PowerRun::opened));
}

void PowerRun::opened(const Result<>& result) {
  if (result) return look();
  silence_ = result.error().message;
  if (!asked_) return end(PowerOutcome::Kind::Failed, silence_);
  look_later(true);
}

void PowerRun::look() {
  bmc_->command(ipmi::request_of(ipmi::kChassis, kGetChassisStatus), guarded(&PowerRun::looked));
}

void PowerRun::looked(const Result<ipmi::Answer>& answer) {
  on_.reset();
  if (!answer || answer->code != 0 || answer->data.empty()) {
    silence_ = !answer             ? answer.error().message
               : answer->code != 0 ? ipmi::completion_words(ipmi::kChassis, kGetChassisStatus, answer->code)
                                   : "its answer to the question for the power is too short";
    if (!asked_) return end(PowerOutcome::Kind::Failed, silence_);
    return look_later(!answer);
  }
  on_ = (answer->data[0] & std::byte{1}) != std::byte{0};
  notes_ = notes_of(answer->data);
  asked_ ? compare() : first_look();
}

void PowerRun::first_look() {
  const bool wants_on = act_ == PowerAct::On, wants_off = act_ == PowerAct::Off || act_ == PowerAct::Soft;
  if (act_ == PowerAct::Status) return end(PowerOutcome::Kind::Done, notes_);
  if ((wants_on && *on_) || (wants_off && !*on_)) return end(PowerOutcome::Kind::Done, "it was so already");
  if (!wants_on && !wants_off && !*on_) {
    return end(PowerOutcome::Kind::Failed,
               "it is off, so there is nothing to " + std::string(table_row(act_).word) + "; use `oob power on`");
  }
  ask();
}

void PowerRun::ask() {
  asked_ = true;
  asked_at_ = shard_.clock().now();
  ipmi::Request request = ipmi::request_of(ipmi::kChassis, kChassisControl, {table_row(act_).control});
  request.repeatable = table_row(act_).repeatable;
  bmc_->command(std::move(request), guarded(&PowerRun::asked));
}

void PowerRun::asked(const Result<ipmi::Answer>& answer) {
  if (answer && answer->code != 0) {
    return end(PowerOutcome::Kind::Failed, ipmi::completion_words(ipmi::kChassis, kChassisControl, answer->code));
  }
  accepted_ = answer.has_value();
  on_.reset();
  if (!answer) silence_ = answer.error().message;
  look_later(!answer);
}

void PowerRun::compare() {
  using Kind = PowerOutcome::Kind;
  seen_off_ = seen_off_ || !*on_;
  switch (act_) {
    case PowerAct::On:
      if (*on_) return end(Kind::Done, notes_);
      break;
    case PowerAct::Off:
    case PowerAct::Soft:
      if (!*on_) return end(Kind::Done, notes_);
      break;
    case PowerAct::Cycle:
      if (*on_ && seen_off_) return end(Kind::Done, notes_);
      if (*on_ && accepted_ && shard_.clock().now() - asked_at_ >= kCycleSeenWithin) {
        return end(Kind::Done, "the BMC took it; it was not seen off in between");
      }
      break;
    case PowerAct::Reset:
    case PowerAct::Nmi:
      if (*on_ && accepted_) return end(Kind::Done, notes_);
      if (!accepted_) return end(Kind::Unknown, "the BMC fell silent when it was asked, and may have done it or not");
      break;
    case PowerAct::Status:
      break;
  }
  look_later(false);
}

void PowerRun::look_later(bool in_a_new_session) {
  next_look_.once(in_a_new_session ? kAnotherSessionAfter : kLookEvery,
                  [this, in_a_new_session] { in_a_new_session ? connect() : look(); });
}

void PowerRun::out_of_time() {
  using Kind = PowerOutcome::Kind;
  const std::string time = seconds_of(patience_);
  if (!asked_ && bmc_->answered()) {
    return end(Kind::Failed, "the BMC is too slow: it answers, but was not through after " + time +
                                 "; nothing was done; --wait gives it longer");
  }
  if (!asked_) return end(Kind::Failed, "the BMC did not answer within " + time + "; nothing was asked of it");
  if (!on_) {
    return end(Kind::Unknown, "it was asked, and the BMC has not said since how the power is" +
                                  (silence_.empty() ? "" : ": " + silence_));
  }
  const std::string state = *on_ ? "on" : "off";
  if (!accepted_) return end(Kind::Unknown, "the BMC fell silent when it was asked; the power is " + state);
  end(Kind::Failed, act_ == PowerAct::Soft ? "the operating system did not switch off within " + time
                                           : "the BMC took it, but the power is " + state + " after " + time);
}

void PowerRun::end(PowerOutcome::Kind kind, std::string text) {
  patience_timer_.cancel();
  next_look_.cancel();
  alive_ = std::make_shared<int>();  // what the BMC still answers is nobody's
  shard_.post([done = std::move(done_), alive = std::weak_ptr(alive_), bmc = std::shared_ptr<Bmc>(std::move(bmc_)),
               outcome = PowerOutcome{kind,
                                      !on_   ? ""
                                      : *on_ ? "on"
                                             : "off",
                                      std::move(text)}] {
    if (!alive.expired()) done(outcome);
  });
}

}  // namespace oob
