// Doctor: what a BMC says of itself, step by step from "does it answer" to "who holds its serial line", each a finding
// with its cause in words and, where there is one, the change that sets it right; makes those changes when told to.
// docs/BMC.md explains each finding. IPMI 2.0 sections 22, 24 and 26. On the agent's shard.
#pragma once
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "agents/bmc/bmc.h"
#include "common/limits.h"

namespace oob {

struct BmcFinding {
  enum class Verdict { Fine, Note, Fault };
  std::string topic;  // "answer", "login", ..: the names in docs/BMC.md
  Verdict verdict = Verdict::Fine;
  std::string value;     // what was found
  std::string meaning;   // of a note or a fault: why, and what it means
  std::string proposal;  // what to do; "" if nothing
  std::string mend;      // the doctor can do it itself, if told this word; "": it cannot
};

class Doctor {
 public:
  struct Order {
    bool brief = false;              // only up to what the device is, and its power
    std::vector<std::string> mends;  // words of findings, done first; "rate=115200": SOL's speed
    std::string port = "623";        // that it is reached at
    // After so long it ends with what was found until then, and begins no change any more.
    Duration patience = limits::bmc_doctor_time_max;
  };
  struct Events {
    std::function<void(BmcFinding)> found;
    std::function<void(Result<>)> over;  // once; an Error: the rest could not be looked at. May destroy the doctor
  };
  Doctor(Shard& shard, NewBmc bmc, Order order, Events events);
  void start();

 private:
  using Then = std::function<void(const ipmi::Answer&)>;
  enum class Way { Session, Stranger };
  void ask(ipmi::Request request, Then then, Way way = Way::Session);
  void find(std::string topic, BmcFinding::Verdict verdict, std::string value, std::string meaning = "",
            std::string proposal = "", std::string mend = "");
  void end(Result<> result);
  void out_of_time();

  void look_for_answer();
  void answered(const ipmi::Answer& capabilities);
  void look_for_suites(unsigned index);
  void judge_suites();
  void log_in();
  void logged_in(const Result<>& result);
  void mend_next();
  void write_sol(unsigned parameter, unsigned value, const std::string& what);
  void written(const ipmi::Answer& answer);
  void look_at_device();
  void look_at_power();
  void look_at_user();
  void look_at_payload_right();
  void look_at_sol(std::size_t step);
  void judge_sol(unsigned parameter, const ipmi::Answer& answer);
  void look_for_holder();
  void look_at_instance(const ipmi::Answer& status);
  void look_at_session(const ipmi::Answer& instance);

  Shard& shard_;
  NewBmc new_bmc_;
  Order order_;
  Events events_;
  std::unique_ptr<Bmc> bmc_;
  Timer patience_;
  bool logged_in_ = false;
  std::string changing_;  // the change under way, in words
  Bytes suites_;
  unsigned channel_ = 0x0e, user_ = 0, privilege_ = 0, rate_ = 0;
  std::shared_ptr<int> alive_ = std::make_shared<int>();
};

}  // namespace oob
