// termios(3), with a restore that is safe in signal handlers (tcsetattr is async-signal-safe, signal-safety(7)).
#include "cli/terminal.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/ioctl.h>
#include <sys/signalfd.h>
#include <sys/stat.h>
#include <termios.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <cstdlib>
#include <cstring>
#include <string>
#include <vector>

namespace oob {
namespace {

// What has to be put back. Global because a signal handler has no other way to know.
termios cooked;                                // NOLINT: written before raw_fd says it is valid
termios raw;                                   // NOLINT
volatile std::sig_atomic_t raw_fd = -1;        // NOLINT
volatile std::sig_atomic_t thrown_away = 0;    // NOLINT: bytes
std::vector<std::pair<int, int>> saved_flags;  // NOLINT: descriptor, F_GETFL

void restore_terminal() {
  const int fd = raw_fd;
  raw_fd = -1;
  if (fd >= 0) ::tcsetattr(fd, TCSADRAIN, &cooked);
}

void restore_all() {
  restore_terminal();
  for (const auto& [fd, flags] : saved_flags) ::fcntl(fd, F_SETFL, flags);
}

void crashed(int signal) {
  const int fd = raw_fd;
  if (fd >= 0) ::tcsetattr(fd, TCSANOW, &cooked);  // now: a stopped terminal must not hold up a crash
  ::raise(signal);                                 // SA_RESETHAND: this time it kills
}

// On SIGCONT, in the handler itself: an event loop might read the old keys before it hears of the signal.
void continued(int) {
  const int error = errno, fd = raw_fd;
  int waiting = 0;
  if (fd >= 0 && ::ioctl(fd, FIONREAD, &waiting) == 0 && waiting > 0) thrown_away = thrown_away + waiting;
  if (fd >= 0) ::tcsetattr(fd, TCSAFLUSH, &raw);
  errno = error;
}

void watch_for_crashes() {
  static bool done = false;
  if (done) return;
  done = true;
  std::atexit(restore_all);
  struct sigaction action {};
  action.sa_handler = crashed;
  action.sa_flags = static_cast<int>(SA_RESETHAND | SA_NODEFER);
  for (const int signal : {SIGSEGV, SIGBUS, SIGABRT, SIGFPE, SIGILL, SIGQUIT}) ::sigaction(signal, &action, nullptr);
}

}  // namespace

Result<std::unique_ptr<RawTerminal>> RawTerminal::enter(int fd) {
  if (::tcgetattr(fd, &cooked) != 0) {
    return fail(ErrorCode::Internal, std::string("the terminal's settings cannot be read: ") + std::strerror(errno));
  }
  watch_for_crashes();
  raw = cooked;
  ::cfmakeraw(&raw);
  raw_fd = fd;
  struct sigaction action {};
  action.sa_handler = continued;
  action.sa_flags = SA_RESTART;
  ::sigaction(SIGCONT, &action, nullptr);
  if (::tcsetattr(fd, TCSAFLUSH, &raw) != 0) {
    raw_fd = -1;
    return fail(ErrorCode::Internal, std::string("the terminal cannot be made raw: ") + std::strerror(errno));
  }
  return std::unique_ptr<RawTerminal>(new RawTerminal());
}

RawTerminal::~RawTerminal() { restore_terminal(); }

std::size_t RawTerminal::take_thrown_away() {
  const auto bytes = static_cast<std::size_t>(thrown_away);
  thrown_away = 0;
  return bytes;
}

void RawTerminal::suspend() {
  const int fd = raw_fd;
  if (fd < 0) return;
  ::tcsetattr(fd, TCSADRAIN, &cooked);
  ::kill(0, SIGTSTP);
  // Here again after SIGCONT, or at once where nobody could let us go on (no job control).
  ::tcsetattr(fd, TCSADRAIN, &raw);
}

int watched_signals() {
  sigset_t watched;
  ::sigemptyset(&watched);
  for (const int signal : {SIGTERM, SIGHUP, SIGINT}) {
    struct sigaction now {};
    if (::sigaction(signal, nullptr, &now) == 0 && now.sa_handler == SIG_IGN) continue;  // nohup(1) and the like
    ::sigaddset(&watched, signal);
  }
  ::sigprocmask(SIG_BLOCK, &watched, nullptr);
  return ::signalfd(-1, &watched, SFD_NONBLOCK | SFD_CLOEXEC);
}

void die_by(int signal) {
  restore_all();
  ::signal(signal, SIG_DFL);
  sigset_t all;
  ::sigemptyset(&all);
  ::sigaddset(&all, signal);
  ::sigprocmask(SIG_UNBLOCK, &all, nullptr);
  ::raise(signal);
  ::_exit(128 + signal);
}

Result<int> private_descriptor(int fd, int mode) {
  struct stat status {};
  if (::fstat(fd, &status) != 0)
    return fail(ErrorCode::Internal, std::string("standard stream: ") + std::strerror(errno));
  if (S_ISCHR(status.st_mode) || S_ISFIFO(status.st_mode)) {
    const std::string path = "/proc/self/fd/" + std::to_string(fd);
    const int own = ::open(path.c_str(), mode | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
    if (own >= 0) return own;
  }
  const int copy = ::fcntl(fd, F_DUPFD_CLOEXEC, 3);
  if (copy < 0) return fail(ErrorCode::Internal, std::string("standard stream: ") + std::strerror(errno));
  watch_for_crashes();
  saved_flags.emplace_back(fd, ::fcntl(fd, F_GETFL));
  return copy;
}

bool write_all(int fd, std::string_view text) {
  while (!text.empty()) {
    const ssize_t n = ::write(fd, text.data(), text.size());
    if (n > 0) {
      text.remove_prefix(static_cast<std::size_t>(n));
    } else if (n < 0 && errno == EAGAIN) {
      pollfd ready{fd, POLLOUT, 0};
      ::poll(&ready, 1, -1);
    } else if (n < 0 && errno != EINTR) {
      return false;
    }
  }
  return true;
}

}  // namespace oob
