// See attach_link.h.
#include "cli/attach_link.h"

#include <algorithm>
#include <utility>

#include "common/limits.h"

namespace oob {

AttachLink::AttachLink(Shard& shard, const HttpEndpoint& server)
    : shard_(shard), deadline_(shard), server_(server), rest_(shard, server) {}

void AttachLink::connect(const std::string& first) {
  websocket_connect(shard_, server_, "/v1/stream?first=" + url_encode(first), limits::client_time_out,
                    [this](Result<std::unique_ptr<WebSocket>> socket) {
                      if (finished_) return;
                      socket ? opened(std::move(*socket)) : conversation().disconnected(socket.error());
                      update();
                    });
}

void AttachLink::opened(std::unique_ptr<WebSocket> socket) {
  if (const auto ready = prepare(); !ready) return finished(Exit::SomeFailed, ready.error().message);
  socket_ = std::move(socket);
  reading_socket_ = true;
  WebSocket::Events events;
  events.message = [this](ByteView message, bool binary) {
    if (finished_) return;
    conversation().message(message, binary);
    update();
  };
  events.closed = [this](const std::string& reason) {
    drop_socket();
    if (finished_) return parted();
    conversation().disconnected(Error{ErrorCode::Unavailable, reason});
    update();
  };
  socket_->on(std::move(events));
  conversation().connected();
}

void AttachLink::send(Bytes message, bool binary) {
  if (socket_) socket_->send(std::move(message), binary);
}

// Not destroyed at once: this may be called from one of the socket's own callbacks.
void AttachLink::drop_socket() {
  if (socket_) shard_.post([old = std::shared_ptr<WebSocket>(std::move(socket_))] {});
}

void AttachLink::close_socket() {
  if (!socket_) return;
  socket_->set_reading(true);
  socket_->close("left");
}

void AttachLink::request(const std::string& method, const std::string& path, const std::string& names, Answer done) {
  Rest::Query query;
  if (!names.empty()) query["names"] = names;
  rest_.call(method, path, std::move(query), "", [this, done = std::move(done)](Result<json::value> answer) {
    if (finished_) return;
    done(std::move(answer));
    update();
  });
}

void AttachLink::read_while_taken(std::size_t not_taken) {
  if (!socket_) return;
  const bool room = not_taken <= (reading_socket_ ? limits::viewer_queue_bytes : limits::viewer_queue_bytes / 2);
  if (room != reading_socket_) socket_->set_reading(room);
  reading_socket_ = room;
}

void AttachLink::wait_for_deadline() {
  const auto next = conversation().next_deadline();
  if (!next) return deadline_.cancel();
  const auto wait = std::chrono::ceil<Duration>(*next - shard_.clock().now());
  deadline_.once(std::max(wait, Duration(0)), [this] {
    conversation().tick();
    update();
  });
}

}  // namespace oob
