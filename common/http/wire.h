// Wire: one connected stream socket with what was written to it and not yet taken by the kernel, and TLS if it is not a
// UNIX socket. Writing is by hand, so that many messages leave in one call and what is appended while the kernel is
// full is not copied again. Its owner bounds unsent(). Under TLS the handshake takes place as soon as somebody reads;
// what is written before it is done waits, so a request leaves with the last message of the handshake.
#pragma once
#include <boost/asio/generic/stream_protocol.hpp>
#include <functional>
#include <memory>
#include <optional>

#include "common/bytes.h"
#include "common/crypto/tls.h"
#include "common/runtime/shard.h"

namespace oob {

using HttpSocket = asio::generic::stream_protocol::socket;

struct Wire : std::enable_shared_from_this<Wire> {
  // Over a network it sets TCP_USER_TIMEOUT to limits::stream_silence_max; TCP_NODELAY its maker has set.
  Wire(Shard& shard, HttpSocket socket, std::optional<TlsEngine> engine);

  std::size_t unsent() const { return out().size() - sent + (engine ? bytes.size() : 0); }
  void flush();  // as much as the kernel takes now; the rest when it can take more
  void close();  // at once, but with TLS's goodbye

  // TLS only. Calls `ready` later, when `received` holds something or the connection has ended. One at a time.
  using Ready = std::function<void(boost::system::error_code)>;
  void await(Ready ready);

  Shard& shard;
  HttpSocket socket;
  std::optional<TlsEngine> engine;
  Bytes bytes;        // append here, then flush()
  Bytes received;     // TLS only: plaintext; take it from the front
  bool hold = false;  // more is about to be appended: whoever set it will flush
  boost::system::error_code failed;
  std::string why;                 // TLS only: why it ended, in words; "" if the peer just went away
  SteadyTime heard{};              // when something was last read; TLS only
  std::string no_tls;              // what a peer is answered that speaks HTTP without TLS; "": nothing
  std::function<void()> progress;  // after each flush; `failed` says if it was the last

 private:
  Bytes& out() { return engine ? engine->output() : bytes; }
  const Bytes& out() const { return const_cast<Wire*>(this)->out(); }
  void wait();
  void wait_readable(Ready ready);
  void readable(Ready ready);
  void refuse_plain(ByteView first);

  std::size_t sent = 0;
  bool waiting = false, begun = false;
};

}  // namespace oob
