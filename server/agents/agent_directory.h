// AgentDirectory: which agents there are: enrolled, revoked, connected, and why not. One connection an agent: a second
// one under the same name waits until the first is seen to be dead. Hands out assignments and joins consoles. On the
// shard; the records are a copy of the database's, which server.cpp keeps in step.
#pragma once
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "common/pace.h"
#include "server/agents/agent_link.h"
#include "server/database/agents.h"

namespace oob {

// What the directory needs of the server.
class AgentAssignments {
 public:
  virtual ~AgentAssignments() = default;
  virtual void assignment(const std::string& agent, wire::Assignment& into) = 0;
  // The console, if `agent` is the one that serves it.
  virtual Console* console_of(const std::string& agent, const std::string& name) = 0;
  // Enrolment::renew() and AgentStore::use_next() on the database's thread; then record_changed(), then `done`.
  virtual void renew_certificate(const std::string& agent, const std::string& fingerprint, Bytes request,
                                 std::function<void(Result<Bytes>)> done) = 0;
  // RunningInventory::secret().
  virtual void line_secret(const std::string& agent, const std::string& console, const std::string& key,
                           std::function<void(Result<Secret>)> done) = 0;
  virtual void use_next_certificate(const std::string& agent, const std::string& fingerprint) = 0;
};

class AgentDirectory final : private AgentLinkEvents {
 public:
  // `certificate_life`: what certificates get that are made now.
  AgentDirectory(Shard& shard, AgentAssignments& assignments, std::chrono::seconds certificate_life);
  ~AgentDirectory() override;

  // --- who may come ---
  void set_records(std::vector<AgentRecord> records);
  void record_changed(AgentRecord record);  // enrolled (anew) or revoked: an older connection is cut
  // Whether a certificate of ours is good today: enrolled under this name, with this very certificate
  // or the one that is to follow it, not revoked.
  Result<> may_connect(const std::string& name, const std::string& fingerprint) const;

  // A peer that has proved who it is. Error (Conflict): another one is connected under that name and another key.
  void arrived(AgentPeer peer, std::unique_ptr<SecureStream> stream,
               std::function<void(std::unique_ptr<AgentLink>&)> wire_up);

  // --- the inventory has changed ---
  void reassign();  // to all that are connected
  void forget_console(const std::string& name);
  Result<> order(const std::string& agent, const std::string& console, int kind);

  // AgentLink::ask_bmc(). Unavailable: it is not connected.
  Result<> ask_bmc(const std::string& agent, wire::BmcRequest& request, BmcAnswers answers);

  struct Row {
    const AgentRecord* record = nullptr;  // null: not enrolled
    const AgentLink* link = nullptr;      // null: not connected
    std::string last_reason;              // why it was lost, when it was last
    WallTime last_seen{};                 // and when that was
  };
  Row row(const std::string& name) const;
  std::vector<std::string> names() const;  // enrolled or connected
  bool connected(const std::string& name) const;
  std::string why_not(const std::string& name) const;  // "agent rack1 is not connected (lost 14:02:11: reset by peer)"

 private:
  struct Entry {
    std::unique_ptr<AgentLink> link;     // said hello, or about to
    std::unique_ptr<AgentLink> waiting;  // wants to take its place
    std::unique_ptr<SecureStream> waiting_stream;
    std::unique_ptr<Timer> probe;
    bool clock_said = false;     // that it differs
    SteadyTime renewal_asked{};  // of this connection; 0: not yet
    Pace events{limits::agent_events_bytes_at_once, limits::agent_events_bytes_per_second};  // of all its connections
    std::string last_reason;
    WallTime last_seen{};
  };

  void agent_arrived(AgentLink& link) override;
  Console* console_of(AgentLink& link, const std::string& name) override;
  bool takes_event(AgentLink& link, std::size_t bytes) override;
  void console_freed(const std::string& name) override;
  void agent_left(AgentLink& link, const std::string& reason) override;
  void secret_wanted(AgentLink& link, const std::string& console, const std::string& key,
                     std::function<void(Result<Secret>)> done) override {
    assignments_.line_secret(link.peer().name, console, key, std::move(done));
  }
  void clock_told(AgentLink& link) override;
  void certificate_asked(AgentLink& link, Bytes request) override;
  void ask_to_renew(Entry& entry);
  void assign(AgentLink& link);
  bool may_stay(const AgentLink& link) const;
  static void drop_waiting(Entry& entry);
  void refuse_waiting(Entry& entry, const std::string& why);

  Shard& shard_;
  AgentAssignments& assignments_;
  std::map<std::string, AgentRecord> records_;
  std::map<std::string, Entry> entries_;
  const std::chrono::seconds certificate_life_;
  Timer certificates_;
  bool join_posted_ = false;  // one walk over all consoles for all that were freed in this turn
};

}  // namespace oob
