// The consoles of a benchmark: TCP ports on loopback that say what they are told to say, and echo what they are sent.
// One thread, one epoll. usage: bench_generator COUNT [ADDRESS]; orders come on standard input, one a line:
//   idle            every console says 64 KB
//   load BYTES RATE numbered 80-byte lines over all consoles in turn, BYTES in all at RATE bytes/s (0: as fast as
//   taken)
//   clock BYTES RATE  console 0 says 80-byte lines that begin with the time, `@NANOSECONDS ` (CLOCK_MONOTONIC)
// Answers on standard output: `address A first-port P`, `connected SECONDS` (since start, when all are), `done
// SECONDS`.
#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string>
#include <utility>
#include <vector>

namespace {

using Clock = std::chrono::steady_clock;
constexpr int kLineBytes = 80;
constexpr int kFirstPort = 10001;
constexpr auto kTurn = std::chrono::milliseconds(1);  // a load is emitted in bursts this far apart
constexpr std::size_t kIdleBytes = 64 * 1024;
constexpr std::size_t kUnsentMax = 64 * 1024;  // a console with so much unsent waits for its reader

[[noreturn]] void die(const char* what) {
  std::perror(what);
  std::exit(1);
}

struct Port {
  int listener = -1, peer = -1;
  std::uint64_t number = 0;  // of the last line said
  std::string unsent;
  bool waits = false;  // for EPOLLOUT
};

class Generator {
 public:
  Generator(std::size_t count, const std::string& address) : ports_(count), began_(Clock::now()) {
    epoll_ = epoll_create1(0);
    listen_all(address);
    watch(0, EPOLLIN, kOrders, EPOLL_CTL_ADD);
  }

  void run() {
    std::vector<epoll_event> events(512);
    while (true) {
      const int n = epoll_wait(epoll_, events.data(), static_cast<int>(events.size()), wait_ms());
      for (int i = 0; i < n; ++i) take(events[static_cast<std::size_t>(i)]);
      emit();
    }
  }

 private:
  static constexpr std::uint64_t kOrders = ~0ull, kListener = 1ull << 32;

  void watch(int fd, std::uint32_t what, std::uint64_t tag, int operation) {
    epoll_event event{};
    event.events = what;
    event.data.u64 = tag;
    if (epoll_ctl(epoll_, operation, fd, &event) < 0) die("epoll_ctl");
  }

  // A loopback address of its own, so that its ports are nobody else's.
  bool try_address(const std::string& address) {
    for (std::size_t i = 0; i < ports_.size(); ++i) {
      const int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
      if (fd < 0) die("socket");
      const int on = 1;
      setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
      sockaddr_in at{};
      at.sin_family = AF_INET;
      at.sin_port = htons(static_cast<std::uint16_t>(kFirstPort + i));
      inet_pton(AF_INET, address.c_str(), &at.sin_addr);
      ports_[i].listener = fd;
      if (bind(fd, reinterpret_cast<sockaddr*>(&at), sizeof at) < 0 || listen(fd, 4) < 0) {
        for (auto& port : ports_) {
          if (port.listener >= 0) close(std::exchange(port.listener, -1));
        }
        return false;
      }
    }
    return true;
  }

  void listen_all(std::string address) {
    if (!address.empty() && !try_address(address)) die("listen");
    for (int i = 0; i < 50 && address.empty(); ++i) {
      const unsigned pid = static_cast<unsigned>(getpid()) + static_cast<unsigned>(i) * 7919;
      const auto candidate = "127." + std::to_string(64 + pid % 128) + "." + std::to_string(pid / 128 % 256) + ".1";
      if (try_address(candidate)) address = candidate;
    }
    if (address.empty()) die("no loopback address with free ports");
    for (std::size_t i = 0; i < ports_.size(); ++i) watch(ports_[i].listener, EPOLLIN, kListener | i, EPOLL_CTL_ADD);
    say("address " + address + " first-port " + std::to_string(kFirstPort));
  }

  static void say(const std::string& text) {
    std::puts(text.c_str());
    std::fflush(stdout);
  }

  double seconds() const { return std::chrono::duration<double>(Clock::now() - began_).count(); }

  void take(const epoll_event& event) {
    if (event.data.u64 == kOrders) return take_order();
    auto& port = ports_[event.data.u64 & 0xFFFFFFFF];
    if (event.data.u64 & kListener) return accept_peer(port, event.data.u64 & 0xFFFFFFFF);
    if (event.events & EPOLLOUT) flush(port);
    if (event.events & (EPOLLIN | EPOLLHUP | EPOLLERR)) echo(port);
  }

  void accept_peer(Port& port, std::uint64_t index) {
    const int fd = accept4(port.listener, nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC);
    if (fd < 0) return;
    if (port.peer >= 0) close(port.peer);
    const int on = 1;
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    port.peer = fd;
    port.unsent.clear();
    port.waits = false;
    watch(fd, EPOLLIN, index, EPOLL_CTL_ADD);
    const auto missing = std::count_if(ports_.begin(), ports_.end(), [](const Port& one) { return one.peer < 0; });
    if (missing == 0) say("connected " + std::to_string(seconds()));
  }

  void echo(Port& port) {
    char buffer[4096];
    const auto n = read(port.peer, buffer, sizeof buffer);
    if (n < 0 && errno == EAGAIN) return;
    if (n <= 0) {
      close(std::exchange(port.peer, -1));
      return;
    }
    send(port, std::string_view(buffer, static_cast<std::size_t>(n)));
  }

  void send(Port& port, std::string_view bytes) {
    if (port.peer < 0) return;
    port.unsent.append(bytes);
    flush(port);
  }

  void flush(Port& port) {
    if (port.peer < 0) return;
    if (!port.unsent.empty()) {
      const auto n = write(port.peer, port.unsent.data(), port.unsent.size());
      if (n > 0) port.unsent.erase(0, static_cast<std::size_t>(n));
    }
    if (port.unsent.empty() == port.waits) {
      port.waits = !port.waits;
      watch(port.peer, port.waits ? EPOLLIN | EPOLLOUT : EPOLLIN, static_cast<std::uint64_t>(&port - ports_.data()),
            EPOLL_CTL_MOD);
    }
  }

  void take_order() {
    char text[200] = {};
    if (read(0, text, sizeof text - 1) <= 0) std::exit(0);
    if (std::strncmp(text, "idle", 4) == 0) {
      for (auto& port : ports_) send(port, std::string(kIdleBytes, '.'));
      say("done " + std::to_string(seconds()));
      return;
    }
    unsigned long long bytes = 0, rate = 0;
    first_ = 0;
    stamped_ = std::sscanf(text, "clock %llu %llu", &bytes, &rate) == 2;
    if (!stamped_ && (std::sscanf(text, "load %llu %llu %zu", &bytes, &rate, &first_) < 2 || first_ >= ports_.size()))
      return say("what? " + std::string(text));
    // A whole number of lines for each console.
    const std::size_t speaking = stamped_ ? 1 : ports_.size() - first_;
    goal_ += bytes / kLineBytes / speaking;
    lines_left_ = bytes / kLineBytes / speaking * speaking;
    lines_per_s_ = static_cast<double>(rate) / kLineBytes;
    load_began_ = Clock::now();
    lines_said_ = 0;
    next_port_ = first_;
  }

  int wait_ms() const {
    if (lines_left_ == 0) return -1;
    const auto next = load_began_ + kTurn * ((Clock::now() - load_began_) / kTurn + 1);
    return lines_per_s_ == 0
               ? (any_room() ? 0 : 10)
               : static_cast<int>(std::chrono::ceil<std::chrono::milliseconds>(next - Clock::now()).count());
  }

  bool any_room() const {
    return std::any_of(ports_.begin(), ports_.end(), [](const Port& one) { return one.unsent.size() < kUnsentMax; });
  }

  void emit() {
    if (lines_left_ == 0) return;
    const auto turns = (Clock::now() - load_began_) / kTurn + 1;
    const double due = static_cast<double>(turns) * lines_per_s_ * std::chrono::duration<double>(kTurn).count();
    std::uint64_t now = lines_per_s_ == 0
                            ? ports_.size() * 200
                            : static_cast<std::uint64_t>(std::max(0.0, due - static_cast<double>(lines_said_)));
    // In turn over all consoles; with few consoles a burst is several lines of each, as a device would say them.
    const std::uint64_t each = std::max<std::uint64_t>(1, now / ports_.size());
    std::size_t skipped = 0;
    while (now > 0 && lines_left_ > 0 && skipped < ports_.size()) {
      const std::size_t index = next_port_;
      if (!stamped_) next_port_ = next_port_ + 1 < ports_.size() ? next_port_ + 1 : first_;
      auto& port = ports_[index];
      const std::uint64_t count = std::min({each, now, goal_ - port.number});
      if (port.unsent.size() > kUnsentMax || count == 0) {
        ++skipped;
        continue;
      }
      skipped = 0;
      say_lines(port, index, count);
      now -= count;
      lines_said_ += count;
      lines_left_ -= count;
    }
    if (lines_left_ == 0) say("done " + std::to_string(seconds()));
  }

  void say_lines(Port& port, std::size_t index, std::uint64_t count) {
    std::string text;
    for (std::uint64_t i = 0; i < count; ++i) {
      char line[kLineBytes + 1];
      const auto now = std::chrono::duration_cast<std::chrono::nanoseconds>(Clock::now().time_since_epoch()).count();
      ++port.number;
      const int n = stamped_ ? std::snprintf(line, sizeof line, "@%019lld ", static_cast<long long>(now))
                             : std::snprintf(line, sizeof line, "c%04zu %012llu ", index,
                                             static_cast<unsigned long long>(port.number));
      std::memset(line + n, '.', static_cast<std::size_t>(kLineBytes - 2 - n));
      std::memcpy(line + kLineBytes - 2, "\r\n", 2);
      text.append(line, kLineBytes);
    }
    send(port, text);
  }

  std::vector<Port> ports_;
  Clock::time_point began_, load_began_{};
  int epoll_ = -1;
  std::uint64_t goal_ = 0;  // lines that each console has said when the load is over
  std::uint64_t lines_left_ = 0, lines_said_ = 0;
  double lines_per_s_ = 0;
  bool stamped_ = false;
  std::size_t first_ = 0, next_port_ = 0;
};

}  // namespace

int main(int argc, char** argv) {
  const long count = argc == 2 || argc == 3 ? std::atol(argv[1]) : 0;
  if (count < 1 || count > 20000) {
    std::fputs("usage: bench_generator COUNT (1 .. 20000) [ADDRESS]\n", stderr);
    return 2;
  }
  rlimit files{};
  getrlimit(RLIMIT_NOFILE, &files);
  files.rlim_cur = files.rlim_max;
  setrlimit(RLIMIT_NOFILE, &files);
  Generator(static_cast<std::size_t>(count), argc == 3 ? argv[2] : "").run();
}
