// Agent: the lines this machine serves, and the one link to oobd. Lines start from the stored assignment, link or not;
// a new assignment touches only what it changes. On the agent's shard.
#pragma once
#include <functional>
#include <map>
#include <memory>
#include <set>
#include <string>

#include "agents/bmc_stream.h"
#include "agents/console_stream.h"
#include "agents/line_host.h"
#include "agents/lines/strangers.h"
#include "agents/policy.h"
#include "agents/server_link.h"
#include "tunnel.pb.h"

namespace oob {

class Agent final : private LineHostEvents, private ServerLinkEvents {
 public:
  Agent(Shard& shard, AgentConfig config);
  ~Agent();
  Result<> start();
  std::function<void(const std::string&)> on_status;  // one line, when the link comes or goes
  void stop();  // closes the lines, so that the next start knows that nothing was missed

 private:
  struct HostedLine {
    std::uint32_t id = 0;
    std::unique_ptr<LineHost> host;
    std::unique_ptr<ConsoleStream> stream;  // while oobd has it open
    std::unique_ptr<Timer> leaving;         // no longer assigned: drains, then goes
  };

  // LineHostEvents
  void line_changed(LineHost& line) override;
  void line_has_output(LineHost& line) override;
  void line_told_facts(LineHost& line) override;
  void line_input_done(LineHost& line, const InputQueue::Fate& fate) override;
  bool line_wants_secret(LineHost& line, const std::string& key, std::function<void(Result<Secret>)> done) override;
  // ServerLinkEvents
  void link_up() override;
  void link_down(const std::string& reason) override;
  void assigned(const wire::Assignment& assignment) override;
  void acknowledged(const wire::LogAck& ack) override;
  void ordered(const wire::LineOrder& order) override;
  void given(std::uint64_t number, Result<Secret> secret) override;
  Mux::Accepted console_opened(Mux& mux, StreamId id, const std::string& name) override;
  Mux::Accepted bmc_opened(Mux& mux, StreamId id) override;
  void status(wire::AgentStatus& into) const override;
  std::uint64_t revision() const override { return assignment_.revision(); }

  void apply(const wire::Assignment& assignment);
  std::string state_folder_of(const std::string& line) const;
  void leave(const std::string& name, HostedLine& line);
  void gone_if_drained(const std::string& name, bool at_any_cost);
  void send_facts(const HostedLine& line);
  wire::LineState state_of(const std::string& name, const HostedLine& line) const;
  HostedLine* find(std::uint32_t id);

  Shard& shard_;
  AgentConfig config_;
  wire::Assignment assignment_;
  std::map<std::string, HostedLine> lines_;
  std::map<std::uint32_t, std::string> names_;  // by id of the present assignment
  std::unique_ptr<ServerLink> link_;
  std::map<std::string, wire::LineState> broken_;  // assigned, but there is no place to keep what they would say
  int lock_ = -1;                                  // on the state folder, while we run
  const std::shared_ptr<Strangers> strangers_;
  Timer away_, rest_, answer_;
  std::set<std::string> answering_;  // lines whose typist is still to be told that the keys were written
  std::map<StreamId, std::unique_ptr<BmcStream>> bmc_streams_;          // requests under way
  std::map<std::uint64_t, std::function<void(Result<Secret>)>> asked_;  // secrets, by the question's number
  std::uint64_t questions_ = 0;
  const SteadyTime started_;
  bool linked_ = false;
  bool taken_ = false;  // an assignment, on this connection: the server knows our lines by their present numbers
  std::shared_ptr<int> alive_ = std::make_shared<int>();
};

}  // namespace oob
