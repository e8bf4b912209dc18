// See connection.h.
#include "proto/connection.h"

#include <algorithm>

#include "common/limits.h"

namespace oob {

TunnelConnection::TunnelConnection(Shard& shard, Mux::Role role, Events events)
    : shard_(shard),
      events_(std::move(events)),
      mux_(role, shard.clock(), {.opened = events_.opened, .wants_fill = [this] { want_fill(); }}),
      ping_(shard) {}

TunnelConnection::~TunnelConnection() { *self_ = nullptr; }

void TunnelConnection::run(std::unique_ptr<SecureStream> stream) {
  stream_ = std::move(stream);
  arm_ping();
  want_fill();
}

void TunnelConnection::want_fill() {
  if (fill_posted_ || over_ || !stream_) return;
  fill_posted_ = true;
  shard_.post([this, self = self_] {
    if (*self == nullptr) return;
    fill_posted_ = false;
    if (!over_) stream_->flush();
  });
}

void TunnelConnection::received(ByteView bytes) {
  if (over_) return;
  if (const auto taken = mux_.receive(bytes); !taken) close(taken.error().message);
}

std::size_t TunnelConnection::fill(MutableBytes into) {
  if (over_ && !saying_goodbye_) return 0;
  const auto filled = mux_.fill(into);
  if (filled) return *filled;
  close(filled.error().message);
  return 0;
}

void TunnelConnection::stream_closed(const std::string& reason) { close(reason); }

void TunnelConnection::close(const std::string& reason) {
  if (over_) return;
  over_ = true;
  ping_.cancel();
  // We may be inside the mux or the stream: they are ended when this has returned.
  shard_.post([this, reason, self = self_] {
    if (*self == nullptr) return;
    say_goodbye(reason);
    mux_.fail_all(reason);
    const auto closed = events_.closed;  // may destroy us
    closed(reason);
  });
}

void TunnelConnection::say_goodbye(const std::string& reason) {
  if (!stream_) return;
  if (!stream_->is_open()) return stream_.reset();
  mux_.goodbye(reason);
  saying_goodbye_ = true;
  stream_->flush();
  saying_goodbye_ = false;
  stream_->close(reason);
  // Its last bytes need it a little longer than us.
  const auto rest = std::make_shared<Timer>(shard_);
  rest->once(2 * limits::tunnel_goodbye_time_max,
             [rest, stream = std::shared_ptr<SecureStream>(std::move(stream_))] {});
}

void TunnelConnection::arm_ping() {
  const auto wait = std::chrono::ceil<Duration>(mux_.next_deadline() - shard_.clock().now());
  ping_.once(std::max(wait, Duration(10)), [this] {
    if (const auto alive = mux_.tick(); !alive) return close(alive.error().message);
    arm_ping();
  });
}

}  // namespace oob
