// SecureStream: one connection, a TCP socket under TLS or a plain UNIX socket, as plaintext bytes in and out. The shell
// under the tunnel and under enrolment. On its shard only. It keeps at most one pull (limits::tunnel_send_buffer_bytes)
// unsent, so that whoever fills it decides late what goes next. No time-outs but the one of its goodbye: the owner's.
#pragma once
#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "common/bytes.h"
#include "common/crypto/tls.h"
#include "common/runtime/shard.h"

namespace oob {

class SecureStream {
 public:
  // Takes ownership of `fd`, a connected stream socket. TCP: sets TCP_NODELAY, TCP_USER_TIMEOUT
  // (limits::tunnel_silence_max) and TCP_NOTSENT_LOWAT. Without an engine the bytes go as they are.
  SecureStream(Shard& shard, int fd, std::optional<TlsEngine> engine);
  ~SecureStream();  // cuts the connection if it is still open; no callback runs afterwards
  SecureStream(const SecureStream&) = delete;
  SecureStream& operator=(const SecureStream&) = delete;

  // All run on the shard and may destroy the SecureStream; only `fill` runs from inside flush(), none from inside
  // start() or close().
  struct Events {
    std::function<void()> ready;                            // handshake done: alpn() and peer() are valid
    std::function<void(ByteView)> bytes;                    // plaintext from the peer; valid until it returns
    std::function<void(const std::string& reason)> closed;  // once, with words for a log; nothing after it
    // Writes up to into.size() plaintext bytes to send, returns how many; 0: nothing now. Called only after `ready`
    // and while less than limits::tunnel_send_buffer_bytes is unsent.
    std::function<std::size_t(MutableBytes into)> fill;
  };
  void start(Events events);

  // There may be bytes to pull: pulls and writes until `fill` gives 0 or the socket is full, then goes on by itself
  // when it is writable. May be called from inside any callback; inside `fill` it does nothing.
  void flush();

  // Sends what was pulled before and TLS's close_notify, then waits for the peer to close, at most
  // limits::tunnel_goodbye_time_max, so that the last bytes are not lost to a reset; then `closed(reason)`. From the
  // call on nothing is pulled and no bytes arrive. A second call does nothing.
  void close(const std::string& reason);

  bool is_open() const;      // started, and neither closed nor closing
  std::string alpn() const;  // "" if plain
  std::optional<TlsEngine::PeerCertificate> peer() const;
  const TlsEngine* engine() const;  // null if plain

 private:
  struct State;
  std::shared_ptr<State> state_;
};

}  // namespace oob
