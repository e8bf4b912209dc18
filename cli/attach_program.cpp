// posix_spawn(3) of /bin/sh -c with two pipes. The end of its output is the end of the command.
#include "cli/attach_program.h"

#include <fcntl.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <cstring>

#include "common/limits.h"

namespace oob {

Result<std::unique_ptr<LocalCommand>> LocalCommand::start(Shard& shard, const std::string& command,
                                                          std::function<void(ByteView)> said,
                                                          std::function<void()> taken,
                                                          std::function<void(std::string)> ended) {
  int in[2], out[2];
  if (::pipe2(in, O_CLOEXEC) != 0) return fail(ErrorCode::Internal, std::strerror(errno));
  if (::pipe2(out, O_CLOEXEC) != 0) {
    const int error = errno;
    ::close(in[0]), ::close(in[1]);
    return fail(ErrorCode::Internal, std::strerror(error));
  }
  std::unique_ptr<LocalCommand> self(new LocalCommand(shard));
  self->in_ = std::make_unique<Descriptor>(shard, in[1]);
  self->out_ = std::make_unique<Descriptor>(shard, out[0]);
  posix_spawn_file_actions_t files;
  posix_spawn_file_actions_init(&files);
  posix_spawn_file_actions_adddup2(&files, in[0], 0);
  posix_spawn_file_actions_adddup2(&files, out[1], 1);
  posix_spawnattr_t attributes;
  posix_spawnattr_init(&attributes);
  sigset_t none;
  sigset_t all;
  ::sigemptyset(&none), ::sigfillset(&all);
  posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETPGROUP | POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF);
  posix_spawnattr_setsigmask(&attributes, &none);  // ours are blocked for a signalfd
  posix_spawnattr_setsigdefault(&attributes, &all);
  const char* argv[] = {"sh", "-c", command.c_str(), nullptr};
  const int error =
      ::posix_spawn(&self->pid_, "/bin/sh", &files, &attributes, const_cast<char* const*>(argv), ::environ);
  posix_spawnattr_destroy(&attributes);
  posix_spawn_file_actions_destroy(&files);
  ::close(in[0]), ::close(out[1]);
  if (error != 0) {
    self->pid_ = 0;
    return fail(ErrorCode::Internal, std::string("no shell: ") + std::strerror(error));
  }
  self->said_ = std::move(said);
  self->taken_ = std::move(taken);
  self->ended_ = std::move(ended);
  return self;
}

LocalCommand::~LocalCommand() {
  if (pid_ == 0) return;
  ::kill(-pid_, SIGHUP);
  ::waitpid(pid_, nullptr, WNOHANG);
}

void LocalCommand::stop() {
  if (pid_ != 0) ::kill(-pid_, SIGTERM);
}

void LocalCommand::send(ByteView bytes) {
  if (!in_->is_open()) return;  // it has closed its input: it wants no more
  queued_ += as_text(bytes);
  write_queued();
}

void LocalCommand::write_queued() {
  while (!queued_.empty()) {
    const auto written = in_->write(as_bytes(queued_));
    if (!written) {
      queued_.clear();
      return in_->close();
    }
    if (*written == 0) {
      return in_->when_writable([this] {
        write_queued();
        if (queued_.empty()) taken_();
      });
    }
    queued_.erase(0, *written);
  }
}

void LocalCommand::set_reading(bool on) {
  if (on == reading_ || !out_->is_open()) return;
  reading_ = on;
  if (on) out_->start_reading([this] { read(); });
  if (!on) out_->stop_reading();
}

void LocalCommand::read() {
  const MutableBytes buffer = shard_.read_buffer();
  const auto n = out_->read(buffer.first(limits::client_pipe_batch_bytes));
  if (n && *n > 0) said_(ByteView(buffer.first(*n)));
  if (!n) reap();
}

void LocalCommand::reap() {
  out_->close();
  in_->close();
  int status = 0;
  // It has closed its output and is about to end; one that is not has no more to do with the console, and is killed.
  bool reaped = false;
  for (int tries = 0; tries < 100 && !reaped; ++tries) {
    reaped = ::waitpid(pid_, &status, WNOHANG) == pid_;
    if (!reaped) ::usleep(1000);
  }
  if (!reaped) {
    ::kill(-pid_, SIGKILL);
    ::waitpid(pid_, &status, 0);
  }
  pid_ = 0;
  const auto call = std::move(ended_);
  call(WIFSIGNALED(status) ? std::string("killed by ") + strsignal(WTERMSIG(status))
                           : "status " + std::to_string(WEXITSTATUS(status)));
}

}  // namespace oob
