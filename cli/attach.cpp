// Standard streams and signals of an attached session.
#include "cli/attach.h"

#include <fcntl.h>
#include <sys/ioctl.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include "cli/attach_link.h"
#include "cli/attach_program.h"
#include "cli/table.h"
#include "cli/terminal.h"
#include "common/limits.h"
#include "common/runtime/descriptor.h"
#include "common/text.h"

namespace oob {
namespace {

class AttachedTerminal final : public AttachLink {
 public:
  AttachedTerminal(Shard& shard, const HttpEndpoint& server, AttachChoices choices, int in, int out)
      : AttachLink(shard, server),
        in_(shard, in),
        out_(shard, out),
        signals_(shard, watched_signals()),
        interactive_(!choices.pipe),
        stdout_is_terminal_(::isatty(STDOUT_FILENO) != 0),
        stderr_is_terminal_(::isatty(STDERR_FILENO) != 0),
        conversation_(std::move(choices), *this, shard.clock()) {}

  Exit run();

  void output(ByteView bytes) override {
    queue(as_text(bytes));
    if (program_) program_->send(bytes);
  }
  void say(Said kind, const std::string& text) override;
  void echo(const std::string& text) override { write_all(STDOUT_FILENO, text); }
  void hold_output(bool on) override;
  void finished(Exit status, const std::string& message) override;
  std::size_t columns() const override;
  void suspend() override;
  bool start_program(const std::string& command) override;
  void stop_program() override {
    if (program_) program_->stop();
  }

 private:
  AttachConversation& conversation() override { return conversation_; }
  void update() override;
  Result<> prepare() override;
  void parted() override { end_if_over(); }
  void say_goodbye();  // finished: what was sent last goes out before the connection ends
  void end_if_over();
  void queue(std::string_view text);
  void write_queued();
  void read_input();
  void read_signal();

  Descriptor in_, out_;
  Descriptor signals_;
  bool interactive_, stdout_is_terminal_, stderr_is_terminal_;
  std::unique_ptr<RawTerminal> raw_;
  std::unique_ptr<LocalCommand> program_;
  std::string queued_;  // for standard output
  bool held_ = false, reading_input_ = false;
  AttachConversation conversation_;
};

Exit AttachedTerminal::run() {
  signals_.start_reading([this] { read_signal(); });
  conversation_.start();
  update();
  shard_.io().restart();
  shard_.run();
  drop_socket();
  raw_.reset();
  if (killed_by_ != 0) die_by(killed_by_);
  if (!message_.empty()) write_all(STDERR_FILENO, "oob: " + message_ + "\n");
  return status_;
}

// The terminal stays as it was until there is somebody to talk to.
Result<> AttachedTerminal::prepare() {
  if (!interactive_ || raw_) return {};
  auto raw = RawTerminal::enter(STDIN_FILENO);
  if (!raw) return tl::unexpected(raw.error());
  raw_ = std::move(*raw);
  return {};
}

// --- the screen ---

void AttachedTerminal::say(Said kind, const std::string& text) {
  const bool terminal = stdout_is_terminal_ || stderr_is_terminal_;
  if (kind == Said::Hint && !terminal) return;
  std::string line = "[";
  for (const char c : text) line += c == '\n' ? std::string("\n ") : std::string(1, c);
  line += ']';
  if (terminal) {
    std::string shown = "\r\n";
    for (const char c : wrapped(line, columns(), 1)) shown += c == '\n' ? std::string("\r\n") : std::string(1, c);
    line = std::move(shown) + "\r";
  }
  line += '\n';
  if (stdout_is_terminal_) return queue(line);  // in its place among the output
  write_all(STDERR_FILENO, line);
}

void AttachedTerminal::queue(std::string_view text) {
  queued_ += text;
  write_queued();
}

void AttachedTerminal::write_queued() {
  while (!queued_.empty() && !held_) {
    const auto written = out_.write(as_bytes(queued_));
    if (!written) {
      queued_.clear();
      // A reader that has gone (`| head`) had enough; a disk that is full is a failure.
      const bool had_enough = written.error().message == "closed" || errno == EPIPE;
      if (!had_enough)
        status_ = Exit::SomeFailed, message_ = "standard output cannot be written: " + written.error().message;
      if (finished_) return end_if_over();
      return finished(status_, message_);
    }
    if (*written == 0) {
      out_.when_writable([this] { write_queued(), update(); });
      break;
    }
    queued_.erase(0, *written);
  }
  end_if_over();
}

void AttachedTerminal::hold_output(bool on) {
  held_ = on;
  if (!on) write_queued();
}

// --- input ---

void AttachedTerminal::read_input() {
  const MutableBytes buffer = shard_.read_buffer();
  const auto n = in_.read(buffer.first(std::min(buffer.size(), conversation_.input_room())));
  if (!n) {
    in_.stop_reading();
    in_.close();
    conversation_.input_ended();
  } else if (*n > 0) {
    conversation_.keys(ByteView(buffer.first(*n)));
  }
  update();
}

void AttachedTerminal::update() {
  if (finished_) return;
  if (const std::size_t keys = raw_ ? raw_->take_thrown_away() : 0; keys > 0) {
    say(Said::Notice, count_of(keys, "key", "keys") + " dropped: typed while stopped");
  }
  const bool read = conversation_.wants_input() && in_.is_open() && (raw_ || !interactive_);
  if (read != reading_input_) {
    reading_input_ = read;
    if (read) in_.start_reading([this] { read_input(); });
    if (!read) in_.stop_reading();
  }
  read_while_taken(std::max(queued_.size(), program_ ? program_->unsent() : 0));
  if (program_) program_->set_reading(conversation_.wants_program_output());
  wait_for_deadline();
}

// --- signals and the end ---

void AttachedTerminal::read_signal() {
  signalfd_siginfo got{};
  const auto n = signals_.read(std::as_writable_bytes(std::span(&got, 1)));
  if (!n || *n < sizeof got) return;
  killed_by_ = static_cast<int>(got.ssi_signo);
  conversation_.hung_up();
  finished_ = true;
  say_goodbye();
  end_if_over();
}

void AttachedTerminal::finished(Exit status, const std::string& message) {
  if (finished_) return;
  finished_ = true;
  status_ = status;
  message_ = message;
  held_ = false;
  in_.stop_reading();
  program_.reset();
  say_goodbye();
  shard_.post([this] { write_queued(); });
}

void AttachedTerminal::say_goodbye() {
  close_socket();
  // A pipe gets all of it, however slowly. A terminal that is stopped, or a server that is, does not keep its user.
  deadline_.once(limits::client_leave_wait, [this] {
    if (stdout_is_terminal_) queued_.clear();
    drop_socket();
    end_if_over();
  });
}

void AttachedTerminal::end_if_over() {
  if (finished_ && !socket_ && (queued_.empty() || killed_by_ != 0)) shard_.stop();
}

// --- the terminal ---

std::size_t AttachedTerminal::columns() const {
  winsize size{};
  return ::ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 0 ? size.ws_col : 80;
}

void AttachedTerminal::suspend() {
  if (raw_) raw_->suspend();
}

bool AttachedTerminal::start_program(const std::string& command) {
  auto ended = [this](const std::string& how) {
    shard_.post([old = std::shared_ptr<LocalCommand>(std::move(program_))] {});
    conversation_.program_ended(how);
    update();
  };
  auto said = [this](ByteView typed) {
    conversation_.program_output(typed);
    update();
  };
  auto program = LocalCommand::start(
      shard_, command, std::move(said), [this] { update(); }, std::move(ended));
  if (!program) say(Said::Hint, "it cannot be run: " + program.error().message);
  if (program) program_ = std::move(*program);
  return program_ != nullptr;
}

}  // namespace

Exit run_attach(Shard& shard, const HttpEndpoint& server, AttachChoices choices) {
  choices.pipe = ::isatty(STDIN_FILENO) == 0;
  const auto in = private_descriptor(STDIN_FILENO, O_RDONLY);
  const auto out = private_descriptor(STDOUT_FILENO, O_WRONLY);
  if (!in || !out) {
    write_all(STDERR_FILENO, "oob: " + (in ? out.error().message : in.error().message) + "\n");
    return Exit::SomeFailed;
  }
  AttachedTerminal terminal(shard, server, std::move(choices), *in, *out);
  return terminal.run();
}

}  // namespace oob
