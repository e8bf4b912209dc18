// RunningInventory: the inventory in force and what it means: a Console for each of its consoles, a number for each
// line, an assignment for each agent. Loads, plans and applies; a load is all or nothing and becomes a revision; a
// console that did not change is not touched. Files and SQLite on the Worker, everything else on the shard.
#pragma once
#include <functional>
#include <map>
#include <memory>
#include <set>
#include <string>

#include "common/runtime/worker.h"
#include "server/console/console.h"
#include "server/database/revisions.h"
#include "server/front/backend.h"
#include "server/inventory/inventory.h"
#include "server/inventory/loader.h"
#include "server/inventory/plan.h"

namespace oob::wire {
class Assignment;
}

namespace oob {

class RunningInventory {
 public:
  struct Events {
    std::function<void(const std::string& console)> removing;  // its Console is about to go
    std::function<void()> changed;                             // assignments differ now
  };
  RunningInventory(Shard& shard, Worker& worker, Database& database, LogFolder& logs, std::string folder,
                   Events events);
  ~RunningInventory();

  // Before the shard runs: the last revision, or (never applied anything) the files. Error (Usage): the files are
  // wrong.
  Result<> start();

  const Inventory& inventory() const { return *inventory_; }
  InventorySnapshot snapshot() const { return inventory_; }
  Console* find(const std::string& name) const;
  const std::map<std::string, std::unique_ptr<Console>>& consoles() const { return consoles_; }
  void assignment(const std::string& agent, wire::Assignment& into) const;
  // What the file holds that `key` of a console's line names, read now. NotFound: `agent` has no such console, or this
  // no such key.
  void secret(const std::string& agent, const std::string& console, const std::string& key,
              std::function<void(Result<Secret>)> done);
  // Likewise of all keys of a line that name one on this machine, by key.
  void secrets(const LineConfig& line, std::function<void(Result<std::map<std::string, Secret>>)> done);

  using Report = std::function<void(Result<InventoryReport>)>;
  void text(std::optional<std::uint64_t> revision, std::function<void(Result<InventoryText>)> done);
  void history(std::size_t at_most, std::function<void(Result<std::vector<InventoryRevision>>)> done);
  void diff(std::optional<std::uint64_t> from, std::optional<std::uint64_t> to,
            std::function<void(Result<InventoryDiff>)> done);
  void check(const std::string& folder, Report done);  // "": our own
  void plan(Report done);
  // Conflict: an earlier revision was rolled back to, and the files still differ from it.
  void apply(const std::string& by, const std::string& why, InventoryOrder order, Report done);
  // The files are left as they are.
  void rollback(const std::string& by, std::uint64_t revision, InventoryOrder order, Report done);

 private:
  struct Loaded;

  void load(const std::string& folder, std::function<void(std::shared_ptr<Loaded>)> done);
  void read_folder(const std::string& folder, bool something_runs, Loaded& into);
  InventoryReport report_of(const Loaded& loaded) const;
  void keep(std::shared_ptr<Loaded> loaded, const std::string& by, const std::string& why, InventoryOrder order,
            const Report& done);
  void put_in_force(InventorySnapshot wanted, std::int64_t revision);
  Result<> open_console(const ConsoleEntry& entry);

  Shard& shard_;
  Worker& worker_;
  Database& database_;
  LogFolder& logs_;
  const std::string folder_;
  Events events_;
  InventorySnapshot inventory_ = empty_inventory();
  std::int64_t revision_ = 0;
  std::map<std::string, std::unique_ptr<Console>> consoles_;
  std::set<std::string> retired_;             // consoles that were removed since this oobd started
  std::map<std::string, std::uint32_t> ids_;  // of consoles, as long as this oobd runs
};

}  // namespace oob
