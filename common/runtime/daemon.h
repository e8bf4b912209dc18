// What every daemon of ours begins with, and how it ends.
#pragma once
#include <functional>
#include <string>

#include "common/log.h"
#include "common/result.h"
#include "common/runtime/service.h"
#include "common/runtime/shard.h"

namespace oob {

inline constexpr int kDaemonUsageStatus = 2;  // a mistake in a file or in usage

// main(): what `run` throws is said, and the status is 1.
int daemon_main(const std::string& program, const std::function<int()>& run) noexcept;

// The log, the one who started us, as many descriptors as the system lets us have (each console keeps its log or line
// open, each peer a socket), no core dumps, and the shard. One a process, before there are threads.
struct Daemon {
  Daemon(std::string name, LogLevel level);
  // It could not start: says why. The exit status.
  int refuse(const Error& why) const;

  const std::string program;
  Service service;
  Shard shard;
};

}  // namespace oob
