// Simulated BMCs with bad manners: see kUsage. One thread, one epoll, a UDP socket each.
#include <arpa/inet.h>
#include <fcntl.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <set>
#include <string>
#include <string_view>

#include "tests/simulators/bmc.h"

namespace {

using namespace rude;

constexpr const char* kUsage =
    R"(usage: rude_bmc COUNT [--address A] [--port P] [--addresses] [--seed N] [--scale N]
COUNT BMCs (1 .. 2000) that speak IPMI 1.5 and 2.0 on UDP: on ports P, P+1, .. of A; with --addresses all on port P
(623) of A, A+1, ... Without --address a free one in 127/8 is found. User 2 is "admin", password "secret", administrator;
suites 3 and 17; the host behind SOL is an echo. --scale 60 makes the BMC's own 60 s one second.

Prints `ready ADDRESS PORT`. Then orders come on standard input, one a line, `WHICH ORDER`; WHICH is 0, 3-17 or all. Each is
answered by one line on standard output: "ok", the state, or "error: ...". Ends with its standard input.
  state                                 as JSON, of one BMC
  count                                 how many of them have a console open
  fault NAME [RATE [TIMES]]             RATE 0 .. 1; so many times only; a wrong name lists all
  suites 0,3,17                         cipher suites to be had
  user ID NAME PASSWORD PRIVILEGE [no-sol]   PRIVILEGE: callback, user, operator, admin, none; NAME, PASSWORD "-": empty
  kg [TEXT]                             the BMC's key
  sessions COUNT, timeout SECONDS       how many sessions, and how long a silent one lasts
  hold [ADDRESS]                        SOL belongs to a session from there
  steal [ADDRESS], steal-silently ..    the same, taken from who has it, who is told or not
  release                               that session ends
  deactivate, deactivate-silently       SOL ends
  silent [SECONDS]                      hears and says nothing
  reset [SECONDS]                       forgets all sessions, and is silent for so long
  slow [SECONDS]                        answers so much later
  code [NETFN COMMAND CODE]             that command's completion code, all hexadecimal
  sol-size BYTES                        characters in one packet
  power on|off
  host echo|silent|lines RATE [COUNT]|tcp ADDRESS:PORT
  say TEXT                              the host says it; \r and \n as in C
  break                                 the host sends a break
)";

constexpr int kCountMax = 2000;
constexpr std::uint64_t kOrders = ~0ull, kHost = 1ull << 32;

[[noreturn]] void die(const char* what) {
  std::perror(what);
  std::exit(1);
}

class Rack {
 public:
  Rack(int count, std::string address, int port, bool addresses, Bmc::Settings settings)
      : count_(count), port_(port), addresses_(addresses), settings_(settings) {
    epoll_ = epoll_create1(EPOLL_CLOEXEC);
    for (int i = 0; i < 50 && sockets_.empty(); ++i) {
      const unsigned pid = static_cast<unsigned>(getpid()) + static_cast<unsigned>(i) * 7919;
      const auto found = "127." + std::to_string(64 + pid % 128) + "." + std::to_string(pid / 128 % 248) + ".1";
      if (try_address(address.empty() ? found : address)) {
        if (address.empty()) address = found;
      } else if (!address.empty()) {
        die("bind");
      }
    }
    if (sockets_.empty()) die("no loopback address with free ports");
    for (int i = 0; i < count_; ++i) add(i);
    watch(0, EPOLLIN, kOrders, EPOLL_CTL_ADD);
    std::printf("ready %s %d\n", address.c_str(), port_);
    std::fflush(stdout);
  }

  void run() {
    epoll_event events[256];
    while (true) {
      const int n = epoll_wait(epoll_, events, 256, wait_ms());
      for (int i = 0; i < n; ++i) {
        const auto tag = events[i].data.u64;
        if (tag == kOrders) {
          take_orders();
          continue;
        }
        const auto index = static_cast<std::size_t>(tag & 0xFFFFFFFF);
        if (tag & kHost) {
          machines_[index]->host().readable();
        } else {
          receive(index);
        }
        settle(index);
      }
      const auto now = std::chrono::steady_clock::now();
      while (!due_.empty() && due_.begin()->first <= now) {
        const auto index = due_.begin()->second;
        machines_[index]->tick(now);
        settle(index);
      }
    }
  }

 private:
  void watch(int fd, std::uint32_t what, std::uint64_t tag, int operation) {
    epoll_event event{};
    event.events = what;
    event.data.u64 = tag;
    if (epoll_ctl(epoll_, operation, fd, &event) < 0) die("epoll_ctl");
  }

  bool try_address(const std::string& address) {
    in_addr first{};
    if (inet_pton(AF_INET, address.c_str(), &first) != 1) return false;
    for (int i = 0; i < count_; ++i) {
      sockaddr_in at{};
      at.sin_family = AF_INET;
      at.sin_addr.s_addr = htonl(ntohl(first.s_addr) + static_cast<unsigned>(addresses_ ? i : 0));
      at.sin_port = htons(static_cast<std::uint16_t>(port_ + (addresses_ ? 0 : i)));
      const int fd = socket(AF_INET, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
      if (fd < 0) die("socket");
      sockets_.push_back(fd);
      if (bind(fd, reinterpret_cast<sockaddr*>(&at), sizeof at) < 0) {
        for (const int open : sockets_) close(open);
        sockets_.clear();
        return false;
      }
    }
    return true;
  }

  void add(int index) {
    const int fd = sockets_[static_cast<std::size_t>(index)];
    auto settings = settings_;
    settings.port = static_cast<std::uint16_t>(port_ + (addresses_ ? 0 : index));
    machines_.push_back(std::make_unique<Bmc>(index, settings, [fd](const Bytes& datagram, const Peer& to) {
      (void)sendto(fd, datagram.data(), datagram.size(), 0, reinterpret_cast<const sockaddr*>(&to), sizeof to);
    }));
    planned_.push_back(kNever);
    hosts_.push_back({});
    watch(fd, EPOLLIN, static_cast<std::uint64_t>(index), EPOLL_CTL_ADD);
  }

  void receive(std::size_t index) {
    Bytes datagram(2048);
    for (int i = 0; i < 16; ++i) {
      Peer from{};
      socklen_t size = sizeof from;
      datagram.resize(2048);
      const auto n =
          recvfrom(sockets_[index], datagram.data(), datagram.size(), 0, reinterpret_cast<sockaddr*>(&from), &size);
      if (n < 0) return;
      datagram.resize(static_cast<std::size_t>(n));
      machines_[index]->datagram(datagram, from, std::chrono::steady_clock::now());
    }
  }

  // After anything happened to a BMC: when it is to be looked at again, and whether its host is listened to.
  void settle(std::size_t index) {
    auto& machine = *machines_[index];
    if (const auto next = machine.deadline(); next != planned_[index]) {
      if (planned_[index] != kNever) due_.erase({planned_[index], index});
      if (next != kNever) due_.insert({next, index});
      planned_[index] = next;
    }
    auto& watched = hosts_[index];
    const int fd = machine.host().connection();
    const bool wanted = fd >= 0 && machine.host_may_speak();
    if (watched.fd >= 0 && (watched.fd != fd || !wanted)) {
      epoll_ctl(epoll_, EPOLL_CTL_DEL, watched.fd, nullptr);  // gone already if it was closed
      watched.fd = -1;
    }
    if (wanted && watched.fd < 0) {
      watch(fd, EPOLLIN, kHost | index, EPOLL_CTL_ADD);
      watched.fd = fd;
    }
  }

  int wait_ms() const {
    if (due_.empty()) return -1;
    const auto left =
        std::chrono::ceil<std::chrono::milliseconds>(due_.begin()->first - std::chrono::steady_clock::now());
    return static_cast<int>(std::clamp<long long>(left.count(), 0, 60'000));
  }

  void take_orders() {
    char buffer[4096];
    const auto n = read(0, buffer, sizeof buffer);
    if (n <= 0) std::exit(0);
    unread_.append(buffer, static_cast<std::size_t>(n));
    for (auto end = unread_.find('\n'); end != std::string::npos; end = unread_.find('\n')) {
      std::puts(obey(unread_.substr(0, end)).c_str());
      std::fflush(stdout);
      unread_.erase(0, end + 1);
    }
  }

  std::string obey(const std::string& line) {
    const auto space = line.find(' ');
    const auto which = line.substr(0, space);
    long first = 0, last = count_ - 1;
    if (which != "all") {
      const int fields = std::sscanf(which.c_str(), "%ld-%ld", &first, &last);
      if (fields == 1) last = first;
      if (fields < 1 || first < 0 || last < first || last >= count_) return "error: no BMC " + which;
    }
    const auto order = space == std::string::npos ? "" : line.substr(space + 1);
    if (order == "count") {
      const auto begin = machines_.begin();
      return std::to_string(
          std::count_if(begin + first, begin + last + 1, [](const auto& one) { return one->console_open(); }));
    }
    std::string answer;
    for (auto index = static_cast<std::size_t>(first); index <= static_cast<std::size_t>(last); ++index) {
      answer = machines_[index]->order(order, std::chrono::steady_clock::now());
      settle(index);
      if (answer.starts_with("error")) break;
    }
    return answer;
  }

  struct Watched {
    int fd = -1;
  };
  int count_, port_, epoll_;
  bool addresses_;
  Bmc::Settings settings_;
  std::vector<int> sockets_;
  std::vector<std::unique_ptr<Bmc>> machines_;
  std::vector<Time> planned_;
  std::vector<Watched> hosts_;
  std::set<std::pair<Time, std::size_t>> due_;
  std::string unread_;
};

}  // namespace

int main(int argc, char** argv) {
  const std::string_view first = argc > 1 ? argv[1] : "";
  if (first == "--help" || first == "-h") return std::fputs(kUsage, stdout), 0;
  const int count = std::atoi(argc > 1 ? argv[1] : "");
  std::string address;
  int port = 0;
  bool addresses = false;
  Bmc::Settings settings;
  bool wrong = count < 1 || count > kCountMax;
  for (int i = 2; i < argc && !wrong; ++i) {
    const std::string_view option = argv[i];
    if (option == "--addresses") {
      addresses = true;
    } else if (i + 1 == argc) {
      wrong = true;
    } else if (option == "--address") {
      address = argv[++i];
    } else if (option == "--port") {
      port = std::atoi(argv[++i]);
    } else if (option == "--seed") {
      settings.seed = std::strtoull(argv[++i], nullptr, 10);
    } else if (option == "--scale") {
      settings.scale = std::atof(argv[++i]);
    } else {
      wrong = true;
    }
  }
  if (wrong || settings.scale <= 0) return std::fputs(kUsage, stderr), 2;
  rlimit files{};
  getrlimit(RLIMIT_NOFILE, &files);
  files.rlim_cur = files.rlim_max;
  setrlimit(RLIMIT_NOFILE, &files);
  Rack(count, address, port > 0 ? port : addresses ? 623 : 6230, addresses, settings).run();
}
