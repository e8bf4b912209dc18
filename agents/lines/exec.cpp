// Line kind `exec`: a program on a terminal (pty) of its own, as a given user. The line ends when the program has ended
// and all it printed is read. The program's end closes its terminal for good, also for jobs it left behind.
#include <fcntl.h>
#include <grp.h>
#include <pwd.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <optional>

#include "agents/lines/kinds.h"
#include "agents/lines/settings.h"
#include "agents/lines/stream_line.h"
#include "common/runtime/program.h"
#include "common/text.h"

namespace oob {
namespace {

constexpr LineKey kKeys[] = {
    {"command", LineKey::Type::TextList, true, "the program, by absolute path, and its arguments"},
    {"user", LineKey::Type::Text, false, "the user it runs as; default: the agent's own"},
    {"term", LineKey::Type::Text, false, "TERM of its environment; default vt220"},
    {"rows", LineKey::Type::Integer, false, "height of its terminal; default 24", 1, 500},
    {"columns", LineKey::Type::Integer, false, "width of its terminal; default 80", 1, 1000},
};
constexpr Duration kClosedTerminal{2000};  // a program that closed its terminal has so long to end as well
constexpr std::size_t kWordBytesMax = 64;
constexpr int kGroupsMax = 1024;

bool is_word(std::string_view text) {
  return !text.empty() && text.size() <= kWordBytesMax && std::all_of(text.begin(), text.end(), [](char c) {
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
           std::string_view("._+-").find(c) != std::string_view::npos;
  });
}

Result<> check(const LineConfig& config, std::string& key) {
  key = "command";
  if (config.argv.empty())
    return fail(ErrorCode::Usage, "the command is empty; write [\"/path/program\", \"argument\"]");
  if (!config.argv[0].starts_with('/')) {
    return fail(ErrorCode::Usage, "the program must be an absolute path, as in /bin/bash");
  }
  for (const auto& argument : config.argv) {
    if (argument.find('\0') != std::string::npos) return fail(ErrorCode::Usage, "an argument holds a NUL character");
  }
  for (const char* name : {"user", "term"}) {
    key = name;
    if (!is_word(text_setting(config, key, "x"))) {
      return fail(ErrorCode::Usage, "only letters, digits and ._+- may stand here, at most 64");
    }
  }
  return {};
}

struct Account {
  std::string name, home, shell;
  unsigned uid = 0, gid = 0;
  std::vector<unsigned> groups;
};

// By name, or our own if there is none. getpwnam_r(3)
Result<Account> find_account(const std::string& name) {
  std::vector<char> buffer(64 * 1024);
  passwd entry{}, *found = nullptr;
  const int error = name.empty() ? getpwuid_r(geteuid(), &entry, buffer.data(), buffer.size(), &found)
                                 : getpwnam_r(name.c_str(), &entry, buffer.data(), buffer.size(), &found);
  const std::string who = name.empty() ? "uid " + std::to_string(geteuid()) : "\"" + escape_controls(name) + "\"";
  if (error != 0) return fail(ErrorCode::Unavailable, "cannot look up user " + who + ": " + std::strerror(error));
  if (!found) return fail(ErrorCode::NotFound, "there is no user " + who + " on this machine");
  Account out{found->pw_name, found->pw_dir, found->pw_shell, found->pw_uid, found->pw_gid, {}};
  if (geteuid() != 0 && out.uid != geteuid()) {
    return fail(ErrorCode::Denied, "cannot run a program as " + who + ": the agent does not run as root");
  }
  std::vector<gid_t> groups(kGroupsMax);
  int count = kGroupsMax;
  getgrouplist(out.name.c_str(), out.gid, groups.data(), &count);
  out.groups.assign(groups.begin(), groups.begin() + std::clamp(count, 0, kGroupsMax));
  return out;
}

std::vector<std::string> environment_of(const Account& who, const std::string& term) {
  const char* path =
      who.uid == 0 ? "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin" : "/usr/local/bin:/usr/bin:/bin";
  return {"TERM=" + term,        "HOME=" + who.home,          "USER=" + who.name,
          "LOGNAME=" + who.name, "PATH=" + std::string(path), "SHELL=" + (who.shell.empty() ? "/bin/sh" : who.shell)};
}

// Both ends of a new pty; the program's end belongs to its user. pty(7)
struct Terminal {
  int ours = -1, theirs = -1;
};
Result<Terminal> open_terminal(unsigned rows, unsigned columns, unsigned owner) {
  Terminal out;
  out.ours = posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC);
  if (out.ours >= 0 && unlockpt(out.ours) == 0)
    out.theirs = ioctl(out.ours, TIOCGPTPEER, O_RDWR | O_NOCTTY | O_CLOEXEC);
  const winsize size{static_cast<unsigned short>(rows), static_cast<unsigned short>(columns), 0, 0};
  const bool good = out.theirs >= 0 && ioctl(out.theirs, TIOCSWINSZ, &size) == 0 &&
                    (geteuid() != 0 || fchown(out.theirs, owner, static_cast<gid_t>(-1)) == 0) &&
                    fchmod(out.theirs, 0600) == 0;
  if (good) return out;
  const std::string why = std::strerror(errno);
  if (out.ours >= 0) ::close(out.ours);
  if (out.theirs >= 0) ::close(out.theirs);
  return fail(ErrorCode::Unavailable, "cannot get a terminal (pty): " + why);
}

class ExecLine final : public StreamLine {
 public:
  ExecLine(Shard& shard, const LineConfig& config, LineEvents& events)
      : StreamLine(shard, events), config_(config), program_(shard), patience_(shard) {}

  void start() override {
    if (const auto begun = begin(); !begun) down_later(begun.error().message);
  }

 private:
  Result<> begin();
  void started(const Result<int>& pid, const std::string& user);
  void ended(const std::string& how);
  void at_end(const std::string& reason) override;

  LineConfig config_;
  Program program_;
  Timer patience_;
  std::unique_ptr<Descriptor> terminal_;  // ours, until the program runs
  std::optional<std::string> how_;        // it ended
  bool drained_ = false;                  // its terminal is closed and all it printed is read
};

Result<> ExecLine::begin() {
  std::string key;
  if (const auto good = check(config_, key); !good) return good;  // the policy's words rest on it
  const auto who = find_account(text_setting(config_, "user", ""));
  if (!who) return tl::unexpected(who.error());
  const auto rows = static_cast<unsigned>(integer_setting(config_, key_of(kKeys, "rows"), 24));
  const auto columns = static_cast<unsigned>(integer_setting(config_, key_of(kKeys, "columns"), 80));
  const auto terminal = open_terminal(rows, columns, who->uid);
  if (!terminal) return tl::unexpected(terminal.error());
  terminal_ = std::make_unique<Descriptor>(shard_, terminal->ours);
  ProgramSpec spec;
  spec.argv = config_.argv;
  spec.environment = environment_of(*who, text_setting(config_, "term", "vt220"));
  spec.folder = who->home.empty() ? "/" : who->home;
  spec.terminal = terminal->theirs;
  if (geteuid() == 0) spec.run_as = ProgramSpec::Identity{who->uid, who->gid, who->groups};
  const auto begun = program_.start(
      spec, [this, name = who->name](const Result<int>& pid) { started(pid, name); },
      [this](const std::string& how) { ended(how); });
  ::close(terminal->theirs);
  return begun;
}

void ExecLine::started(const Result<int>& pid, const std::string& user) {
  if (!pid) return down(pid.error().message);
  open(terminal_->release(), escape_controls(config_.argv[0]) + " as " + user, *pid);
}

void ExecLine::ended(const std::string& how) {
  how_ = how;
  // The kernel takes the terminal from jobs left behind, most times; they are not waited for.
  drained_ ? down("program ended: " + how) : end_when_empty();
}

// A pty's end of file is EIO: nobody has its other end open any more.
void ExecLine::at_end(const std::string&) {
  drained_ = true;
  if (how_) return down("program ended: " + *how_);
  stream_->stop_reading();
  patience_.once(kClosedTerminal, [this] { down("the program closed its terminal"); });
}

std::unique_ptr<Line> make(Shard& shard, const LineConfig& config, LineEvents& events) {
  return std::make_unique<ExecLine>(shard, config, events);
}

}  // namespace

extern const LineKind kExecKind{"exec", "a program on a terminal of its own", kKeys, check, make};

}  // namespace oob
