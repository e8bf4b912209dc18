// LogFile::Found: what recovery learns of an existing file. Only for the two halves of LogFile.
#pragma once
#include "server/log/log_file.h"

namespace oob {

struct LogFile::Found {
  bool empty = true;
  std::string damage;  // in words; empty: sound up to tail.file_bytes
  Tail tail;
  std::uint64_t oldest = 0;
  WallTime began{};
  std::optional<WallTime> last_output;
};

}  // namespace oob
