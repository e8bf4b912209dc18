// TunnelConnection: a Mux on a SecureStream: carries bytes between them, sends once per turn of the event loop (so that
// many small messages leave in one write), pings, and ends both when either fails. Both ends of the tunnel use it.
// On one shard. `closed` is called once, never from inside a call of ours, unless close() was called.
#pragma once
#include <functional>
#include <memory>
#include <string>

#include "common/runtime/shard.h"
#include "common/tls/secure_stream.h"
#include "proto/tunnel/mux.h"

namespace oob {

class TunnelConnection {
 public:
  struct Events {
    std::function<Mux::Accepted(StreamId id, const std::string& path)> opened;  // Accepter only
    std::function<void(const std::string& reason)> closed;
  };
  TunnelConnection(Shard& shard, Mux::Role role, Events events);
  ~TunnelConnection();  // closes without a word; owners of streams are told nothing
  TunnelConnection(const TunnelConnection&) = delete;

  // Takes over a stream whose handshake is done, and whose callbacks call the three functions below by way of self().
  void run(std::unique_ptr<SecureStream> stream);
  void received(ByteView bytes);
  std::size_t fill(MutableBytes into);
  void stream_closed(const std::string& reason);
  // Ourselves, null once we are gone: a stream that says goodbye outlives its connection for a moment.
  std::shared_ptr<TunnelConnection*> self() { return self_; }

  Mux& mux() { return mux_; }
  const Mux& mux() const { return mux_; }
  // Ends the connection now, tells the peer why if it still listens; `closed` is called later, with this reason.
  void close(const std::string& reason);

 private:
  void want_fill();
  void arm_ping();
  void say_goodbye(const std::string& reason);

  Shard& shard_;
  Events events_;
  Mux mux_;
  std::unique_ptr<SecureStream> stream_;
  Timer ping_;
  bool fill_posted_ = false, over_ = false, saying_goodbye_ = false;
  std::shared_ptr<TunnelConnection*> self_ = std::make_shared<TunnelConnection*>(this);
};

}  // namespace oob
