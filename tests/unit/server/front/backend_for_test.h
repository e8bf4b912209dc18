// A server of two real consoles (a, b) on a real log folder, for the front's tests; agents and inventory are canned.
#pragma once
#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <set>

#include "server/front/backend.h"

namespace oob {

inline std::vector<std::string> schema_lines(const std::string& file) {
  const auto path = std::filesystem::path(OOB_SOURCE_DIR) / "schema" / file;
  std::ifstream in(path);
  EXPECT_TRUE(in) << path;
  std::vector<std::string> lines;
  for (std::string line; std::getline(in, line);) lines.push_back(line);
  return lines;
}

struct TestFolder {
  TestFolder() {
    char name[] = "/tmp/oob-front-XXXXXX";
    path = mkdtemp(name);
  }
  ~TestFolder() { std::filesystem::remove_all(path); }
  std::string path;
};

class TestBackend final : public Backend {
 public:
  std::vector<std::string> group_names() override { return {"web"}; }
  explicit TestBackend(Shard& shard)
      : shard_(shard),
        logs(shard, folder.path + "/log"),
        database(*Database::open(folder.path + "/db")),
        disk(shard),
        tokens(shard, disk, *database, access, [this](const std::string& names, const std::string& user) -> Result<> {
          const auto found = select(names, user);
          return found ? Result<>{} : tl::unexpected(found.error());
        }) {
    for (const std::string name : {"a", "b"}) {
      auto log = ConsoleLog::open(logs, name);
      EXPECT_TRUE(log) << log.error().message;
      consoles[name] = std::make_unique<Console>(shard, name, std::move(*log));
    }
  }

  Result<std::vector<std::string>> select(const std::string& names, const std::string&) override {
    if (!consoles.contains(names)) return fail(ErrorCode::NotFound, "no console \"" + names + "\"");
    return std::vector<std::string>{names};
  }
  std::vector<std::string> console_names() override { return {"a", "b"}; }
  Console* find_console(const std::string& name) override {
    const auto found = consoles.find(name);
    return found == consoles.end() ? nullptr : found->second.get();
  }
  std::optional<ConsoleRow> console_row(const std::string& name) override {
    if (!consoles.contains(name)) return std::nullopt;
    return ConsoleRow{name, "node-" + name, "rack1", "test", "52:54:00:12:34:56", true, {{"role", "web"}}};
  }
  std::string near_console(const std::string& name) override { return name == "aa" ? "a" : ""; }
  Result<> order_line(const std::string& console, LineOrderKind order, const Identity&) override {
    orders.push_back(console + " " + std::to_string(static_cast<int>(order)));
    return {};
  }
  void agents(Done<std::vector<AgentRow>> done) override {
    AgentRow row{.name = "rack1", .state = AgentRow::State::Connected, .detail = "127.0.0.1", .consoles = 2};
    row.since = row.certificate_until = WallTime{};
    row.version = "0.1.0";
    row.last_lost = WallTime{}, row.last_loss = "reset", row.age = "older", row.clock_ahead = row.uptime = Duration(1);
    row.round_trip = std::chrono::microseconds(1), row.ring = row.spool = AgentRow::Kept{};
    row.unknown_senders.push_back(
        {"netconsole 10.9.0.1:6666", "10.9.1.7", 3, WallTime{}, WallTime{}, "login: ", "web07"});
    done(std::vector<AgentRow>{row});
  }
  void enroll(const std::string& agent, const Identity&, Done<EnrolToken> done) override {
    orders.push_back("enroll " + agent);
    done(EnrolToken{"secret", WallTime{}, "not in the inventory yet"});
  }
  void revoke(const std::string& agent, const Identity& who, Done<void> done) override {
    orders.push_back("revoke " + agent + " by " + who.user);
    done({});
  }
  AccessTokens& access_tokens() override { return tokens; }
  Result<std::vector<const NodeEntry*>> select_bmcs(const std::string& names, const std::string&) override {
    if (names != "a") return fail(ErrorCode::NotFound, "no node \"" + names + "\"");
    return std::vector<const NodeEntry*>{&node};
  }
  BmcJobs& bmc_jobs() override { return bmcs; }
  void inventory_text(std::optional<std::uint64_t>, Done<InventoryText> done) override {
    done(InventoryText{3, WallTime{}, "alice", {{"web.toml", "[node.a]\n"}}});
  }
  void inventory_check(const std::string& dir, Done<InventoryReport> done) override {
    orders.push_back("check " + dir);
    done(report);
  }
  void inventory_plan(Done<InventoryReport> done) override { done(report); }
  void inventory_apply(const Identity&, InventoryOrder order, Done<InventoryReport> done) override {
    orders.push_back(std::string("apply") + (order.yes ? " yes" : "") + (order.replace ? " replace" : ""));
    done(report);
  }
  void inventory_rollback(const Identity&, std::uint64_t revision, InventoryOrder,
                          Done<InventoryReport> done) override {
    orders.push_back("rollback " + std::to_string(revision));
    done(report);
  }
  void inventory_history(std::size_t, Done<std::vector<InventoryRevision>> done) override {
    done(std::vector<InventoryRevision>{{3, WallTime{}, "alice", "first start", "1 console"}});
  }
  void inventory_diff(std::optional<std::uint64_t>, std::optional<std::uint64_t>, Done<InventoryDiff> done) override {
    done(InventoryDiff{"revision 3", "files", {}, report.changes, "--- a\n"});
  }

  Shard& shard_;
  TestFolder folder;
  LogFolder logs;
  std::map<std::string, std::unique_ptr<Console>> consoles;
  std::unique_ptr<Database> database;
  Worker disk;
  Access access{"oob", 0};
  AccessTokens tokens;
  std::vector<std::string> orders;
  NodeEntry node{"a", {"a"}, {}, BmcEntry{"rack1", {"a", "sol", {{"address", "10.9.1.1"}}, {}}}};
  // Every BMC is found on, and to have one fault.
  BmcJobs bmcs{shard_,
               {[](const LineConfig&, auto done) { done(BmcJobs::Secrets()); },
                [this](const std::string& agent, wire::BmcRequest& request, BmcAnswers answers) -> Result<> {
                  orders.push_back(request.act() + " of " + request.node() + " by " + agent);
                  wire::BmcFound found;
                  found.set_topic("sol"), found.set_verdict(wire::BmcFound::FAULT), found.set_value("disabled");
                  found.set_meaning("it is off"), found.set_proposal("on"), found.set_mend("sol-enable");
                  answers.found(found);
                  wire::BmcOutcome outcome;
                  outcome.set_kind(wire::BmcOutcome::DONE), outcome.set_power("on"), outcome.set_text("fan");
                  answers.over(outcome);
                  return {};
                },
                [this](const std::string& name, const std::string& text) { consoles.at(name)->announce(text); }}};
  InventoryReport report{3, {}, {{InventoryChange::Kind::Add, "c", "line test", false, ""}}, ""};
};

template <typename Condition>
bool run_until(Shard& shard, Condition condition) {
  const auto give_up = std::chrono::steady_clock::now() + std::chrono::seconds(10);
  while (!condition() && std::chrono::steady_clock::now() < give_up) {
    shard.io().run_one_for(std::chrono::milliseconds(50));
  }
  return condition();
}

}  // namespace oob
