// The kernel's serial port. See serial_port.h. termios by TCSETS2, which takes any speed; <termios.h> cannot stand
// beside the header it needs. ioctl_tty(2), termios(3)
#include "agents/lines/serial_port.h"

#include <asm/termbits.h>
#include <fcntl.h>
#include <linux/serial.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <cerrno>
#include <cmath>
#include <cstring>

#include "agents/lines/port_lock.h"
#include "common/text.h"

namespace oob {
namespace {

using Parity = SerialSettings::Parity;
using Flow = SerialSettings::Flow;

constexpr tcflag_t kFraming = CSIZE | PARENB | PARODD | CMSPAR | CSTOPB | CRTSCTS;
// A UART is content with a speed that is wrong by so much; most divide a clock and cannot hit every speed.
constexpr double kSpeedTolerance = 0.03;

termios2 raw(const SerialSettings& settings, termios2 from) {
  from.c_iflag = IGNBRK | (settings.flow == Flow::XonXoff ? IXON | IXOFF : 0);  // breaks are counted, not read as NUL
  from.c_oflag = from.c_lflag = 0;
  constexpr tcflag_t kSizes[] = {CS5, CS6, CS7, CS8};
  from.c_cflag = CREAD | CLOCAL | kSizes[settings.data_bits - 5];  // without HUPCL: DTR stays up at the last close
  if (settings.parity != Parity::None) from.c_cflag |= PARENB;
  if (settings.parity == Parity::Odd || settings.parity == Parity::Mark) from.c_cflag |= PARODD;
  if (settings.parity == Parity::Mark || settings.parity == Parity::Space) from.c_cflag |= CMSPAR;
  if (settings.stop_bits == 2) from.c_cflag |= CSTOPB;
  if (settings.flow == Flow::RtsCts) from.c_cflag |= CRTSCTS;
  from.c_cflag |= BOTHER | BOTHER << IBSHIFT;
  from.c_ispeed = from.c_ospeed = settings.speed;
  from.c_cc[VMIN] = 1, from.c_cc[VTIME] = 0;
  from.c_cc[VSTART] = 0x11, from.c_cc[VSTOP] = 0x13;
  return from;
}

// The kernel sets what it can and does not say what it could not.
Result<> verify(const termios2& wanted, const termios2& got) {
  const auto cannot = [](const std::string& what) {
    return fail(ErrorCode::Unavailable, "the port cannot be set to " + what);
  };
  if (std::abs(double(got.c_ospeed) - wanted.c_ospeed) > kSpeedTolerance * wanted.c_ospeed) {
    return cannot(std::to_string(wanted.c_ospeed) + " bps; it offers " + std::to_string(got.c_ospeed));
  }
  const tcflag_t differs = (wanted.c_cflag ^ got.c_cflag) & kFraming;
  if (differs & CSIZE) return cannot("so many data bits");
  if (differs & (PARENB | PARODD | CMSPAR)) return cannot("that parity");
  if (differs & CSTOPB) return cannot("so many stop bits");
  if (differs & CRTSCTS) return cannot("flow control by RTS and CTS");
  return {};
}

class KernelPort final : public SerialPort {
 public:
  KernelPort(int fd, bool hang_up, PortLock lock) : fd_(fd), hang_up_(hang_up), lock_(std::move(lock)) {}
  ~KernelPort() override {
    // The last close waits for what is unsent, half a minute if flow control holds it.
    drop_unsent();
    const int dtr = TIOCM_DTR;
    if (hang_up_) ioctl(fd_, TIOCMBIC, &dtr);
    ::close(fd_);
  }
  int fd() const override { return fd_; }
  std::optional<ModemLines> modem_lines() override {
    int bits = 0;
    if (ioctl(fd_, TIOCMGET, &bits) != 0) return std::nullopt;
    return ModemLines{(bits & TIOCM_DTR) != 0, (bits & TIOCM_RTS) != 0, (bits & TIOCM_CTS) != 0,
                      (bits & TIOCM_DSR) != 0, (bits & TIOCM_CAR) != 0, (bits & TIOCM_RNG) != 0};
  }
  std::optional<SerialCounters> counters() override {
    serial_icounter_struct got{};
    if (ioctl(fd_, TIOCGICOUNT, &got) != 0) return std::nullopt;
    return SerialCounters{unsigned(got.frame), unsigned(got.parity), unsigned(got.brk), unsigned(got.overrun),
                          unsigned(got.buf_overrun)};
  }
  std::size_t unsent_bytes() override {
    int bytes = 0;
    return ioctl(fd_, TIOCOUTQ, &bytes) == 0 && bytes > 0 ? std::size_t(bytes) : 0;
  }
  bool is_idle() override {
    unsigned state = 0;
    return unsent_bytes() == 0 && (ioctl(fd_, TIOCSERGETLSR, &state) != 0 || (state & TIOCSER_TEMT) != 0);
  }
  void drop_unsent() override {
    if (unsent_bytes() > 0) ioctl(fd_, TCFLSH, TCOFLUSH);
  }
  Result<> set_break(bool on) override {
    if (ioctl(fd_, on ? TIOCSBRK : TIOCCBRK) == 0) return {};
    return fail(ErrorCode::Unavailable, std::string("the port sends no break: ") + std::strerror(errno));
  }
  std::string lock_trouble() const override { return lock_.why_not(); }

 private:
  const int fd_;
  const bool hang_up_;
  PortLock lock_;
};

}  // namespace

Result<std::unique_ptr<SerialPort>> open_serial_port(const SerialSettings& settings) {
  const std::string shown = escape_controls(settings.device);
  const auto refuse = [&](const std::string& why) { return fail(ErrorCode::Unavailable, shown + ": " + why); };
  const std::unique_ptr<char, decltype(&free)> real(::realpath(settings.device.c_str(), nullptr), &free);
  if (!real) return refuse(errno == ENOENT ? "there is no such device" : std::strerror(errno));
  auto lock = PortLock::claim(real.get());
  if (!lock) return refuse(lock.error().message);
  // Not blocking, so that it does not wait for a carrier; O_NOCTTY, so that a hang-up does not end us.
  const int fd = ::open(real.get(), O_RDWR | O_NOCTTY | O_NONBLOCK | O_CLOEXEC);
  if (fd < 0) {
    if (errno == EBUSY) return refuse("in use by another program, which holds it for itself (TIOCEXCL)");
    if (errno == EACCES) return refuse("the agent's user may not open it (on Debian: group dialout)");
    return refuse(std::strerror(errno));
  }
  const auto close_and_refuse = [&](const std::string& why) {
    ::close(fd);
    return refuse(why);
  };
  termios2 before{}, after{};
  if (ioctl(fd, TCGETS2, &before) != 0) return close_and_refuse("it is no serial port");
  if (flock(fd, LOCK_EX | LOCK_NB) != 0) {
    lock->leave();
    return close_and_refuse("in use by another program or by another line of this agent, which has it locked");
  }
  ioctl(fd, TIOCEXCL);
  // One call sets all, HUPCL off included, and flushes nothing.
  const termios2 wanted = raw(settings, before);
  if (ioctl(fd, TCSETS2, &wanted) != 0 || ioctl(fd, TCGETS2, &after) != 0) {
    return close_and_refuse(std::string("it cannot be set: ") + std::strerror(errno));
  }
  if (const auto good = verify(wanted, after); !good) {
    ioctl(fd, TIOCNXCL);
    return close_and_refuse(good.error().message);
  }
  return std::make_unique<KernelPort>(fd, settings.hang_up, std::move(*lock));
}

}  // namespace oob
