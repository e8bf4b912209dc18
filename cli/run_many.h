// RunMany: `oob run` on many consoles over one stream, so many at once, and what came of each. Sans-IO, as RunSession.
#pragma once
#include <map>
#include <memory>
#include <vector>

#include "cli/run_session.h"

namespace oob {

class RunMany {
 public:
  RunMany(std::vector<std::string> consoles, std::vector<RunStep> steps, bool force, std::size_t jobs,
          RunSession::Outside outside, Clock& clock);

  void connected();
  void disconnected(const std::string& why);
  void message(ByteView message, bool binary);
  void stop();
  void tick();
  std::optional<SteadyTime> next_deadline() const;
  bool over() const { return ended_ == sessions_.size(); }

  std::size_t ended() const { return ended_; }
  std::size_t failed() const { return failed_; }
  std::string doing() const;  // of one that is not over: "web07: waiting for \"# \""
  const std::vector<std::unique_ptr<RunSession>>& sessions() const { return sessions_; }
  std::size_t steps() const { return steps_.size(); }

 private:
  void start_more();
  void all_may_have_ended();
  void may_have_ended(const RunSession& session, bool was_over);

  const std::vector<RunStep> steps_;
  const std::size_t jobs_;
  RunSession::Outside outside_;
  Clock& clock_;
  PeerClock server_clock_;
  std::vector<std::unique_ptr<RunSession>> sessions_;  // channel n is at n - 1
  std::size_t started_ = 0, ended_ = 0, failed_ = 0;
};

// One paragraph for all consoles of the same outcome: {"web[01-14,16]", its result}, in the order of the first.
std::vector<std::pair<std::string, const RunResult*>> folded(const RunMany& run);

}  // namespace oob
