// Promises of Service and Watchdog, against a socket that stands for systemd's.
#include "common/runtime/service.h"

#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <array>
#include <cstdlib>
#include <cstring>
#include <future>

#include "common/runtime/worker.h"
#include "tests/unit/common/runtime/pump.h"

namespace oob {
namespace {

// Reads what is sent to an abstract socket of its own, whose address stands in the environment meanwhile.
class Supervisor {
 public:
  explicit Supervisor(const std::string& watchdog_usec = "") : name_("@oob-test-" + std::to_string(::getpid())) {
    fd_ = ::socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    sockaddr_un at{};
    at.sun_family = AF_UNIX;
    std::memcpy(at.sun_path, name_.data(), name_.size());
    at.sun_path[0] = '\0';
    const auto bytes = static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + name_.size());
    EXPECT_EQ(::bind(fd_, reinterpret_cast<sockaddr*>(&at), bytes), 0) << std::strerror(errno);
    ::setenv("NOTIFY_SOCKET", name_.c_str(), 1);
    if (!watchdog_usec.empty()) ::setenv("WATCHDOG_USEC", watchdog_usec.c_str(), 1);
  }
  ~Supervisor() {
    ::close(fd_);
    for (const char* name : {"NOTIFY_SOCKET", "WATCHDOG_USEC", "WATCHDOG_PID"}) ::unsetenv(name);
  }
  std::string next() const {  // one datagram, "" if none is there
    std::array<char, 4096> into{};
    const auto n = ::recv(fd_, into.data(), into.size(), 0);
    return n < 0 ? "" : std::string(into.data(), static_cast<std::size_t>(n));
  }

 private:
  const std::string name_;
  int fd_ = -1;
};

TEST(Service, without_a_supervisor_nothing_is_sent_and_there_is_no_watchdog) {
  ::setenv("WATCHDOG_USEC", "1000000", 1);
  Service service;
  EXPECT_FALSE(service.watchdog());
  service.ready("");
}

TEST(Service, the_supervisor_is_told_each_step_in_its_own_words) {
  const Supervisor supervisor;
  Service service;
  service.ready("3 consoles");
  EXPECT_EQ(supervisor.next(), "READY=1\nSTATUS=3 consoles");
  service.status("connected");
  EXPECT_EQ(supervisor.next(), "STATUS=connected");
  service.reloading();
  EXPECT_TRUE(supervisor.next().starts_with("RELOADING=1\nMONOTONIC_USEC="));
  service.stopping();
  EXPECT_TRUE(supervisor.next().starts_with("STOPPING=1\n"));
}

TEST(Service, a_status_cannot_smuggle_in_another_field) {
  const Supervisor supervisor;
  Service service;
  service.status("broken\nMAINPID=1");
  EXPECT_EQ(supervisor.next().find('\n'), std::string::npos);
}

TEST(Service, programs_started_later_do_not_find_the_supervisor) {
  const Supervisor supervisor("1000000");
  ::setenv("WATCHDOG_PID", std::to_string(::getpid()).c_str(), 1);
  const Service service;
  for (const char* name : {"NOTIFY_SOCKET", "WATCHDOG_USEC", "WATCHDOG_PID"}) EXPECT_EQ(std::getenv(name), nullptr);
  EXPECT_EQ(service.watchdog(), Duration(1000));
}

TEST(Service, a_watchdog_meant_for_another_process_is_not_ours) {
  const Supervisor supervisor("1000000");
  ::setenv("WATCHDOG_PID", "1", 1);
  EXPECT_FALSE(Service().watchdog());
}

// The rounds come every millisecond here; another timer counts the time in which signs would have come.
TEST(Watchdog, no_sign_of_life_while_a_thread_that_must_be_alive_is_stuck) {
  const Supervisor supervisor("4000");
  Service service;
  Shard shard;
  Worker worker(shard);
  const Watchdog watchdog(shard, service, [&](auto done) { worker.run([] {}, std::move(done)); });
  std::string sign;
  ASSERT_TRUE(pump_until(shard, [&] { return !(sign = supervisor.next()).empty(); }));
  EXPECT_EQ(sign, "WATCHDOG=1");

  std::promise<void> go_on, stuck;
  worker.run([&] {
    stuck.set_value();
    go_on.get_future().wait();
  });
  stuck.get_future().wait();
  pump_ready(shard);  // a round that had been answered before
  while (!supervisor.next().empty()) {
  }
  Timer timer(shard);
  int ticks = 0;
  timer.every(Duration(1), [&] { ++ticks; });
  ASSERT_TRUE(pump_until(shard, [&] { return ticks >= 20; }));
  EXPECT_EQ(supervisor.next(), "");
  EXPECT_LE(worker.queued(), 1u) << "rounds pile up";

  go_on.set_value();
  EXPECT_TRUE(pump_until(shard, [&] { return supervisor.next() == "WATCHDOG=1"; }));
}

TEST(Watchdog, a_shard_that_is_stuck_gives_no_sign) {
  const Supervisor supervisor("4000");
  Service service;
  Shard shard;
  int rounds = 0;
  const Watchdog watchdog(shard, service, [&](const auto& done) {
    ++rounds;
    done();
  });
  ASSERT_TRUE(pump_until(shard, [&] { return rounds > 2; }));
  while (!supervisor.next().empty()) {
  }
  // Nothing runs the shard now, as if a call on it did not return; ten rounds' time passes.
  Shard other;
  Timer timer(other);
  int ticks = 0;
  timer.every(Duration(1), [&] { ++ticks; });
  ASSERT_TRUE(pump_until(other, [&] { return ticks >= 10; }));
  EXPECT_EQ(supervisor.next(), "");
}

}  // namespace
}  // namespace oob
