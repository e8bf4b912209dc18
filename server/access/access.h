// The one access check: may WHO do RIGHT on OBJECT? Every front and every rule asks here and nowhere else.
// Today's rules: root, the server's own user and members of the group `oob` may all; whoever holds a token may what is
// in it, at most what its user may; nobody else may anything.
// On the shard; no I/O in check().
#pragma once
#include <functional>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "common/clock.h"
#include "common/result.h"

namespace oob {

enum class Right { List, Read, Write, TakeOver, Break, SysRq, Down, Log, PowerStatus, Power, Bmc, Config, Admin };
inline constexpr Right kAllRights[] = {Right::List,  Right::Read,   Right::Write, Right::TakeOver,    Right::Break,
                                       Right::SysRq, Right::Down,   Right::Log,   Right::PowerStatus, Right::Power,
                                       Right::Bmc,   Right::Config, Right::Admin};
std::string_view right_name(Right right);  // "list", "read", ... as experience.md writes them
std::optional<Right> right_of(std::string_view name);

// What a token lets its holder do.
struct TokenScope {
  std::string id, name;
  bool account = false;                   // bounds what the user may; else it is by itself what the user may
  std::optional<std::set<Right>> rights;  // none: all that the user has. Whoever has any right may list
  std::vector<std::string> consoles;      // NAMES; a console has to be in each. Empty: all, and the server as a whole
  WallTime expires{};
};

struct Identity {
  std::string user;  // as shown to others: "alice"; "uid 1234" if the system knows no name
  unsigned uid = ~0u;
  std::set<std::string> groups;                  // the system's
  std::string from;                              // "local" for the UNIX socket, else an address
  std::shared_ptr<const TokenScope> token = {};  // what let them in; null: the kernel's word
};

// What the right is wanted on: a console's name, "" for the server as a whole.
struct Object {
  std::string console;
};

class Access {
 public:
  // own_uid: the server's own user, who may all; it is read from the process if not given.
  explicit Access(std::string group = "oob");
  Access(std::string group, unsigned own_uid);
  // Is a console among NAMES now? Asked for tokens that are limited to some; without it they may nothing.
  using Selects = std::function<bool(const std::string& names, const std::string& console)>;
  void set_selects(Selects selects) { selects_ = std::move(selects); }
  // Error: Denied, with a sentence that says who lacks what and whom to ask.
  Result<> check(const Identity& who, Right right, const Object& object) const;

 private:
  bool may_all(const Identity& who) const;
  bool in_scope(const TokenScope& scope, Right right, const Object& object) const;

  std::string group_;
  unsigned own_uid_;
  Selects selects_;
};

// Name and groups of a UNIX socket's peer. Looks into the user database: may block on LDAP; keep it off hot paths.
Identity identify_peer(unsigned uid, unsigned gid);
// Likewise, by name; empty: there is none. Unavailable: the user database does not answer.
Result<std::optional<Identity>> identify_user(const std::string& name);

}  // namespace oob
