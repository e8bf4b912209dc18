// Measures a keystroke's way there and back as a person has it: runs a client on a pty, writes one key, waits until it
// is shown, and again. The console behind it has to echo. usage: bench_typist KEYS GAP_MS CLIENT [ARGUMENT...]
// Prints `p50 US p99 US first MS`: microseconds; first: from the client's start to its first echo.
#include <poll.h>
#include <pty.h>
#include <signal.h>
#include <sys/wait.h>
#include <termios.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <ctime>
#include <string>
#include <vector>

namespace {

using Clock = std::chrono::steady_clock;
constexpr int kStartMax_ms = 15000;
constexpr int kEchoMax_ms = 5000;

double us_since(Clock::time_point then) {
  return std::chrono::duration<double, std::micro>(Clock::now() - then).count();
}

// Reads what is shown until `key` is in it; false after the time or at the end.
bool shown(int master, char key, int time_ms) {
  const auto until = Clock::now() + std::chrono::milliseconds(time_ms);
  char buffer[65536];
  while (true) {
    const auto left = std::chrono::ceil<std::chrono::milliseconds>(until - Clock::now()).count();
    pollfd wait{master, POLLIN, 0};
    if (left <= 0 || poll(&wait, 1, static_cast<int>(left)) <= 0) return false;
    const auto n = read(master, buffer, sizeof buffer);
    if (n <= 0) return false;
    if (std::find(buffer, buffer + n, key) != buffer + n) return true;
  }
}

void drain(int master) {
  char buffer[65536];
  pollfd wait{master, POLLIN, 0};
  while (poll(&wait, 1, 0) > 0 && read(master, buffer, sizeof buffer) > 0) continue;
}

bool is_raw(int master) {
  termios settings{};
  return tcgetattr(master, &settings) == 0 && !(settings.c_lflag & ICANON);
}

int fail(pid_t child, const char* why) {
  kill(child, SIGKILL);
  std::fprintf(stderr, "bench_typist: %s\n", why);
  return 1;
}

}  // namespace

int main(int argc, char** argv) {
  if (argc < 4) {
    std::fputs("usage: bench_typist KEYS GAP_MS CLIENT [ARGUMENT...]\n", stderr);
    return 2;
  }
  const int keys = std::atoi(argv[1]), gap_ms = std::atoi(argv[2]);
  int master = -1;
  winsize size{24, 100, 0, 0};
  const auto began = Clock::now();
  const pid_t child = forkpty(&master, nullptr, nullptr, &size);
  if (child < 0) return std::perror("forkpty"), 1;
  if (child == 0) {
    execvp(argv[3], argv + 3);
    std::perror(argv[3]);
    _exit(127);
  }
  const timespec tick{0, 500'000};
  while (!is_raw(master)) {  // before, the terminal itself would echo
    if (us_since(began) > kStartMax_ms * 1e3) return fail(child, "the client did not make its terminal raw");
    drain(master);
    nanosleep(&tick, nullptr);
  }
  double first_ms = 0;
  while (first_ms == 0) {  // what is typed before the console is attached is lost
    if (write(master, "~", 1) != 1 || us_since(began) > kStartMax_ms * 1e3) return fail(child, "no first echo");
    if (shown(master, '~', 20)) first_ms = us_since(began) / 1e3;
  }
  const timespec settle{0, 200'000'000};
  nanosleep(&settle, nullptr);
  drain(master);

  std::vector<double> times_us;
  for (int i = 0; i < keys; ++i) {
    // Capitals: lines of a load behind it hold none.
    const char key = static_cast<char>('A' + i % 26);
    const auto typed = Clock::now();
    if (write(master, &key, 1) != 1 || !shown(master, key, kEchoMax_ms)) return fail(child, "an echo is missing");
    times_us.push_back(us_since(typed));
    const timespec gap{gap_ms / 1000, gap_ms % 1000 * 1'000'000L};
    nanosleep(&gap, nullptr);
  }
  kill(child, SIGTERM);
  close(master);
  waitpid(child, nullptr, 0);
  std::sort(times_us.begin(), times_us.end());
  std::printf("p50 %.1f p99 %.1f first %.1f\n", times_us[times_us.size() / 2], times_us[times_us.size() * 99 / 100],
              first_ms);
}
