// See wire.h.
#include "common/http/wire.h"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

#include <boost/asio/buffer.hpp>
#include <boost/asio/error.hpp>

#include "common/limits.h"

namespace oob {

Wire::Wire(Shard& s, HttpSocket connected, std::optional<TlsEngine> e)
    : shard(s), socket(std::move(connected)), engine(std::move(e)), heard(s.clock().now()) {
  boost::system::error_code ignored;
  socket.non_blocking(true, ignored);
  constexpr std::chrono::milliseconds kSilence = limits::stream_silence_max;
  const int silence_ms = static_cast<int>(kSilence.count());
  if (engine) setsockopt(socket.native_handle(), IPPROTO_TCP, TCP_USER_TIMEOUT, &silence_ms, sizeof silence_ms);
}

void Wire::flush() {
  if (engine && engine->handshake_done() && !bytes.empty()) {
    if (const auto encrypted = engine->send(bytes); !encrypted && !failed) {
      why = encrypted.error().message;
      failed = asio::error::connection_aborted;
    }
    bytes.clear();
    if (bytes.capacity() > limits::http_write_bytes_kept) bytes.shrink_to_fit();
  }
  Bytes& from = out();
  while (!waiting && !failed && sent < from.size()) {
    boost::system::error_code error;
    sent += socket.write_some(asio::buffer(from.data() + sent, from.size() - sent), error);
    if (error == asio::error::would_block) {
      wait();
    } else if (error) {
      failed = error;
    }
  }
  if (sent == from.size() || failed) {
    from.clear();
    sent = 0;
    if (from.capacity() > limits::http_write_bytes_kept) from.shrink_to_fit();
  } else if (sent > from.size() / 2) {
    from.erase(from.begin(), from.begin() + static_cast<std::ptrdiff_t>(sent));
    sent = 0;
  }
  if (progress) progress();
}

void Wire::wait() {
  waiting = true;
  socket.async_wait(HttpSocket::wait_write, [self = shared_from_this()](boost::system::error_code error) {
    self->waiting = false;
    if (error) self->failed = error;
    self->flush();
  });
}

void Wire::close() {
  progress = nullptr;
  if (engine && socket.is_open() && !failed) {
    engine->close_notify();
    flush();
  }
  boost::system::error_code ignored;
  socket.close(ignored);
}

// --- reading under TLS ---

void Wire::await(Ready ready) {
  if (!received.empty()) return shard.post([ready = std::move(ready)] { ready({}); });
  flush();  // of the side that dials: its first message
  wait_readable(std::move(ready));
}

// `ready` belongs to the wait and not to us: it most often holds our owner, and would keep both alive for ever.
void Wire::wait_readable(Ready ready) {
  socket.async_wait(HttpSocket::wait_read,
                    [self = shared_from_this(), ready = std::move(ready)](boost::system::error_code error) mutable {
                      error ? ready(error) : self->readable(std::move(ready));
                    });
}

void Wire::readable(Ready ready) {
  boost::system::error_code error;
  const MutableBytes buffer = shard.read_buffer();
  const std::size_t n = socket.read_some(asio::buffer(buffer.data(), buffer.size()), error);
  if (error == asio::error::would_block) return wait_readable(std::move(ready));
  if (error) return ready(error);
  heard = shard.clock().now();
  const ByteView cipher = buffer.first(n);
  if (!begun) refuse_plain(cipher);
  begun = true;
  const auto taken = engine->receive(cipher, received);
  flush();
  if (!received.empty()) return ready({});  // an error behind it shows at the next read
  if (taken) return wait_readable(std::move(ready));
  if (taken.error().code == ErrorCode::Unavailable) return ready(asio::error::eof);
  why = taken.error().message;
  ready(asio::error::connection_aborted);
}

// A method's first letter instead of a TLS record: somebody wrote http:// instead of https://, and is told so.
void Wire::refuse_plain(ByteView first) {
  const char letter = as_text(first.first(1))[0];
  if (no_tls.empty() || letter < 'A' || letter > 'Z') return;
  boost::system::error_code ignored;
  socket.write_some(asio::buffer(no_tls), ignored);
  socket.shutdown(HttpSocket::shutdown_send, ignored);
}

}  // namespace oob
