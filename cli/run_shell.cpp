// See run_shell.h.
#include "cli/run_shell.h"

#include <sys/signalfd.h>
#include <unistd.h>

#include "cli/show.h"
#include "cli/table.h"
#include "cli/terminal.h"
#include "common/limits.h"
#include "common/text.h"

namespace oob {

RunShell::RunShell(Shard& shard, std::vector<std::string> consoles, std::vector<RunStep> steps, bool force,
                   std::size_t jobs)
    : shard_(shard),
      deadline_(shard),
      signals_(shard, watched_signals()),
      progress_(::isatty(STDERR_FILENO) != 0),
      run_(std::move(consoles), std::move(steps), force, jobs,
           {.send = [this](const json::object& message) { send(message); },
            .send_input =
                [this](Bytes frame) {
                  if (socket_) socket_->send(std::move(frame), true);
                }},
           shard.clock()) {}

Result<> RunShell::go(const HttpEndpoint& server) {
  std::optional<Error> error;
  signals_.start_reading([this] { read_signal(); });
  websocket_connect(shard_, server, "/v1/stream", limits::client_time_out,
                    [&](Result<std::unique_ptr<WebSocket>> socket) {
                      if (socket) return opened(std::move(*socket));
                      error = socket.error();
                      shard_.stop();
                    });
  shard_.io().restart();
  shard_.run();
  clear_progress();
  if (error) return tl::unexpected(*error);
  return {};
}

void RunShell::send(const json::object& message) {
  const std::string text = json::serialize(message);
  Bytes bytes;
  append(bytes, text);
  if (socket_) socket_->send(std::move(bytes), false);
}

void RunShell::opened(std::unique_ptr<WebSocket> socket) {
  socket_ = std::move(socket);
  WebSocket::Events events;
  events.message = [this](ByteView message, bool binary) {
    if (!leaving_) run_.message(message, binary);
    update();
  };
  events.closed = [this](const std::string& reason) {
    run_.disconnected(escape_controls(reason));
    shard_.stop();
  };
  socket_->on(std::move(events));
  run_.connected();
  update();
}

void RunShell::read_signal() {
  signalfd_siginfo got{};
  const auto n = signals_.read(std::as_writable_bytes(std::span(&got, 1)));
  if (!n || *n < sizeof got) return;
  const bool again = std::exchange(killed_by_, static_cast<int>(got.ssi_signo)) != 0;
  run_.stop();
  if (again || !socket_) return shard_.stop();
  update();
}

// After anything happened: what to wait for next, and what to show of it.
void RunShell::update() {
  if (leaving_) return;
  if (run_.over()) {
    leaving_ = true;
    socket_->close("done");  // what was sent last, `detach`, goes out first
    return deadline_.once(limits::client_leave_wait, [this] { shard_.stop(); });
  }
  show_progress();
  const auto next = run_.next_deadline();
  if (!next) return deadline_.cancel();
  const auto wait = std::chrono::ceil<Duration>(*next - shard_.clock().now());
  deadline_.once(std::max(wait, Duration(0)), [this] {
    run_.tick();
    update();
  });
}

void RunShell::show_progress() {
  if (!progress_ || killed_by_ != 0) return;
  const std::size_t columns = screen_of(STDERR_FILENO).columns;
  std::string line = std::to_string(run_.ended()) + "/" + std::to_string(run_.sessions().size()) + " done";
  if (run_.failed() > 0) line += ", " + std::to_string(run_.failed()) + " failed";
  line = cut(line + "; " + run_.doing(), columns > 1 ? columns - 1 : 79);
  if (line != std::exchange(shown_, line)) write_all(STDERR_FILENO, "\r" + line + "\x1b[K");
}
void RunShell::clear_progress() {
  if (!shown_.empty()) write_all(STDERR_FILENO, "\r\x1b[K");
}

}  // namespace oob
