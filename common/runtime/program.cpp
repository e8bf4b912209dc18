// fork and exec done carefully: between the two the child makes system calls only, on memory prepared before.
#include "common/runtime/program.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <boost/asio/execution_context.hpp>
#include <cerrno>
#include <cstring>
#include <utility>

#include "common/limits.h"
#include "common/text.h"

namespace oob {
namespace {

enum class Step : int { Terminal, Identity, Exec };
struct Report {
  Step step;
  int error;
};
constexpr int kReportFd = 3;
constexpr int kLowestFd = 10;  // descriptors we hand to the child lie above those it arranges

// All that the child needs, in memory that was allocated before the fork.
struct Prepared {
  std::vector<char*> argv, environment;
  std::vector<gid_t> groups;
  const ProgramSpec* spec = nullptr;
  int terminal = -1, report = -1;
};

std::vector<char*> pointers(const std::vector<std::string>& texts) {
  std::vector<char*> out;
  for (const auto& text : texts) out.push_back(const_cast<char*>(text.c_str()));
  out.push_back(nullptr);
  return out;
}

[[noreturn]] void child_fails(Step step) {
  const Report report{step, errno};
  [[maybe_unused]] const auto n = ::write(kReportFd, &report, sizeof report);
  _exit(127);
}

// Raw system calls: the C library's setuid() family talks to the threads that the fork left behind.
bool assume(const ProgramSpec::Identity& who, const std::vector<gid_t>& groups) {
  return syscall(SYS_setgroups, groups.size(), groups.data()) == 0 &&
         syscall(SYS_setresgid, who.gid, who.gid, who.gid) == 0 &&
         syscall(SYS_setresuid, who.uid, who.uid, who.uid) == 0;
}

// Runs in the child. Async-signal-safe calls only, signal-safety(7).
[[noreturn]] void run_child(const Prepared& prepared) {
  dup2(prepared.report, kReportFd);
  fcntl(kReportFd, F_SETFD, FD_CLOEXEC);
  if (setsid() < 0 || ioctl(prepared.terminal, TIOCSCTTY, 0) != 0) child_fails(Step::Terminal);
  for (int fd = 0; fd <= 2; ++fd) {
    if (dup2(prepared.terminal, fd) < 0) child_fails(Step::Terminal);
  }
  close_range(kReportFd + 1, ~0u, 0);
  for (int signal_number = 1; signal_number < NSIG; ++signal_number) ::signal(signal_number, SIG_DFL);
  sigset_t none;
  sigemptyset(&none);
  sigprocmask(SIG_SETMASK, &none, nullptr);
  umask(022);
  if (prepared.spec->run_as && !assume(*prepared.spec->run_as, prepared.groups)) child_fails(Step::Identity);
  if (chdir(prepared.spec->folder.c_str()) != 0 && chdir("/") != 0) child_fails(Step::Exec);
  execve(prepared.argv[0], prepared.argv.data(), prepared.environment.data());
  child_fails(Step::Exec);
}

// fork() with all signals blocked, so that none of our handlers runs in the child.
int fork_child(const Prepared& prepared) {
  sigset_t all, before;
  sigfillset(&all);
  pthread_sigmask(SIG_SETMASK, &all, &before);
  const int pid = fork();
  const int error = errno;
  if (pid == 0) run_child(prepared);
  pthread_sigmask(SIG_SETMASK, &before, nullptr);
  errno = error;
  return pid;
}

std::string describe(int status) {
  if (WIFEXITED(status)) return "exit status " + std::to_string(WEXITSTATUS(status));
  const int number = WTERMSIG(status);
  return "killed by signal " + std::to_string(number) + " (" + sigdescr_np(number) + ")";
}

std::string why_not(const std::string& path, const Report& report) {
  const std::string error = std::strerror(report.error);
  switch (report.step) {
    case Step::Terminal:
      return "cannot give " + escape_controls(path) + " a terminal: " + error;
    case Step::Identity:
      return "cannot run " + escape_controls(path) + " as that user: " + error;
    case Step::Exec:
      break;
  }
  return "cannot run " + escape_controls(path) + ": " + error;
}

}  // namespace

// A process of ours that is not reaped yet, whether its Program still exists or not.
struct Child {
  Child(Shard& shard, int process, int pidfd) : pid(process), watch(shard, pidfd), deadline(shard) {}

  int pid;
  Descriptor watch;
  Timer deadline;
  Program* owner = nullptr;

  void signal(int number) const {
    if (kill(-pid, number) != 0) kill(pid, number);  // it may not have come to setsid() yet
  }
  void hang_up() {
    owner = nullptr;
    signal(SIGHUP);
    signal(SIGCONT);  // a stopped one would not see it
    deadline.once(limits::program_hangup_time, [this] { signal(SIGKILL); });
  }
  void tell(const std::string& how) const {
    if (owner) owner->child_ended(how);
  }
};

namespace {

// Owns the children of one shard. A service of the shard's io_context, because it has to live exactly as long.
class Reaper final : public asio::execution_context::service {
 public:
  inline static asio::execution_context::id id;
  explicit Reaper(asio::execution_context& context) : service(context) {}

  Child* watch(Shard& shard, int pid, int pidfd) {
    children_.push_back(std::make_unique<Child>(shard, pid, pidfd));
    Child* child = children_.back().get();
    child->watch.start_reading([this, child] { ended(child); });
    return child;
  }

 private:
  void ended(Child* child) {
    int status = 0;
    if (waitpid(child->pid, &status, WNOHANG) != child->pid) return;
    const auto at = std::find_if(children_.begin(), children_.end(), [&](const auto& c) { return c.get() == child; });
    const auto kept = std::move(*at);
    children_.erase(at);
    kept->tell(describe(status));
  }

  // The shard goes: nobody else will end those that did not heed SIGHUP.
  void shutdown() override {
    const auto end = std::chrono::steady_clock::now() + limits::program_hangup_time;
    for (const auto& child : children_) {
      pollfd waiting{child->watch.fd(), POLLIN, 0};
      const auto left = std::chrono::duration_cast<Duration>(end - std::chrono::steady_clock::now()).count();
      if (poll(&waiting, 1, static_cast<int>(std::max<std::int64_t>(left, 0))) <= 0) child->signal(SIGKILL);
      waitpid(child->pid, nullptr, 0);
    }
    children_.clear();
  }

  std::vector<std::unique_ptr<Child>> children_;
};

}  // namespace

Program::Program(Shard& shard) : shard_(shard) {}

Program::~Program() {
  if (child_) child_->hang_up();
}

Result<> Program::start(const ProgramSpec& spec, std::function<void(Result<int>)> started,
                        std::function<void(std::string)> ended) {
  path_ = spec.argv.at(0);
  const auto cannot = [&] {
    return fail(ErrorCode::Unavailable, "cannot start " + escape_controls(path_) + ": " + std::strerror(errno));
  };
  std::array<int, 2> pipe_ends{};
  if (pipe2(pipe_ends.data(), O_CLOEXEC) != 0) return cannot();
  report_ = std::make_unique<Descriptor>(shard_, pipe_ends[0]);
  Prepared prepared{pointers(spec.argv), pointers(spec.environment), {}, &spec, -1, -1};
  if (spec.run_as) prepared.groups.assign(spec.run_as->groups.begin(), spec.run_as->groups.end());
  prepared.terminal = fcntl(spec.terminal, F_DUPFD_CLOEXEC, kLowestFd);
  prepared.report = fcntl(pipe_ends[1], F_DUPFD_CLOEXEC, kLowestFd);
  ::close(pipe_ends[1]);
  pid_ = prepared.terminal < 0 || prepared.report < 0 ? -1 : fork_child(prepared);
  const int pidfd = pid_ < 0 ? -1 : static_cast<int>(syscall(SYS_pidfd_open, pid_, 0));
  const int error = errno;
  ::close(prepared.terminal);
  ::close(prepared.report);
  if (pid_ >= 0 && pidfd < 0) {  // unwatched it is of no use
    kill(pid_, SIGKILL);
    waitpid(pid_, nullptr, 0);
  }
  errno = error;
  if (pidfd < 0) return cannot();
  started_ = std::move(started);
  ended_ = std::move(ended);
  child_ = asio::use_service<Reaper>(shard_.io()).watch(shard_, pid_, pidfd);
  child_->owner = this;
  report_->start_reading([this] { read_report(); });
  return {};
}

void Program::read_report() {
  Report report{};
  const auto n = report_->read(std::as_writable_bytes(std::span(&report, 1)));
  if (n && *n == 0) return;
  report_.reset();
  const auto call = std::exchange(started_, nullptr);
  if (!n) return call(pid_);  // closed by exec
  ended_ = nullptr;
  call(fail(ErrorCode::Unavailable, why_not(path_, report)));
}

void Program::child_ended(const std::string& how) {
  child_ = nullptr;
  const std::weak_ptr<void> alive = alive_;
  if (report_) read_report();  // a short-lived one: what its start came to is told first
  if (alive.expired() || !ended_) return;
  const auto call = std::exchange(ended_, nullptr);
  call(how);
}

}  // namespace oob
