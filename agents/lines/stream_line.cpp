// See stream_line.h.
#include "agents/lines/stream_line.h"

#include <utility>

#include "common/limits.h"
#include "common/text.h"

namespace oob {
namespace {
// A pty gives 4 KB at a time whatever is waiting. After less than this there is most likely nothing left to read.
constexpr std::size_t kMoreLikelyBytes = 1024;
// No pty or socket buffer of ours holds more; what comes later is not of the source that ended.
constexpr std::size_t kRestBytesMax = 256 * 1024;
}  // namespace

void StreamLine::open(int fd, std::string detail, int pid) {
  stream_ = std::make_unique<Descriptor>(shard_, fd);
  if (reading_) stream_->start_reading([this] { read_some(); });
  events_.line_up(std::move(detail), pid);
}

void StreamLine::read_some() {
  const std::weak_ptr<void> alive = alive_;
  for (std::size_t taken = 0; taken < limits::read_buffer_bytes;) {
    const auto n = stream_->read(shard_.read_buffer());
    if (!n) return at_end(n.error().message);
    if (*n > 0) events_.line_output(shard_.read_buffer().first(*n));
    if (alive.expired() || !stream_) return;
    if (*n > 0) after_output(shard_.read_buffer().first(*n));
    if (alive.expired() || !stream_) return;
    taken += *n;
    if (ending_ && (*n == 0 || (rest_ += *n) > kRestBytesMax)) return at_end("closed");
    if (!reading_ || *n == 0 || (*n < kMoreLikelyBytes && !ending_)) return;
  }
  if (ending_) read_the_rest();
}

void StreamLine::end_when_empty() {
  ending_ = true;
  read_the_rest();
}

// Nothing left means no readiness either, so this does not wait for one.
void StreamLine::read_the_rest() {
  shard_.post([this, alive = std::weak_ptr(alive_)] {
    if (!alive.expired() && stream_ && reading_) read_some();
  });
}

// An error is not reported here: what the device said before it went is still to be read, and its end comes with it.
std::size_t StreamLine::write(ByteView bytes) {
  if (!stream_) return 0;
  std::size_t taken = 0;
  while (taken < bytes.size()) {
    const auto n = stream_->write(bytes.subspan(taken));
    if (!n) return taken;
    if (*n == 0) break;
    taken += *n;
  }
  if (taken < bytes.size()) stream_->when_writable([this] { events_.line_writable(); });
  return taken;
}

void StreamLine::set_reading(bool on) {
  if (std::exchange(reading_, on) == on || !stream_) return;
  if (!on) return stream_->stop_reading();
  stream_->start_reading([this] { read_some(); });
  if (ending_) read_the_rest();
}

void StreamLine::down(std::string reason) {
  stream_.reset();
  if (!std::exchange(down_, true)) events_.line_down(std::move(reason));
}

void StreamLine::down_later(std::string reason) {
  shard_.post([this, alive = std::weak_ptr(alive_), reason = std::move(reason)] {
    if (!alive.expired()) down(reason);
  });
}

DialledLine::DialledLine(Shard& shard, LineEvents& events, std::string address, std::string shown,
                         std::function<void(int fd)> prepare)
    : StreamLine(shard, events),
      connector_(shard),
      address_(std::move(address)),
      shown_(std::move(shown)),
      prepare_(std::move(prepare)) {}

void DialledLine::start() {
  connector_.connect(address_, limits::line_connect_time_max, [this](Result<int> fd) {
    if (!fd) return down(fd.error().message);
    if (prepare_) prepare_(*fd);
    open(*fd, escape_controls(shown_), 0);
  });
}

void DialledLine::at_end(const std::string& reason) {
  down(reason == "closed" ? "the peer closed the connection" : "the connection broke: " + reason);
}

}  // namespace oob
