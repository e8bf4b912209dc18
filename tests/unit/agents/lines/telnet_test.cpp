// Promises of telnet lines, with the test as the peer on loopback: bytes as they are, breaks, and a port set and
// watched by RFC 2217.
#include <sys/socket.h>

#include "agents/lines/com_port_client.h"
#include "common/com_port.h"
#include "common/limits.h"
#include "common/runtime/descriptor.h"
#include "common/telnet_codec.h"
#include "tests/unit/agents/lines/recorder.h"

namespace oob {
namespace {

using namespace com_port;
using Texts = std::vector<std::string>;

const std::string kIac = "\xFF", kWill = "\xFF\xFB", kWont = "\xFF\xFC", kDo = "\xFF\xFD", kDont = "\xFF\xFE";
const std::string kPort = "\x2C", kBinary(1, '\0'), kGoAhead = "\x03";

std::string message(const Bytes& bytes) {
  Bytes wire;
  TelnetCodec::message(telnet::kComPort, bytes, wire);
  return std::string(as_text(wire));
}
std::string told(std::uint8_t code, std::uint8_t value) { return message(byte_message(code + kFromServer, value)); }

// A telnet line and its peer, connected.
struct TelnetBench {
  explicit TelnetBench(std::map<std::string, std::string> settings = {}) : listener(shard) {
    EXPECT_TRUE(listener.listen("127.0.0.1:0", 0, [this](int fd, const std::string&) {
      peer = std::make_unique<Descriptor>(shard, fd);
      peer->start_reading([this] {
        const auto n = peer->read(shard.read_buffer());
        if (!n) return peer->close();
        got += as_text(shard.read_buffer().first(*n));
      });
    }));
    settings["address"] = listener.address();
    bench.emplace(LineConfig{"web01", "telnet", settings, {}});
    EXPECT_TRUE(until([&] { return bench->events.up && peer != nullptr; }));
  }
  // The line and its peer are on shards of their own.
  bool until(const std::function<bool()>& happened) {
    const auto end = std::chrono::steady_clock::now() + std::chrono::seconds(20);
    while (!happened()) {
      if (std::chrono::steady_clock::now() > end) return false;
      shard.io().run_one_for(std::chrono::milliseconds(1));
      if (bench) bench->shard.io().run_one_for(std::chrono::milliseconds(1));
    }
    return true;
  }
  void say(const std::string& bytes) { EXPECT_EQ(peer->write(as_bytes(bytes)).value(), bytes.size()); }
  bool until_got(const std::string& bytes) {
    return until([&] { return got.find(bytes) != std::string::npos; });
  }
  bool until_said(const std::string& output) {
    return until([&] { return bench->events.output == output; });
  }
  Recorder& events() { return bench->events; }
  Line& line() { return *bench->line; }

  Shard shard;
  Listener listener;
  std::unique_ptr<Descriptor> peer;
  std::string got;  // by the peer
  std::optional<Bench> bench;
};

// A line whose peer has RFC 2217 and has answered nothing yet.
struct PortBench : TelnetBench {
  explicit PortBench(std::map<std::string, std::string> settings = {}) : TelnetBench(std::move(settings)) {
    say(kDo + kPort);
    EXPECT_TRUE(until_got(message(byte_message(kModemStateMask, 255))));
  }
};

TEST(TelnetLine, says_nothing_until_it_is_spoken_to) {
  TelnetBench bench;
  bench.say("Username: ");
  ASSERT_TRUE(bench.until_said("Username: "));
  EXPECT_EQ(bench.line().write(as_bytes("alice\r")), 6u);
  ASSERT_TRUE(bench.until_got("alice"));
  EXPECT_EQ(bench.got, std::string("alice\r\0", 7));
  EXPECT_TRUE(bench.until([&] { return bench.events().fact("telnet") == "the peer has not negotiated"; }));
}

TEST(TelnetLine, carries_every_byte_both_ways_once_the_peer_is_binary) {
  TelnetBench bench;
  bench.say(kWill + kBinary + kDo + kBinary + kWill + "\x01" + kWill + kGoAhead + kDo + "\x1F");
  ASSERT_TRUE(bench.until_got(kWont + "\x1F"));
  EXPECT_EQ(bench.got, kDo + kBinary + kWill + kBinary + kDo + "\x01" + kDo + kGoAhead + kWont + "\x1F");
  bench.got.clear();
  std::string all, doubled;
  for (int c = 0; c < 256; ++c) all += static_cast<char>(c);
  doubled = all + "\xFF";
  EXPECT_EQ(bench.line().write(as_bytes(all)), all.size());
  EXPECT_TRUE(bench.until([&] { return bench.got == doubled; }));
  bench.say(doubled);
  EXPECT_TRUE(bench.until_said(all));
  EXPECT_TRUE(bench.until([&] {
    return bench.events().fact("telnet") == "binary, suppress-go-ahead (in), the peer echoes";
  })) << bench.events().fact("telnet");
}

TEST(TelnetLine, a_peer_that_takes_nothing_holds_what_is_typed_and_loses_none_of_it) {
  TelnetBench bench;
  bench.peer->stop_reading();
  std::string typed;
  const std::string block = std::string(1000, '\xFF') + std::string(1001, '\r');
  for (std::size_t taken = block.size(); taken == block.size();) {
    taken = bench.line().write(as_bytes(block));
    typed += block.substr(0, taken);
  }
  EXPECT_EQ(bench.line().write(as_bytes("x")), 0u);
  const auto break_sent = bench.line().send_break(Duration(0));
  ASSERT_FALSE(break_sent);
  EXPECT_EQ(break_sent.error().message, "the connection takes nothing just now");
  std::string wire;
  for (const char c : typed) wire += c == '\r' ? std::string("\r\0", 2) : std::string(2, c);
  bench.peer->start_reading([&] {
    const auto n = bench.peer->read(bench.shard.read_buffer());
    if (n) bench.got += as_text(bench.shard.read_buffer().first(*n));
  });
  EXPECT_TRUE(bench.until([&] { return bench.got.size() >= wire.size() && bench.events().writable > 0; }));
  EXPECT_TRUE(bench.got == wire) << bench.got.size() << " of " << wire.size();
  EXPECT_EQ(bench.line().write(as_bytes("x")), 1u);
}

TEST(TelnetLine, a_break_is_the_peers_without_rfc_2217_and_one_of_theirs_is_told) {
  TelnetBench bench;
  EXPECT_EQ(bench.line().write(as_bytes("a")), 1u);
  EXPECT_EQ(bench.line().send_break(Duration(500)).value(), Duration(0));
  EXPECT_EQ(bench.line().write(as_bytes("h")), 1u);
  ASSERT_TRUE(bench.until([&] { return bench.got == "a\xFF\xF3h"; }));
  bench.say("x\xFF\xF3y");
  EXPECT_TRUE(bench.until_said("xy"));
  EXPECT_EQ(bench.events().notes, Texts{"break received"});
}

TEST(TelnetLine, a_break_by_rfc_2217_lasts_as_long_as_asked_and_nothing_is_written_meanwhile) {
  PortBench bench({{"break-ms", "60"}});
  bench.got.clear();
  EXPECT_EQ(bench.line().send_break(Duration(0)).value(), Duration(60));
  EXPECT_EQ(bench.line().write(as_bytes("h")), 0u);
  EXPECT_FALSE(bench.line().send_break(Duration(0)));
  ASSERT_TRUE(bench.until([&] { return bench.events().writable > 0; }));
  EXPECT_EQ(bench.line().write(as_bytes("h")), 1u);
  const std::string on = message(byte_message(kControl, kBreakOn)), off = message(byte_message(kControl, kBreakOff));
  EXPECT_TRUE(bench.until([&] { return bench.got == on + off + "h"; }));
  EXPECT_EQ(bench.line().send_break(Duration(5000)).value(), Duration(5000));
  bench.bench.reset();
  EXPECT_TRUE(bench.until_got(on + off + "h" + on + off)) << "the line ended in a break";
}

TEST(TelnetLine, sets_what_is_asked_for_and_only_looks_at_the_rest) {
  TelnetBench bench({{"speed", "115200"}, {"parity", "even"}});
  ASSERT_TRUE(bench.until_got(kWill + kPort));
  bench.say(kDo + kPort);
  ASSERT_TRUE(bench.until_got(message(byte_message(kModemStateMask, 255))));
  for (const Bytes& one : {speed_message(kSpeed, 115200), byte_message(kParity, 3), byte_message(kDataBits, 0),
                           byte_message(kStopBits, 0), byte_message(kControl, 0), text_message(kSignature, "")}) {
    EXPECT_NE(bench.got.find(message(one)), std::string::npos) << int(one[0]);
  }
  bench.say(message(speed_message(kSpeed + kFromServer, 115200)) + told(kParity, 3) + told(kDataBits, 7) +
            told(kStopBits, 1) + told(kControl, kFlowHardware) + told(kControl, kDtrOn) +
            message(text_message(kSignature + kFromServer, "box\x1b")) + told(kModemState, kDsr | kCts));
  EXPECT_TRUE(bench.until([&] { return bench.events().fact("settings") == "115200 7E1, flow rtscts"; }));
  EXPECT_EQ(bench.events().fact("modem-lines"), "+DTR +CTS +DSR -DCD -RI");
  EXPECT_EQ(bench.events().fact("port-server"), "box\x1b");
  EXPECT_EQ(bench.events().fact("not-set"), "(none)");
  EXPECT_EQ(bench.events().notes, Texts{});
}

TEST(TelnetLine, a_setting_that_is_refused_is_told_once) {
  PortBench bench({{"speed", "115200"}, {"data-bits", "5"}, {"stop-bits", "2"}});
  EXPECT_NE(bench.got.find(message(byte_message(kStopBits, 3))), std::string::npos) << "one and a half";
  for (int i = 0; i < 3; ++i) {
    bench.say(message(speed_message(kSpeed + kFromServer, 9600)) + told(kDataBits, 5) + told(kStopBits, 3));
  }
  EXPECT_TRUE(bench.until([&] { return bench.events().fact("not-set") == "speed 115200 (it has 9600)"; }));
  EXPECT_EQ(bench.events().notes, Texts{"the console server's port is not set as asked: speed 115200 (it has 9600)"});
  EXPECT_EQ(bench.events().fact("settings"), "9600 5?1.5, flow ?");
}

TEST(TelnetLine, a_peer_that_has_no_rfc_2217_is_told_of_if_settings_were_asked_for) {
  TelnetBench bench({{"speed", "115200"}});
  ASSERT_TRUE(bench.until_got(kWill + kPort));
  bench.say(kDont + kPort + "$ ");
  ASSERT_TRUE(bench.until_said("$ "));
  EXPECT_EQ(bench.events().notes, Texts{"the console server's port is not set as asked: the peer has no RFC 2217"});
  EXPECT_FALSE(bench.events().down) << "it is a console all the same";
}

TEST(TelnetLine, errors_and_breaks_of_the_port_are_told_and_counted) {
  PortBench bench;
  bench.say(told(kLineStateMask, 30) + "x" + told(kLineState, kFramingError) + told(kLineState, kParityError) +
            told(kLineState, kOverrun) + told(kLineState, kBreakSeen | kFramingError) + "y");
  ASSERT_TRUE(bench.until_said("xy"));
  EXPECT_EQ(bench.events().notes, Texts{"break received, 1 framing error, 1 parity error"});
  EXPECT_EQ(bench.events().lost, Texts{"the port's buffer overran: at least 1 byte"});
  EXPECT_TRUE(bench.until([&] { return bench.events().fact("breaks-received") == "1"; }));
}

TEST(TelnetLine, typing_waits_while_the_server_wants_none) {
  PortBench bench;
  bench.say(message({std::byte{kSuspend + kFromServer}}) + "x");
  ASSERT_TRUE(bench.until_said("x"));
  EXPECT_EQ(bench.line().write(as_bytes("h")), 0u);
  bench.say(message({std::byte{kResume + kFromServer}}));
  EXPECT_TRUE(bench.until([&] { return bench.events().writable == 1; }));
  EXPECT_EQ(bench.line().write(as_bytes("h")), 1u);
}

TEST(TelnetLine, a_server_that_wanted_none_and_then_has_no_rfc_2217_is_typed_to) {
  PortBench bench;
  bench.say(message({std::byte{kSuspend + kFromServer}}) + kDont + kPort + "x");
  ASSERT_TRUE(bench.until_said("x"));
  EXPECT_EQ(bench.line().write(as_bytes("h")), 1u);
  EXPECT_TRUE(bench.until([&] { return bench.events().writable > 0; }));
}

TEST(TelnetLine, messages_without_an_end_are_counted_and_few_are_told_of) {
  TelnetBench bench;
  std::string torn;
  for (int i = 0; i < 40; ++i) torn += "\xFF\xFA\x2C" + std::string(limits::telnet_message_bytes_max, 'x') + ".";
  bench.say(torn);
  ASSERT_TRUE(bench.until_said(std::string(40, '.')));
  EXPECT_EQ(bench.events().lost.size(), std::size_t(limits::netconsole_marks_at_once));
  EXPECT_TRUE(bench.until(
      [&] { return bench.events().lost.back() == "the peer began 20 telnet messages and did not end them"; }));
}

TEST(TelnetLine, what_is_wrong_at_the_port_is_hinted) {
  PortBench bench;
  std::string errors;
  for (int i = 0; i < 10; ++i) errors += told(kLineState, kFramingError) + "\x80";
  bench.say(told(kLineStateMask, 30) + errors + told(kModemState, kDsr | kCarrier) + told(kModemState, 0));
  EXPECT_TRUE(bench.until(
      [&] { return bench.events().fact("no-carrier") != "(none)" && bench.events().fact("wrong-speed") != "(none)"; }));
}

TEST(TelnetLine, who_negotiates_without_end_is_told_of_once_and_remains_a_console) {
  TelnetBench bench;
  std::string storm;
  for (int i = 0; i < 1000; ++i) storm += kWill + "\x01" + kWont + "\x01";
  bench.say(storm + "$ ");
  ASSERT_TRUE(bench.until_said("$ "));
  ASSERT_EQ(bench.events().notes.size(), 1u);
  EXPECT_EQ(bench.events().notes[0].substr(0, 32), "the peer negotiates without end;");
  EXPECT_LE(bench.got.size(), 3 * std::size_t(limits::telnet_answers_at_once));
  bench.say("\xFF\xFA\x2C" + std::string(limits::telnet_message_bytes_max, 'x') + "# ");
  ASSERT_TRUE(bench.until_said("$ # "));
  EXPECT_EQ(bench.events().lost, Texts{"the peer began a telnet message and did not end it"});
}

TEST(TelnetLine, ends_when_its_peer_does_after_what_it_said) {
  TelnetBench bench;
  bench.say("bye\xFF");
  shutdown(bench.peer->fd(), SHUT_WR);
  ASSERT_TRUE(bench.until([&] { return bench.events().down.has_value(); }));
  EXPECT_EQ(bench.events().output, "bye");
  EXPECT_EQ(*bench.events().down, "the peer closed the connection");
}

TEST(ComPortClient, no_message_of_any_length_confuses_it) {
  for (unsigned code = 0; code < 256; ++code) {
    ComPortClient port({.speed = 9600});
    for (std::size_t size = 0; size < 7; ++size) {
      for (const std::byte value : {std::byte{0}, std::byte{255}}) {
        Bytes bytes(size, value);
        if (size > 0) bytes[0] = std::byte(code);
        (void)port.receive(bytes);
      }
    }
    EXPECT_LE(port.settings().size(), 60u);
  }
}

}  // namespace
}  // namespace oob
