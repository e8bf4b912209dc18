// See access.h.
#include "server/access/access.h"

#include <grp.h>
#include <pwd.h>
#include <unistd.h>

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
    case Right::Config:
      return "config";
    case Right::Admin:
      return "admin";
  }
  return "?";
}

Access::Access(std::string group) : Access(std::move(group), geteuid()) {}
Access::Access(std::string group, unsigned own_uid) : group_(std::move(group)), own_uid_(own_uid) {}

Result<> Access::check(const Identity& who, Right right, const Object& object) const {
  const bool local = who.from == "local" && who.uid != ~0u;  // a uid means something on this machine only
  if (local && (who.uid == 0 || who.uid == own_uid_)) return {};
  if (who.groups.contains(group_)) return {};
  std::string sentence = "user " + escape_controls(who.user) + " has not the right " + std::string(right_name(right));
  if (!object.console.empty()) sentence += " on " + escape_controls(object.console);
  return fail(ErrorCode::Denied, sentence + "; ask to be put in group " + group_ + " (and log in anew)");
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
