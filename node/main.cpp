// oob-etherconsole: a console of this machine in raw Ethernet frames: a program on a pty, the kernel's log, or both.
// Two processes: one opens everything, gives up every privilege and moves bytes; the other, which listens to nothing
// but the first one's pipe, keeps the program running, writes SysRq letters and starts what Ctrl-Alt-Del does.
#include <fcntl.h>
#include <getopt.h>
#include <linux/capability.h>
#include <poll.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <exception>
#include <optional>

#include <grp.h>

#include "common/ether/packet_socket.h"
#include "common/limits.h"
#include "common/text.h"
#include "node/console_node.h"
#include "node/kernel_log.h"

namespace {

constexpr const char* kUsage =
    "usage: oob-etherconsole --interface NAME [OPTION..] [-- PROGRAM ARGUMENT..]\n"
    "  --interface NAME    the Ethernet interface to speak on\n"
    "  --to MAC            speak to this machine alone and listen to no other; default: everyone\n"
    "  --key-file FILE     the key that both ends have (mode 0600)\n"
    "  --ether-type N      type of the frames; default 0x88b5\n"
    "  --kernel-log        say what the kernel logs, from its first message on\n"
    "  --sysrq FILE        where a break's letter goes, most often /proc/sysrq-trigger; default: nowhere\n"
    "  --ctrl-alt-del PROGRAM  what Ctrl-Alt-Del starts, by its absolute path; default: nothing\n"
    "  --name TEXT         what to call this machine; default: its host name\n"
    "  --version | --help\n"
    "PROGRAM runs on a terminal, as who started this, and again when it ends: /sbin/agetty - vt220\n";
constexpr int kUsageStatus = 2;
constexpr unsigned kNobody = 65534;
constexpr char kCtrlAltDel = 0;  // among the orders; all else is a SysRq letter
constexpr auto kCtrlAltDelEvery = std::chrono::seconds(5);

[[noreturn]] void die(const std::string& why) {
  std::fprintf(stderr, "oob-etherconsole: %s\n", why.c_str());
  std::exit(1);
}
[[noreturn]] void die_errno(const std::string& what) { die(what + ": " + std::strerror(errno)); }

struct Options {
  std::string interface, key_file, sysrq, ctrl_alt_del, name;
  oob::MacAddress to = oob::kBroadcastMac;
  unsigned long ether_type = oob::kEtherTypeConsole;
  bool kernel_log = false;
  char** program = nullptr;
};

// --- the half with privileges ---

pid_t start_program(const char* terminal, char** program) {
  const pid_t child = fork();
  if (child != 0) return child;
  sigset_t none;
  sigemptyset(&none);
  sigprocmask(SIG_SETMASK, &none, nullptr);
  setsid();
  const int slave = open(terminal, O_RDWR);
  if (slave < 0) _exit(127);
  ioctl(slave, TIOCSCTTY, 0);
  for (int fd = 0; fd < 3; ++fd) dup2(slave, fd);
  if (slave > 2) close(slave);
  setenv("TERM", "vt220", 1);
  execvp(program[0], program);
  std::fprintf(stderr, "oob-etherconsole: cannot run %s: %s\r\n", program[0], std::strerror(errno));
  _exit(127);
}

// In a session of its own, without a terminal; reaped with the others.
void start_ctrl_alt_del(const std::string& program) {
  const pid_t child = fork();
  if (child < 0) std::fprintf(stderr, "oob-etherconsole: cannot start %s: %s\n", program.c_str(), std::strerror(errno));
  if (child != 0) return;
  sigset_t none;
  sigemptyset(&none);
  sigprocmask(SIG_SETMASK, &none, nullptr);
  setsid();
  execl(program.c_str(), program.c_str(), nullptr);
  std::fprintf(stderr, "oob-etherconsole: cannot run %s: %s\n", program.c_str(), std::strerror(errno));
  _exit(127);
}

// Ends with the other half. `orders` brings SysRq letters and Ctrl-Alt-Del.
[[noreturn]] void keep_program(const std::string& terminal, char** program, int orders, int sysrq,
                               const std::string& ctrl_alt_del) {
  sigset_t children;
  sigemptyset(&children);
  sigaddset(&children, SIGCHLD);
  sigprocmask(SIG_BLOCK, &children, nullptr);
  const int signals = signalfd(-1, &children, SFD_CLOEXEC | SFD_NONBLOCK);
  pid_t running = program != nullptr ? start_program(terminal.c_str(), program) : -1;
  pollfd ready[] = {{orders, POLLIN, 0}, {signals, POLLIN, 0}};
  std::optional<std::chrono::steady_clock::time_point> last;
  while (true) {
    // A program that ended is started again a second later.
    const int count = poll(ready, 2, program != nullptr && running < 0 ? 1000 : -1);
    if (count == 0) running = start_program(terminal.c_str(), program);
    signalfd_siginfo about;
    while (read(signals, &about, sizeof about) > 0) {
    }
    for (pid_t ended = 0; (ended = waitpid(-1, nullptr, WNOHANG)) > 0;) running = ended == running ? -1 : running;
    if (ready[0].revents == 0) continue;
    char letter = 0;
    if (read(orders, &letter, 1) <= 0) _exit(0);
    if (letter == kCtrlAltDel) {
      const auto now = std::chrono::steady_clock::now();
      if (ctrl_alt_del.empty() || (last && now - *last < kCtrlAltDelEvery)) {
        std::fprintf(stderr, "oob-etherconsole: Ctrl-Alt-Del was ignored: %s\n",
                     ctrl_alt_del.empty() ? "--ctrl-alt-del was not given" : "the last one was less than 5 s ago");
        continue;
      }
      last = now;
      std::fprintf(stderr, "oob-etherconsole: Ctrl-Alt-Del starts %s\n", ctrl_alt_del.c_str());
      start_ctrl_alt_del(ctrl_alt_del);
      continue;
    }
    if (sysrq >= 0 && write(sysrq, &letter, 1) < 0) std::fprintf(stderr, "oob-etherconsole: SysRq was refused\n");
  }
}

// --- the half without ---

void give_up_privileges() {
  if (geteuid() == 0) {
    if (setgroups(0, nullptr) != 0 || setresgid(kNobody, kNobody, kNobody) != 0 ||
        setresuid(kNobody, kNobody, kNobody) != 0)
      die_errno("cannot become an ordinary user");
  }
  __user_cap_header_struct header{_LINUX_CAPABILITY_VERSION_3, 0};
  __user_cap_data_struct none[2]{};
  if (syscall(SYS_capset, &header, none) != 0) die_errno("cannot give up capabilities");
  prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
}

class Console final : public oob::ConsoleNode::Events {
 public:
  int packets = -1, terminal = -1, log = -1, orders = -1;
  bool send(oob::ByteView frame) override { return oob::send_frame(packets, frame); }
  std::size_t input(oob::ByteView bytes) override {
    if (terminal < 0) return bytes.size();
    const ssize_t taken = write(terminal, bytes.data(), bytes.size());
    return taken < 0 ? 0 : std::size_t(taken);
  }
  void sysrq(char letter) override {
    if (letter == kCtrlAltDel || write(orders, &letter, 1) != 1)
      std::fprintf(stderr, "oob-etherconsole: SysRq was lost\n");
  }
  void ctrl_alt_del() override {
    if (write(orders, &kCtrlAltDel, 1) != 1) std::fprintf(stderr, "oob-etherconsole: Ctrl-Alt-Del was lost\n");
  }

  [[noreturn]] void run(oob::ConsoleNode& node) {
    const auto now = [] { return std::chrono::steady_clock::now(); };
    oob::Bytes room(4096);
    if (log >= 0) read_log(node, true);
    while (true) {
      node.tick(now());
      pollfd ready[] = {{packets, POLLIN, 0},
                        {log, POLLIN, 0},
                        // What the terminal says waits in it while there is much to be sent.
                        {node.waiting_bytes() < oob::limits::node_ring_bytes / 2 ? terminal : -1, POLLIN, 0}};
      const auto wait = std::chrono::ceil<std::chrono::milliseconds>(node.next_deadline(now()) - now());
      if (poll(ready, 3, static_cast<int>(std::max<long>(wait.count(), 1))) < 0 && errno != EINTR) die_errno("poll");
      if (ready[0].revents != 0) receive(node, room, now());
      if (ready[1].revents != 0) read_log(node, false);
      if (ready[2].revents != 0) {
        const ssize_t size = read(terminal, room.data(), room.size());
        // EIO: nobody has the terminal open; the program is about to be started again.
        if (size > 0) node.output(oob::ByteView(room).first(std::size_t(size)), false, now());
        if (size <= 0) poll(nullptr, 0, 50);
      }
    }
  }

 private:
  void receive(oob::ConsoleNode& node, oob::Bytes& room, oob::SteadyTime now) const {
    for (int i = 0; i < 64; ++i) {
      const auto size = oob::receive_frame(packets, room);
      if (!size && errno == ENETDOWN) return;  // it may come up again
      if (!size) die("the interface is gone: " + size.error().message);
      if (*size == 0) return;
      node.received(oob::ByteView(room).first(*size), now);
    }
  }
  void read_log(oob::ConsoleNode& node, bool early) const {
    char record[8192];
    for (int i = 0; early || i < 64; ++i) {
      const ssize_t size = read(log, record, sizeof record);
      const auto now = std::chrono::steady_clock::now();
      if (size < 0 && errno == EPIPE) {
        node.output(oob::as_bytes("[kernel messages were overwritten before they could be read]\r\n"), early, now);
        continue;
      }
      if (size <= 0) return;
      node.output(oob::as_bytes(oob::kernel_log_text({record, std::size_t(size)})), early, now);
    }
  }
};

int run(const Options& options) {
  oob::ConsoleNode::Settings settings;
  if (!options.key_file.empty()) {
    auto key = oob::read_secret_file(options.key_file);
    if (!key) die(key.error().message);
    std::string text(key->reveal());
    if (text.ends_with('\n')) text.pop_back();
    if (text.size() < 16) die("the key has to have 16 bytes at least; `openssl rand -hex 32` makes one");
    settings.key = oob::Secret(std::move(text));
  }
  auto socket = oob::open_packet_socket(options.interface, static_cast<std::uint16_t>(options.ether_type), 1 << 20);
  if (!socket) die(socket.error().message);
  settings.own = socket->own, settings.to = options.to;
  settings.ether_type = static_cast<std::uint16_t>(options.ether_type);
  settings.name = options.name;
  settings.session = static_cast<std::uint64_t>(
      std::chrono::duration_cast<std::chrono::microseconds>(std::chrono::system_clock::now().time_since_epoch())
          .count());
  Console console;
  console.packets = socket->fd;
  if (options.kernel_log && (console.log = open("/dev/kmsg", O_RDONLY | O_NONBLOCK | O_CLOEXEC)) < 0) {
    die_errno("cannot read /dev/kmsg");
  }
  const int sysrq = options.sysrq.empty() ? -1 : open(options.sysrq.c_str(), O_WRONLY | O_CLOEXEC);
  if (!options.sysrq.empty() && sysrq < 0) die_errno("cannot open " + options.sysrq);
  std::string terminal;
  if (options.program != nullptr) {
    console.terminal = posix_openpt(O_RDWR | O_NOCTTY | O_NONBLOCK | O_CLOEXEC);
    if (console.terminal < 0 || grantpt(console.terminal) != 0 || unlockpt(console.terminal) != 0)
      die_errno("no terminal");
    terminal = ptsname(console.terminal);
  }
  int orders[2];
  if (pipe2(orders, O_CLOEXEC) != 0) die_errno("pipe");
  const pid_t other = fork();
  if (other < 0) die_errno("fork");
  if (other == 0) {
    for (const int fd : {orders[1], socket->fd, console.log, console.terminal}) {
      if (fd >= 0) close(fd);
    }
    keep_program(terminal, options.program, orders[0], sysrq, options.ctrl_alt_del);
  }
  close(orders[0]);
  console.orders = orders[1];
  std::signal(SIGPIPE, SIG_IGN);
  oob::ConsoleNode node(std::move(settings), console);
  mlockall(MCL_CURRENT);  // without the right to, its memory may be swapped out like any other's
  give_up_privileges();
  std::fprintf(stderr, "oob-etherconsole: speaking on %s as %s\n", options.interface.c_str(),
               oob::mac_text(socket->own).c_str());
  console.run(node);
}

}  // namespace

int main(int argc, char** argv) try {
  Options options;
  const option known[] = {{"interface", required_argument, nullptr, 'i'},
                          {"to", required_argument, nullptr, 't'},
                          {"key-file", required_argument, nullptr, 'k'},
                          {"ether-type", required_argument, nullptr, 'e'},
                          {"kernel-log", no_argument, nullptr, 'l'},
                          {"sysrq", required_argument, nullptr, 's'},
                          {"ctrl-alt-del", required_argument, nullptr, 'c'},
                          {"name", required_argument, nullptr, 'n'},
                          {"version", no_argument, nullptr, 'V'},
                          {"help", no_argument, nullptr, 'h'},
                          {nullptr, 0, nullptr, 0}};
  const auto usage = [](const std::string& why) {
    std::fprintf(stderr, "oob-etherconsole: %s\n%s", why.c_str(), kUsage);
    return kUsageStatus;
  };
  char host[256] = "";
  gethostname(host, sizeof host - 1);
  options.name = host;
  for (int letter = 0; (letter = ::getopt_long(argc, argv, "+i:", known, nullptr)) != -1;) {
    const std::string value = optarg != nullptr ? optarg : "";
    char* end = nullptr;
    switch (letter) {
      case 'i':
        options.interface = value;
        break;
      case 't': {
        const auto mac = oob::parse_mac(value);
        if (!mac) return usage("--to: " + mac.error().message);
        options.to = *mac;
        break;
      }
      case 'k':
        options.key_file = value;
        break;
      case 'e':
        options.ether_type = std::strtoul(value.c_str(), &end, 0);
        if (*end != 0 || options.ether_type < 0x600 || options.ether_type > 0xffff)
          return usage("--ether-type is a number from 0x600 to 0xffff");
        break;
      case 'l':
        options.kernel_log = true;
        break;
      case 's':
        options.sysrq = value;
        break;
      case 'c':
        if (!value.starts_with('/') || access(value.c_str(), X_OK) != 0)
          return usage("--ctrl-alt-del takes the absolute path of a program");
        options.ctrl_alt_del = value;
        break;
      case 'n':
        options.name = value.substr(0, 64);
        break;
      case 'V':
        return std::puts("oob-etherconsole " OOB_VERSION), 0;
      case 'h':
        return std::fputs(kUsage, stdout), 0;
      default:
        return std::fputs(kUsage, stderr), kUsageStatus;
    }
  }
  if (optind < argc) options.program = argv + optind;
  if (!oob::is_interface_name(options.interface)) return usage("--interface is missing; `ip link` shows them");
  if (options.program == nullptr && !options.kernel_log) return usage("nothing to say: give a PROGRAM or --kernel-log");
  return run(options);
} catch (const std::exception& error) {
  std::fprintf(stderr, "oob-etherconsole: %s\n", error.what());
  return 1;
}
