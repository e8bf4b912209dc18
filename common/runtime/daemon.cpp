// See daemon.h.
#include "common/runtime/daemon.h"

#include <sys/resource.h>

#include <cstdio>
#include <exception>

namespace oob {
namespace {

std::string log_begun(std::string name, LogLevel level) {
  log_start(name, level);
  return name;
}

void raise_descriptor_limit() {
  rlimit limit{};
  if (::getrlimit(RLIMIT_NOFILE, &limit) != 0) return;
  limit.rlim_cur = limit.rlim_max;
  ::setrlimit(RLIMIT_NOFILE, &limit);
}

// A core would hold passwords. The hard limit stays: prlimit(1) allows one, for debugging.
void no_core() {
  rlimit limit{};
  if (::getrlimit(RLIMIT_CORE, &limit) != 0) return;
  limit.rlim_cur = 0;
  ::setrlimit(RLIMIT_CORE, &limit);
}

}  // namespace

int daemon_main(const std::string& program, const std::function<int()>& run) noexcept try {
  return run();
} catch (const std::exception& error) {
  std::fprintf(stderr, "%s: %s\n", program.c_str(), error.what());
  return 1;
}

Daemon::Daemon(std::string name, LogLevel level) : program(log_begun(std::move(name), level)) {
  raise_descriptor_limit();
  no_core();
}

int Daemon::refuse(const Error& why) const {
  std::fprintf(stderr, "%s: %s\n", program.c_str(), why.message.c_str());
  return why.code == ErrorCode::Usage ? kDaemonUsageStatus : 1;
}

}  // namespace oob
