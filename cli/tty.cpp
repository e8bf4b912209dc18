// See tty.h.
#include "cli/tty.h"

#include <sys/signalfd.h>
#include <unistd.h>

#include "cli/rest.h"
#include "cli/terminal.h"
#include "cli/tty_device.h"
#include "common/limits.h"
#include "common/runtime/descriptor.h"

namespace oob {
namespace {

class Tty final : public AttachOutside {
 public:
  Tty(Shard& shard, const HttpEndpoint& server, TtyChoices choices)
      : shard_(shard),
        server_(server),
        rest_(shard, server),
        choices_(std::move(choices)),
        deadline_(shard),
        signals_(shard, watched_signals()),
        hints_(::isatty(STDERR_FILENO) != 0),
        conversation_(choices_.attach, *this, shard.clock()) {}

  Exit run();

  void connect(const std::string& first) override;
  void disconnect() override { drop_socket(); }
  void send(Bytes message, bool binary) override {
    if (socket_) socket_->send(std::move(message), binary);
  }
  void output(ByteView bytes) override {
    if (device_) device_->output(bytes);
  }
  void say(Said kind, const std::string& text) override {
    if (kind == Said::Notice || hints_) write_all(STDERR_FILENO, "[" + text + "]\n");
  }
  void echo(const std::string&) override {}
  void hold_output(bool) override {}
  void attached() override;
  void line_state(bool up) override {
    line_up_ = up;
    if (device_) device_->console_is_up(up);
  }
  bool listening() const override { return reading_socket_; }
  void request(const std::string& method, const std::string& path, const std::string& names, Answer done) override;
  void finished(Exit status, const std::string& message) override;

 private:
  TtyDevice::Events events();
  void opened(std::unique_ptr<WebSocket> socket);
  void drop_socket();
  void leave();
  void update();  // after anything happened: what to wait for next
  void read_signal();

  Shard& shard_;
  HttpEndpoint server_;
  Rest rest_;
  const TtyChoices choices_;
  Timer deadline_;
  Descriptor signals_;
  const bool hints_;
  std::unique_ptr<WebSocket> socket_;
  std::unique_ptr<TtyDevice> device_;
  bool line_up_ = false, reading_socket_ = true, finished_ = false;
  int killed_by_ = 0;
  Exit status_ = Exit::Done;
  std::string message_;
  AttachConversation conversation_;
};

Exit Tty::run() {
  signals_.start_reading([this] { read_signal(); });
  conversation_.start();
  update();
  shard_.io().restart();
  shard_.run();
  device_.reset();
  drop_socket();
  if (!message_.empty()) write_all(STDERR_FILENO, "oob: " + message_ + "\n");
  if (killed_by_ != 0) die_by(killed_by_);
  return status_;
}

// --- the server ---

void Tty::connect(const std::string& first) {
  websocket_connect(shard_, server_, "/v1/stream?first=" + url_encode(first), limits::client_time_out,
                    [this](Result<std::unique_ptr<WebSocket>> socket) {
                      if (finished_) return;
                      socket ? opened(std::move(*socket)) : conversation_.disconnected(socket.error());
                      update();
                    });
}

void Tty::opened(std::unique_ptr<WebSocket> socket) {
  socket_ = std::move(socket);
  reading_socket_ = true;
  WebSocket::Events events;
  events.message = [this](ByteView message, bool binary) {
    if (!finished_) conversation_.message(message, binary);
    update();
  };
  events.closed = [this](const std::string& reason) {
    drop_socket();
    if (finished_) return shard_.stop();
    conversation_.disconnected(Error{ErrorCode::Unavailable, reason});
    update();
  };
  socket_->on(std::move(events));
  conversation_.connected();
}

// Not destroyed at once: this may be called from one of the socket's own callbacks.
void Tty::drop_socket() {
  if (socket_) shard_.post([old = std::shared_ptr<WebSocket>(std::move(socket_))] {});
}

void Tty::request(const std::string& method, const std::string& path, const std::string& names, Answer done) {
  Rest::Query query;
  if (!names.empty()) query["names"] = names;
  rest_.call(method, path, std::move(query), "", [this, done = std::move(done)](Result<json::value> answer) {
    if (finished_) return;
    done(std::move(answer));
    update();
  });
}

// --- the device ---

TtyDevice::Events Tty::events() {
  return {.typed =
              [this](ByteView bytes) {
                conversation_.keys(bytes);
                update();
              },
          .broke =
              [this](Duration time) {
                conversation_.send_break(time);
                update();
              },
          .taken = [this] { update(); },
          .notice = [this](const std::string& text) { say(Said::Notice, text); }};
}

// Where it is, is printed when it is of use.
void Tty::attached() {
  if (device_) return;
  auto device = choices_.port ? open_tty_port(shard_, *choices_.port, conversation_.console(), events())
                              : open_tty_pty(shard_, choices_.link, events());
  if (!device) {
    conversation_.hung_up();
    return finished(exit_of(device.error().code), device.error().message);
  }
  device_ = std::move(*device);
  device_->console_is_up(line_up_);
  if (!write_all(STDOUT_FILENO, device_->name() + "\n")) {
    conversation_.hung_up();
    return finished(Exit::SomeFailed, "standard output cannot be written");
  }
  say(Said::Hint, "^C ends it");
}

void Tty::update() {
  if (finished_) return;
  if (device_) device_->set_reading(conversation_.wants_input() ? conversation_.input_room() : 0);
  if (socket_) {
    const std::size_t queued = device_ ? device_->queued() : 0;
    const bool room = queued <= (reading_socket_ ? limits::viewer_queue_bytes : limits::viewer_queue_bytes / 2);
    if (room != reading_socket_) socket_->set_reading(room);
    reading_socket_ = room;
  }
  const auto next = conversation_.next_deadline();
  if (!next) return deadline_.cancel();
  const auto wait = std::chrono::ceil<Duration>(*next - shard_.clock().now());
  deadline_.once(std::max(wait, Duration(0)), [this] {
    conversation_.tick();
    update();
  });
}

// --- the end ---

void Tty::read_signal() {
  signalfd_siginfo got{};
  const auto n = signals_.read(std::as_writable_bytes(std::span(&got, 1)));
  if (!n || *n < sizeof got) return;
  if (std::exchange(killed_by_, static_cast<int>(got.ssi_signo)) != 0) return shard_.stop();
  conversation_.hung_up();
  say(Said::Hint, "left " + conversation_.console());
  finished_ = true;
  leave();
}

void Tty::finished(Exit status, const std::string& message) {
  if (std::exchange(finished_, true)) return;
  status_ = status;
  message_ = message;
  shard_.post([this] { leave(); });
}

// What was sent last, `detach`, goes out first.
void Tty::leave() {
  if (device_) device_->set_reading(0);
  if (!socket_) return shard_.stop();
  socket_->set_reading(true);
  socket_->close("left");
  deadline_.once(limits::client_leave_wait, [this] { shard_.stop(); });
}

}  // namespace

Exit run_tty(Shard& shard, const HttpEndpoint& server, TtyChoices choices) {
  choices.attach.device = true;
  choices.attach.lines = 0;
  Tty tty(shard, server, std::move(choices));
  return tty.run();
}

}  // namespace oob
