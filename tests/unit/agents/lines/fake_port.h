// A serial port for tests: its bytes are a socket's, its modem lines, counters and queue what the test says, and what
// the line does to it is written down.
#pragma once
#include <fcntl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "agents/lines/serial_line.h"
#include "tests/unit/agents/lines/recorder.h"

namespace oob {

// Outlives the port, which the line owns.
struct Wire {
  int line = -1, far = -1;
  std::optional<ModemLines> modem = ModemLines{true, true, true, true, false, false};
  std::optional<SerialCounters> counters = SerialCounters{};
  std::size_t unsent = 0;
  std::vector<std::string> done;  // "break on", "break off", "drop", "close"
  Wire() {
    int pair[2];
    EXPECT_EQ(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, pair), 0);
    line = pair[0], far = pair[1];
  }
  ~Wire() { unplug(), ::close(line); }
  void unplug() {
    if (far >= 0) ::close(std::exchange(far, -1));
  }
  void say(const std::string& text) { EXPECT_EQ(::write(far, text.data(), text.size()), ssize_t(text.size())); }
  std::string typed() {
    char text[65536];
    const ssize_t n = ::read(far, text, sizeof text);
    return n > 0 ? std::string(text, std::size_t(n)) : "";
  }
};

class FakePort final : public SerialPort {
 public:
  explicit FakePort(Wire& wire) : wire_(wire) {}
  ~FakePort() override { wire_.done.emplace_back("close"); }
  int fd() const override { return wire_.line; }
  std::optional<ModemLines> modem_lines() override { return wire_.modem; }
  std::optional<SerialCounters> counters() override { return wire_.counters; }
  std::size_t unsent_bytes() override { return wire_.unsent; }
  bool is_idle() override { return wire_.unsent == 0; }
  void drop_unsent() override {
    wire_.done.emplace_back("drop");
    wire_.unsent = 0;
  }
  Result<> set_break(bool on) override {
    wire_.done.emplace_back(on ? "break on" : "break off");
    return {};
  }

 private:
  Wire& wire_;
};

// A serial line on such a port, started.
struct SerialBench {
  explicit SerialBench(std::map<std::string, std::string> settings = {}) {
    settings.try_emplace("device", "/dev/fake0");
    const LineConfig config{"sw1", "serial", settings, {}};
    line = std::make_unique<SerialLine>(shard, events, SerialSettings::of(config),
                                        [this](const SerialSettings&) -> Result<std::unique_ptr<SerialPort>> {
                                          return std::make_unique<FakePort>(wire);
                                        });
    line->start();
    EXPECT_TRUE(until([&] { return events.up.has_value(); }));
  }
  bool until(const std::function<bool()>& happened) { return pump_until(shard, happened); }

  Shard shard;
  Wire wire;
  Recorder events;
  std::unique_ptr<SerialLine> line;
};

}  // namespace oob
