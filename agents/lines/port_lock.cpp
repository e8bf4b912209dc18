// See port_lock.h. /run/lock is everybody's: nothing there is trusted to be a file, short, or a number.
#include "agents/lines/port_lock.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <charconv>
#include <cstring>
#include <fstream>
#include <optional>

#include "common/text.h"

namespace oob {
namespace {

// "LCK..ttyS0"; of a port deeper below /dev, as pts/3: "LCK..pts_3".
std::string lock_name(const std::string& device) {
  std::string name = device.substr(device.starts_with("/dev/") ? 5 : 1);
  for (char& c : name) c = c == '/' ? '_' : c;
  return "LCK.." + name;
}

// What a lock file says: its process, 0 if there is no number in it. Nothing, and errno, if it is no readable file.
std::optional<int> holder_of(const std::string& path) {
  const int fd = ::open(path.c_str(), O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
  if (fd < 0) return std::nullopt;
  char text[16] = {};
  struct stat status {};
  const bool good = fstat(fd, &status) == 0 && S_ISREG(status.st_mode);
  const ssize_t n = good ? ::read(fd, text, sizeof text) : -1;
  ::close(fd);
  if (n < 0) {
    errno = EINVAL;
    return std::nullopt;
  }
  // In words, as UUCP on Linux has it; some programs write it as binary.
  int process = 0;
  if (n == sizeof process && text[3] == '\0') std::memcpy(&process, text, sizeof process);
  const char *begin = text, *end = text + n;
  while (begin < end && *begin == ' ') ++begin;
  std::from_chars(begin, end, process);
  return process;
}

std::string who_is(int process) {
  std::string name;
  std::ifstream("/proc/" + std::to_string(process) + "/comm") >> name;
  return (name.empty() ? "process" : escape_controls(name) + ", process") + " " + std::to_string(process);
}

// 0, or errno. By link(2), so that the file is whole as soon as it is there.
int make_file(const std::string& folder, const std::string& path) {
  std::string draft = folder + "/LCK..oob." + std::to_string(getpid());
  ::unlink(draft.c_str());
  const int fd = ::open(draft.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0644);
  if (fd < 0) return errno;
  std::string text = std::to_string(getpid());
  text = std::string(10 - std::min<std::size_t>(10, text.size()), ' ') + text + "\n";
  int error = ::write(fd, text.data(), text.size()) == ssize_t(text.size()) ? 0 : errno;
  ::close(fd);
  if (error == 0 && ::link(draft.c_str(), path.c_str()) != 0) error = errno;
  ::unlink(draft.c_str());
  return error;
}

}  // namespace

Result<PortLock> PortLock::claim(const std::string& device, const std::string& folder) {
  const std::string path = folder + "/" + lock_name(device);
  // A second try after a stale file is gone. Two who find the same file stale are told apart by the port's own lock.
  for (int tries = 0; tries < 2; ++tries) {
    const int error = make_file(folder, path);
    if (error == 0) return PortLock(path, true);
    if (error != EEXIST) {
      PortLock none("", false);
      none.why_not_ = path + ": " + std::strerror(error);
      return none;
    }
    const auto holder = holder_of(path);
    if (holder == getpid())
      return PortLock(path, false);  // of one that had our number before us, or of another line of ours
    const bool alive = holder && *holder > 0 && (kill(*holder, 0) == 0 || errno == EPERM);
    if (alive) {
      return fail(ErrorCode::Conflict, "in use by another program: " + who_is(*holder) + ", says " + path);
    }
    if (!holder && errno != ENOENT) {
      return fail(ErrorCode::Conflict, "cannot tell whether it is in use: " + path + " is no readable lock file");
    }
    ::unlink(path.c_str());
  }
  return fail(ErrorCode::Conflict, "in use by another program: " + path + " cannot be replaced");
}

PortLock::PortLock(PortLock&& from) noexcept
    : path_(std::exchange(from.path_, "")), made_(from.made_), why_not_(std::move(from.why_not_)) {}

PortLock::~PortLock() {
  if (!path_.empty() && holder_of(path_) == getpid()) ::unlink(path_.c_str());
}

}  // namespace oob
