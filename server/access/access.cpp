// See access.h.
#include "server/access/access.h"

#include <grp.h>
#include <pwd.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <system_error>
#include <vector>

#include "common/limits.h"
#include "common/text.h"

namespace oob {
namespace {

std::string group_name(gid_t gid) {
  std::vector<char> buffer(limits::user_record_bytes_max);
  group entry{}, *found = nullptr;
  if (getgrgid_r(gid, &entry, buffer.data(), buffer.size(), &found) != 0 || !found) return {};
  return found->gr_name;
}

}  // namespace

std::string_view right_name(Right right) {
  switch (right) {
    case Right::List:
      return "list";
    case Right::Read:
      return "read";
    case Right::Write:
      return "write";
    case Right::TakeOver:
      return "takeover";
    case Right::Break:
      return "break";
    case Right::SysRq:
      return "sysrq";
    case Right::Down:
      return "down";
    case Right::Log:
      return "log";
    case Right::PowerStatus:
      return "power-status";
    case Right::Power:
      return "power";
    case Right::Bmc:
      return "bmc";
    case Right::Config:
      return "config";
    case Right::Admin:
      return "admin";
  }
  return "?";
}

Access::Access(std::string group) : Access(std::move(group), geteuid()) {}
Access::Access(std::string group, unsigned own_uid) : group_(std::move(group)), own_uid_(own_uid) {}

bool Access::may_all(const Identity& who) const {
  // A uid means something on this machine only, said by its kernel or by a token for one of its accounts.
  const bool known = (who.from == "local" || (who.token && who.token->account)) && who.uid != ~0u;
  return (known && (who.uid == 0 || who.uid == own_uid_)) || who.groups.contains(group_);
}

bool Access::in_scope(const TokenScope& scope, Right right, const Object& object) const {
  if (scope.rights && right != Right::List && !scope.rights->contains(right)) return false;
  if (scope.consoles.empty()) return true;
  if (object.console.empty()) return right == Right::List;  // what is listed is asked for one by one
  return selects_ && std::all_of(scope.consoles.begin(), scope.consoles.end(),
                                 [&](const std::string& names) { return selects_(names, object.console); });
}

Result<> Access::check(const Identity& who, Right right, const Object& object) const {
  const bool granted = who.token && !who.token->account;
  const bool in_token = !who.token || in_scope(*who.token, right, object);
  const bool all = granted || may_all(who);
  if (all && in_token) return {};
  std::string sentence = "user " + escape_controls(who.user) + " has not the right " + std::string(right_name(right));
  if (!object.console.empty()) sentence += " on " + escape_controls(object.console);
  if (all) return fail(ErrorCode::Denied, sentence + " by this token; ask for one that has it (`oob token create`)");
  return fail(ErrorCode::Denied, sentence + "; ask to be put in group " + group_ + " (and log in anew)");
}

std::optional<Right> right_of(std::string_view name) {
  for (const Right right : kAllRights) {
    if (right_name(right) == name) return right;
  }
  return std::nullopt;
}

Result<std::optional<Identity>> identify_user(const std::string& name) {
  std::vector<char> buffer(limits::user_record_bytes_max);
  passwd entry{}, *found = nullptr;
  const int error = getpwnam_r(name.c_str(), &entry, buffer.data(), buffer.size(), &found);
  // getpwnam(3): which errors mean that there is none differs; these do with glibc.
  if (!found && (error == 0 || error == ENOENT || error == ESRCH)) return std::nullopt;
  if (!found) return fail(ErrorCode::Unavailable, "user " + name + ": " + std::generic_category().message(error));
  return identify_peer(found->pw_uid, found->pw_gid);
}

Identity identify_peer(unsigned uid, unsigned gid) {
  Identity who;
  who.uid = uid;
  who.from = "local";
  who.user = "uid " + std::to_string(uid);
  std::vector<gid_t> groups{gid};
  std::vector<char> buffer(limits::user_record_bytes_max);
  passwd entry{}, *found = nullptr;
  if (getpwuid_r(uid, &entry, buffer.data(), buffer.size(), &found) == 0 && found) {
    who.user = found->pw_name;
    int count = limits::user_groups_max;
    std::vector<gid_t> all(limits::user_groups_max);
    // If there are more than fit, those that fit are taken.
    if (getgrouplist(found->pw_name, gid, all.data(), &count) >= 0) all.resize(static_cast<std::size_t>(count));
    groups.insert(groups.end(), all.begin(), all.end());
  }
  for (const gid_t group : std::set<gid_t>(groups.begin(), groups.end())) {
    if (std::string name = group_name(group); !name.empty()) who.groups.insert(std::move(name));
  }
  return who;
}

}  // namespace oob
