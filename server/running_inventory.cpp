// See running_inventory.h.
#include "server/running_inventory.h"

#include <algorithm>

#include "common/log.h"
#include "tunnel.pb.h"

namespace oob {

// The outcome of reading a folder, carried from the Worker to the shard.
struct RunningInventory::Loaded {
  std::vector<InventoryFile> files;
  InventorySnapshot inventory;  // null: there were errors
  Diagnostics diagnostics;
};

namespace {

InventoryChange::Kind change_kind(PlanRow::Change change) {
  switch (change) {
    case PlanRow::Change::Added:
      return InventoryChange::Kind::Add;
    case PlanRow::Change::Removed:
      return InventoryChange::Kind::Remove;
    case PlanRow::Change::Changed:
    case PlanRow::Change::Moved:
      break;
  }
  return InventoryChange::Kind::Change;
}

std::string row_text(const PlanRow& row) {
  if (row.change == PlanRow::Change::Moved) return row.kind + " moves from " + row.from + " to " + row.to;
  std::string text = row.kind;
  if (!row.detail.empty()) text += " " + row.detail;
  for (std::size_t i = 0; i < row.keys.size(); ++i) text += (i == 0 ? ": " : ", ") + row.keys[i];
  if (row.change == PlanRow::Change::Changed && row.kind == "console")
    text += row.touches_line ? " (the line starts anew)" : " (the line runs on)";
  return text;
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
  const auto inventory = files ? load_inventory(*files, folder_, line_kinds(), of_files) : nullptr;
  if (!inventory) return fail(ErrorCode::Usage, of_files.text());
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

// --- reading, planning, applying ---

void RunningInventory::load(const std::string& folder, std::function<void(std::shared_ptr<Loaded>)> done) {
  auto loaded = std::make_shared<Loaded>();
  const bool something_runs = !inventory_->consoles.empty();
  worker_.run(
      [loaded, folder, something_runs] {
        auto files = read_inventory_folder(folder, loaded->diagnostics);
        if (!files) return;
        // A folder that is not mounted, or a checkout under way, does not end every program of the room.
        if (files->empty() && something_runs) {
          loaded->diagnostics.error(
              position_in(folder),
              "no *.toml file is here, so nothing is changed; to remove everything, leave an empty one");
          return;
        }
        loaded->files = std::move(*files);
        loaded->inventory = load_inventory(loaded->files, folder, line_kinds(), loaded->diagnostics);
        if (loaded->inventory) check_assignments(*loaded->inventory, folder, loaded->diagnostics);
        if (loaded->diagnostics.failed()) loaded->inventory = nullptr;
      },
      [loaded, done = std::move(done)] { done(loaded); });
}

InventoryReport RunningInventory::report_of(const Loaded& loaded) const {
  InventoryReport report;
  report.revision = std::uint64_t(revision_);
  for (const Diagnostic& diagnostic : loaded.diagnostics.list()) {
    report.problems.push_back({diagnostic.severity == Diagnostic::Severity::Error, to_string(diagnostic)});
  }
  if (!loaded.inventory) return report;
  for (const PlanRow& row : plan_change(*inventory_, *loaded.inventory).rows) {
    report.changes.push_back({change_kind(row.change), row.name, row_text(row)});
  }
  return report;
}

void RunningInventory::text(std::function<void(Result<InventoryText>)> done) {
  auto latest = std::make_shared<Result<std::optional<Revision>>>();
  worker_.run([this, latest] { *latest = RevisionStore(database_).latest(); },
              [latest, done = std::move(done)] {
                if (!*latest) return done(tl::unexpected(latest->error()));
                InventoryText text;
                if (const auto& revision = **latest) {
                  text.revision = std::uint64_t(revision->number);
                  text.applied = WallTime(Duration(revision->applied_wall_ms));
                  text.user = revision->by;
                  for (const auto& file : revision->files) text.files.emplace_back(file.name, file.text);
                }
                done(text);
              });
}

void RunningInventory::check(const std::string& folder, Report done) {
  load(folder.empty() ? folder_ : folder, [this, done = std::move(done)](const auto& loaded) {
    InventoryReport report = report_of(*loaded);
    report.changes.clear();
    done(report);
  });
}

void RunningInventory::plan(Report done) {
  load(folder_, [this, done = std::move(done)](const auto& loaded) { done(report_of(*loaded)); });
}

void RunningInventory::apply(const std::string& by, const std::string& why, Report done) {
  load(folder_, [this, by, why, done = std::move(done)](const auto& loaded) {
    if (!loaded->inventory) return done(report_of(*loaded));
    const Revision revision{
        .number = 0, .applied_wall_ms = wall_ms(shard_.clock().wall()), .by = by, .why = why, .files = loaded->files};
    auto number = std::make_shared<Result<std::int64_t>>();
    worker_.run(
        [this, revision, number] { *number = RevisionStore(database_).append(revision); },
        [this, loaded, number, by, done] {
          if (!*number) return done(tl::unexpected(number->error()));
          InventoryReport report = report_of(*loaded);
          put_in_force(loaded->inventory, **number);
          report.revision = std::uint64_t(revision_);
          log_info("inventory", "applied", {{"revision", revision_}, {"by", by}, {"changes", report.changes.size()}});
          done(report);
        });
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
