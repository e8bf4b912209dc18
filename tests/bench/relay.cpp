// The floor under a keystroke's echo: a chain of PROCESSES that only pass bytes on, by loopback TCP, and the last of
// which sends them back. What the machine takes to wake each of them is in every product's figure, and no product of so
// many processes can be faster. Run on a terminal by bench_typist. usage: bench_relay PROCESSES
#include <arpa/inet.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <termios.h>
#include <unistd.h>

#include <array>
#include <cstdio>
#include <cstdlib>
#include <utility>

namespace {

std::pair<int, int> tcp_pair() {
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t size = sizeof address;
  const int listener = socket(AF_INET, SOCK_STREAM, 0), one = socket(AF_INET, SOCK_STREAM, 0);
  const auto name = reinterpret_cast<sockaddr*>(&address);
  if (bind(listener, name, size) != 0 || listen(listener, 1) != 0 || getsockname(listener, name, &size) != 0 ||
      connect(one, name, size) != 0) {
    std::perror("bench_relay");
    _exit(1);
  }
  const int other = accept(listener, nullptr, nullptr), on = 1;
  close(listener);
  for (const int fd : {one, other}) setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  return {one, other};
}

bool pass(int from, int to) {
  std::array<char, 4096> buffer;  // NOLINT: filled before it is read
  const auto n = read(from, buffer.data(), buffer.size());
  return n > 0 && write(to, buffer.data(), static_cast<std::size_t>(n)) == n;
}

// Between two ends until one of them closes; `away` below 0: sends back what comes.
void relay(int here_in, int here_out, int away) {
  std::array<pollfd, 2> ends{{{here_in, POLLIN, 0}, {away, POLLIN, 0}}};
  while (poll(ends.data(), 2, -1) >= 0) {
    if (ends[0].revents != 0 && !pass(here_in, away < 0 ? here_out : away)) return;
    if (ends[1].revents != 0 && !pass(away, here_out)) return;
  }
}

}  // namespace

int main(int argc, char** argv) {
  const int processes = argc == 2 ? std::atoi(argv[1]) : 0;
  if (processes < 1) {
    std::fputs("usage: bench_relay PROCESSES\n", stderr);
    return 2;
  }
  int in = 0, out = 1;
  for (int left = processes; left > 0; --left) {
    const auto [near, far] = left > 1 ? tcp_pair() : std::pair(-1, -1);
    const bool is_last = left == 1;
    const pid_t rest = is_last ? 0 : fork();
    if (rest < 0) return std::perror("fork"), 1;
    if (rest == 0 && !is_last) {  // the rest of the chain goes on in the child
      prctl(PR_SET_PDEATHSIG, SIGKILL);
      close(near);
      in = out = far;
      continue;
    }
    if (left == processes) {
      termios raw{};
      tcgetattr(0, &raw);
      cfmakeraw(&raw);
      tcsetattr(0, TCSANOW, &raw);
    }
    relay(in, out, near);
    return 0;
  }
}
