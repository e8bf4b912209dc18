// Mux over nghttp2; the only file that includes it. Every data provider is deferred except the one whose turn the
// Scheduler has granted, so nghttp2 never chooses between streams.
#include "proto/tunnel/mux.h"

#include <nghttp2/nghttp2.h>

#include <algorithm>
#include <cassert>
#include <cstring>
#include <set>

#include "common/limits.h"
#include "common/text.h"
#include "proto/tunnel/messages.h"

namespace oob {
namespace {

// What this connection may have under way in all; large, because bytes are taken from it at once.
constexpr std::int32_t kConnectionWindowBytes = 32 * 1024 * 1024;
constexpr std::size_t kPathBytesMax = 256;
constexpr std::size_t kReasonBytesMax = 300;
// A stream with less window left waits for more, so that an owner always has room for a message and some data. It is
// never waited for in vain: credit is given back as soon as half a window was taken.
static_assert(2 * kStreamFillBytesMin < limits::tunnel_stream_window_bytes);

nghttp2_nv header(std::string_view name, std::string_view value) {
  return {const_cast<std::uint8_t*>(reinterpret_cast<const std::uint8_t*>(name.data())),
          const_cast<std::uint8_t*>(reinterpret_cast<const std::uint8_t*>(value.data())), name.size(), value.size(),
          NGHTTP2_NV_FLAG_NONE};
}

}  // namespace

struct Mux::State {
  struct Stream {
    StreamOwner* owner = nullptr;  // null: closed on our side, or not yet accepted
    MessageSplitter splitter{0};
    std::string path, status;  // from the peer's header
    bool accepted = false;     // Opener: answered 200. Accepter: given to an owner
    bool started = false;      // nghttp2 has asked for data once: it can be resumed
    bool wants_turn = false;   // woken before it started
    bool ending = false;       // our side ends (or has ended) with END_STREAM
    bool held = false;
    std::size_t unconsumed_bytes = 0;  // received, credit withheld
    std::size_t window_bytes = limits::tunnel_stream_window_bytes, since_growth_bytes = 0;
  };

  State(Role r, Clock& c, Events e) : role(r), clock(c), events(std::move(e)) {}

  Role role;
  Clock& clock;
  Events events;
  nghttp2_session* session = nullptr;
  Scheduler scheduler;
  std::unordered_map<StreamId, std::unique_ptr<Stream>> streams;
  std::set<StreamId> parked;  // wait for window
  StreamId granted = 0;       // whose turn it is
  std::size_t granted_bytes = 0;
  std::size_t frame_bytes_now = limits::tunnel_frame_bytes;  // less where little may be sent at once: a slow link
  ByteView pending;       // framed by nghttp2, not yet taken by fill(); valid until it is asked for more
  std::string complaint;  // what nghttp2 last had against the peer
  std::string broken;     // a callback found the connection unusable
  SteadyTime last_received, next_ping;
  std::uint64_t pings = 0;  // sent; the number is what a ping carries
  SteadyTime pinged;        // when the last one was
  std::optional<std::chrono::microseconds> round_trip;

  Stream* find(StreamId id) {
    const auto found = streams.find(id);
    return found == streams.end() ? nullptr : found->second.get();
  }
  void schedule(StreamId id, Stream& stream) {
    if (!stream.started) {
      stream.wants_turn = true;
    } else if (!parked.contains(id)) {
      scheduler.ready(id);
    }
    if (events.wants_fill) events.wants_fill();
  }
  bool has_window(StreamId id) const {
    return std::min(nghttp2_session_get_stream_remote_window_size(session, id),
                    nghttp2_session_get_remote_window_size(session)) >= std::int32_t(kStreamFillBytesMin);
  }
  int abort_connection(std::string why) {
    if (broken.empty()) broken = std::move(why);
    return NGHTTP2_ERR_CALLBACK_FAILURE;
  }

  // --- nghttp2's callbacks ---
  static State& of(void* user) { return *static_cast<State*>(user); }

  static ssize_t frame_bytes(nghttp2_session*, std::uint8_t, std::int32_t, std::int32_t session_window,
                             std::int32_t stream_window, std::uint32_t frame_max, void* user) {
    return std::min({std::int64_t(of(user).frame_bytes_now), std::int64_t(session_window), std::int64_t(stream_window),
                     std::int64_t(frame_max)});
  }

  static ssize_t read_data(nghttp2_session*, std::int32_t id, std::uint8_t* into, std::size_t length,
                           std::uint32_t* flags, nghttp2_data_source*, void* user) {
    State& self = of(user);
    Stream* stream = self.find(id);
    if (stream == nullptr) return NGHTTP2_ERR_TEMPORAL_CALLBACK_FAILURE;
    if (!stream->started) {
      stream->started = true;
      if (std::exchange(stream->wants_turn, false)) self.scheduler.ready(id);
    }
    if (self.granted != id) return NGHTTP2_ERR_DEFERRED;
    self.granted = 0;
    if (stream->ending || stream->owner == nullptr) {
      *flags |= NGHTTP2_DATA_FLAG_EOF;
      return 0;
    }
    const std::size_t filled = stream->owner->stream_fill({reinterpret_cast<std::byte*>(into), length});
    if (filled == 0) return NGHTTP2_ERR_DEFERRED;
    self.granted_bytes = filled;
    self.scheduler.charge(id, filled + 9);  // and the frame's header
    self.schedule(id, *stream);             // it may have more; if not, its next turn says so
    return ssize_t(filled);
  }

  static int begin_headers(nghttp2_session*, const nghttp2_frame* frame, void* user) {
    State& self = of(user);
    if (self.role == Role::Accepter && frame->hd.type == NGHTTP2_HEADERS &&
        frame->headers.cat == NGHTTP2_HCAT_REQUEST) {
      self.streams[frame->hd.stream_id] = std::make_unique<Stream>();
    }
    return 0;
  }

  static int header_field(nghttp2_session*, const nghttp2_frame* frame, const std::uint8_t* name, std::size_t name_size,
                          const std::uint8_t* value, std::size_t value_size, std::uint8_t, void* user) {
    Stream* stream = of(user).find(frame->hd.stream_id);
    if (stream == nullptr) return 0;
    const std::string_view key(reinterpret_cast<const char*>(name), name_size);
    const std::string_view text(reinterpret_cast<const char*>(value), std::min(value_size, kPathBytesMax + 1));
    if (key == ":path") stream->path = text;
    if (key == ":status") stream->status = text;
    return 0;
  }

  static int frame_received(nghttp2_session*, const nghttp2_frame* frame, void* user) {
    State& self = of(user);
    const StreamId id = frame->hd.stream_id;
    switch (frame->hd.type) {
      case NGHTTP2_WINDOW_UPDATE:
        if (Stream* stream = self.find(id); stream != nullptr && self.parked.erase(id) > 0) {
          self.schedule(id, *stream);
        } else if (id == 0) {
          self.unpark_all();
        }
        return 0;
      case NGHTTP2_PING:
        if ((frame->hd.flags & NGHTTP2_FLAG_ACK) != 0 &&
            std::memcmp(frame->ping.opaque_data, &self.pings, sizeof self.pings) == 0) {
          self.round_trip = std::chrono::duration_cast<std::chrono::microseconds>(self.clock.now() - self.pinged);
        }
        return 0;
      case NGHTTP2_SETTINGS:
        self.unpark_all();
        return 0;
      case NGHTTP2_HEADERS:
        if (self.role == Role::Accepter && frame->headers.cat == NGHTTP2_HCAT_REQUEST)
          self.accept(id);
        else if (frame->headers.cat == NGHTTP2_HCAT_RESPONSE)
          self.answered(id);
        break;
      case NGHTTP2_GOAWAY: {
        const auto& goaway = frame->goaway;
        const std::string_view why(reinterpret_cast<const char*>(goaway.opaque_data),
                                   std::min(goaway.opaque_data_len, kReasonBytesMax));
        return self.abort_connection(why.empty() ? "the peer ended the connection"
                                                 : "the peer said: " + escape_controls(why));
      }
      default:
        break;
    }
    if ((frame->hd.type == NGHTTP2_HEADERS || frame->hd.type == NGHTTP2_DATA) &&
        (frame->hd.flags & NGHTTP2_FLAG_END_STREAM) != 0) {
      self.peer_ended(id, "");
    }
    return 0;
  }

  static int data_received(nghttp2_session*, std::uint8_t, std::int32_t id, const std::uint8_t* data, std::size_t size,
                           void* user) {
    State& self = of(user);
    nghttp2_session_consume_connection(self.session, size);
    Stream* stream = self.find(id);
    if (stream == nullptr || stream->owner == nullptr) {  // closed here; the peer has not heard of it yet
      nghttp2_session_consume_stream(self.session, id, size);
      return 0;
    }
    // The owner may close the stream, or others, while it takes the message: look it up again each time.
    Result<> taken;
    const auto split =
        stream->splitter.receive({reinterpret_cast<const std::byte*>(data), size}, [&](ByteView message) {
          taken = stream->owner->stream_message(message);
          stream = self.find(id);
          return taken.has_value() && stream != nullptr && stream->owner != nullptr;
        });
    if (!split) return self.abort_connection(split.error().message);
    if (!taken) return self.abort_connection(taken.error().message);
    if (stream == nullptr) return 0;
    self.credit(id, *stream, size);
    return 0;
  }

  // nghttp2 answers a broken frame by a GOAWAY and ignores all input from then on: that is the end of the connection.
  static int frame_sent(nghttp2_session*, const nghttp2_frame* frame, void* user) {
    State& self = of(user);
    if (frame->hd.type != NGHTTP2_GOAWAY || frame->goaway.error_code == NGHTTP2_NO_ERROR) return 0;
    return self.abort_connection(
        "the peer broke the protocol: " +
        (self.complaint.empty() ? std::string(nghttp2_http2_strerror(frame->goaway.error_code)) : self.complaint));
  }

  static int complained(nghttp2_session*, int, const char* text, std::size_t size, void* user) {
    of(user).complaint = escape_controls(std::string_view(text, std::min<std::size_t>(size, 200)));
    return 0;
  }

  static int stream_over(nghttp2_session*, std::int32_t id, std::uint32_t error, void* user) {
    State& self = of(user);
    self.peer_ended(id, error == 0 ? "" : std::string("reset: ") + nghttp2_http2_strerror(error));
    self.scheduler.remove(id);
    self.parked.erase(id);
    if (self.granted == id) self.granted = 0;
    self.streams.erase(id);
    return 0;
  }

  // --- what they lead to ---
  void unpark_all() {
    for (const StreamId id : std::exchange(parked, {})) {
      Stream* stream = find(id);
      if (stream != nullptr) schedule(id, *stream);
    }
  }

  // Gives credit back and lets the window of a busy stream grow, as far as the number of streams permits.
  void credit(StreamId id, Stream& stream, std::size_t bytes) {
    stream.unconsumed_bytes += bytes;
    if (stream.held) return;
    nghttp2_session_consume_stream(session, id, std::exchange(stream.unconsumed_bytes, 0));
    stream.since_growth_bytes += bytes;
    const std::size_t share = std::clamp(limits::tunnel_window_budget_bytes / std::max<std::size_t>(streams.size(), 1),
                                         limits::tunnel_stream_window_bytes, limits::tunnel_stream_window_bytes_max);
    if (stream.since_growth_bytes < 4 * stream.window_bytes || stream.window_bytes * 2 > share) return;
    stream.since_growth_bytes = 0;
    stream.window_bytes *= 2;
    nghttp2_session_set_local_window_size(session, NGHTTP2_FLAG_NONE, id, std::int32_t(stream.window_bytes));
  }

  void accept(StreamId id) {
    Stream* stream = find(id);
    if (stream == nullptr) return;
    Accepted accepted;
    if (stream->path.size() <= kPathBytesMax) accepted = events.opened(id, stream->path);
    stream = find(id);
    if (stream == nullptr) return;
    nghttp2_data_provider provider{.source = {}, .read_callback = read_data};
    const auto status = header(":status", accepted.owner != nullptr ? "200" : "404");
    if (accepted.owner == nullptr) {
      nghttp2_submit_response(session, id, &status, 1, nullptr);
      return;
    }
    stream->owner = accepted.owner;
    stream->accepted = true;
    stream->splitter = MessageSplitter(accepted.message_bytes_max);
    scheduler.add(id, accepted.stream_class);
    nghttp2_submit_response(session, id, &status, 1, &provider);
    schedule(id, *stream);
  }

  void answered(StreamId id) {
    Stream* stream = find(id);
    if (stream == nullptr) return;
    stream->accepted = stream->status == "200";
    if (!stream->accepted) peer_ended(id, "refused: " + escape_controls(stream->status));
  }

  void peer_ended(StreamId id, const std::string& reason) {
    Stream* stream = find(id);
    if (stream == nullptr) return;
    StreamOwner* owner = std::exchange(stream->owner, nullptr);
    end_our_side(id, *stream);
    if (owner != nullptr) owner->stream_closed(reason);
  }

  void end_our_side(StreamId id, Stream& stream) {
    if (std::exchange(stream.ending, true)) return;
    // An END_STREAM frame holds no data, but nghttp2 asks for it only while there is window.
    if (stream.started && !has_window(id)) {
      nghttp2_submit_rst_stream(session, NGHTTP2_FLAG_NONE, id, NGHTTP2_CANCEL);
      if (events.wants_fill) events.wants_fill();
      return;
    }
    schedule(id, stream);
  }

  // Resumes the next stream in turn; false: nobody has anything to send.
  bool grant_next() {
    while (const auto id = scheduler.next()) {
      Stream* stream = find(*id);
      if (stream == nullptr) continue;
      if (!has_window(*id)) {
        parked.insert(*id);
        continue;
      }
      granted = *id;
      if (nghttp2_session_resume_data(session, *id) == 0) return true;
      granted = 0;  // its last frame is still inside nghttp2: the data provider is gone or not there yet
    }
    return false;
  }
};

Mux::Mux(Role role, Clock& clock, Events events) : state_(std::make_unique<State>(role, clock, std::move(events))) {
  State& s = *state_;
  s.last_received = clock.now();
  s.next_ping = clock.now() + limits::tunnel_ping_every;

  nghttp2_session_callbacks* callbacks = nullptr;
  nghttp2_session_callbacks_new(&callbacks);
  nghttp2_session_callbacks_set_on_begin_headers_callback(callbacks, State::begin_headers);
  nghttp2_session_callbacks_set_on_header_callback(callbacks, State::header_field);
  nghttp2_session_callbacks_set_on_frame_recv_callback(callbacks, State::frame_received);
  nghttp2_session_callbacks_set_on_data_chunk_recv_callback(callbacks, State::data_received);
  nghttp2_session_callbacks_set_on_frame_send_callback(callbacks, State::frame_sent);
  nghttp2_session_callbacks_set_error_callback2(callbacks, State::complained);
  nghttp2_session_callbacks_set_on_stream_close_callback(callbacks, State::stream_over);
  nghttp2_session_callbacks_set_data_source_read_length_callback(callbacks, State::frame_bytes);
  nghttp2_option* option = nullptr;
  nghttp2_option_new(&option);
  nghttp2_option_set_no_auto_window_update(option, 1);
  nghttp2_option_set_no_closed_streams(option, 1);
  nghttp2_option_set_peer_max_concurrent_streams(option, limits::tunnel_streams_max);
  nghttp2_option_set_max_outbound_ack(option, 1000);
  // A server that lets go of every console at once resets thousands of streams; the library's default (1,000, then 33 a
  // second) would take that for an attack. Here the peer has shown its certificate.
  nghttp2_option_set_stream_reset_rate_limit(option, 2 * limits::tunnel_streams_max, limits::tunnel_streams_max);
  const int made = role == Role::Opener ? nghttp2_session_client_new2(&s.session, callbacks, &s, option)
                                        : nghttp2_session_server_new2(&s.session, callbacks, &s, option);
  nghttp2_option_del(option);
  nghttp2_session_callbacks_del(callbacks);
  if (made != 0) throw std::bad_alloc();

  const nghttp2_settings_entry settings[] = {
      {NGHTTP2_SETTINGS_MAX_CONCURRENT_STREAMS, limits::tunnel_streams_max},
      {NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE, std::uint32_t(limits::tunnel_stream_window_bytes)},
      {NGHTTP2_SETTINGS_MAX_HEADER_LIST_SIZE, 4096},
      {NGHTTP2_SETTINGS_ENABLE_PUSH, 0},
  };
  nghttp2_submit_settings(s.session, NGHTTP2_FLAG_NONE, settings, role == Role::Opener ? 4 : 3);
  nghttp2_session_set_local_window_size(s.session, NGHTTP2_FLAG_NONE, 0, kConnectionWindowBytes);
}

Mux::~Mux() { nghttp2_session_del(state_->session); }

Result<> Mux::receive(ByteView bytes) {
  State& s = *state_;
  s.last_received = s.clock.now();
  const ssize_t taken =
      nghttp2_session_mem_recv(s.session, reinterpret_cast<const std::uint8_t*>(bytes.data()), bytes.size());
  if (!s.broken.empty()) return oob::fail(ErrorCode::Usage, s.broken);
  if (taken < 0) return oob::fail(ErrorCode::Usage, std::string("not the protocol: ") + nghttp2_strerror(int(taken)));
  if (nghttp2_session_want_write(s.session) != 0 && s.events.wants_fill) s.events.wants_fill();
  return {};
}

Result<std::size_t> Mux::fill(MutableBytes into) {
  State& s = *state_;
  s.frame_bytes_now = std::clamp(into.size(), 2 * kStreamFillBytesMin, limits::tunnel_frame_bytes);
  std::size_t filled = 0;
  while (filled < into.size()) {
    if (s.pending.empty()) {
      const std::uint8_t* frame = nullptr;
      const ssize_t size = nghttp2_session_mem_send(s.session, &frame);
      if (!s.broken.empty()) return oob::fail(ErrorCode::Usage, s.broken);
      if (size < 0) return oob::fail(ErrorCode::Internal, std::string("cannot frame: ") + nghttp2_strerror(int(size)));
      if (size == 0) {
        if (!s.grant_next()) break;
        continue;
      }
      s.pending = {reinterpret_cast<const std::byte*>(frame), std::size_t(size)};
    }
    const std::size_t take = std::min(s.pending.size(), into.size() - filled);
    std::copy_n(s.pending.begin(), take, into.begin() + std::ptrdiff_t(filled));
    s.pending = s.pending.subspan(take);
    filled += take;
  }
  return filled;
}

Result<> Mux::tick() {
  State& s = *state_;
  const SteadyTime now = s.clock.now();
  if (now - s.last_received >= limits::tunnel_silence_max) {
    return oob::fail(ErrorCode::Unavailable, "nothing was heard for 25 s");
  }
  if (now >= s.next_ping) ping();
  return {};
}

void Mux::ping() {
  State& s = *state_;
  s.next_ping = s.clock.now() + limits::tunnel_ping_every;
  ++s.pings;
  s.pinged = s.clock.now();
  std::uint8_t number[8];
  std::memcpy(number, &s.pings, sizeof number);
  nghttp2_submit_ping(s.session, NGHTTP2_FLAG_NONE, number);
  if (s.events.wants_fill) s.events.wants_fill();
}

SteadyTime Mux::next_deadline() const {
  return std::min(state_->next_ping, state_->last_received + limits::tunnel_silence_max);
}

std::optional<std::chrono::microseconds> Mux::round_trip() const { return state_->round_trip; }

SteadyTime Mux::last_received() const { return state_->last_received; }

void Mux::fail_all(const std::string& reason) {
  // An owner may close other streams while it is told: go by ids.
  std::vector<StreamId> ids;
  for (const auto& [id, stream] : state_->streams) ids.push_back(id);
  for (const StreamId id : ids) {
    State::Stream* stream = state_->find(id);
    StreamOwner* owner = stream == nullptr ? nullptr : std::exchange(stream->owner, nullptr);
    if (owner != nullptr) owner->stream_closed(reason);
  }
}

void Mux::goodbye(const std::string& reason) {
  const std::string_view said = std::string_view(reason).substr(0, kReasonBytesMax);
  state_->broken.clear();  // whatever the peer did: it may still be told
  nghttp2_submit_goaway(state_->session, NGHTTP2_FLAG_NONE, 0, NGHTTP2_NO_ERROR,
                        reinterpret_cast<const std::uint8_t*>(said.data()), said.size());
}

StreamId Mux::open(const std::string& path, StreamClass stream_class, std::size_t message_bytes_max,
                   StreamOwner& owner) {
  State& s = *state_;
  assert(s.role == Role::Opener);
  const nghttp2_nv request[] = {header(":method", "POST"), header(":scheme", "https"), header(":authority", "oob"),
                                header(":path", path)};
  const nghttp2_data_provider provider{.source = {}, .read_callback = State::read_data};
  const StreamId id = nghttp2_submit_request(s.session, nullptr, request, std::size(request), &provider, nullptr);
  if (id < 0) return id;  // out of stream numbers (2^30): the caller's connection ends
  auto stream = std::make_unique<State::Stream>();
  stream->owner = &owner;
  stream->splitter = MessageSplitter(message_bytes_max);
  s.scheduler.add(id, stream_class);
  State::Stream& placed = *(s.streams[id] = std::move(stream));
  s.schedule(id, placed);
  return id;
}

void Mux::wake(StreamId id) {
  if (State::Stream* stream = state_->find(id); stream != nullptr && !stream->ending) state_->schedule(id, *stream);
}

void Mux::close(StreamId id) {
  State::Stream* stream = state_->find(id);
  if (stream == nullptr) return;
  stream->owner = nullptr;
  if (stream->held) hold(id, false);
  state_->end_our_side(id, *stream);
}

void Mux::hold(StreamId id, bool held) {
  State::Stream* stream = state_->find(id);
  if (stream == nullptr || stream->held == held) return;
  stream->held = held;
  if (held || stream->unconsumed_bytes == 0) return;
  nghttp2_session_consume_stream(state_->session, id, std::exchange(stream->unconsumed_bytes, 0));
  if (state_->events.wants_fill) state_->events.wants_fill();
}

std::size_t Mux::open_streams() const { return state_->streams.size(); }

}  // namespace oob
