// See running_inventory.h.
#include "server/running_inventory.h"

#include <algorithm>

#include "agents/lines/settings.h"
#include "common/log.h"
#include "common/text.h"
#include "server/inventory_changes.h"
#include "tunnel.pb.h"

namespace oob {

// The outcome of reading a folder, carried from the Worker to the shard.
struct RunningInventory::Loaded {
  std::vector<InventoryFile> files;
  InventorySnapshot inventory;  // null: there were errors
  Diagnostics diagnostics;
  std::string rolled_back;  // a rollback is in force and these files differ from it: how that is said
  std::vector<SecretPlace> secrets;
  void understand(const std::string& where);  // files to inventory; `where` goes before their names
};

namespace {

// "alice (read-write) and 2 readers are attached"; "" if nobody is.
std::string attached_text(const Console& console) {
  const std::string writer = console.writer();
  std::size_t readers = 0;
  for (const SessionRow& row : console.sessions()) readers += row.mode == SessionMode::Reader;
  std::string out = writer.empty() ? "" : writer + " (read-write)";
  if (readers > 0) out += (out.empty() ? "" : " and ") + count_of(readers, "reader", "readers");
  if (out.empty()) return out;
  return out + (!writer.empty() && readers > 0 ? " are" : writer.empty() && readers > 1 ? " are" : " is") + " attached";
}

void add_line(const ConsoleEntry& console, std::uint32_t id, wire::Assignment& into) {
  wire::LineSpec& line = *into.add_lines();
  line.set_id(id);
  line.set_name(console.name);
  line.set_kind(console.line.kind);
  for (const auto& [key, value] : console.line.settings) (*line.mutable_settings())[key] = value;
  for (const std::string& word : console.line.argv) line.add_argv(word);
}

// An agent gets all its lines in one message.
void check_assignments(const Inventory& inventory, const std::string& folder, Diagnostics& to) {
  for (const auto& [name, agent] : inventory.agents) {
    wire::Assignment assignment;
    assignment.set_revision(~std::uint64_t(0));
    for (const ConsoleEntry* console : inventory.consoles_of(name)) add_line(*console, ~std::uint32_t(0), assignment);
    if (assignment.ByteSizeLong() <= limits::tunnel_message_bytes_max) continue;
    to.error(position_in(folder), "the lines of agent " + name + " take " + std::to_string(assignment.ByteSizeLong()) +
                                      " bytes, more than one agent can be sent (" +
                                      std::to_string(limits::tunnel_message_bytes_max) + "); share them among agents");
  }
}

}  // namespace

RunningInventory::RunningInventory(Shard& shard, Worker& worker, Database& database, LogFolder& logs,
                                   std::string folder, Events events)
    : shard_(shard),
      worker_(worker),
      database_(database),
      logs_(logs),
      folder_(std::move(folder)),
      events_(std::move(events)) {}

RunningInventory::~RunningInventory() = default;

Result<> RunningInventory::start() {
  Diagnostics of_files;
  const auto files = read_inventory_folder(folder_, of_files);
  auto latest = RevisionStore(database_).latest();
  if (!latest) return tl::unexpected(latest.error());
  if (*latest) {
    Diagnostics diagnostics;
    const auto inventory = load_inventory((*latest)->files, "", line_kinds(), diagnostics);
    if (!inventory) {
      return fail(ErrorCode::Usage, "revision " + std::to_string((*latest)->number) +
                                        " is not understood by this oobd:\n" + diagnostics.text());
    }
    if (!files || *files != (*latest)->files) {
      log_warning("inventory", "the files differ from what runs; see `oob inventory plan`, then apply",
                  {{"folder", folder_}, {"revision", (*latest)->number}});
    }
    put_in_force(inventory, (*latest)->number);
    return {};
  }
  std::vector<SecretPlace> secrets;
  const auto inventory = files ? load_inventory(*files, folder_, line_kinds(), of_files, &secrets) : nullptr;
  check_secret_files(secrets, folder_, of_files);
  if (!inventory || of_files.failed()) return fail(ErrorCode::Usage, of_files.text());
  const auto number = RevisionStore(database_).append({.number = 0,
                                                       .applied_wall_ms = wall_ms(shard_.clock().wall()),
                                                       .by = "oobd",
                                                       .why = "first start",
                                                       .files = *files});
  if (!number) return tl::unexpected(number.error());
  put_in_force(inventory, *number);
  return {};
}

Console* RunningInventory::find(const std::string& name) const {
  const auto found = consoles_.find(name);
  return found == consoles_.end() ? nullptr : found->second.get();
}

void RunningInventory::assignment(const std::string& agent, wire::Assignment& into) const {
  into.set_revision(std::uint64_t(revision_));
  for (const ConsoleEntry* console : inventory_->consoles_of(agent)) {
    add_line(*console, ids_.at(console->name), into);
  }
}

void RunningInventory::secret(const std::string& agent, const std::string& console, const std::string& key,
                              std::function<void(Result<Secret>)> done) {
  const auto place = secret_place_for(agent, *inventory_, console, key);
  if (!place) return done(tl::unexpected(place.error()));
  auto secret = std::make_shared<Result<Secret>>();
  worker_.run([this, place = *place, secret] { *secret = read_secret(folder_, place); },
              [secret, done = std::move(done)] { done(std::move(*secret)); });
}

void RunningInventory::secrets(const LineConfig& line,
                               std::function<void(Result<std::map<std::string, Secret>>)> done) {
  auto found = std::make_shared<Result<std::map<std::string, Secret>>>();
  worker_.run(
      [this, places = secret_places(*find_line_kind(line.kind), line), found] {
        for (const auto& [key, place] : places) {
          if (place.starts_with(kSecretOfAgent)) continue;
          auto secret = read_secret(folder_, place);
          if (!secret) {
            *found = fail(secret.error().code, "its " + key + ": " + secret.error().message);
            return;
          }
          (*found)->insert_or_assign(key, std::move(*secret));
        }
      },
      [found, done = std::move(done)] { done(std::move(*found)); });
}

// --- reading, planning, applying ---

// The files of a folder. On the worker.
void RunningInventory::read_folder(const std::string& folder, bool something_runs, Loaded& into) {
  auto files = read_inventory_folder(folder, into.diagnostics);
  if (!files) return;
  // A folder that is not mounted, or a checkout under way, does not end every program of the room.
  if (files->empty() && something_runs) {
    into.diagnostics.error(position_in(folder),
                           "no *.toml file is here, so nothing is changed; to remove everything, leave an empty one");
    return;
  }
  into.files = std::move(*files);
  into.understand(folder);
  check_secret_files(into.secrets, folder, into.diagnostics);
  if (into.diagnostics.failed()) into.inventory = nullptr;
  if (folder != folder_) return;
  const auto latest = RevisionStore(database_).latest();
  if (!latest) return into.diagnostics.error(position_in(folder), latest.error().message);
  if (!*latest || !(*latest)->why.starts_with(kRollbackWhy) || (*latest)->files == into.files) return;
  into.rolled_back = "revision " + std::to_string((*latest)->number) + " is a " + (*latest)->why + " by " +
                     escape_controls((*latest)->by) + " and the files differ from it (`oob inventory diff` shows how)";
}

void RunningInventory::Loaded::understand(const std::string& where) {
  inventory = load_inventory(files, where, line_kinds(), diagnostics, &secrets);
  if (inventory) check_assignments(*inventory, where, diagnostics);
  if (diagnostics.failed()) inventory = nullptr;
}

void RunningInventory::load(const std::string& folder, std::function<void(std::shared_ptr<Loaded>)> done) {
  auto loaded = std::make_shared<Loaded>();
  const bool something_runs = !inventory_->consoles.empty();
  worker_.run([this, loaded, folder, something_runs] { read_folder(folder, something_runs, *loaded); },
              [loaded, done = std::move(done)] { done(loaded); });
}

InventoryReport RunningInventory::report_of(const Loaded& loaded) const {
  InventoryReport report;
  report.revision = std::uint64_t(revision_);
  for (const Diagnostic& diagnostic : loaded.diagnostics.list()) {
    report.problems.push_back({diagnostic.severity == Diagnostic::Severity::Error, to_string(diagnostic)});
  }
  if (!loaded.inventory) return report;
  report.changes = changes_between(*inventory_, *loaded.inventory);
  for (InventoryChange& change : report.changes) {
    const Console* console = change.cuts ? find(change.name) : nullptr;
    if (console) change.attached = attached_text(*console);
  }
  return report;
}

void RunningInventory::text(std::optional<std::uint64_t> revision, std::function<void(Result<InventoryText>)> done) {
  auto found = std::make_shared<Result<Revision>>();
  const std::uint64_t number = revision.value_or(std::uint64_t(revision_));
  worker_.run([this, number, found] { *found = require_revision(database_, number); },
              [found, done = std::move(done)] {
                if (!*found) return done(tl::unexpected(found->error()));
                InventoryText text;
                text.revision = std::uint64_t((*found)->number);
                text.applied = WallTime(Duration((*found)->applied_wall_ms));
                text.user = (*found)->by;
                for (const auto& file : (*found)->files) text.files.emplace_back(file.name, file.text);
                done(text);
              });
}

void RunningInventory::history(std::size_t at_most, std::function<void(Result<std::vector<InventoryRevision>>)> done) {
  auto rows = std::make_shared<Result<std::vector<InventoryRevision>>>();
  worker_.run([this, at_most, rows] { *rows = inventory_history(database_, at_most); },
              [rows, done = std::move(done)] { done(std::move(*rows)); });
}

void RunningInventory::diff(std::optional<std::uint64_t> from, std::optional<std::uint64_t> to,
                            std::function<void(Result<InventoryDiff>)> done) {
  auto found = std::make_shared<Result<InventoryDiff>>();
  const std::uint64_t number = from.value_or(std::uint64_t(revision_));
  worker_.run([this, number, to, found] { *found = inventory_diff(database_, folder_, number, to); },
              [found, done = std::move(done)] { done(std::move(*found)); });
}

void RunningInventory::check(const std::string& folder, Report done) {
  load(folder.empty() ? folder_ : folder, [this, done = std::move(done)](const auto& loaded) {
    InventoryReport report = report_of(*loaded);
    report.changes.clear();
    done(report);
  });
}

void RunningInventory::plan(Report done) {
  load(folder_, [this, done = std::move(done)](const auto& loaded) {
    InventoryReport report = report_of(*loaded);
    if (!loaded->rolled_back.empty()) {
      report.problems.push_back({false, "warning: " + loaded->rolled_back + "; to apply them all the same: --replace"});
    }
    done(report);
  });
}

void RunningInventory::apply(const std::string& by, const std::string& why, InventoryOrder order, Report done) {
  load(folder_, [this, by, why, order, done = std::move(done)](const auto& loaded) {
    if (loaded->inventory && !loaded->rolled_back.empty() && !order.replace) {
      return done(fail(ErrorCode::Conflict, loaded->rolled_back +
                                                "; nothing was changed. `oob inventory apply --replace` puts the files "
                                                "in force; or make them agree"));
    }
    keep(loaded, by, why, order, done);
  });
}

void RunningInventory::rollback(const std::string& by, std::uint64_t number, InventoryOrder order, Report done) {
  if (number == std::uint64_t(revision_)) {
    return done(fail(ErrorCode::Conflict, "revision " + std::to_string(number) + " is running already"));
  }
  auto loaded = std::make_shared<Loaded>();
  auto found = std::make_shared<Result<>>();
  worker_.run(
      [this, number, loaded, found] {
        auto revision = require_revision(database_, number);
        if (!revision) {
          *found = tl::unexpected(revision.error());
          return;
        }
        loaded->files = std::move(revision->files);
        loaded->understand("revision " + std::to_string(number));
      },
      [this, number, by, order, loaded, found, done = std::move(done)] {
        if (!*found) return done(tl::unexpected(found->error()));
        keep(loaded, by, std::string(kRollbackWhy) + std::to_string(number), order, done);
      });
}

// Makes a revision of what was loaded and puts it in force, unless people have to agree first.
void RunningInventory::keep(std::shared_ptr<Loaded> loaded, const std::string& by, const std::string& why,
                            InventoryOrder order, const Report& done) {
  InventoryReport now = report_of(*loaded);
  if (!loaded->inventory) return done(now);
  if (!order.yes) {
    for (const InventoryChange& change : now.changes) {
      const Console* console = change.cuts ? find(change.name) : nullptr;
      if (console && !console->writer().empty()) now.asks += (now.asks.empty() ? "" : ", ") + change.name;
    }
    if (!now.asks.empty()) {
      now.asks = "people who write would be cut off from " + now.asks;
      return done(now);
    }
  }
  const Revision revision{
      .number = 0, .applied_wall_ms = wall_ms(shard_.clock().wall()), .by = by, .why = why, .files = loaded->files};
  auto number = std::make_shared<Result<std::int64_t>>();
  worker_.run([this, revision, number] { *number = RevisionStore(database_).append(revision); },
              [this, loaded, number, by, why, done] {
                if (!*number) return done(tl::unexpected(number->error()));
                InventoryReport report = report_of(*loaded);
                put_in_force(loaded->inventory, **number);
                report.revision = std::uint64_t(revision_);
                log_info("inventory", "applied",
                         {{"revision", revision_}, {"by", by}, {"why", why}, {"changes", report.changes.size()}});
                done(report);
              });
}

void RunningInventory::put_in_force(InventorySnapshot wanted, std::int64_t revision) {
  const InventorySnapshot before = std::exchange(inventory_, std::move(wanted));
  revision_ = revision;
  for (auto console = consoles_.begin(); console != consoles_.end();) {
    if (inventory_->find_console(console->first) != nullptr) {
      ++console;
      continue;
    }
    events_.removing(console->first);
    console->second->retire();
    retired_.insert(console->first);
    console = consoles_.erase(console);
  }
  for (const auto& [name, entry] : inventory_->consoles) {
    if (!ids_.contains(name)) ids_[name] = std::uint32_t(ids_.size() + 1);
    if (const auto opened = open_console(entry); !opened) {
      log_error("inventory", opened.error().message, {{"console", name}});
      continue;
    }
    const ConsoleEntry* old = before->find_console(name);
    const bool moves = old != nullptr && old->agent != entry.agent;
    if (old == nullptr || moves) consoles_[name]->expect(entry.agent);
    if (moves) consoles_[name]->moved("from " + old->agent + " to " + entry.agent);
  }
  events_.changed();
}

Result<> RunningInventory::open_console(const ConsoleEntry& entry) {
  std::unique_ptr<Console>& console = consoles_[entry.name];
  if (console) return {};
  auto log = ConsoleLog::open(logs_, entry.name);
  if (!log) {
    consoles_.erase(entry.name);
    return tl::unexpected(log.error());
  }
  console = std::make_unique<Console>(shard_, entry.name, std::move(*log));
  if (retired_.erase(entry.name) > 0) console->return_from_retirement();
  return {};
}

}  // namespace oob
