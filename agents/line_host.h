// LineHost: keeps one line open. Makes a driver (agents/lines/) per attempt, with backoff and jitter between them, once
// it has the secrets that this needs; stamps what it says into the LineStore; feeds it input; reports its state. Goes
// on, whether or not the server is there. On the agent's shard.
#pragma once
#include <cstdint>
#include <functional>
#include <memory>
#include <set>
#include <string>

#include "agents/input_queue.h"
#include "agents/line_store.h"
#include "agents/lines/line.h"
#include "agents/policy.h"
#include "common/backoff.h"
#include "common/runtime/path_watch.h"
#include "common/runtime/shard.h"

namespace oob {

class LineHost;

// Who hears of a line: the agent (agent.h).
class LineHostEvents {
 public:
  virtual ~LineHostEvents() = default;
  virtual void line_changed(LineHost& line) = 0;     // its state
  virtual void line_has_output(LineHost& line) = 0;  // the store has more to read
  virtual void line_told_facts(LineHost& line) = 0;  // once a second at most
  virtual void line_input_done(LineHost& line, const InputQueue::Fate& fate) = 0;
  // Asks the server what the file holds that `key` names. `done` at most once, later; it may be dropped. False: the
  // server is not there to be asked.
  virtual bool line_wants_secret(LineHost& line, const std::string& key, std::function<void(Result<Secret>)> done) = 0;
};

class LineHost final : private LineEvents {
 public:
  struct State {
    bool up = false;
    std::string detail = "not started yet";  // what it is connected to, or why it is down
    std::int64_t since_wall_ms = 0;
    int pid = 0;
    LineFacts facts;  // while up
  };

  LineHost(Shard& shard, LineConfig config, std::unique_ptr<LineStore> store, const Policy& policy,
           LineHostEvents& events);
  ~LineHost();

  void start();
  void reconfigure(LineConfig config);  // closes and starts anew; store and offsets go on
  void stop(const std::string& why);    // closes for good; the store stays readable
  const LineConfig& config() const { return config_; }
  const State& state() const { return state_; }
  LineStore& store() { return *store_; }

  void input(std::uint64_t session, std::uint64_t sequence, SteadyTime deadline, ByteView bytes);
  void flush_input(std::uint64_t keep_session);
  void send_break(std::uint64_t session, std::uint64_t sequence, Duration duration);

  void retry();                // now, if it is down
  void server_can_be_asked();  // tries again if it is down for want of that
  void down();                 // until retry() or up()
  void up();

  // Whether someone takes what the line says. If not, the line is read on and the oldest is overwritten; if so, a line
  // that says more than is taken is not read for a while, and the kernel's flow control acts.
  void server_here(bool here);
  // To be called now and then: gives back memory that the line does not need, all of it if it has said nothing since.
  void rest();
  // oobd has logged everything before this.
  void acknowledged(std::uint64_t incarnation, std::uint64_t offset, std::uint64_t event);

 private:
  void line_up(std::string detail, int pid) override;
  void line_output(ByteView bytes) override;
  void line_waits(std::string for_what) override;
  void line_writable() override;
  void line_confirmed(std::size_t bytes) override;
  void line_down(std::string reason) override;
  void line_note(std::string text) override;
  void line_lost(std::string why) override;
  void line_facts(LineFacts facts) override;
  void line_rest(Duration at_least) override { rest_ = at_least; }

  void attempt();
  bool fetch(const LineKind& kind);
  void fetched(const std::string& key, Result<Secret> secret);
  void give_up_fetching();
  void open();
  void close_driver();
  void set_state(bool up, const std::string& detail, int pid);
  void throttle();
  void await_device();
  void tell_facts();
  void tell_up();
  void tell_state();
  void arm_input_deadline();
  std::string why_down() const;

  Shard& shard_;
  LineConfig config_;
  std::unique_ptr<LineStore> store_;
  const Policy& policy_;
  LineHostEvents& events_;
  std::unique_ptr<Line> driver_;
  std::set<std::string> wanted_;   // keys whose secrets are asked for
  std::shared_ptr<int> fetching_;  // null: not asking
  bool waits_for_server_ = false;  // down because it could not be asked
  InputQueue input_;
  State state_;
  Timer retry_, input_deadline_, facts_told_, settle_;
  bool facts_wait_ = false;            // for facts_told_
  Duration rest_{0};                   // line_rest(), until the line is down
  std::unique_ptr<PathWatch> device_;  // while the line is down for lack of it
  Backoff backoff_;
  SteadyTime up_since_{};
  bool stopped_ = false;  // by an order, or for good
  bool server_here_ = false;
  bool reading_ = true;
  bool was_up_ = false;  // since we began
  std::uint64_t end_at_last_rest_ = 0;
  bool brief_ = false;       // the last time it was up, that did not last
  bool up_untold_ = false;   // until it has said something or settled: else an end at once is told again and again
  std::string last_logged_;  // last "down" that stands in the store: a storm of the same is told once
};

}  // namespace oob
