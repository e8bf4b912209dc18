// See server.h.
#include "server/server.h"

#include <grp.h>
#include <pwd.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstdio>
#include <filesystem>

#include "common/limits.h"
#include "common/log.h"
#include "common/nearest.h"
#include "common/pace.h"
#include "common/runtime/memory_rest.h"
#include "common/text.h"
#include "server/agents/agent_listener.h"
#include "server/agents/authority.h"
#include "server/agents/enrolment.h"
#include "server/database/agents.h"
#include "server/database/state_folder.h"
#include "server/front/front_certificate.h"
#include "server/front/https_front.h"
#include "server/front/unix_front.h"
#include "server/running_inventory.h"
#include "tunnel.pb.h"

namespace oob {

struct Server::State final : Backend, AgentAssignments {
  State(Shard& s, ServerConfig c) : shard(s), config(std::move(c)), access(config.access_group), memory_rest(s) {}

  Shard& shard;
  const ServerConfig config;
  Access access;
  MemoryRest memory_rest;
  std::unique_ptr<StateFolder> folder;
  std::unique_ptr<Database> database;
  std::unique_ptr<Worker> worker;  // the database's thread
  std::unique_ptr<LogFolder> logs;
  std::unique_ptr<RunningInventory> inventory;
  std::unique_ptr<Authority> authority;
  std::unique_ptr<AgentStore> agent_store;
  std::unique_ptr<TokenStore> token_store;
  std::unique_ptr<Enrolment> enrolment;  // on the worker
  std::unique_ptr<AgentDirectory> directory;
  std::unique_ptr<AgentListener> listener;
  std::unique_ptr<BmcJobs> bmcs;
  std::unique_ptr<AccessTokens> tokens;
  std::map<std::string, Pace> names_paces;                // of users
  std::map<std::string, std::set<std::string>> selected;  // consoles of NAMES in tokens, of the inventory that runs
  std::unique_ptr<UnixFront> front;
  std::unique_ptr<HttpsFront> https;
  Timer certificate_look{shard};  // for our own certificate

  Result<> start();
  Result<> start_agents();
  Result<> start_fronts();
  FrontCertificatePlace certificate_place() const;
  void read_certificate();
  bool selects(const std::string& names, const std::string& console);

  // AgentAssignments
  void assignment(const std::string& agent, wire::Assignment& into) override { inventory->assignment(agent, into); }
  Console* console_of(const std::string& agent, const std::string& name) override;

  void renew_certificate(const std::string& agent, const std::string& fingerprint, Bytes request,
                         std::function<void(Result<Bytes>)> done) override;
  void use_next_certificate(const std::string& agent, const std::string& fingerprint) override;
  void line_secret(const std::string& agent, const std::string& console, const std::string& key,
                   std::function<void(Result<Secret>)> done) override {
    inventory->secret(agent, console, key, std::move(done));
  }

  // Backend
  Result<std::vector<std::string>> select(const std::string& names, const std::string& user) override;
  std::vector<std::string> console_names() override;
  std::vector<std::string> group_names() override { return ConsoleNames(inventory->snapshot()).groups(); }
  Console* find_console(const std::string& name) override { return inventory->find(name); }
  std::optional<ConsoleRow> console_row(const std::string& name) override;
  std::string near_console(const std::string& name) override;
  Result<> order_line(const std::string& console, LineOrderKind order, const Identity& who) override;
  Result<> send_order(const std::string& console, LineOrderKind order);
  template <typename Select>
  auto paced(const std::string& user, Select select) -> decltype(select(nullptr));
  void agents(Done<std::vector<AgentRow>> done) override;
  void enroll(const std::string& agent, const Identity& who, Done<EnrolToken> done) override;
  void revoke(const std::string& agent, const Identity& who, Done<void> done) override;
  AccessTokens& access_tokens() override { return *tokens; }
  Result<std::vector<const NodeEntry*>> select_bmcs(const std::string& names, const std::string& user) override;
  BmcJobs& bmc_jobs() override { return *bmcs; }
  void inventory_text(std::optional<std::uint64_t> revision, Done<InventoryText> done) override {
    inventory->text(revision, std::move(done));
  }
  void inventory_history(std::size_t at_most, Done<std::vector<InventoryRevision>> done) override {
    inventory->history(at_most, std::move(done));
  }
  void inventory_diff(std::optional<std::uint64_t> from, std::optional<std::uint64_t> to,
                      Done<InventoryDiff> done) override {
    inventory->diff(from, to, std::move(done));
  }
  void inventory_check(const std::string& dir, Done<InventoryReport> done) override {
    inventory->check(dir, std::move(done));
  }
  void inventory_plan(Done<InventoryReport> done) override { inventory->plan(std::move(done)); }
  void inventory_apply(const Identity& who, InventoryOrder order, Done<InventoryReport> done) override {
    inventory->apply(who.user, "oob inventory apply", order, std::move(done));
  }
  void inventory_rollback(const Identity& who, std::uint64_t revision, InventoryOrder order,
                          Done<InventoryReport> done) override {
    inventory->rollback(who.user, revision, order, std::move(done));
  }

  AgentRow agent_row(const std::string& name) const;
  void renew_own_certificate();
  void join(JoinOrder order, std::function<void(Result<Bytes>)> done);
  template <typename Value>
  void change_agent(const std::string& agent, std::function<Result<Value>()> change,
                    std::function<void(Result<Value>)> done);
};

Server::Server(Shard& shard, ServerConfig config) : state_(std::make_unique<State>(shard, std::move(config))) {}
Server::~Server() = default;
Result<> Server::start() { return state_->start(); }

Result<> Server::State::start() {
  auto opened = StateFolder::open(config.state);
  if (!opened) return tl::unexpected(opened.error());
  folder = std::move(*opened);
  auto base = Database::open(folder->database());
  if (!base) return tl::unexpected(base.error());
  database = std::move(*base);
  worker = std::make_unique<Worker>(shard);
  logs = std::make_unique<LogFolder>(shard, config.log_folder);
  directory = std::make_unique<AgentDirectory>(shard, *this, config.certificate_life);
  inventory = std::make_unique<RunningInventory>(
      shard, *worker, *database, *logs, config.inventory,
      RunningInventory::Events{[this](const std::string& name) { directory->forget_console(name); },
                               [this] {
                                 selected.clear();
                                 directory->reassign();
                               }});
  if (auto started = inventory->start(); !started) return started;
  if (auto started = start_agents(); !started) return started;
  bmcs = std::make_unique<BmcJobs>(
      shard, BmcJobs::Outside{[this](const LineConfig& bmc, auto done) { inventory->secrets(bmc, std::move(done)); },
                              [this](const std::string& agent, wire::BmcRequest& request, BmcAnswers answers) {
                                return directory->ask_bmc(agent, request, std::move(answers));
                              },
                              [this](const std::string& name, const std::string& text) {
                                if (Console* console = inventory->find(name)) console->announce(text);
                              }});
  if (::getgrnam(config.access_group.c_str()) == nullptr) {
    log_warning("server",
                "there is no such group: only root and oobd's own user may do anything; make it with groupadd",
                {{"access_group", config.access_group}});
  }
  return start_fronts();
}

Result<> Server::State::start_fronts() {
  access.set_selects([this](const std::string& names, const std::string& console) { return selects(names, console); });
  tokens = std::make_unique<AccessTokens>(shard, *worker, *database, access,
                                          [this](const std::string& names, const std::string& user) -> Result<> {
                                            const auto found = select(names, user);
                                            return found ? Result<>{} : tl::unexpected(found.error());
                                          });
  if (auto started = tokens->start(); !started) return started;
  front = std::make_unique<UnixFront>(shard, *this, access);
  if (auto listening = front->listen(config.socket); !listening || config.api_listen.empty()) return listening;
  auto certificate = open_front_certificate(certificate_place(), shard.clock().wall());
  if (!certificate) return tl::unexpected(certificate.error());
  https = std::make_unique<HttpsFront>(shard, *this, access, *tokens, std::move(certificate->tls));
  for (const std::string& address : config.api_listen) {
    if (auto listening = https->listen(address); !listening) {
      return fail(listening.error().code, "[api] listen: " + listening.error().message);
    }
  }
  log_info("server", "clients connect here",
           {{"address", https->addresses()}, {"certificate", "sha256:" + certificate->fingerprint}});
  return {};
}

FrontCertificatePlace Server::State::certificate_place() const {
  return {config.state + "/tls", config.api_names, config.api_certificate, config.api_key};
}

void Server::State::read_certificate() {
  if (!https) return;
  auto certificate = open_front_certificate(certificate_place(), shard.clock().wall());
  if (!certificate) {
    return log_error("front", "the certificate stays as it was: " + certificate.error().message);
  }
  https->use(std::move(certificate->tls));
  log_info("front", "read the certificate", {{"certificate", "sha256:" + certificate->fingerprint}});
}

// A name that is gone takes its own term out of NAMES, not the others; never more than was meant.
bool Server::State::selects(const std::string& names, const std::string& console) {
  const auto known = selected.find(names);
  if (known != selected.end()) return known->second.contains(console);
  std::set<std::string> found;
  std::string term;
  int depth = 0;
  for (const char c : names + ",") {
    depth += (c == '[') - (c == ']');
    if (c != ',' || depth > 0) {
      term += c;
      continue;
    }
    const auto some = select_names(std::exchange(term, {}), ConsoleNames(inventory->snapshot()));
    if (some) found.insert(some->begin(), some->end());
  }
  return selected.emplace(names, std::move(found)).first->second.contains(console);
}

Result<> Server::State::start_agents() {
  auto loaded = Authority::open(folder->authority(), shard.clock(), config.certificate_life);
  if (!loaded) return tl::unexpected(loaded.error());
  authority = std::move(*loaded);
  agent_store = std::make_unique<AgentStore>(*database);
  token_store = std::make_unique<TokenStore>(*database);
  auto records = agent_store->list();
  if (!records) return tl::unexpected(records.error());
  directory->set_records(std::move(*records));
  enrolment = std::make_unique<Enrolment>(*database, *authority, *agent_store, *token_store, shard.clock());

  std::set<unsigned> local_uids = {0, ::geteuid()};
  if (!config.agents_local_user.empty()) {
    const passwd* user = ::getpwnam(config.agents_local_user.c_str());
    if (user == nullptr) {
      return fail(ErrorCode::Usage,
                  "[agents] local-user: no user \"" + config.agents_local_user + "\" on this machine");
    }
    local_uids.insert(user->pw_uid);
  }
  const auto enrol = [this](JoinOrder order, std::function<void(Result<Bytes>)> done) {
    join(std::move(order), std::move(done));
  };
  listener = std::make_unique<AgentListener>(shard, *directory, authority->tls(), enrol, std::move(local_uids));
  certificate_look.every(limits::certificate_look_every, [this] { renew_own_certificate(); });
  if (auto listening = listener->listen_unix(config.agents_socket); !listening) return listening;
  if (config.agents_listen.empty()) return {};
  if (auto listening = listener->listen_tls(config.agents_listen); !listening) return listening;
  log_info("server", "agents dial in here", {{"address", listener->tls_address()}, {"socket", config.agents_socket}});
  return {};
}

void Server::reload(std::function<void()> done) {
  state_->read_certificate();
  const auto report_done = [done = std::move(done)](const Result<InventoryReport>& report) {
    const std::shared_ptr<void> over(nullptr, [&](void*) { done(); });
    if (!report) return log_error("inventory", "not applied: " + report.error().message);
    bool failed = false;
    for (const auto& problem : report->problems) {
      failed |= problem.is_error;
      problem.is_error ? log_error("inventory", problem.text) : log_warning("inventory", problem.text);
    }
    if (failed) log_error("inventory", "nothing was changed", {{"revision_that_runs", report->revision}});
  };
  state_->inventory->apply("oobd", "SIGHUP", {.yes = true}, report_done);
}

void Server::retry_lines() {
  for (const auto& [name, console] : state_->inventory->consoles()) {
    if (console->state().line == ConsoleState::Line::Down) (void)state_->send_order(name, LineOrderKind::Retry);
  }
}

void Server::reopen_logs() { state_->logs->reopen(); }

void Server::stop(std::function<void()> done) {
  state_->front.reset();
  state_->https.reset();
  state_->listener.reset();
  state_->logs->flush(std::move(done));
}

Console* Server::State::console_of(const std::string& agent, const std::string& name) {
  const ConsoleEntry* entry = inventory->inventory().find_console(name);
  return entry != nullptr && entry->agent == agent ? inventory->find(name) : nullptr;
}

void Server::come_round(std::function<void()> done) { state_->logs->come_round(std::move(done)); }

std::string Server::status() const {
  const Inventory& now = state_->inventory->inventory();
  return count_of(now.consoles.size(), "console", "consoles") + " on " +
         count_of(now.agents.size(), "agent", "agents") +
         (state_->config.agents_listen.empty() ? "" : "; agents dial in at " + state_->listener->tls_address());
}

// --- consoles ---

// A costly expression takes tens of milliseconds, in which nobody else is served.
template <typename Select>
auto Server::State::paced(const std::string& user, Select select) -> decltype(select(nullptr)) {
  if (names_paces.size() >= limits::names_users_max && !names_paces.contains(user)) names_paces.clear();
  Pace& pace =
      names_paces.try_emplace(user, limits::names_steps_of_user_at_once, limits::names_steps_of_user_per_second)
          .first->second;
  if (!pace.take(shard.clock().now())) {
    return fail(ErrorCode::Conflict,
                "you have asked for too many names with globs and groups just now; wait a few "
                "seconds, or write a narrower expression");
  }
  std::size_t steps = 0;
  auto found = select(&steps);
  pace.spend(double(steps));
  return found;
}

Result<std::vector<std::string>> Server::State::select(const std::string& names, const std::string& user) {
  return paced(user,
               [&](std::size_t* steps) { return select_names(names, ConsoleNames(inventory->snapshot()), steps); });
}

Result<std::vector<const NodeEntry*>> Server::State::select_bmcs(const std::string& names, const std::string& user) {
  return paced(user, [&](std::size_t* steps) { return oob::select_bmcs(names, inventory->snapshot(), steps); });
}

std::vector<std::string> Server::State::console_names() {
  std::vector<std::string> names;
  for (const auto& [name, console] : inventory->consoles()) names.push_back(name);
  return names;
}

std::optional<ConsoleRow> Server::State::console_row(const std::string& name) {
  const ConsoleEntry* entry = inventory->inventory().find_console(name);
  if (entry == nullptr) return std::nullopt;
  const auto mac = entry->line.settings.find("mac");
  return ConsoleRow{entry->name,
                    entry->node,
                    entry->agent,
                    entry->line.kind,
                    mac == entry->line.settings.end() ? "" : mac->second,
                    directory->connected(entry->agent),
                    {entry->labels.begin(), entry->labels.end()}};
}

std::string Server::State::near_console(const std::string& name) {
  return nearest_of(name, console_names()).value_or("");
}

Result<> Server::State::order_line(const std::string& console, LineOrderKind order, const Identity& who) {
  if (auto sent = send_order(console, order); !sent) return sent;
  inventory->find(console)->announce(who.user + (order == LineOrderKind::Down
                                                     ? " closed the line; it stays closed until someone reopens it"
                                                     : " reopened the line"));
  return {};
}

Result<> Server::State::send_order(const std::string& console, LineOrderKind order) {
  const ConsoleEntry* entry = inventory->inventory().find_console(console);
  if (entry == nullptr || inventory->find(console) == nullptr) {
    return fail(ErrorCode::NotFound, "no console " + in_quotes(console));
  }
  const int kind = order == LineOrderKind::Retry  ? wire::LineOrder::RETRY
                   : order == LineOrderKind::Down ? wire::LineOrder::DOWN
                                                  : wire::LineOrder::UP;
  return directory->order(entry->agent, console, kind);
}

// --- agents ---

// An agent's version beside ours.
static std::string age_of(const std::string& version) {
  const auto parts = [](const char* text) {
    std::array<int, 3> out{};
    return std::sscanf(text, "%d.%d.%d", &out[0], &out[1], &out[2]) == 3 ? std::optional(out) : std::nullopt;
  };
  const auto theirs = parts(version.c_str()), ours = parts(OOB_VERSION);
  if (!theirs || theirs == ours) return "";
  return *theirs < *ours ? "older" : "newer";
}

AgentRow Server::State::agent_row(const std::string& name) const {
  const AgentDirectory::Row from = directory->row(name);
  AgentRow row;
  row.name = name;
  row.consoles = inventory->inventory().consoles_of(name).size();
  if (from.record != nullptr && from.record->not_after_wall_ms != 0) {
    row.certificate_until = WallTime(Duration(from.record->not_after_wall_ms));
  }
  if (from.last_seen != WallTime{}) row.last_lost = from.last_seen, row.last_loss = from.last_reason;
  if (from.link != nullptr) {
    row.state = AgentRow::State::Connected;
    row.detail = from.link->peer().address;
    row.since = from.link->since();
    row.version = from.link->version();
    row.age = age_of(row.version);
    row.round_trip = from.link->mux().round_trip();
    row.clock_ahead = from.link->clock_ahead();
    if (const auto figures = from.link->figures()) {
      row.uptime = figures->uptime;
      row.ring = {figures->ring_bytes, figures->ring_worst_percent};
      row.spool = {figures->spool_bytes, figures->spool_worst_percent};
      for (const auto& [listener, sender, messages, first, last, said, called] : figures->unknown_senders) {
        row.unknown_senders.push_back({listener, sender, messages, first, last, said, called});
      }
    }
    return row;
  }
  row.detail = from.last_reason;
  if (from.last_seen != WallTime{}) row.since = from.last_seen;
  if (from.record != nullptr && from.record->revoked_wall_ms != 0) {
    row.state = AgentRow::State::Revoked;
  } else if (from.record != nullptr || name == "local") {
    row.state = AgentRow::State::Away;
  } else {
    row.detail = "run `oob agent enroll " + name + "`";
  }
  return row;
}

void Server::State::agents(Done<std::vector<AgentRow>> done) {
  std::set<std::string> names;
  for (const auto& [name, entry] : inventory->inventory().agents) names.insert(name);
  for (const std::string& name : directory->names()) names.insert(name);
  std::vector<AgentRow> rows;
  for (const std::string& name : names) rows.push_back(agent_row(name));
  done(std::move(rows));
}

// Runs what blocks on the Worker, then brings the agent's record as it is now to the directory.
template <typename Value>
void Server::State::change_agent(const std::string& agent, std::function<Result<Value>()> change,
                                 std::function<void(Result<Value>)> done) {
  auto outcome = std::make_shared<Result<Value>>(fail(ErrorCode::Internal, "not tried"));
  auto record = std::make_shared<std::optional<AgentRecord>>();
  worker->run(
      [this, agent, change = std::move(change), outcome, record] {
        *outcome = change();
        if (auto found = agent_store->find(agent); found) *record = std::move(*found);
      },
      [this, outcome, record, done = std::move(done)] {
        if (*record) directory->record_changed(std::move(**record));
        done(std::move(*outcome));
      });
}

void Server::State::join(JoinOrder order, std::function<void(Result<Bytes>)> done) {
  const std::string agent = order.name;
  auto held = std::make_shared<JoinOrder>(std::move(order));
  change_agent<Bytes>(
      agent, [this, held] { return enrolment->enrol(*held); }, std::move(done));
}

void Server::State::renew_certificate(const std::string& agent, const std::string& fingerprint, Bytes request,
                                      std::function<void(Result<Bytes>)> done) {
  change_agent<Bytes>(
      agent,
      [this, agent, fingerprint, request = std::move(request)] {
        return enrolment->renew(agent, fingerprint, request);
      },
      std::move(done));
}

void Server::State::use_next_certificate(const std::string& agent, const std::string& fingerprint) {
  change_agent<void>(
      agent, [this, agent, fingerprint] { return agent_store->use_next(agent, fingerprint); },
      [agent](Result<> used) {
        if (!used) log_error("agents", used.error().message, {{"agent", agent}});
      });
}

void Server::State::renew_own_certificate() {
  auto renewed = std::make_shared<Result<std::shared_ptr<TlsContext>>>(nullptr);
  worker->run([this, renewed] { *renewed = authority->renew_server(shard.clock().wall()); },
              [this, renewed] {
                if (!*renewed)
                  return log_error("ca", "our own certificate is not renewed: " + renewed->error().message);
                if (**renewed != nullptr && listener) listener->set_tls(**renewed);
              });
}

void Server::State::enroll(const std::string& agent, const Identity& who, Done<EnrolToken> done) {
  log_info("agents", "a token is made", {{"agent", agent}, {"by", who.user}});
  const WallTime expires = shard.clock().wall() + limits::token_life;
  const bool known = inventory->inventory().find_agent(agent) != nullptr;
  const std::string note = known ? "" : "the inventory has no [agent." + agent + "] yet; it serves nothing until then";
  change_agent<EnrolToken>(
      agent,
      [this, agent, expires, note]() -> Result<EnrolToken> {
        auto token = enrolment->create_token(agent);
        if (!token) return tl::unexpected(token.error());
        return EnrolToken{std::string(token->reveal()), expires, note};
      },
      std::move(done));
}

void Server::State::revoke(const std::string& agent, const Identity& who, Done<void> done) {
  log_warning("agents", "revoked", {{"agent", agent}, {"by", who.user}});
  change_agent<void>(
      agent, [this, agent] { return enrolment->revoke(agent); }, std::move(done));
}

}  // namespace oob
