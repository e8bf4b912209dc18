// See outbox.h.
#include "common/http/outbox.h"

#include <boost/asio/buffer.hpp>

#include "common/limits.h"

namespace oob {

void Outbox::flush() {
  while (!waiting && !failed && unsent() > 0) {
    boost::system::error_code error;
    sent += socket.write_some(asio::buffer(bytes.data() + sent, unsent()), error);
    if (error == asio::error::would_block) {
      wait();
    } else if (error) {
      failed = error;
    }
  }
  if (unsent() == 0 || failed) {
    bytes.clear();
    sent = 0;
    if (bytes.capacity() > limits::http_write_bytes_kept) bytes.shrink_to_fit();
  } else if (sent > bytes.size() / 2) {
    bytes.erase(bytes.begin(), bytes.begin() + static_cast<std::ptrdiff_t>(sent));
    sent = 0;
  }
  if (progress) progress();
}

void Outbox::wait() {
  waiting = true;
  socket.async_wait(asio::local::stream_protocol::socket::wait_write,
                    [self = shared_from_this()](boost::system::error_code error) {
                      self->waiting = false;
                      if (error) self->failed = error;
                      self->flush();
                    });
}

}  // namespace oob
