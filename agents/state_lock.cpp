// See state_lock.h.
#include "agents/state_lock.h"

#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "common/nearest.h"

namespace oob {

Result<int> lock_agent_state(const std::string& state_folder) {
  const std::string path = state_folder + "/lock";
  const int fd = ::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
  if (fd < 0) return fail(ErrorCode::Unavailable, "cannot open " + in_quotes(path) + ": " + std::strerror(errno));
  if (::flock(fd, LOCK_EX | LOCK_NB) == 0) return fd;
  ::close(fd);
  return fail(ErrorCode::Conflict,
              "an oob-agent runs on the state folder " + in_quotes(state_folder) + "; stop it first");
}

}  // namespace oob
