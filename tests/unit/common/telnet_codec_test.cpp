// Promises of the telnet codec: bytes in, bytes out, in whatever pieces; answers without end to nobody.
#include "common/telnet_codec.h"

#include <gtest/gtest.h>

#include "common/limits.h"

namespace oob {
namespace {

using Kind = TelnetItem::Kind;
using telnet::kBinary, telnet::kComPort, telnet::kEcho, telnet::kSuppressGoAhead;

constexpr char kWill = '\xFB', kWont = '\xFC', kDo = '\xFD', kDont = '\xFE';
std::string verb(char what, std::uint8_t option) { return {'\xFF', what, static_cast<char>(option)}; }

// A client as lines have it, with all it makes of its peer's bytes as text: commands, options and messages in brackets.
struct Client {
  explicit Client(std::size_t piece = 1000) : piece_bytes(piece) {}
  void hear(const std::string& bytes) {
    for (std::size_t at = 0; at < bytes.size(); at += piece_bytes) {
      ByteView piece = as_bytes(bytes).subspan(at, std::min(piece_bytes, bytes.size() - at));
      for (auto item = codec.next(piece); item.kind != Kind::None; item = codec.next(piece)) note(item);
      EXPECT_TRUE(piece.empty());
    }
    answers += as_text(codec.take_answers());
  }
  void note(const TelnetItem& item) {
    const std::string code = std::to_string(item.code);
    if (item.kind == Kind::Stream) heard += as_text(item.bytes);
    if (item.kind == Kind::Command) heard += "[" + code + "]";
    if (item.kind == Kind::Torn) heard += "[torn]";
    if (item.kind == Kind::Option)
      heard += std::string("[") + (item.ours ? "our " : "") + code + (item.on ? " on]" : " off]");
    if (item.kind == Kind::Message) heard += "[" + code + ":" + std::string(as_text(item.bytes)) + "]";
  }
  std::string say(const std::string& text) {
    Bytes out;
    for (const std::byte byte : as_bytes(text)) codec.encode(byte, out);
    return std::string(as_text(out));
  }
  ManualClock clock;
  TelnetCodec codec{clock, {kBinary, kSuppressGoAhead, kComPort}, {kBinary, kSuppressGoAhead, kEcho}};
  std::size_t piece_bytes;
  std::string heard, answers;
};

const std::string kNul(1, '\0');
// One of everything.
const std::string kAll = "login: \xFF\xFFx\r" + kNul + "y\r\nz\r" + verb(kWill, kEcho) + kNul + "\xFF\xF3" +
                         "\xFF\xFA\x2C\x6A\xFF\xFF\x08\xFF\xF0" + verb(kDo, kBinary) + verb(kWill, kBinary) + "\r" +
                         kNul + "\xFF\xFA\x2C" + "a\xFF\xF1" + "b\xFF" + "c" + verb(kDo, 31) + verb(kWill, 200) + "$ ";
const std::string kAllHeard =
    "login: \xFFx\ry\r\nz\r[1 on][243][44:\x6A\xFF\x08][our 0 on][0 on]\r" + kNul + "[241]" + "b\xFF" + "c$ ";

TEST(TelnetCodec, takes_a_stream_apart_the_same_wherever_it_is_cut) {
  const std::string answers =
      verb(kDo, kEcho) + verb(kWill, kBinary) + verb(kDo, kBinary) + verb(kWont, 31) + verb(kDont, 200);
  for (std::size_t piece = 1; piece <= kAll.size(); ++piece) {
    Client client(piece);
    client.hear(kAll);
    EXPECT_EQ(client.heard, kAllHeard) << piece;
    EXPECT_EQ(client.answers, answers) << piece;
  }
}

TEST(TelnetCodec, says_nothing_to_a_peer_that_does_not_negotiate) {
  Client client;
  client.hear("User Access Verification\r\n\r\nUsername: ");
  EXPECT_EQ(client.answers, "");
  EXPECT_FALSE(client.codec.spoken());
}

TEST(TelnetCodec, what_is_no_command_is_not_swallowed) {
  Client client;
  client.hear(
      "a\xFF\x01"
      "b\xFF\x80"
      "c");
  EXPECT_EQ(client.heard,
            "a\xFF\x01"
            "b\xFF\x80"
            "c");
}

TEST(TelnetCodec, every_byte_arrives_in_either_mode) {
  std::string all;
  for (int c = 0; c < 256; ++c) all += static_cast<char>(c);
  all += "\r\r\n\r\xFF" + kNul + "\r";
  for (const bool binary : {false, true}) {
    Client from, to;
    if (binary) {
      from.hear(verb(kDo, kBinary));
      to.hear(verb(kWill, kBinary));
      to.heard.clear();
    }
    to.hear(from.say(all));
    EXPECT_EQ(to.heard, all) << binary;
  }
}

TEST(TelnetCodec, a_line_ends_with_cr_nul_unless_it_is_binary) {
  Client client;
  EXPECT_EQ(client.say("a\r"), "a\r" + kNul);
  client.hear(verb(kDo, kBinary));
  EXPECT_EQ(client.say("a\r\xFF"), "a\r\xFF\xFF");
  client.hear(verb(kDont, kBinary));
  EXPECT_EQ(client.say("a\r"), "a\r" + kNul);
}

TEST(TelnetCodec, an_option_that_is_so_already_is_never_answered) {
  Client client;
  for (int i = 0; i < 3; ++i) client.hear(verb(kWill, kEcho) + verb(kDo, kBinary));
  EXPECT_EQ(client.answers, verb(kDo, kEcho) + verb(kWill, kBinary));
  client.answers.clear();
  for (int i = 0; i < 3; ++i)
    client.hear(verb(kWont, kEcho) + verb(kDont, kBinary) + verb(kWont, 77) + verb(kDont, 77));
  EXPECT_EQ(client.answers, verb(kDont, kEcho) + verb(kWont, kBinary));
}

TEST(TelnetCodec, an_answer_to_our_question_is_not_answered) {
  Client client;
  client.codec.ask_ours(kComPort), client.codec.ask_theirs(kBinary);
  client.codec.ask_ours(kComPort), client.codec.ask_theirs(kBinary);
  client.codec.ask_theirs(99);  // not one that we agree to
  client.hear("");
  client.hear(verb(kDo, kComPort) + verb(kWont, kBinary));
  EXPECT_EQ(client.answers, verb(kWill, kComPort) + verb(kDo, kBinary));
  EXPECT_EQ(client.heard, "[our 44 on][0 off]");
  EXPECT_TRUE(client.codec.ours(kComPort));
  EXPECT_FALSE(client.codec.theirs(kBinary));
}

// Two that agree to everything and ask for everything at once come to rest.
TEST(TelnetCodec, two_of_them_do_not_loop) {
  ManualClock clock;
  TelnetCodec one(clock, {0, 1, 3, 44}, {0, 1, 3, 44}), two(clock, {0, 3}, {0, 1, 44});
  for (const std::uint8_t option : {0, 1, 3, 44}) {
    one.ask_ours(option), one.ask_theirs(option), two.ask_ours(option), two.ask_theirs(option);
  }
  std::size_t rounds = 0;
  for (bool quiet = false; !quiet && rounds < 10; ++rounds) {
    const Bytes from_one = one.take_answers(), from_two = two.take_answers();
    quiet = from_one.empty() && from_two.empty();
    for (ByteView in = from_two; one.next(in).kind != Kind::None;) {
    }
    for (ByteView in = from_one; two.next(in).kind != Kind::None;) {
    }
  }
  EXPECT_LE(rounds, 4u);
  for (const std::uint8_t option : {0, 1, 3, 44}) {
    EXPECT_EQ(one.ours(option), two.theirs(option)) << int(option);
    EXPECT_EQ(one.theirs(option), two.ours(option)) << int(option);
  }
}

TEST(TelnetCodec, who_negotiates_without_end_is_answered_a_while_and_then_slowly) {
  Client client;
  for (int i = 0; i < 100'000; ++i) client.hear(verb(kWill, kEcho) + verb(kWont, kEcho) + verb(kDo, 99));
  EXPECT_LE(client.answers.size(), 3 * std::size_t(limits::telnet_answers_at_once));
  EXPECT_GT(client.codec.ignored(), 100'000u);
  client.answers.clear();
  client.clock.advance(std::chrono::seconds(10));
  client.hear(verb(kDo, 99));
  EXPECT_EQ(client.answers, verb(kWont, 99)) << "one that asks now and then is answered for ever";
}

TEST(TelnetCodec, a_message_without_an_end_swallows_a_bounded_part_and_says_so) {
  Client client;
  client.hear("\xFF\xFA\x2C" + std::string(limits::telnet_message_bytes_max + 10, 'x') + "end");
  EXPECT_EQ(client.heard, "[torn]" + std::string(10, 'x') + "end");
}

TEST(TelnetCodec, a_message_carries_every_byte) {
  std::string all;
  for (int c = 0; c < 256; ++c) all += static_cast<char>(c);
  Bytes wire;
  TelnetCodec::message(kComPort, as_bytes(all), wire);
  Client client(3);
  client.hear(std::string(as_text(wire)) + "x");
  EXPECT_EQ(client.heard, "[44:" + all + "]x");
}

}  // namespace
}  // namespace oob
