// See memory_rest.h.
#include "common/runtime/memory_rest.h"

#include <malloc.h>
#include <unistd.h>

#include <cstdio>

#include "common/limits.h"

namespace oob {
namespace {

std::size_t resident_bytes() {  // proc(5), /proc/self/statm: the second number, in pages
  std::FILE* file = std::fopen("/proc/self/statm", "re");
  if (file == nullptr) return 0;
  unsigned long pages = 0;
  const int found = std::fscanf(file, "%*u %lu", &pages);
  std::fclose(file);
  return found == 1 ? pages * static_cast<std::size_t>(::sysconf(_SC_PAGESIZE)) : 0;
}

}  // namespace

MemoryRest::MemoryRest(Shard& shard) : timer_(shard), resident_bytes_(resident_bytes()) {
  timer_.every(limits::memory_rest_every, [this] { look(); });
}

void MemoryRest::look() {
  if (resident_bytes() < resident_bytes_ + limits::memory_rest_bytes) return;
  ::malloc_trim(0);  // some milliseconds for some ten megabytes, so not after every small burst
  resident_bytes_ = resident_bytes();
}

}  // namespace oob
