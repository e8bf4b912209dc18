// Promises of the hints in `oob info`: what is wrong is named, and nothing is named on a line that is well.
#include "agents/lines/port_hints.h"

#include <gtest/gtest.h>

#include <random>

#include "common/limits.h"

namespace oob {
namespace {

using namespace std::chrono_literals;

struct Hints {
  PortHints hints;
  ManualClock clock;
  void hear(const std::string& bytes) { hints.received(as_bytes(bytes)); }
  void type() { hints.typed(1, clock.now()); }
  std::string said() const {  // the keys
    LineFacts facts;
    hints.put_facts(facts, clock.now());
    std::string out;
    for (const auto& [key, text] : facts) {
      EXPECT_LE(text.size(), limits::line_fact_bytes_max);
      out += (out.empty() ? "" : " ") + key;
    }
    return out;
  }
};

constexpr ModemLines kLow{.dtr = true, .rts = true};
constexpr ModemLines kHigh{.dtr = true, .rts = true, .cts = true, .dsr = true, .dcd = true};

// What a UART reads of text sent at a multiple of its speed, bit by bit (8N1): `ratio` of its own speed to the
// sender's.
std::string misread(const std::string& text, double ratio) {
  std::vector<bool> wire(20, true);
  for (const unsigned char c : text) {
    wire.push_back(false);
    for (int bit = 0; bit < 8; ++bit) wire.push_back((c >> bit & 1) != 0);
    wire.push_back(true);
  }
  const auto level = [&](double at) { return std::size_t(at) >= wire.size() || wire[std::size_t(at)]; };
  std::string out;
  const double bit = 1 / ratio;
  for (double at = 0; at < double(wire.size());) {
    if (level(at)) {
      at += bit / 16;
      continue;
    }
    unsigned c = 0;
    for (int i = 0; i < 8; ++i) c |= unsigned(level(at + bit * (1.5 + i))) << i;
    out += static_cast<char>(c);
    at += bit * 9.5;
  }
  return out;
}

TEST(PortHints, a_quiet_line_gets_none) {
  Hints hints;
  hints.hints.modem_lines(kHigh);
  hints.clock.advance(24h);
  EXPECT_EQ(hints.said(), "");
  Hints three_wires;
  three_wires.hints.modem_lines(kLow);
  three_wires.clock.advance(24h);
  EXPECT_EQ(three_wires.said(), "");
}

TEST(PortHints, framing_errors_all_the_time_are_a_wrong_speed_and_a_few_are_not) {
  Hints hints;
  hints.hints.framing_errors(7);
  EXPECT_EQ(hints.said(), "") << "a plug was put in";
  for (int i = 0; i < 20; ++i) hints.hear("garbled"), hints.hints.framing_errors(3);
  EXPECT_EQ(hints.said(), "wrong-speed");
  for (int i = 0; i < 40; ++i) hints.hear(std::string(100, 'x'));
  EXPECT_EQ(hints.said(), "") << "it is set right";
}

TEST(PortHints, text_of_a_slower_device_is_seen_by_its_bytes) {
  const std::string boot =
      "[    0.000000] Linux version 6.1.0-18-amd64 (debian-kernel@lists.debian.org)\r\n"
      "[    0.000000] Command line: console=ttyS0,115200 root=/dev/sda1\r\nlogin: Password: \r\n$ ls -l /etc\r\n";
  for (const double ratio : {2.0, 3.0, 4.0, 6.0, 12.0}) {
    Hints hints;
    std::string text = boot;
    while (misread(text, ratio).size() < 400) text += boot;
    hints.hear(misread(text, ratio));
    EXPECT_EQ(hints.said(), "wrong-speed") << ratio;
  }
  Hints right;
  for (int i = 0; i < 4; ++i) right.hear(misread(boot, 1.0));
  EXPECT_EQ(right.said(), "");
}

TEST(PortHints, no_text_of_any_script_and_no_file_is_taken_for_a_wrong_speed) {
  const std::string screens[] = {
      "\x1b[2J\x1b[1;1H\x1b[0;37;44mPhoenix\x1b[10;20H\xc9\xcd\xcd\xcd\xcd\xcd\xbb Boot \xba\x1b[0m",  // CP437
      "\xd0\x97\xd0\xb0\xd0\xb3\xd1\x80\xd1\x83\xd0\xb7\xd0\xba\xd0\xb0 \xe8\xb5\xb7\xe5\x8b\x95\xe4\xb8\xad\r\n",
      "\xf3\xc9\xd3\xd4\xc5\xcd\xc1 \xda\xc1\xc7\xd2\xd5\xd6\xc1\xc5\xd4\xd3\xd1\r\n",  // KOI8-R
      "\x07\x08 \x08\t\x0e\x0f\x1b[K\r\n",
  };
  for (const auto& screen : screens) {
    Hints hints;
    for (int i = 0; i < 50; ++i) hints.hear(screen);
    EXPECT_EQ(hints.said(), "") << screen;
  }
  std::mt19937 random(1);
  Hints file;
  for (int i = 0; i < 200; ++i) {
    std::string block;
    for (int k = 0; k < 256; ++k) block += static_cast<char>(random());
    file.hear(block);
    EXPECT_EQ(file.said(), "") << i;
  }
}

TEST(PortHints, a_character_may_come_in_pieces) {
  Hints hints;
  for (int i = 0; i < 1000; ++i) hints.hear("\xe8"), hints.hear("\xb5"), hints.hear("\xb7");
  EXPECT_EQ(hints.said(), "");
}

TEST(PortHints, a_carrier_that_has_gone_is_named_until_it_is_back_or_something_comes) {
  Hints hints;
  hints.hints.modem_lines(kHigh);
  hints.hear("$ ");
  EXPECT_EQ(hints.said(), "");
  hints.hints.modem_lines(kLow);
  EXPECT_EQ(hints.said(), "no-carrier");
  hints.hints.modem_lines({.dsr = true});
  EXPECT_EQ(hints.said(), "");
  hints.hints.modem_lines(kLow);
  hints.hear("still here");
  EXPECT_EQ(hints.said(), "");
}

TEST(PortHints, low_lines_and_no_answer_are_no_carrier) {
  Hints hints;
  hints.hints.modem_lines(kLow);
  hints.type();
  EXPECT_EQ(hints.said(), "") << "it has a while to answer";
  hints.clock.advance(limits::hint_silence);
  EXPECT_EQ(hints.said(), "no-carrier");
  hints.hear("\r\n$ ");
  EXPECT_EQ(hints.said(), "") << "a cable of three wires";
}

TEST(PortHints, what_was_typed_and_never_answered_may_be_a_crossed_cable) {
  Hints hints;
  hints.type();
  hints.clock.advance(limits::hint_silence - 1ms);
  hints.type();
  EXPECT_EQ(hints.said(), "");
  hints.clock.advance(1ms);
  EXPECT_EQ(hints.said(), "nothing-received") << "counted from the first key";
  hints.hear("x");
  hints.type();
  hints.clock.advance(24h);
  EXPECT_EQ(hints.said(), "") << "it has spoken once";
}

}  // namespace
}  // namespace oob
