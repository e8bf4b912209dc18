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
#include "server/console/console.h"

namespace oob {

struct ConsoleRow {  // what the Console itself does not know
  std::string name;
  std::string node;  // "": a console without a node
  std::string agent;
  std::string kind;  // of its line
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
};

struct InventoryProblem {
  bool is_error = true;
  std::string text;  // "file:line:column: error: ..", escaped
};

struct InventoryReport {
  std::uint64_t revision = 0;  // that runs now
  std::vector<InventoryProblem> problems;
  std::vector<InventoryChange> changes;  // plan: would be; apply: were; empty if there are errors
};

enum class LineOrderKind { Retry, Down, Up };

class Backend {
 public:
  virtual ~Backend() = default;
  template <typename Value>
  using Done = std::function<void(Result<Value>)>;

  // NAMES to console names, in order, each once. NotFound: an unknown name, with the nearest one; Usage: bad grammar.
  virtual Result<std::vector<std::string>> select(const std::string& names) = 0;
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

  virtual void inventory_text(Done<InventoryText> done) = 0;
  virtual void inventory_check(const std::string& dir, Done<InventoryReport> done) = 0;  // "": the server's own
  virtual void inventory_plan(Done<InventoryReport> done) = 0;
  // Problems that are errors: nothing was changed. An Error: it could not be tried.
  virtual void inventory_apply(const Identity& who, Done<InventoryReport> done) = 0;
};

// NotFound, with the nearest name.
Error no_console(Backend& backend, const std::string& name);

}  // namespace oob
