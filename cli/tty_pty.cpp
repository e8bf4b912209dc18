// A console as a pty. The other end is not held open here, so that it can be told whether a program has it: what the
// console says while none has is not kept, as a serial port does not keep it.
#include <fcntl.h>
#include <poll.h>
#include <sys/stat.h>
#include <termios.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <cstring>

#include "cli/tty_device.h"
#include "common/limits.h"
#include "common/runtime/descriptor.h"
#include "common/text.h"

namespace oob {
namespace {

// A symbolic link that goes with us.
class Link {
 public:
  ~Link() {
    if (points_to(target_)) ::unlink(path_.c_str());
  }
  Result<> make(const std::string& path, const std::string& target) {
    path_ = path;
    char to[256];
    const ssize_t n = ::readlink(path.c_str(), to, sizeof to - 1);
    if (n > 0) {  // left by one that was killed: to a pty that is no more
      to[n] = '\0';
      if (std::string_view(to).starts_with("/dev/pts/") && (::access(to, F_OK) != 0 || to == target)) {
        ::unlink(path.c_str());
      }
    }
    if (::symlink(target.c_str(), path.c_str()) == 0) {
      target_ = target;
      return {};
    }
    const std::string why = errno == EEXIST ? "is there already; remove it, or give another" : std::strerror(errno);
    return fail(ErrorCode::Usage, "--link " + escape_controls(path) + ": " + why);
  }

 private:
  bool points_to(const std::string& target) const {
    char to[256];
    const ssize_t n = target.empty() ? -1 : ::readlink(path_.c_str(), to, sizeof to);
    return n > 0 && std::string_view(to, std::size_t(n)) == target;
  }
  std::string path_, target_;  // target: empty if there is no link of ours
};

class TtyPty final : public TtyDevice {
 public:
  TtyPty(Shard& shard, int master, Events events)
      : shard_(shard), events_(std::move(events)), master_(shard, master), look_(shard) {}
  Result<> open(const std::string& link);

  std::string name() const override { return shown_; }
  void output(ByteView bytes) override {
    if (!opened_) look();  // not later: this may be for one who has just opened it
    if (!opened_) return;
    append(queued_, bytes);
    write_queued();
  }
  std::size_t queued() const override { return queued_.size(); }
  void set_reading(std::size_t room) override;

 private:
  void look();
  void read();
  void closed();
  void write_queued();
  void arm();

  Shard& shard_;
  Events events_;
  Descriptor master_;
  Timer look_;
  Link link_;
  std::string path_, shown_;
  termios raw_{};
  Bytes queued_;
  std::size_t room_ = 0;
  bool opened_ = false, reading_ = false;  // by a program
};

Result<> TtyPty::open(const std::string& link) {
  const auto failed = [](const char* what) {
    return fail(ErrorCode::Internal, std::string("no pty: ") + what + ": " + std::strerror(errno));
  };
  char path[128];
  if (::grantpt(master_.fd()) != 0 || ::unlockpt(master_.fd()) != 0) return failed("unlockpt");
  if (const int error = ::ptsname_r(master_.fd(), path, sizeof path); error != 0) {
    errno = error;
    return failed("ptsname");
  }
  path_ = shown_ = path;
  // Nobody else's: what write(1) and wall(1) put on terminals would be typed.
  if (::chmod(path, 0600) != 0) return failed("chmod");
  const int slave = ::open(path, O_RDWR | O_NOCTTY | O_CLOEXEC);
  if (slave < 0) return failed(path);
  const bool set = ::tcgetattr(slave, &raw_) == 0 && (::cfmakeraw(&raw_), ::tcsetattr(slave, TCSANOW, &raw_) == 0);
  ::close(slave);
  if (!set) return failed("its settings");
  if (!link.empty()) {
    if (const auto made = link_.make(link, path_); !made) return made;
    shown_ = link;
  }
  look_.every(limits::tty_look_every, [this] { look(); });
  return {};
}

// poll(2) says POLLHUP while no program has the other end; what it left may still be there to read.
void TtyPty::look() {
  pollfd state{master_.fd(), POLLIN, 0};
  if (::poll(&state, 1, 0) < 0 || ((state.revents & POLLHUP) != 0 && (state.revents & POLLIN) == 0)) return;
  look_.cancel();
  opened_ = true;
  arm();
}

void TtyPty::set_reading(std::size_t room) {
  room_ = room;
  arm();
}

void TtyPty::arm() {
  const bool read_now = opened_ && room_ > 0;
  if (read_now == reading_) return;
  reading_ = read_now;
  if (read_now) master_.start_reading([this] { read(); });
  if (!read_now) master_.stop_reading();
}

void TtyPty::read() {
  const MutableBytes buffer = shard_.read_buffer();
  const auto n = master_.read(buffer.first(std::min(buffer.size(), room_)));
  if (!n) return closed();
  if (*n > 0) events_.typed(ByteView(buffer.first(*n)));
}

// By the program. The next one finds it raw, whatever this one made of it: an echo would be typed.
void TtyPty::closed() {
  opened_ = false;
  arm();
  ::tcsetattr(master_.fd(), TCSANOW, &raw_);
  queued_.clear();
  look_.every(limits::tty_look_every, [this] { look(); });
  events_.taken();
}

void TtyPty::write_queued() {
  while (!queued_.empty()) {
    const auto written = master_.write(queued_);
    if (!written) {  // nobody has it
      queued_.clear();
      return;
    }
    if (*written == 0) {
      return master_.when_writable([this] {
        write_queued();
        events_.taken();
      });
    }
    queued_.erase(queued_.begin(), queued_.begin() + std::ptrdiff_t(*written));
  }
}

}  // namespace

Result<std::unique_ptr<TtyDevice>> open_tty_pty(Shard& shard, const std::string& link, TtyDevice::Events events) {
  const int master = ::posix_openpt(O_RDWR | O_NOCTTY | O_NONBLOCK | O_CLOEXEC);
  if (master < 0) return fail(ErrorCode::Internal, std::string("no pty: ") + std::strerror(errno));
  auto out = std::make_unique<TtyPty>(shard, master, std::move(events));
  if (const auto opened = out->open(link); !opened) return tl::unexpected(opened.error());
  return Result<std::unique_ptr<TtyDevice>>(std::move(out));
}

}  // namespace oob
