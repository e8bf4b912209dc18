// Promises of serial lines: on a port of the tests' own what ptys lack, modem lines, counters and breaks; on ptys the
// settings.
#include <asm/termbits.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/wait.h>

#include <filesystem>

#include "agents/lines/port_lock.h"
#include "common/limits.h"
#include "tests/unit/agents/lines/fake_port.h"

namespace oob {
namespace {

using Texts = std::vector<std::string>;

TEST(SerialLine, carries_bytes_both_ways_unchanged) {
  SerialBench bench;
  EXPECT_EQ(*bench.events.up, "/dev/fake0, 9600 8N1, flow none");
  std::string all;
  for (int c = 0; c < 200; ++c) all += char(c + 50);
  EXPECT_EQ(bench.line->write(as_bytes(all)), all.size());
  EXPECT_EQ(bench.wire.typed(), all);
  bench.wire.say(all);
  EXPECT_TRUE(bench.until([&] { return bench.events.output == all; }));
}

TEST(SerialLine, shows_settings_modem_lines_and_counters_and_says_when_they_change) {
  SerialBench bench({{"speed", "115200"}, {"parity", "odd"}, {"data-bits", "7"}, {"flow", "rtscts"}});
  EXPECT_EQ(bench.events.fact("settings"), "115200 7O1, flow rtscts");
  EXPECT_EQ(bench.events.fact("modem-lines"), "+DTR +RTS +CTS +DSR -DCD -RI");
  EXPECT_EQ(bench.events.fact("framing-errors"), "0");
  bench.wire.modem->dcd = true, bench.wire.modem->cts = false;
  EXPECT_TRUE(bench.until([&] { return bench.events.fact("modem-lines") == "+DTR +RTS -CTS +DSR +DCD -RI"; }));
  EXPECT_FALSE(bench.events.down) << "a change of modem lines is no reason to close";
}

TEST(SerialLine, a_port_without_modem_lines_or_counters_says_so) {
  SerialBench bench;
  bench.wire.modem.reset();
  EXPECT_TRUE(bench.until([&] { return bench.events.fact("modem-lines") == "this port has none"; }));
}

TEST(SerialLine, errors_are_told_in_their_place_and_then_summed_up) {
  SerialBench bench;
  bench.wire.counters = SerialCounters{.framing = 2, .parity = 1, .breaks = 1, .overrun = 3, .buffer_overrun = 4};
  bench.wire.say("x");
  ASSERT_TRUE(bench.until([&] { return bench.events.notes.size() == 1; }));
  EXPECT_EQ(bench.events.output, "x") << "not behind what came with the errors";
  EXPECT_EQ(bench.events.notes, Texts{"break received, 2 framing errors, 1 parity error"});
  EXPECT_EQ(bench.events.lost, Texts{"the port's buffer overran: at least 7 bytes"});
  for (unsigned i = 0; i < 1000; ++i) {
    ++bench.wire.counters->framing, ++bench.wire.counters->overrun;
    bench.wire.say("y");
    ASSERT_TRUE(bench.until([&] { return bench.events.output.size() == 2 + i; }));
  }
  EXPECT_EQ(bench.events.notes.size() + bench.events.lost.size(), 2u) << "a bad line fills the log";
  EXPECT_TRUE(bench.until([&] { return bench.events.fact("framing-errors") == "1002"; }));
  bench.wire.unplug();
  ASSERT_TRUE(bench.until([&] { return bench.events.down.has_value(); }));
  EXPECT_EQ(bench.events.notes.back(), "1000 framing errors");
  EXPECT_EQ(bench.events.lost.back(), "the port's buffer overran: at least 1000 bytes");
}

TEST(SerialLine, counters_that_wrap_around_are_counted_on) {
  SerialBench bench;
  bench.wire.counters->framing = 0xffffffff;
  bench.wire.say("x");
  ASSERT_TRUE(bench.until([&] { return bench.events.notes.size() == 1; }));
  bench.wire.counters->framing = 1;
  EXPECT_TRUE(bench.until([&] { return bench.events.fact("framing-errors") == "1"; }));
}

TEST(SerialLine, a_break_lasts_as_long_as_asked_or_as_set_and_nothing_is_written_meanwhile) {
  SerialBench bench({{"break-ms", "40"}});
  EXPECT_EQ(bench.line->send_break(Duration(0)).value(), Duration(40));
  EXPECT_EQ(bench.wire.done, Texts{"break on"});
  EXPECT_EQ(bench.line->write(as_bytes("h")), 0u);
  EXPECT_FALSE(bench.line->send_break(Duration(10)));
  const auto from = std::chrono::steady_clock::now();
  ASSERT_TRUE(bench.until([&] { return bench.wire.done.size() == 2; }));
  EXPECT_GE(std::chrono::steady_clock::now() - from, Duration(39));
  EXPECT_EQ(bench.wire.done.back(), "break off");
  ASSERT_TRUE(bench.until([&] { return bench.events.writable > 0; }));
  EXPECT_EQ(bench.line->write(as_bytes("h")), 1u);
  EXPECT_EQ(bench.line->send_break(Duration(20)).value(), Duration(20));
}

TEST(SerialLine, a_break_waits_for_what_is_being_sent_and_never_goes_before_it) {
  SerialBench bench;
  bench.wire.unsent = 5;
  ASSERT_TRUE(bench.line->send_break(Duration(10)));
  pump_ready(bench.shard);
  EXPECT_TRUE(bench.wire.done.empty());
  bench.wire.unsent = 0;
  EXPECT_TRUE(bench.until([&] { return bench.wire.done == Texts{"break on", "break off"}; }));
}

TEST(SerialLine, what_the_device_does_not_take_is_dropped_before_a_break_and_that_is_said) {
  SerialBench bench;
  bench.wire.unsent = 5;
  ASSERT_TRUE(bench.line->send_break(Duration(10)));
  EXPECT_TRUE(bench.until([&] { return bench.wire.done == Texts{"drop", "break on", "break off"}; }));
  EXPECT_EQ(bench.events.notes, Texts{"5 typed bytes were dropped: a break was sent before the device took them"});
}

TEST(SerialLine, the_kernel_gets_no_more_than_a_quarter_of_a_second) {
  SerialBench bench({{"speed", "9600"}});
  const std::string much(4000, 'x');
  EXPECT_EQ(bench.line->write(as_bytes(much)), 240u);
  bench.wire.unsent = 240;
  EXPECT_EQ(bench.line->write(as_bytes(much)), 0u);
  bench.wire.unsent = 100;
  EXPECT_TRUE(bench.until([&] { return bench.events.writable > 0; }));
  EXPECT_EQ(bench.line->write(as_bytes(much)), 140u);
}

TEST(SerialLine, keys_that_flow_control_holds_are_dropped_after_two_seconds_and_that_is_said) {
  SerialBench bench({{"flow", "rtscts"}});
  bench.wire.unsent = 3;
  const auto from = std::chrono::steady_clock::now();
  EXPECT_EQ(bench.line->write(as_bytes("abc")), 3u);
  ASSERT_TRUE(bench.until([&] { return !bench.events.notes.empty(); }));
  EXPECT_GE(std::chrono::steady_clock::now() - from, limits::input_age_max);
  EXPECT_EQ(bench.events.notes, Texts{"3 typed bytes were dropped: flow control held them for 2 s"});
  EXPECT_EQ(bench.wire.done, Texts{"drop"});
}

TEST(SerialLine, only_with_flow_control_can_a_device_wait) {
  EXPECT_FALSE(SerialBench().line->can_wait());
  EXPECT_TRUE(SerialBench({{"flow", "xonxoff"}}).line->can_wait());
  EXPECT_TRUE(SerialBench({{"flow", "rtscts"}}).line->can_wait());
}

TEST(SerialLine, ends_when_the_port_has_gone_and_a_break_ends_with_the_line) {
  SerialBench gone;
  gone.wire.unplug();
  ASSERT_TRUE(gone.until([&] { return gone.events.down.has_value(); }));
  EXPECT_EQ(*gone.events.down, "/dev/fake0 has gone");
  EXPECT_EQ(gone.wire.done, Texts{"close"});
  SerialBench taken;
  ASSERT_TRUE(taken.line->send_break(Duration(5000)));
  taken.line.reset();
  EXPECT_EQ(taken.wire.done, (Texts{"break on", "break off", "close"}));
}

// --- the kernel's port, on a pty ---

struct Pty {
  Pty() : master(posix_openpt(O_RDWR | O_NOCTTY | O_NONBLOCK | O_CLOEXEC)) {
    EXPECT_TRUE(grantpt(master) == 0 && unlockpt(master) == 0);
    path = ptsname(master);
    slave = ::open(path.c_str(), O_RDWR | O_NOCTTY | O_CLOEXEC);  // keeps settings and bytes when the line closes
  }
  ~Pty() {
    ::close(slave);
    if (master >= 0) ::close(master);
  }
  termios2 settings() const {
    termios2 out{};
    EXPECT_EQ(ioctl(slave, TCGETS2, &out), 0);
    return out;
  }
  std::string lock_file() const { return "/run/lock/LCK..pts_" + path.substr(path.rfind('/') + 1); }
  int master, slave;
  std::string path;
};

LineConfig serial_on(const Pty& pty, std::map<std::string, std::string> settings = {}) {
  settings["device"] = pty.path;
  return {"sw1", "serial", std::move(settings), {}};
}

TEST(SerialPort, every_setting_is_read_back) {
  struct Case {
    std::map<std::string, std::string> settings;
    unsigned speed;
    tcflag_t framing, input;
  };
  // A pty keeps CS8 and no parity whatever it is told (pty.c); those are proven on a real port, in a guest machine.
  const Case cases[] = {
      {{}, 9600, CS8, 0},
      {{{"speed", "45"}}, 45, CS8, 0},
      {{{"speed", "31250"}, {"stop-bits", "2"}}, 31250, CS8 | CSTOPB, 0},
      {{{"speed", "4000000"}, {"flow", "rtscts"}}, 4'000'000, CS8 | CRTSCTS, 0},
      {{{"speed", "115200"}, {"flow", "xonxoff"}}, 115200, CS8, IXON | IXOFF},
  };
  for (const auto& one : cases) {
    Pty pty;
    Bench bench(serial_on(pty, one.settings));
    ASSERT_TRUE(bench.until_up()) << bench.events.down.value_or("");
    const termios2 got = pty.settings();
    EXPECT_EQ(got.c_ospeed, one.speed);
    EXPECT_EQ(got.c_ispeed, one.speed);
    EXPECT_EQ(got.c_cflag & (CSIZE | CSTOPB | CRTSCTS), one.framing) << one.speed;
    EXPECT_EQ(got.c_cflag & HUPCL, 0u);
    EXPECT_NE(got.c_cflag & CLOCAL, 0u);
    EXPECT_EQ(got.c_iflag, IGNBRK | one.input);
    EXPECT_EQ(got.c_oflag | got.c_lflag, 0u);
    EXPECT_EQ(bench.events.fact("modem-lines"), "this port has none");
    EXPECT_EQ(bench.events.fact("errors"), "this port does not count them");
  }
}

TEST(SerialPort, all_standard_speeds_are_set) {
  Pty pty;
  for (const unsigned speed :
       {50,     75,     110,     134,     150,     200,     300,     600,     1200,    1800,
        2400,   4800,   9600,    19200,   38400,   57600,   115200,  230400,  460800,  500000,
        576000, 921600, 1000000, 1152000, 1500000, 2000000, 2500000, 3000000, 3500000, 4000000}) {
    Bench bench(serial_on(pty, {{"speed", std::to_string(speed)}}));
    ASSERT_TRUE(bench.until_up()) << bench.events.down.value_or("");
    EXPECT_EQ(pty.settings().c_ospeed, speed);
  }
}

TEST(SerialPort, what_the_port_cannot_do_is_refused_in_words) {
  Pty pty;
  Bench bench(serial_on(pty, {{"data-bits", "7"}}));
  ASSERT_TRUE(bench.until_down());
  EXPECT_EQ(*bench.events.down, pty.path + ": the port cannot be set to so many data bits");
}

TEST(SerialPort, pending_input_is_not_lost_by_opening_or_by_closing) {
  Pty pty;
  ASSERT_EQ(ioctl(pty.slave, TCGETS2, nullptr), -1);
  termios2 raw = pty.settings();
  raw.c_lflag = raw.c_iflag = 0;
  ASSERT_EQ(ioctl(pty.slave, TCSETS2, &raw), 0);
  ASSERT_EQ(::write(pty.master, "before", 6), 6);
  {
    Bench bench(serial_on(pty));
    ASSERT_TRUE(bench.until([&] { return bench.events.output == "before"; }));
  }
  ASSERT_EQ(::write(pty.master, "between", 7), 7);
  Bench bench(serial_on(pty));
  EXPECT_TRUE(bench.until([&] { return bench.events.output == "between"; }));
}

TEST(SerialPort, is_one_lines_only) {
  Pty pty;
  {
    Bench first(serial_on(pty));
    ASSERT_TRUE(first.until_up());
    EXPECT_TRUE(std::filesystem::exists(pty.lock_file()));
    {
      Bench second(serial_on(pty));
      ASSERT_TRUE(second.until_down());
      EXPECT_NE(second.events.down->find("in use by another program or by another line of this agent"),
                std::string::npos)
          << *second.events.down;
    }
    EXPECT_TRUE(std::filesystem::exists(pty.lock_file())) << "the second line took the first one's lock file away";
  }
  EXPECT_FALSE(std::filesystem::exists(pty.lock_file()));
  Bench third(serial_on(pty));
  EXPECT_TRUE(third.until_up());
}

TEST(SerialPort, says_what_is_no_port_and_what_is_not_there) {
  for (const auto& [device, why] : {std::pair("/dev/null", "/dev/null: it is no serial port"),
                                    {"/dev/ttyNone9", "/dev/ttyNone9: there is no such device"}}) {
    Bench bench({"sw1", "serial", {{"device", device}}, {}});
    ASSERT_TRUE(bench.until_down());
    EXPECT_EQ(*bench.events.down, why);
  }
}

TEST(SerialPort, a_port_that_vanishes_ends_the_line) {
  Pty pty;
  Bench bench(serial_on(pty));
  ASSERT_TRUE(bench.until_up());
  ::close(std::exchange(pty.master, -1));
  ASSERT_TRUE(bench.until_down());
  EXPECT_TRUE(bench.events.down->starts_with(pty.path + " has gone")) << *bench.events.down;
}

// --- lock files ---

class PortLocks : public testing::Test {
 protected:
  PortLocks() {
    char name[] = "/tmp/oob-test-XXXXXX";
    folder = mkdtemp(name);
  }
  ~PortLocks() override { std::filesystem::remove_all(folder); }
  void write_lock(const std::string& text) {
    const int fd = ::open((folder + "/LCK..ttyS0").c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
    EXPECT_EQ(::write(fd, text.data(), text.size()), ssize_t(text.size()));
    ::close(fd);
  }
  std::string read_lock(const std::string& name) {
    char text[64];
    const int fd = ::open((folder + "/" + name).c_str(), O_RDONLY | O_CLOEXEC);
    const ssize_t n = ::read(fd, text, sizeof text);
    ::close(fd);
    return n > 0 ? std::string(text, std::size_t(n)) : "";
  }
  std::string folder;
};

TEST_F(PortLocks, a_lock_file_holds_our_number_in_ten_columns_and_goes_with_us) {
  {
    const auto lock = PortLock::claim("/dev/pts/3", folder);
    ASSERT_TRUE(lock);
    EXPECT_EQ(lock->why_not(), "");
    const std::string text = read_lock("LCK..pts_3");
    EXPECT_EQ(text.size(), 11u);
    EXPECT_EQ(std::stoi(text), getpid());
  }
  EXPECT_TRUE(std::filesystem::is_empty(folder));
}

TEST_F(PortLocks, another_programs_lock_is_kept_and_that_program_named) {
  write_lock("         1\n");
  const auto lock = PortLock::claim("/dev/ttyS0", folder);
  ASSERT_FALSE(lock);
  EXPECT_NE(lock.error().message.find("process 1"), std::string::npos) << lock.error().message;
  EXPECT_EQ(read_lock("LCK..ttyS0"), "         1\n");
}

TEST_F(PortLocks, a_stale_lock_is_replaced) {
  const pid_t child = fork();
  if (child == 0) _exit(0);
  ASSERT_EQ(waitpid(child, nullptr, 0), child);
  for (const std::string& text : {std::to_string(child) + "\n", std::string("nonsense"), std::string()}) {
    write_lock(text);
    EXPECT_TRUE(PortLock::claim("/dev/ttyS0", folder)) << text;
  }
}

TEST_F(PortLocks, what_is_no_file_is_neither_followed_nor_removed) {
  std::filesystem::create_symlink("/etc/passwd", folder + "/LCK..ttyS0");
  const auto lock = PortLock::claim("/dev/ttyS0", folder);
  ASSERT_FALSE(lock);
  EXPECT_NE(lock.error().message.find("is no readable lock file"), std::string::npos);
  EXPECT_TRUE(std::filesystem::is_symlink(folder + "/LCK..ttyS0"));
}

TEST_F(PortLocks, without_the_folder_there_is_no_lock_file_and_that_is_said) {
  const auto lock = PortLock::claim("/dev/ttyS0", folder + "/none");
  ASSERT_TRUE(lock);
  EXPECT_NE(lock->why_not().find("No such file"), std::string::npos);
}

}  // namespace
}  // namespace oob
