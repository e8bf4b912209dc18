// BmcJobs: acts on BMCs that people asked for: one job is one act on some nodes, all at once, each by the agent that
// reaches its BMC. A job goes on whether or not somebody waits for it, tells the people on the nodes' consoles what is
// done, marks it in their logs, and is remembered for a while so that its rows can be fetched as they come. Passwords
// are read when a request is sent and are not kept. On the shard.
#pragma once
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "common/crypto/secret.h"
#include "common/runtime/shard.h"
#include "server/access/access.h"
#include "server/agents/bmc_exchange.h"
#include "server/inventory/inventory.h"

namespace oob {

struct BmcFindingRow {
  std::string topic, verdict, value, meaning, proposal, mend;  // verdict: "fine", "note", "fault"; all valid UTF-8
};

// What came of a job on one node.
struct BmcRow {
  std::string node;
  std::string result;  // "done", "failed" (it is not so), "unknown" (it was asked for, and may be so or not)
  std::string power;   // "on", "off", "unknown"
  std::string text;    // for people, valid UTF-8; "" if there is nothing to say
  std::vector<BmcFindingRow> findings;
};

struct BmcJobView {
  std::string job, act;
  std::size_t nodes = 0, ended = 0;
  std::vector<BmcRow> rows;  // from `seen` on, in the order in which they ended
};

class BmcJobs {
 public:
  using Secrets = std::map<std::string, Secret>;
  // What jobs need of the server.
  struct Outside {
    std::function<void(const LineConfig& bmc, std::function<void(Result<Secrets>)> done)> read_secrets;
    std::function<Result<>(const std::string& agent, wire::BmcRequest& request, BmcAnswers answers)> ask;
    std::function<void(const std::string& console, const std::string& text)> announce;
  };
  struct Order {
    std::string act;    // "status", "on", .., "info", "doctor": as the agent knows them
    Duration patience;  // of one node
    std::vector<std::string> mends;
    bool changes() const { return !(act == "status" || act == "info" || (act == "doctor" && mends.empty())); }
  };
  BmcJobs(Shard& shard, Outside outside);

  // Nodes that have a BMC. The job's name. Conflict: too many jobs are under way.
  Result<std::string> start(const std::vector<const NodeEntry*>& nodes, Order order, const Identity& who);
  // At once if it has more than `seen` rows or is over, else after `wait` at most. NotFound: no such job of this user.
  void view(const std::string& job, const Identity& who, std::size_t seen, Duration wait,
            std::function<void(Result<BmcJobView>)> done);

 private:
  struct Job;
  struct Target;
  void send_more();
  void send(const std::shared_ptr<Target>& target, Result<Secrets> secrets);
  void over(const std::shared_ptr<Target>& target, Result<wire::BmcOutcome> outcome);
  void tell(Job& job, bool at_once);
  void forget_old();
  void announce(const Target& target, const std::string& text);

  Shard& shard_;
  Outside outside_;
  std::map<std::string, std::shared_ptr<Job>> jobs_;
  std::deque<std::shared_ptr<Target>> waiting_;
  std::map<std::string, std::string> changing_;  // node -> "alice: off", while that is under way
  std::size_t under_way_ = 0;
  std::shared_ptr<int> alive_ = std::make_shared<int>();
};

}  // namespace oob
