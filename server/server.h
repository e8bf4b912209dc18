// Server: oobd put together: state folder, database, logs, inventory, consoles, agents, the front. Start-up and orderly
// end; signals come in as calls. On the shard; what blocks runs on the database's Worker.
#pragma once
#include <memory>
#include <string>

#include "common/result.h"
#include "common/runtime/shard.h"
#include "server/config/server_config.h"

namespace oob {

class Server {
 public:
  Server(Shard& shard, ServerConfig config);
  ~Server();

  // Everything up to listening. Error: a sentence for the person who started us. Mistakes in the inventory of the very
  // first start are printed to standard error (code Usage).
  Result<> start();
  void reload(std::function<void()> done);      // HUP: read the inventory's files again, and the front's certificate
  void retry_lines();                           // USR1: lines that are down
  void reopen_logs();                           // USR2
  void stop(std::function<void()> done);        // TERM: lets clients go, writes what is pending
  void come_round(std::function<void()> done);  // `done` on the shard, when the thread that writes logs has had a turn
  std::string status() const;                   // one line: what is served

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace oob
