// RunSession: the steps of `oob run` on one console, from attaching to leaving. Sans-IO: it is told of the stream's
// messages (schema/stream.md) and of time. It types the next piece only when the last one was written, takes the
// writer's seat for its time only, and says of whatever it sent whether it arrived.
#pragma once
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "cli/run_steps.h"
#include "common/json/json.h"

namespace oob {

struct RunResult {
  enum class Status { Done, Failed, Unknown, Stopped };  // Unknown: input may have arrived or not, or in part
  Status status = Status::Done;
  std::string why;          // in words, escaped; empty if done
  std::size_t steps = 0;    // that were done
  std::string output;       // between the last thing sent and the match after it; secrets masked
  bool output_cut = false;  // its begin was too long ago
  bool denied = false;      // Failed: for want of a right
  bool operator==(const RunResult&) const = default;
};

class RunSession {
 public:
  struct Outside {  // how it reaches its console
    std::function<void(const json::object&)> send;
    std::function<void(Bytes)> send_input;
  };
  RunSession(std::string console, std::uint32_t channel, const std::vector<RunStep>& steps, bool force, Outside outside,
             Clock& clock, const PeerClock& server_clock);

  void start();
  void control(const std::string& type, const json::object& event);
  void output(ByteView bytes);
  void disconnected(const std::string& why);
  void stop();  // a person pressed ^C
  void tick();
  std::optional<SteadyTime> next_deadline() const;

  bool over() const { return over_; }
  const std::string& console() const { return console_; }
  const RunResult& result() const { return result_; }
  std::string doing() const;  // "waiting for \"# \""

 private:
  void next_step();
  void send_more();
  void look();
  void sent_fate(const json::object& event);
  void fail(RunResult::Status status, const std::string& why);
  void finish();
  std::string mask(std::string text) const;
  bool typing_under_way() const { return under_way_ > 0; }

  const std::string console_;
  const std::uint32_t channel_;
  const std::vector<RunStep>& steps_;
  const bool force_;
  Outside outside_;
  Clock& clock_;
  const PeerClock& server_clock_;

  std::size_t at_ = 0;  // the step under way
  bool started_ = false, attached_ = false, over_ = false;
  std::uint64_t seat_ = 0, sequence_ = 0;
  std::size_t typed_ = 0, under_way_ = 0;  // bytes of this step: written, and sent of unknown fate
  // Sent last, to be taken out of the echo; empty: a secret, or nothing yet. None: its answer has come.
  std::optional<std::string> last_text_{""};
  Expect expect_;
  SteadyTime deadline_{};  // of the step under way
  std::string missing_;    // why output is missing, if any is
  RunResult result_;
};

}  // namespace oob
