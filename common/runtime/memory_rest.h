// MemoryRest: gives memory that was freed back to the kernel after a burst. malloc keeps what a boot storm took, a
// quarter of a megabyte for each ten consoles, until the process ends. On a shard; looks every ten seconds.
#pragma once
#include "common/runtime/shard.h"

namespace oob {

class MemoryRest {
 public:
  explicit MemoryRest(Shard& shard);

 private:
  void look();
  Timer timer_;
  std::size_t resident_bytes_ = 0;  // after the last time
};

}  // namespace oob
