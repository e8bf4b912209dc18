// What the front needs of the server: consoles to attach to, and rows and orders in plain structs. server.cpp
// implements it. On the shard. Rights were checked before anything here is called. `done` is called once, on the shard,
// at once or later; it holds no reference to anything that could be gone by then.
#pragma once
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "server/access/access_tokens.h"
#include "server/bmc/bmc_jobs.h"
#include "server/console/console.h"

namespace oob {

struct ConsoleRow {  // what the Console itself does not know
  std::string name;
  std::string node;  // "": a console without a node
  std::string agent;
  std::string kind;  // of its line
  std::string mac;   // of the node, if its line names that
  bool agent_connected = false;
  std::map<std::string, std::string> labels;
};

struct AgentRow {
  enum class State { Connected, Away, NotEnrolled, Revoked };
  std::string name;
  State state = State::NotEnrolled;
  std::string detail;  // from where; or why not
  std::optional<WallTime> since;
  std::string version;
  std::optional<WallTime> certificate_until;
  std::size_t consoles = 0;
  std::optional<WallTime> last_lost;  // since oobd was started
  std::string last_loss;              // and why
  // Only of one that is connected:
  std::string age;  // "older" or "newer" than this oobd, else ""
  std::optional<std::chrono::microseconds> round_trip;
  std::optional<Duration> clock_ahead, uptime;
  struct Kept {  // output not yet in a log
    std::uint64_t bytes = 0;
    unsigned worst_percent = 0;  // of the line that has most
  };
  std::optional<Kept> ring, spool;
  struct UnknownSender {
    std::string listener, sender;
    std::uint64_t messages = 0;
    WallTime first{}, last{};
    std::string said, called;  // console output: for admins only
  };
  std::vector<UnknownSender> unknown_senders;
};

struct EnrolToken {
  std::string token;  // a secret: it goes into the answer and nowhere else
  WallTime expires{};
  std::string note;  // what is still to be done, "" if nothing
};

struct InventoryText {
  std::uint64_t revision = 0;
  std::optional<WallTime> applied;
  std::string user;
  std::vector<std::pair<std::string, std::string>> files;  // path, text
};

struct InventoryChange {
  enum class Kind { Add, Change, Remove };
  Kind kind = Kind::Add;
  std::string name;
  std::string text;
  bool cuts = false;     // a console's line ends or starts anew
  std::string attached;  // who feels that: "alice (read-write) and 2 readers are attached"; "": nobody
};

struct InventoryProblem {
  bool is_error = true;
  std::string text;  // "file:line:column: error: ..", escaped
};

struct InventoryReport {
  std::uint64_t revision = 0;  // that runs now
  std::vector<InventoryProblem> problems;
  std::vector<InventoryChange> changes;  // plan: would be; apply: were; empty if there are errors
  std::string asks;  // what has to be agreed to first, by InventoryOrder::yes; not "": nothing was changed
};

struct InventoryOrder {
  bool yes = false;      // also if people who write lose their console or its line
  bool replace = false;  // also if the files differ from what was rolled back to
};

struct InventoryRevision {
  std::uint64_t number = 0;
  WallTime applied{};
  std::string user, why;
  std::string changes;  // against the one before, in a line
};

struct InventoryDiff {
  std::string from, to;                    // "revision 3", "files"
  std::vector<InventoryProblem> problems;  // a side that cannot be read has no changes, only text
  std::vector<InventoryChange> changes;
  std::string text;  // unified, by file
};

enum class LineOrderKind { Retry, Down, Up };

class Backend {
 public:
  virtual ~Backend() = default;
  template <typename Value>
  using Done = std::function<void(Result<Value>)>;

  // NAMES to console names, in order, each once. NotFound: an unknown name, with the nearest one; Usage: bad grammar.
  // Conflict: this user has asked for so much lately that it has to wait.
  virtual Result<std::vector<std::string>> select(const std::string& names, const std::string& user) = 0;
  virtual std::vector<std::string> console_names() = 0;
  virtual std::vector<std::string> group_names() = 0;
  virtual Console* find_console(const std::string& name) = 0;  // null: none; valid until the shard's next turn
  virtual std::optional<ConsoleRow> console_row(const std::string& name) = 0;
  virtual std::string near_console(const std::string& name) = 0;  // the nearest name there is; "" if none is near
  virtual Result<> order_line(const std::string& console, LineOrderKind order, const Identity& who) = 0;

  virtual void agents(Done<std::vector<AgentRow>> done) = 0;
  virtual void enroll(const std::string& agent, const Identity& who, Done<EnrolToken> done) = 0;
  virtual void revoke(const std::string& agent, const Identity& who, Done<void> done) = 0;

  virtual AccessTokens& access_tokens() = 0;

  // select_bmcs() of the inventory, limited as select(); valid until the shard's next turn.
  virtual Result<std::vector<const NodeEntry*>> select_bmcs(const std::string& names, const std::string& user) = 0;
  virtual BmcJobs& bmc_jobs() = 0;

  virtual void inventory_text(std::optional<std::uint64_t> revision, Done<InventoryText> done) = 0;  // empty: running
  virtual void inventory_history(std::size_t at_most, Done<std::vector<InventoryRevision>> done) = 0;
  // `from` empty: what runs; `to` empty: the files.
  virtual void inventory_diff(std::optional<std::uint64_t> from, std::optional<std::uint64_t> to,
                              Done<InventoryDiff> done) = 0;
  virtual void inventory_check(const std::string& dir, Done<InventoryReport> done) = 0;  // "": the server's own
  virtual void inventory_plan(Done<InventoryReport> done) = 0;
  // Problems that are errors: nothing was changed. An Error: it could not be tried.
  // Conflict: a rollback is in force and the files differ from it.
  virtual void inventory_apply(const Identity& who, InventoryOrder order, Done<InventoryReport> done) = 0;
  // Makes an earlier revision the running one, as a new revision. NotFound: there is none of that number.
  virtual void inventory_rollback(const Identity& who, std::uint64_t revision, InventoryOrder order,
                                  Done<InventoryReport> done) = 0;
};

// NotFound, with the nearest name.
Error no_console(Backend& backend, const std::string& name);

}  // namespace oob
