// PowerRun: one power act on one machine, by its BMC, as a closed loop: looks first, asks for it once, and looks again
// until it is so or its time is over. Says "unknown" when it does not know, and whether anything was asked at all.
// IPMI 2.0 sections 28.2 and 28.3. On the agent's shard.
#pragma once
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "agents/bmc/bmc.h"

namespace oob {

enum class PowerAct { Status, On, Off, Cycle, Reset, Soft, Nmi };
std::optional<PowerAct> power_act_of(std::string_view word);  // "status", "on", ..

// How long a BMC may take over one answer when the whole act may take `patience`: limits::ipmi_answer_time_max, so that
// a dead one costs little; a quarter of it, at most limits::power_answer_time_max, if that is more than the act's usual
// time, since somebody has asked for it. An act is six questions at least.
Duration power_answer_time(PowerAct act, Duration patience);

struct PowerOutcome {
  // Done: it is as asked. Failed: it is not. Unknown: it was asked for, and may be so or not.
  enum class Kind { Done, Failed, Unknown };
  Kind kind = Kind::Unknown;
  std::string power;  // "on", "off", as the BMC said last; "" if it did not, or not since it was asked
  std::string text;   // for people; may be empty if it is done
};

class PowerRun {
 public:
  // `patience`: from start() to the outcome at most. `done` is called once, later, and may destroy the run.
  PowerRun(Shard& shard, NewBmc bmc, PowerAct act, Duration patience, std::function<void(PowerOutcome)> done);
  void start();

 private:
  void connect();
  void opened(const Result<>& result);
  void look();
  void looked(const Result<ipmi::Answer>& answer);
  void first_look();
  void ask();
  void asked(const Result<ipmi::Answer>& answer);
  void compare();
  void look_later(bool in_a_new_session);
  void out_of_time();
  void end(PowerOutcome::Kind kind, std::string text);
  template <typename Call>
  auto guarded(Call call);

  Shard& shard_;
  NewBmc new_bmc_;
  const PowerAct act_;
  const Duration patience_;
  std::function<void(PowerOutcome)> done_;
  std::unique_ptr<Bmc> bmc_;
  Timer patience_timer_, next_look_;
  std::optional<bool> on_;  // as the BMC said last
  SteadyTime asked_at_{};
  bool asked_ = false, accepted_ = false, seen_off_ = false;
  std::string notes_, silence_;  // what else the BMC said; why it says nothing
  std::shared_ptr<int> alive_ = std::make_shared<int>();
};

}  // namespace oob
