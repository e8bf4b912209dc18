// See tty.h.
#include "cli/tty.h"

#include <sys/signalfd.h>
#include <unistd.h>

#include "cli/attach_link.h"
#include "cli/terminal.h"
#include "cli/tty_device.h"
#include "common/limits.h"
#include "common/runtime/descriptor.h"

namespace oob {
namespace {

class Tty final : public AttachLink {
 public:
  Tty(Shard& shard, const HttpEndpoint& server, TtyChoices choices)
      : AttachLink(shard, server),
        choices_(std::move(choices)),
        signals_(shard, watched_signals()),
        hints_(::isatty(STDERR_FILENO) != 0),
        conversation_(choices_.attach, *this, shard.clock()) {}

  Exit run();

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
  void finished(Exit status, const std::string& message) override;

 private:
  TtyDevice::Events events();
  AttachConversation& conversation() override { return conversation_; }
  void update() override;
  void parted() override { shard_.stop(); }
  void leave();
  void read_signal();

  const TtyChoices choices_;
  Descriptor signals_;
  const bool hints_;
  std::unique_ptr<TtyDevice> device_;
  bool line_up_ = false;
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
  read_while_taken(device_ ? device_->queued() : 0);
  wait_for_deadline();
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
  close_socket();
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
