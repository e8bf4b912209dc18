// Folders and the lock. The lock file holds the owner's pid for the message of the one that comes second; the flock
// alone decides, so a file left by a crash is no obstacle.
#include "server/database/state_folder.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "common/text.h"

namespace oob {
namespace {

tl::unexpected<Error> unavailable(const std::string& path, const std::string& why) {
  return fail(ErrorCode::Unavailable, escape_controls(path) + " " + why + ": " + std::strerror(errno));
}

Result<> make_folder(const std::string& path, mode_t mode) {
  if (::mkdir(path.c_str(), mode) == 0) return {};
  struct stat status {};
  if (errno != EEXIST || ::stat(path.c_str(), &status) < 0) return unavailable(path, "cannot be made");
  errno = ENOTDIR;
  return S_ISDIR(status.st_mode) ? Result<>{} : unavailable(path, "cannot be used");
}

Result<> make_parents(const std::string& path) {
  for (auto slash = path.find('/', 1); slash != std::string::npos; slash = path.find('/', slash + 1)) {
    if (const auto made = make_folder(path.substr(0, slash), 0755); !made) return made;
  }
  return {};
}

std::string owner_pid(int lock) {
  char digits[24] = {};
  const auto n = ::pread(lock, digits, sizeof digits - 1, 0);
  std::string pid(digits, static_cast<std::size_t>(std::max<ssize_t>(n, 0)));
  std::erase_if(pid, [](char c) { return c < '0' || c > '9'; });
  return pid.empty() ? "unknown" : pid;
}

Result<int> take_lock(const std::string& path) {
  const int fd = ::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
  if (fd < 0) return unavailable(path, "cannot be opened");
  if (::flock(fd, LOCK_EX | LOCK_NB) < 0) {
    const bool taken = errno == EWOULDBLOCK;
    auto error = taken ? fail(ErrorCode::Conflict, "another oobd runs on this state folder (pid " + owner_pid(fd) +
                                                       "): " + escape_controls(path))
                       : unavailable(path, "cannot be locked");
    ::close(fd);
    return error;
  }
  const std::string pid = std::to_string(::getpid()) + "\n";
  if (::ftruncate(fd, 0) < 0 || ::pwrite(fd, pid.data(), pid.size(), 0) < 0) {
    auto error = unavailable(path, "cannot be written");
    ::close(fd);
    return error;
  }
  return fd;
}

}  // namespace

Result<std::unique_ptr<StateFolder>> StateFolder::open(const std::string& path) {
  if (const auto made = make_parents(path); !made) return tl::unexpected(made.error());
  if (const auto made = make_folder(path, 0700); !made) return tl::unexpected(made.error());
  const auto lock = take_lock(path + "/lock");
  if (!lock) return tl::unexpected(lock.error());
  std::unique_ptr<StateFolder> folder(new StateFolder(path, *lock));
  for (const auto& sub : {folder->log(), path + "/db", folder->authority(), folder->run()}) {
    if (const auto made = make_folder(sub, 0700); !made) return tl::unexpected(made.error());
  }
  return folder;
}

StateFolder::~StateFolder() { ::close(lock_); }

}  // namespace oob
