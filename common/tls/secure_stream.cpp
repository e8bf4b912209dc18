// SecureStream over a Descriptor and, if it is TLS, a TlsEngine. Every callback may destroy the stream, so whatever
// runs holds the State and looks at its phase after each one. A write error does not end the connection by itself: what
// the peer said last (an alert with its reason) may still be unread.
#include "common/tls/secure_stream.h"

#include <sys/socket.h>

#include <array>
#include <utility>

#include "common/crypto/secret.h"
#include "common/limits.h"
#include "common/runtime/descriptor.h"
#include "common/tls/tcp_socket.h"

namespace oob {
namespace {

// Unsent bytes beyond one pull can only be TLS's own answers (key updates) to a peer that does not read them.
constexpr std::size_t kUnsentBytesMax = 2 * limits::tunnel_send_buffer_bytes + limits::read_buffer_bytes;

}  // namespace

struct SecureStream::State : std::enable_shared_from_this<State> {
  State(Shard& s, int fd, std::optional<TlsEngine> e)
      : shard(s), descriptor(s, fd), engine(std::move(e)), goodbye(s), paced(is_tcp(fd)), pace_timer(s) {
    if (paced) tune_tcp(fd);
  }

  enum class Phase { New, Greeting, Open, Closing, Gone };
  Shard& shard;
  Descriptor descriptor;
  std::optional<TlsEngine> engine;
  Timer goodbye;
  const bool paced;  // TCP
  SendPace pace;
  Timer pace_timer;
  std::uint64_t given_bytes = 0;  // to the socket
  std::uint64_t read_at = 0;      // of those, when its queue was last seen empty
  Events events;
  Phase phase = Phase::New;
  Bytes unsent;  // plain streams only; under TLS it is the engine's output()
  std::string reason;
  bool pumping = false;
  bool awaiting_room = false;              // the socket was full
  std::optional<std::string> write_error;  // nothing can be sent any more

  Bytes& queue() { return engine ? engine->output() : unsent; }
  bool is_dead() const { return phase == Phase::Gone; }
  bool is_open() const { return phase == Phase::Greeting || phase == Phase::Open; }

  void begin();
  void readable();
  void received(MutableBytes from_peer);
  void pump();
  bool write_queue();
  bool pull();
  std::size_t room();
  void part(const std::string& why);
  void finish();
};

void SecureStream::State::begin() {
  if (phase != Phase::Greeting) return;
  descriptor.start_reading([self = weak_from_this()] {
    if (const auto state = self.lock()) state->readable();
  });
  if (!descriptor.is_open()) {
    reason = "the socket is not usable";
    return finish();
  }
  if (engine) return pump();  // the first flight, of the side that dials
  phase = Phase::Open;
  if (events.ready) events.ready();
  if (phase == Phase::Open) pump();
}

void SecureStream::State::readable() {
  const auto n = descriptor.read(shard.read_buffer());
  if (n && *n > 0) {
    if (phase != Phase::Closing) received(shard.read_buffer().first(*n));
    return;
  }
  if (n) return;
  if (phase != Phase::Closing) {
    // An error is told once, to whichever call comes first.
    reason = n.error().message == "closed" ? write_error.value_or("closed") : n.error().message;
    if (reason == "closed") reason = "peer closed the connection";
    if (phase == Phase::Greeting) reason += " during the TLS handshake";
  }
  finish();
}

// What was said is not left in memory: passwords of equipment come and go this way.
void SecureStream::State::received(MutableBytes from_peer) {
  Bytes plain;
  Result<> ok;
  if (engine) {
    plain.reserve(from_peer.size());
    ok = engine->receive(from_peer, plain);
    if (phase == Phase::Greeting && engine->handshake_done()) {
      phase = Phase::Open;
      if (events.ready) events.ready();
    }
    from_peer = plain;
  }
  if (phase == Phase::Open && !from_peer.empty() && events.bytes) events.bytes(from_peer);
  wipe(from_peer);
  if (!is_open()) return;
  if (!ok) return part(ok.error().message);
  pump();
  if (is_open() && queue().size() > kUnsentBytesMax) part("peer sends, but does not read our answers");
}

// Pulls and writes, in turns, until there is nothing or no room.
void SecureStream::State::pump() {
  if (pumping) return;  // from inside `fill`
  pumping = true;
  while (write_queue() && pull()) {
  }
  pumping = false;
  if (phase == Phase::Closing) write_queue();  // `fill` closed the stream: its last words are still unsent
}

// True if everything is written and more may be pulled.
bool SecureStream::State::write_queue() {
  if (is_dead() || write_error || awaiting_room) return false;
  Bytes& bytes = queue();
  if (!bytes.empty()) {
    const auto n = descriptor.write(bytes);
    if (!n) {
      write_error = n.error().message;
      return false;
    }
    wipe(MutableBytes(bytes).first(*n));
    bytes.erase(bytes.begin(), bytes.begin() + static_cast<std::ptrdiff_t>(*n));
    given_bytes += *n;
  }
  if (bytes.empty()) {
    if (phase == Phase::Closing) shutdown(descriptor.fd(), SHUT_WR);
    return phase == Phase::Open;
  }
  awaiting_room = true;
  descriptor.when_writable([self = weak_from_this()] {
    const auto state = self.lock();
    if (!state) return;
    state->awaiting_room = false;
    state->pump();
  });
  return false;
}

bool SecureStream::State::pull() {
  std::array<std::byte, limits::tunnel_send_buffer_bytes> buffer;  // NOLINT: filled before it is read
  const std::size_t most = paced ? room() : buffer.size();
  const std::size_t n = events.fill && most > 0 ? events.fill(MutableBytes(buffer).first(most)) : 0;
  if (n == 0 || phase != Phase::Open) return false;
  const MutableBytes plain = MutableBytes(buffer).first(n);
  Result<> sent;
  if (engine) {
    sent = engine->send(plain);
  } else {
    append(unsent, plain);
  }
  wipe(plain);
  if (!sent) {
    part(sent.error().message);
    return false;
  }
  return true;
}

// How much may be pulled now. A little is never refused: keys and their echoes cost no look at the socket.
std::size_t SecureStream::State::room() {
  constexpr std::size_t kLittleBytes = 1024;
  if (given_bytes - read_at < kLittleBytes) return kLittleBytes;
  const auto reading = read_pace(descriptor.fd());
  if (!reading) return limits::tunnel_send_buffer_bytes;
  if (reading->queued_bytes == 0) read_at = given_bytes;
  const std::size_t allowed = pace.allow(given_bytes, *reading, shard.clock().now());
  if (allowed == 0 && !pace_timer.armed()) {
    pace_timer.once(pace.wait(), [self = weak_from_this()] {
      if (const auto state = self.lock()) state->pump();
    });
  }
  return std::min(allowed, limits::tunnel_send_buffer_bytes);
}

// The rest of a connection that is being closed: send what there is, then wait for the peer's end.
void SecureStream::State::part(const std::string& why) {
  phase = Phase::Closing;
  reason = why;
  if (engine) engine->close_notify();
  goodbye.once(limits::tunnel_goodbye_time_max, [self = weak_from_this()] {
    if (const auto state = self.lock()) state->finish();
  });
  pump();
}

void SecureStream::State::finish() {
  if (is_dead()) return;
  phase = Phase::Gone;
  goodbye.cancel();
  pace_timer.cancel();
  descriptor.close();
  if (events.closed) events.closed(reason);
}

SecureStream::SecureStream(Shard& shard, int fd, std::optional<TlsEngine> engine)
    : state_(std::make_shared<State>(shard, fd, std::move(engine))) {}

SecureStream::~SecureStream() {
  state_->phase = State::Phase::Gone;
  state_->goodbye.cancel();
  state_->pace_timer.cancel();
  state_->descriptor.close();
}

void SecureStream::start(Events events) {
  state_->events = std::move(events);
  state_->phase = State::Phase::Greeting;
  state_->shard.post([self = state_->weak_from_this()] {
    if (const auto state = self.lock()) state->begin();
  });
}

void SecureStream::flush() {
  const auto state = state_;  // `fill` may destroy this
  if (state->phase == State::Phase::Open) state->pump();
}

void SecureStream::close(const std::string& reason) {
  const auto state = state_;
  if (state->is_open()) state->part(reason);
}

bool SecureStream::is_open() const { return state_->is_open(); }
std::string SecureStream::alpn() const { return state_->engine ? state_->engine->alpn() : ""; }
std::optional<TlsEngine::PeerCertificate> SecureStream::peer() const {
  return state_->engine ? state_->engine->peer() : std::nullopt;
}

const TlsEngine* SecureStream::engine() const { return state_->engine ? &*state_->engine : nullptr; }

}  // namespace oob
