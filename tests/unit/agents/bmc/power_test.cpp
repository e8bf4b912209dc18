// Promises of a power act: asked for once, looked at until it is so, and never told for certain when it is not.
#include "agents/bmc/power.h"

#include "tests/unit/agents/bmc/scripted_bmc.h"

namespace oob {
namespace {

constexpr std::uint8_t kStatus = 0x01, kControl = 0x02;

class Power : public testing::Test {
 protected:
  Power() {
    bmc.answer = [this](const ipmi::Request& request) -> std::optional<ipmi::Answer> {
      if (request.command == kStatus) return on ? answer_of({1, 0, 0}) : answer_of({0, 0, 0});
      if (control) control(std::to_integer<unsigned>(request.data.at(0)));
      if (silent_control) return std::nullopt;
      return answer_of({});
    };
  }
  PowerOutcome run(PowerAct act, Duration patience = std::chrono::seconds(10)) {
    std::optional<PowerOutcome> outcome;
    PowerRun power(shard, bmc.maker(), act, patience, [&](const PowerOutcome& got) { outcome = got; });
    power.start();
    EXPECT_TRUE(pump_until(shard, [&] { return outcome.has_value(); }));
    return outcome.value_or(PowerOutcome{});
  }
  std::size_t asked() const { return bmc.times(ipmi::kChassis, kControl); }

  Shard shard;
  ScriptedBmc bmc{shard};
  bool on = true, silent_control = false;
  std::function<void(unsigned)> control;
};
using Kind = PowerOutcome::Kind;

TEST_F(Power, is_told_as_the_bmc_says_it_with_its_faults) {
  EXPECT_EQ(run(PowerAct::Status).power, "on");
  on = false;
  EXPECT_EQ(run(PowerAct::Status).power, "off");
  bmc.answer = [](const ipmi::Request&) { return answer_of({0x08, 0, 0}); };
  EXPECT_EQ(run(PowerAct::Status).text, "power fault");
}

TEST_F(Power, that_is_not_told_is_never_shown_as_on_or_off) {
  bmc.answer = [](const ipmi::Request&) { return refusal_of(0xd4); };
  EXPECT_EQ(run(PowerAct::Status).power, "");
  EXPECT_EQ(run(PowerAct::Status).kind, Kind::Failed);
  bmc.answer = [](const ipmi::Request&) { return answer_of({}); };
  EXPECT_EQ(run(PowerAct::Status).power, "");
  bmc.login = fail(ErrorCode::Denied, "wrong password");
  const PowerOutcome refused = run(PowerAct::Off);
  EXPECT_EQ(refused.kind, Kind::Failed) << "nothing was asked";
  EXPECT_EQ(refused.text, "wrong password");
  EXPECT_EQ(refused.power, "");
}

TEST_F(Power, off_is_asked_once_and_done_when_it_is_off) {
  int looks = 0;
  bmc.answer = [&](const ipmi::Request& request) {
    if (request.command == kControl) return answer_of({});
    return ++looks < 4 ? answer_of({1, 0, 0}) : answer_of({0, 0, 0});
  };
  const PowerOutcome outcome = run(PowerAct::Off);
  EXPECT_EQ(outcome.kind, Kind::Done);
  EXPECT_EQ(outcome.power, "off");
  EXPECT_EQ(asked(), 1u);
  EXPECT_EQ(looks, 4);
}

TEST_F(Power, that_is_so_already_is_not_asked_for) {
  EXPECT_EQ(run(PowerAct::On).kind, Kind::Done);
  on = false;
  EXPECT_EQ(run(PowerAct::Off).kind, Kind::Done);
  EXPECT_EQ(run(PowerAct::Soft).kind, Kind::Done);
  EXPECT_EQ(run(PowerAct::Cycle).kind, Kind::Failed);
  EXPECT_EQ(run(PowerAct::Reset).kind, Kind::Failed);
  EXPECT_EQ(run(PowerAct::Nmi).kind, Kind::Failed);
  EXPECT_EQ(asked(), 0u);
}

TEST_F(Power, cycle_is_done_when_it_was_off_and_is_on_again) {
  int looks = 0;
  bmc.answer = [&](const ipmi::Request& request) {
    if (request.command == kControl) return answer_of({});
    ++looks;
    return looks == 3 ? answer_of({0, 0, 0}) : answer_of({1, 0, 0});
  };
  const PowerOutcome outcome = run(PowerAct::Cycle);
  EXPECT_EQ(outcome.kind, Kind::Done);
  EXPECT_EQ(outcome.text, "");
  EXPECT_EQ(looks, 4);
}

TEST_F(Power, that_does_not_come_is_a_failure_and_one_that_cannot_be_seen_is_unknown) {
  const PowerOutcome stays = run(PowerAct::Off, std::chrono::seconds(1));
  EXPECT_EQ(stays.kind, Kind::Failed);
  EXPECT_EQ(stays.power, "on");
  EXPECT_EQ(stays.text, "the BMC took it, but the power is on after 1 s");
  control = [this](unsigned) { bmc.login = fail(ErrorCode::Unavailable, "no answer"); };
  silent_control = true;
  const PowerOutcome gone = run(PowerAct::Off, std::chrono::seconds(2));
  EXPECT_EQ(gone.kind, Kind::Unknown);
  EXPECT_EQ(gone.power, "");
  EXPECT_EQ(asked(), 2u) << "asked once in each run";
}

TEST_F(Power, a_reset_that_was_not_answered_may_have_been_done_or_not) {
  silent_control = true;
  const auto begun = std::chrono::steady_clock::now();
  const PowerOutcome outcome = run(PowerAct::Reset);
  EXPECT_LT(std::chrono::steady_clock::now() - begun, std::chrono::seconds(8)) << "looking longer tells no more";
  EXPECT_EQ(outcome.kind, Kind::Unknown);
  EXPECT_FALSE(bmc.heard.at(1).repeatable);
  EXPECT_EQ(asked(), 1u);
}

TEST_F(Power, off_that_was_not_answered_is_known_by_looking_in_a_new_session) {
  control = [this](unsigned) { on = false; };
  silent_control = true;
  const PowerOutcome outcome = run(PowerAct::Off);
  EXPECT_EQ(outcome.kind, Kind::Done);
  EXPECT_EQ(outcome.power, "off");
  EXPECT_EQ(bmc.sessions, 2);
}

TEST_F(Power, each_act_is_its_own_number_of_the_standard) {
  const std::pair<PowerAct, unsigned> table[] = {{PowerAct::Off, 0},   {PowerAct::On, 1},  {PowerAct::Cycle, 2},
                                                 {PowerAct::Reset, 3}, {PowerAct::Nmi, 4}, {PowerAct::Soft, 5}};
  for (const auto& [act, number] : table) {
    on = act != PowerAct::On;
    std::optional<unsigned> got;
    control = [&](unsigned said) {
      got = said, on = act == PowerAct::On || (act != PowerAct::Off && act != PowerAct::Soft);
    };
    run(act, std::chrono::seconds(1));
    EXPECT_EQ(got, number);
  }
}

TEST(PowerAnswerTime, a_dead_bmc_costs_no_more_unless_somebody_waits_longer) {
  EXPECT_EQ(power_answer_time(PowerAct::Status, Duration(limits::power_status_time_max)), limits::ipmi_answer_time_max);
  EXPECT_EQ(power_answer_time(PowerAct::Cycle, Duration(limits::power_patience)), limits::ipmi_answer_time_max);
  EXPECT_EQ(power_answer_time(PowerAct::Soft, Duration(limits::power_patience_soft)), limits::ipmi_answer_time_max);
  EXPECT_EQ(power_answer_time(PowerAct::Status, Duration(40'000)), Duration(10'000));
  EXPECT_EQ(power_answer_time(PowerAct::Soft, Duration(600'000)), limits::power_answer_time_max);
}

}  // namespace
}  // namespace oob
