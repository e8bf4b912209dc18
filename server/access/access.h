// The one access check: may WHO do RIGHT on OBJECT? Every front and every rule asks here and nowhere else.
// Today's rules: root, the server's own user and members of the group `oob` may all; nobody else may anything.
// On the shard; no I/O in check().
#pragma once
#include <set>
#include <string>

#include "common/result.h"

namespace oob {

struct Identity {
  std::string user;  // as shown to others: "alice"; "uid 1234" if the system knows no name
  unsigned uid = ~0u;
  std::set<std::string> groups;  // the system's
  std::string from;              // "local" for the UNIX socket, else an address
};

enum class Right { List, Read, Write, TakeOver, Break, SysRq, Down, Log, Config, Admin };
std::string_view right_name(Right right);  // "list", "read", ... as experience.md writes them

// What the right is wanted on: a console's name, "" for the server as a whole.
struct Object {
  std::string console;
};

class Access {
 public:
  // own_uid: the server's own user, who may all; it is read from the process if not given.
  explicit Access(std::string group = "oob");
  Access(std::string group, unsigned own_uid);
  // Error: Denied, with a sentence that says who lacks what and whom to ask.
  Result<> check(const Identity& who, Right right, const Object& object) const;

 private:
  std::string group_;
  unsigned own_uid_;
};

// Name and groups of a UNIX socket's peer. Looks into the user database: may block on LDAP; keep it off hot paths.
Identity identify_peer(unsigned uid, unsigned gid);

}  // namespace oob
