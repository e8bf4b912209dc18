// Measures what people who look on get: runs N clients, each on a pty of its own, and looks for time stamps in what
// they show. usage: bench_viewers N STOPPED BYTES SECONDS CLIENT [ARGUMENT...] The first STOPPED of them are never read
// from. It says `ready` once each of the others has shown something (before, on standard input nothing is read), then
// reads until each of the others has shown BYTES more, or SECONDS have passed, and prints `bytes B p50 US p99 US short
// N`: all that was shown, how old lines with a stamp `@NANOSECONDS ` (CLOCK_MONOTONIC) were when they were shown, and
// how many clients have shown less than BYTES.
#include <poll.h>
#include <pty.h>
#include <signal.h>
#include <sys/epoll.h>
#include <sys/wait.h>
#include <termios.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <ctime>
#include <string>
#include <vector>

namespace {

constexpr int kStartMax_s = 60;
constexpr std::size_t kStampDigits = 19;

std::int64_t now_ns() {
  timespec now{};
  clock_gettime(CLOCK_MONOTONIC, &now);
  return now.tv_sec * 1'000'000'000LL + now.tv_nsec;
}

struct Viewer {
  int master = -1;
  pid_t child = -1;
  std::uint64_t shown = 0;
  std::string rest;  // the beginning of a stamp that was cut in two
};

class Viewers {
 public:
  Viewers(std::size_t count, std::size_t stopped, char** client) : stopped_(stopped), viewers_(count) {
    epoll_ = epoll_create1(0);
    for (std::size_t i = 0; i < count; ++i) start(viewers_[i], i, client);
  }
  ~Viewers() {
    for (const Viewer& viewer : viewers_) kill(viewer.child, SIGTERM);
    for (const Viewer& viewer : viewers_) close(viewer.master);
    for (const Viewer& viewer : viewers_) {
      for (int i = 0; i < 100 && waitpid(viewer.child, nullptr, WNOHANG) == 0; ++i) usleep(10'000);
      kill(viewer.child, SIGKILL);
    }
  }

  // Reads until each has shown `bytes`, at most so long; how many have not.
  std::size_t read_until(std::uint64_t bytes, double seconds) {
    const std::int64_t until = now_ns() + static_cast<std::int64_t>(seconds * 1e9);
    std::vector<epoll_event> events(256);
    while (true) {
      const auto missing = static_cast<std::size_t>(
          std::count_if(viewers_.begin() + static_cast<std::ptrdiff_t>(stopped_), viewers_.end(),
                        [bytes](const Viewer& viewer) { return viewer.shown < bytes; }));
      const std::int64_t left_ms = (until - now_ns()) / 1'000'000;
      if (missing == 0 || left_ms <= 0) return missing;
      const int n = epoll_wait(epoll_, events.data(), static_cast<int>(events.size()), static_cast<int>(left_ms));
      for (int i = 0; i < n; ++i) take(viewers_[events[static_cast<std::size_t>(i)].data.u64]);
    }
  }

  void begin() {
    for (Viewer& viewer : viewers_) viewer.shown = 0;
    ages_us_.clear();
  }

  void print(std::size_t missing) {
    std::uint64_t total = 0;
    for (const Viewer& viewer : viewers_) total += viewer.shown;
    std::sort(ages_us_.begin(), ages_us_.end());
    const double p50 = ages_us_.empty() ? 0 : ages_us_[ages_us_.size() / 2];
    const double p99 = ages_us_.empty() ? 0 : ages_us_[ages_us_.size() * 99 / 100];
    std::printf("bytes %llu p50 %.1f p99 %.1f short %zu\n", static_cast<unsigned long long>(total), p50, p99, missing);
  }

 private:
  void start(Viewer& viewer, std::size_t index, char** client) {
    winsize size{24, 100, 0, 0};
    termios raw{};
    cfmakeraw(&raw);
    viewer.child = forkpty(&viewer.master, nullptr, &raw, &size);
    if (viewer.child < 0) std::perror("forkpty"), std::exit(1);
    if (viewer.child == 0) {
      execvp(client[0], client);
      std::perror(client[0]);
      _exit(127);
    }
    if (index < stopped_) return;
    epoll_event event{};
    event.events = EPOLLIN;
    event.data.u64 = index;
    epoll_ctl(epoll_, EPOLL_CTL_ADD, viewer.master, &event);
  }

  void take(Viewer& viewer) {
    char buffer[65536];
    const auto n = read(viewer.master, buffer, sizeof buffer);
    if (n <= 0) {
      std::fputs("bench_viewers: a client ended\n", stderr);
      std::exit(1);
    }
    const std::int64_t now = now_ns();
    viewer.shown += static_cast<std::uint64_t>(n);
    viewer.rest.append(buffer, static_cast<std::size_t>(n));
    std::size_t at = 0;
    while ((at = viewer.rest.find('@', at)) != std::string::npos && viewer.rest.size() > at + kStampDigits) {
      const std::string stamp = viewer.rest.substr(at + 1, kStampDigits);
      if (std::all_of(stamp.begin(), stamp.end(), [](char c) { return c >= '0' && c <= '9'; })) {
        ages_us_.push_back(static_cast<double>(now - std::atoll(stamp.c_str())) / 1e3);
      }
      ++at;
    }
    viewer.rest = at == std::string::npos ? "" : viewer.rest.substr(at);
  }

  std::size_t stopped_;
  std::vector<Viewer> viewers_;
  int epoll_ = -1;
  std::vector<double> ages_us_;
};

}  // namespace

int main(int argc, char** argv) {
  if (argc < 6) {
    std::fputs("usage: bench_viewers N STOPPED BYTES SECONDS CLIENT [ARGUMENT...]\n", stderr);
    return 2;
  }
  const auto count = static_cast<std::size_t>(std::atol(argv[1])),
             stopped = static_cast<std::size_t>(std::atol(argv[2]));
  Viewers viewers(count, stopped, argv + 5);
  if (const auto missing = viewers.read_until(1, kStartMax_s); missing > 0) {
    std::fprintf(stderr, "bench_viewers: %zu clients showed nothing\n", missing);
    return 1;
  }
  viewers.read_until(~0ull, 1);  // their greetings
  std::puts("ready");
  std::fflush(stdout);
  std::getchar();
  viewers.begin();
  const auto bytes = static_cast<std::uint64_t>(std::atoll(argv[3]));
  viewers.print(viewers.read_until(bytes, std::atof(argv[4])));
}
