// See inventory_changes.h.
#include "server/inventory_changes.h"

#include <algorithm>
#include <map>
#include <set>

#include "common/text.h"
#include "server/inventory/loader.h"
#include "server/inventory/plan.h"
#include "server/inventory/text_diff.h"

namespace oob {
namespace {

constexpr std::size_t kSummaryBytes = 200;

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

// "added web[03-05]; changed web01, agent rack1".
std::string summary_of(const Plan& plan) {
  std::map<PlanRow::Change, std::set<std::string>> names;
  std::map<PlanRow::Change, std::string> others;
  for (const PlanRow& row : plan.rows) {
    if (row.kind == "console" || row.kind == "node") {
      names[row.change].insert(row.name);
    } else {
      others[row.change] += ", " + row.kind + " " + row.name;
    }
  }
  std::string out;
  using Change = PlanRow::Change;
  for (const Change change : {Change::Added, Change::Removed, Change::Changed, Change::Moved}) {
    const auto& some = names[change];
    std::string list = fold_names({some.begin(), some.end()}) + others[change];
    if (list.empty()) continue;
    if (list.starts_with(", ")) list.erase(0, 2);
    out += (out.empty() ? "" : "; ") + std::string(change_name(change)) + " " + list;
  }
  if (out.size() <= kSummaryBytes) return out;
  out.resize(kSummaryBytes);
  return out.substr(0, out.find_last_of(",; ")) + ", and more";  // names and labels are cut whole
}

std::string summary_between(const Revision* before, const InventorySnapshot& was, const Revision& now,
                            const InventorySnapshot& is) {
  if (!is) return "not understood by this oobd";
  if (before == nullptr) return count_of(is->consoles.size(), "console", "consoles");
  if (before->files == now.files) return "nothing";
  if (!was) return "not known: the revision before is not understood by this oobd";
  const std::string summary = summary_of(plan_change(*was, *is));
  return summary.empty() ? "nothing that is managed (comments, order, names of files)" : summary;
}

InventorySnapshot inventory_of(const Revision& revision) {
  Diagnostics ignored;
  return load_inventory(revision.files, "", line_kinds(), ignored);
}

std::string text_between(const std::vector<RevisionFile>& a, const std::string& from,
                         const std::vector<RevisionFile>& b, const std::string& to) {
  std::map<std::string, std::pair<const RevisionFile*, const RevisionFile*>> files;
  for (const auto& file : a) files[file.name].first = &file;
  for (const auto& file : b) files[file.name].second = &file;
  std::string out;
  for (const auto& [name, sides] : files) {
    const auto& [was, is] = sides;
    out += unified_diff(was ? from + "/" + name : "", was ? std::string_view(was->text) : "", is ? to + "/" + name : "",
                        is ? std::string_view(is->text) : "");
  }
  return out;
}

}  // namespace

std::vector<InventoryChange> changes_between(const Inventory& running, const Inventory& wanted) {
  std::vector<InventoryChange> out;
  for (const PlanRow& row : plan_change(running, wanted).rows) {
    out.push_back({change_kind(row.change), row.name, row_text(row),
                   row.kind == "console" && row.change != PlanRow::Change::Added && row.touches_line, ""});
  }
  return out;
}

Result<Revision> require_revision(Database& database, std::uint64_t number) {
  RevisionStore store(database);
  if (number <= std::uint64_t(INT64_MAX)) {
    auto found = store.find(std::int64_t(number));
    if (!found) return tl::unexpected(found.error());
    if (*found) return std::move(**found);
  }
  const auto newest = store.history(1);
  if (!newest) return tl::unexpected(newest.error());
  return fail(ErrorCode::NotFound, "no revision " + std::to_string(number) + "; there are 1 to " +
                                       std::to_string(newest->empty() ? 0 : newest->front().number));
}

Result<std::vector<InventoryRevision>> inventory_history(Database& database, std::size_t at_most) {
  RevisionStore store(database);
  auto heads = store.history(at_most + 1);  // with the one before the oldest shown, to compare
  if (!heads) return tl::unexpected(heads.error());
  std::vector<InventoryRevision> out;
  std::optional<Revision> before;
  InventorySnapshot was;
  for (auto head = heads->rbegin(); head != heads->rend(); ++head) {
    auto now = require_revision(database, std::uint64_t(head->number));
    if (!now) return tl::unexpected(now.error());
    const InventorySnapshot is = before && before->files == now->files ? was : inventory_of(*now);
    out.push_back({std::uint64_t(now->number), WallTime(Duration(now->applied_wall_ms)), now->by, now->why,
                   summary_between(before ? &*before : nullptr, was, *now, is)});
    before = std::move(*now);
    was = is;
  }
  if (out.size() > at_most) out.erase(out.begin());
  std::reverse(out.begin(), out.end());
  return out;
}

Result<InventoryDiff> inventory_diff(Database& database, const std::string& folder, std::uint64_t from,
                                     std::optional<std::uint64_t> to) {
  const auto a = require_revision(database, from);
  if (!a) return tl::unexpected(a.error());
  InventoryDiff out;
  out.from = "revision " + std::to_string(from);
  out.to = to ? "revision " + std::to_string(*to) : "files";
  Diagnostics problems;
  std::vector<RevisionFile> files;
  if (to) {
    auto b = require_revision(database, *to);
    if (!b) return tl::unexpected(b.error());
    files = std::move(b->files);
  } else {
    auto read = read_inventory_folder(folder, problems);
    if (!read) return fail(ErrorCode::Unavailable, problems.text());
    files = std::move(*read);
  }
  const auto was = load_inventory(a->files, out.from, line_kinds(), problems);
  const auto is = load_inventory(files, to ? out.to : folder, line_kinds(), problems);
  for (const Diagnostic& diagnostic : problems.list()) {
    if (diagnostic.severity == Diagnostic::Severity::Error) out.problems.push_back({true, to_string(diagnostic)});
  }
  if (was && is) out.changes = changes_between(*was, *is);
  out.text = text_between(a->files, out.from, files, out.to);
  return out;
}

}  // namespace oob
