// See udp.h. Datagrams are received by recv(2) itself: to a stream's read an empty datagram would be the end.
#include "agents/ipmi/udp.h"

#include <sys/socket.h>

#include <algorithm>

#include "common/limits.h"

namespace oob::ipmi {

Udp::Udp(Shard& shard, Conversation& conversation)
    : shard_(shard), conversation_(conversation), connector_(shard), timer_(shard) {}

Udp::~Udp() = default;

void Udp::open(const std::string& address, std::function<void(Result<>)> done) {
  connector_.connect_datagrams(
      address, limits::line_connect_time_max, [this, done = std::move(done)](const Result<std::vector<int>>& fds) {
        if (!fds) return done(tl::unexpected(fds.error()));
        for (const int fd : *fds) {
          sockets_.push_back(std::make_unique<Descriptor>(shard_, fd));
          sockets_.back()->start_reading([this, socket = sockets_.back().get()] { read_some(socket); });
        }
        done({});
      });
}

void Udp::send(ByteView datagram) {
  for (const auto& socket : sockets_)
    (void)::send(socket->fd(), datagram.data(), datagram.size(), MSG_NOSIGNAL | MSG_DONTWAIT);
}

// A few, then others get their turn: the descriptor says again that there is more.
void Udp::read_some(Descriptor* socket) {
  const std::weak_ptr<void> alive = alive_;
  for (int i = 0; i < limits::ipmi_datagrams_a_turn; ++i) {
    const MutableBytes room = shard_.read_buffer();
    const ssize_t n = ::recv(socket->fd(), room.data(), room.size(), MSG_DONTWAIT);
    if (n < 0) break;  // nothing there, or an ICMP error of what was sent: silence will tell
    if (sockets_.size() > 1) std::erase_if(sockets_, [&](const auto& other) { return other.get() != socket; });
    conversation_.receive(room.first(static_cast<std::size_t>(n)));
    if (alive.expired()) return;
  }
  rearm();
}

void Udp::rearm() {
  const auto deadline = conversation_.next_deadline();
  if (!deadline) return timer_.cancel();
  if (timer_.armed() && armed_for_ <= *deadline) return;  // it looks again then
  armed_for_ = *deadline;
  const auto wait = std::chrono::ceil<Duration>(*deadline - shard_.clock().now());
  timer_.once(std::max(wait, Duration(0)), [this] {
    const std::weak_ptr<void> alive = alive_;
    const auto due = conversation_.next_deadline();
    if (due && *due <= shard_.clock().now()) conversation_.tick();
    if (!alive.expired()) rearm();
  });
}

}  // namespace oob::ipmi
