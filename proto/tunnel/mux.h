// Mux: many streams of messages over one connection, as HTTP/2 (RFC 9113) by nghttp2: bytes from the peer in, bytes for
// the peer out, callbacks between. oobd is the Opener (HTTP/2 client, though it was dialled), the agent the Accepter.
// nghttp2 frames and checks; Scheduler decides who sends: a stream is pulled from only when its turn has come, so a
// keystroke waits for one frame at most. Sans-IO; on one shard. Not re-entrant: receive() and fill() are never called
// from a callback; open(), wake(), close(), hold() may be.
// Limits: frames of limits::tunnel_frame_bytes out; messages, streams, windows as in limits.h.
#pragma once
#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "common/bytes.h"
#include "common/clock.h"
#include "common/result.h"
#include "proto/tunnel/scheduler.h"

namespace oob {

using StreamId = Scheduler::StreamId;

inline constexpr std::size_t kStreamFillBytesMin = 256;

// The owner's end of one stream. It outlives the stream or calls Mux::close() first.
class StreamOwner {
 public:
  virtual ~StreamOwner() = default;
  // A whole message; the view is valid during the call. Error: the peer broke the protocol, the connection ends.
  virtual Result<> stream_message(ByteView message) = 0;
  // Called when it is this stream's turn: writes framed messages (or a part of one) into `into`, which has room for
  // kStreamFillBytesMin at least; 0: nothing to send, the stream sleeps until Mux::wake().
  virtual std::size_t stream_fill(MutableBytes into) = 0;
  // The peer ended the stream or refused it ("refused: 404"), or the connection ended. Nothing comes after it.
  virtual void stream_closed(const std::string& reason) = 0;
};

class Mux {
 public:
  enum class Role { Opener, Accepter };
  struct Accepted {
    StreamOwner* owner = nullptr;  // null: refused (404)
    StreamClass stream_class = StreamClass::Control;
    std::size_t message_bytes_max = 0;
  };
  struct Events {
    std::function<Accepted(StreamId id, const std::string& path)> opened;  // Accepter only
    std::function<void()> wants_fill;  // something may be sent: call fill() soon (not from inside this call)
  };

  Mux(Role role, Clock& clock, Events events);
  ~Mux();  // tells the owners of open streams nothing

  // Bytes from the peer. Error: the connection is to be closed; says why in words. All owners are then told by fail().
  Result<> receive(ByteView bytes);
  // Bytes for the peer, at most into.size(); 0: nothing now. Error as in receive().
  Result<std::size_t> fill(MutableBytes into);
  // Keep-alive: call at next_deadline(). Sends PING; Error when the peer was silent for limits::tunnel_silence_max.
  Result<> tick();
  SteadyTime next_deadline() const;
  void ping();                                                  // now, to see whether the peer lives
  std::optional<std::chrono::microseconds> round_trip() const;  // as the last ping found it
  SteadyTime last_received() const;                             // when the peer last said anything
  // Tells the peer that the connection ends, and why (GOAWAY with the reason as its debug data); the next fill()
  // gives it out.
  void goodbye(const std::string& reason);
  // The connection is over: every open stream's owner is told once.
  void fail_all(const std::string& reason);

  StreamId open(const std::string& path, StreamClass stream_class, std::size_t message_bytes_max, StreamOwner& owner);
  void wake(StreamId id);   // its owner has something to send
  void close(StreamId id);  // ends the stream both ways; its owner is not called again
  // While held, the peer gets no further credit on this stream (its window runs dry); others are not affected.
  void hold(StreamId id, bool held);
  std::size_t open_streams() const;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace oob
