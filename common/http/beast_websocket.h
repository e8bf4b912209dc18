// WebSocket on Boost.Beast: part of http.cpp, which alone includes it (see http.h).
// A message is copied once, into the outbox; all that is queued in one turn of the loop leaves in one write.
#pragma once
#include <boost/asio/post.hpp>
#include <boost/beast/core.hpp>
#include <boost/beast/websocket.hpp>
#include <deque>

#include "common/http/http.h"
#include "common/http/wire.h"
#include "common/limits.h"

namespace oob {
namespace {

namespace beast = boost::beast;
namespace http = beast::http;
namespace websocket = beast::websocket;
using Socket = HttpSocket;
using Code = boost::system::error_code;

// The layer below Beast: takes every write at once into the wire, which is written when the loop has run what is due
// now. Without it each message costs a system call. A write is done when it is queued, not when it is sent.
class GatherStream {
 public:
  using executor_type = Socket::executor_type;
  using next_layer_type = Socket;  // Beast closes the socket through it on a time-out
  explicit GatherStream(std::shared_ptr<Wire> out) : out_(std::move(out)) {}

  executor_type get_executor() noexcept { return out_->socket.get_executor(); }
  Socket& next_layer() noexcept { return out_->socket; }
  const Socket& next_layer() const noexcept { return out_->socket; }
  Wire& out() { return *out_; }

  template <typename Buffers, typename Handler>
  auto async_read_some(const Buffers& buffers, Handler&& handler) {
    return asio::async_initiate<Handler, void(Code, std::size_t)>(
        [out = out_](auto completion, const auto& into) {
          if (!out->engine) return out->socket.async_read_some(into, std::move(completion));
          const auto held = std::make_shared<decltype(completion)>(std::move(completion));
          out->await([out, held, into](Code error) {
            const std::size_t n = asio::buffer_copy(into, asio::buffer(out->received));
            out->received.erase(out->received.begin(), out->received.begin() + static_cast<std::ptrdiff_t>(n));
            std::move (*held)(n > 0 ? Code() : error, n);
          });
        },
        handler, buffers);
  }

  template <typename Buffers, typename Handler>
  auto async_write_some(const Buffers& buffers, Handler&& handler) {
    return asio::async_initiate<Handler, void(Code, std::size_t)>(
        [out = out_](auto completion, const auto& from) {
          std::size_t taken = 0;
          for (const asio::const_buffer part : beast::buffers_range_ref(from)) {
            const auto* bytes = static_cast<const std::byte*>(part.data());
            append(out->bytes, ByteView(bytes, part.size()));
            taken += part.size();
          }
          const auto executor = out->socket.get_executor();
          asio::post(executor, beast::bind_front_handler(std::move(completion), out->failed, taken));
          asio::post(executor, [out] {
            if (!out->hold) out->flush();
          });
        },
        handler, buffers);
  }

  template <typename Handler>
  friend void async_teardown(beast::role_type, GatherStream& stream, Handler&& handler) {
    if (stream.out_->engine) stream.out_->engine->close_notify();
    stream.out_->flush();  // the closing frame
    Code error;
    stream.out_->socket.shutdown(Socket::shutdown_send, error);
    asio::post(stream.get_executor(), beast::bind_front_handler(std::forward<Handler>(handler), error));
  }

 private:
  std::shared_ptr<Wire> out_;
};

using Stream = websocket::stream<GatherStream, false>;

// The life of one WebSocket, shared by the handle and the pending operations.
class Core : public std::enable_shared_from_this<Core> {
 public:
  Core(Shard& shard, std::shared_ptr<Wire> out)
      : shard_(shard), out_(out), stream_(GatherStream(out)), goodbye_(shard), watch_(shard) {
    stream_.read_message_max(limits::stream_message_bytes_max);
    stream_.auto_fragment(false);
    stream_.set_option(websocket::stream_base::timeout{
        std::chrono::duration_cast<websocket::stream_base::duration>(limits::http_idle_max),
        websocket::stream_base::none(), false});
    // Pings are answered inside of a read, past our queue: who sends them and takes no answer is cut off like one who
    // takes no messages.
    stream_.control_callback([this](websocket::frame_type, beast::string_view) {
      if (over_ || dead_ || unsent() <= 4 * limits::viewer_queue_bytes) return;
      over_ = true;
      post([this] { finish("the peer does not take what it is sent"); }, true);
    });
  }

  Stream& stream() { return stream_; }
  std::function<void()> ended;  // for the HTTP connection that this grew out of

  void on(WebSocket::Events events) {
    events_ = std::move(events);
    out_->progress = [weak = weak_from_this()] {
      if (const auto self = weak.lock()) self->progressed();
    };
    post([this] { read(); });
    if (out_->engine) watch_.every(limits::stream_ping_every, [this] { watch(); });
  }

  std::size_t unsent() const { return queued_bytes_ + out_->unsent(); }

  void send(Bytes message, bool binary) {
    if (over_ || closing_) return;
    if (unsent() + message.size() > 4 * limits::viewer_queue_bytes) {
      over_ = true;  // nothing more is queued; the rest happens outside this call
      post([this] { finish("the peer does not take what it is sent"); }, true);
      return;
    }
    queued_bytes_ += message.size();
    queue_.push_back({std::move(message), binary});
    if (unsent() > limits::viewer_queue_bytes / 2) behind_ = true;
    start_writing();
  }

  void close(const std::string& reason) {
    if (closing_ || over_) return;
    closing_ = true;
    reason_ = reason;
    goodbye_.once(limits::http_goodbye_time_max, [this] { finish(reason_); });
    start_writing();
  }

  void set_reading(bool on) {
    if (on && !reading_) out_->heard = shard_.clock().now();  // nobody listened meanwhile
    reading_ = on;
    if (on) post([this] { held_ ? deliver() : read(); });
  }

  // The handle is gone: at once, and without a word to it.
  void abandon() {
    dead_ = true;
    end_socket();
  }

 private:
  struct Message {
    Bytes bytes;
    bool binary;
  };

  template <typename Work>
  void post(Work work, bool even_if_over = false) {
    asio::post(stream_.get_executor(), [self = shared_from_this(), work, even_if_over] {
      if (!self->dead_ && (!self->over_ || even_if_over)) work();
    });
  }

  void read() {
    if (read_under_way_ || held_ || !reading_ || over_) return;
    read_under_way_ = true;
    stream_.async_read(in_, [self = shared_from_this()](Code error, std::size_t) {
      self->read_under_way_ = false;
      if (self->dead_ || self->over_) return;
      if (error) return self->finish(self->read_error(error));
      self->deliver();
    });
  }

  void deliver() {
    held_ = !reading_;
    if (held_) return;
    const auto data = in_.cdata();
    events_.message(ByteView(static_cast<const std::byte*>(data.data()), data.size()), stream_.got_binary());
    in_.consume(in_.size());
    if (in_.capacity() > limits::http_write_bytes_kept) in_.shrink_to_fit();
    if (!dead_) read();
  }

  // A network that dies does not say so: each side lets the other hear something, and misses it. The one that cannot
  // read for now (its terminal is stopped) is heard all the same.
  void watch() {
    if (dead_ || over_ || closing_) return;
    if (reading_ && shard_.clock().now() - out_->heard > limits::stream_silence_max) {
      constexpr std::chrono::seconds kSilence = limits::stream_silence_max;
      return finish("nothing came from the peer for " + std::to_string(kSilence.count()) + " s");
    }
    if (pinging_ || out_->unsent() > limits::http_write_bytes_kept) return;
    pinging_ = true;
    stream_.async_ping({}, [self = shared_from_this()](Code) { self->pinging_ = false; });
  }

  std::string read_error(Code error) const {
    if (closing_) return reason_;
    if (!out_->why.empty()) return out_->why;
    if (error == websocket::error::closed) {
      const auto& why = stream_.reason();
      return why.reason.empty() ? "closed by the peer" : std::string(why.reason.c_str(), why.reason.size());
    }
    if (error == asio::error::eof || error == asio::error::connection_reset) return "the peer went away";
    return error.message();
  }

  void start_writing() {
    if (writing_) return;
    writing_ = true;
    out_->hold = true;
    post([this] { write(); });
  }

  // One message after the other into the outbox; when there is no more, the outbox is written.
  void write() {
    if (queue_.empty()) {
      writing_ = false;
      out_->hold = false;
      if (closing_) return say_goodbye();
      return out_->flush();
    }
    if (out_->unsent() > limits::http_write_bytes_kept) out_->flush();
    stream_.binary(queue_.front().binary);
    stream_.async_write(asio::buffer(queue_.front().bytes), [self = shared_from_this()](Code error, std::size_t) {
      if (self->dead_ || self->over_) return;
      if (error) return self->finish(error.message());
      self->queued_bytes_ -= self->queue_.front().bytes.size();
      self->queue_.pop_front();
      self->write();
    });
  }

  void say_goodbye() {
    writing_ = true;  // nothing may be written after it
    websocket::close_reason why(websocket::close_code::normal);
    why.reason.assign(reason_.data(), std::min(reason_.size(), why.reason.max_size()));
    stream_.async_close(why, [self = shared_from_this()](Code) {
      if (!self->dead_ && !self->over_) self->finish(self->reason_);
    });
  }

  void progressed() {
    if (dead_ || over_) return;
    if (out_->failed) {
      return post([this] { finish("the peer went away"); });
    }
    if (!behind_ || unsent() > limits::viewer_queue_bytes / 2) return;
    behind_ = false;
    post([this] {
      if (events_.drained) events_.drained();
    });
  }

  void finish(const std::string& reason) {
    over_ = true;
    if (dead_) return;
    dead_ = true;
    goodbye_.cancel();
    watch_.cancel();
    const auto closed = std::move(events_.closed);
    if (closed) closed(reason);
    end_socket();
  }

  void end_socket() {
    goodbye_.cancel();
    watch_.cancel();
    out_->close();
    asio::post(stream_.get_executor(), [self = shared_from_this()] {
      self->events_ = {};
      const auto call = std::move(self->ended);
      self->ended = nullptr;
      if (call) call();
    });
  }

  Shard& shard_;
  std::shared_ptr<Wire> out_;
  Stream stream_;
  Timer goodbye_, watch_;
  WebSocket::Events events_;
  beast::flat_buffer in_;
  std::deque<Message> queue_;
  std::size_t queued_bytes_ = 0;
  std::string reason_;
  bool reading_ = true, read_under_way_ = false, held_ = false;
  bool writing_ = false, behind_ = false, closing_ = false, pinging_ = false;
  bool over_ = false;  // finished or about to be
  bool dead_ = false;  // no callback any more
};

class BeastWebSocket final : public WebSocket {
 public:
  explicit BeastWebSocket(std::shared_ptr<Core> core) : core_(std::move(core)) {}
  ~BeastWebSocket() override { core_->abandon(); }
  void on(Events events) override { core_->on(std::move(events)); }
  void send(Bytes message, bool binary) override { core_->send(std::move(message), binary); }
  std::size_t unsent() const override { return core_->unsent(); }
  void set_reading(bool on) override { core_->set_reading(on); }
  void close(const std::string& reason) override { core_->close(reason); }

 private:
  std::shared_ptr<Core> core_;
};

}  // namespace
}  // namespace oob
