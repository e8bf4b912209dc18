// links: oob_agents
// Any bytes as a line's ring: opening never crashes or loops; what is taken for sound can be read to its end, written,
// and found again. The input is laid over a fresh ring's head and first records, so that little is refused at once.
#include <fcntl.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>

#include "agents/ring.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace oob;
  constexpr std::size_t bytes = 16 * 1024;
  static const std::string path = "/dev/shm/oob-fuzz-ring-" + std::to_string(::getpid());
  static const bool registered = std::atexit([] { std::filesystem::remove(path); }) == 0;
  (void)registered;
  const auto require = [](bool holds) {
    if (!holds) std::abort();
  };
  std::filesystem::remove(path);
  { auto fresh = Ring::open(path, bytes); }
  const int fd = ::open(path.c_str(), O_RDWR | O_CLOEXEC);
  // The first 128 bytes over the head (behind its magic number), the rest over the records.
  const std::size_t head = std::min<std::size_t>(size, 128);
  (void)!::pwrite(fd, data, head, 8);
  (void)!::pwrite(fd, data + head, std::min(size - head, bytes), 4096);
  ::close(fd);
  {
    auto ring = Ring::open(path, bytes);
    require(ring.has_value());
    auto at = ring->cursor_at(0);
    for (std::size_t records = 0; const auto record = ring->read(at); ++records) {
      require(records < 2 * bytes);
      require(record->payload.size() <= bytes);
      ring->advance(at, 1 + size % 100);
    }
    require(at.offset == ring->end());
    for (int i = 0; i < 50; ++i) ring->append(as_bytes(std::string(1 + size % 700, 'x')), 1);
    ring->append_event(RingRecord::Kind::Up, "up", 1);
    ring->release(ring->begin() + size);
    ring->trim();
  }
  require(Ring::open(path, bytes)->found());
  return 0;
}
