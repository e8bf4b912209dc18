// What EscapeKeys promises: whatever is not the escape reaches the console, byte for byte.
#include "common/escape_keys.h"

#include <gtest/gtest.h>

namespace oob {
namespace {

using Command = EscapeStep::Command;

// All keys that reach the console, with each command as <N>.
std::string typed(std::string_view text, EscapeSequence sequence = {}) {
  EscapeKeys escape(sequence);
  std::string out;
  for (const char key : text) {
    const EscapeStep step = escape.next(std::byte(key));
    out += as_text(step.keys);
    if (step.command != Command::None) out += "<" + std::to_string(static_cast<int>(step.command)) + ">";
  }
  return out;
}
std::string command(Command c) { return "<" + std::to_string(static_cast<int>(c)) + ">"; }

TEST(EscapeKeys, ordinary_keys_pass_unchanged) {
  std::string all;
  for (int i = 0; i < 256; ++i) {
    if (i != 5) all += static_cast<char>(i);
  }
  EXPECT_EQ(typed(all), all);
}

TEST(EscapeKeys, each_letter_after_the_escape_is_its_command_and_reaches_no_console) {
  const std::pair<std::string, Command> cases[] = {
      {".", Command::Leave},         {"?", Command::Help},        {"a", Command::Write},
      {"f", Command::Force},         {"s", Command::Spy},         {"w", Command::Who},
      {"r", Command::Replay},        {"A", Command::Ask},         {"i", Command::Info},
      {"l0", Command::Break},        {"o", Command::Reopen},      {"d", Command::Down},
      {";", Command::Move},          {"\r", Command::Cancelled},  {"Z", Command::Unknown},
      {"l7", Command::Break},        {"R", Command::ReplayLines}, {"p", Command::Playback},
      {"P", Command::PlaybackLines}, {"\x12", Command::LastLine}, {"l?", Command::ListBreaks},
      {"lx", Command::Unknown},      {"b", Command::Message},     {"z", Command::Suspend},
      {"|", Command::LocalCommand},  {"!", Command::Tasks}};
  for (const auto& [keys, expected] : cases)
    EXPECT_EQ(typed("x\x05"
                    "c" +
                    keys + "y"),
              "x" + command(expected) + "y")
        << keys;
}

TEST(EscapeKeys, the_escape_typed_twice_is_sent_once) {
  EXPECT_EQ(typed("\x05"
                  "c\x05"
                  "cz"),
            "\x05"
            "cz");
}

TEST(EscapeKeys, a_lone_first_key_is_passed_on_with_the_key_that_follows) {
  EXPECT_EQ(typed("\x05x"), "\x05x");
  EXPECT_EQ(typed("\x05\x05\x05x"), "\x05\x05\x05x");
  EXPECT_EQ(typed("\x05\x05"
                  "c."),
            "\x05" + command(Command::Leave));
}

TEST(EscapeKeys, a_broken_escape_inside_an_escape_is_unknown_and_no_letter_of_it_acts) {
  EXPECT_EQ(typed("\x05"
                  "c\x05."),
            command(Command::Unknown));
}

TEST(EscapeKeys, an_escape_of_one_key_twice_works) {
  const EscapeSequence amp{std::byte{'&'}, std::byte{'&'}};
  EXPECT_EQ(typed("a&b&&.", amp), "a&b" + command(Command::Leave));
  EXPECT_EQ(typed("&&&&", amp), "&&");
}

TEST(EscapeKeys, a_lone_first_key_can_be_taken_out_and_the_next_key_is_an_ordinary_one) {
  EscapeKeys escape;
  escape.next(std::byte{5});
  EXPECT_TRUE(escape.holds_key());
  EXPECT_EQ(as_text(escape.take_held()), "\x05");
  EXPECT_FALSE(escape.holds_key());
  EXPECT_EQ(as_text(escape.next(std::byte{'c'}).keys), "c");
  EXPECT_TRUE(escape.take_held().empty());
}

TEST(EscapeKeys, a_begun_command_outlives_a_wait) {
  EscapeKeys escape;
  escape.next(std::byte{5}), escape.next(std::byte{'c'});
  EXPECT_TRUE(escape.take_held().empty());
  EXPECT_EQ(escape.next(std::byte{'.'}).command, Command::Leave);
}

TEST(EscapeKeys, another_escape_can_be_chosen_at_any_time) {
  EXPECT_EQ(typed("\x05"
                  "ce^x"
                  "\x05"
                  "c.^x."),
            command(Command::ChangeEscape) +
                "\x05"
                "c." +
                command(Command::Leave));
}

TEST(EscapeKeys, conmans_style_is_one_key_and_conmans_letters) {
  const EscapeSequence conman = usual_escape(EscapeStyle::ConMan);
  const std::pair<std::string, Command> cases[] = {
      {"&.", Command::Leave},  {"&?", Command::Help}, {"&B", Command::Break},
      {"&F", Command::Force},  {"&I", Command::Info}, {"&J", Command::Write},
      {"&L", Command::Replay}, {"&M", Command::Spy},  {"&Z", Command::Suspend}};
  for (const auto& [keys, expected] : cases) EXPECT_EQ(typed("x" + keys + "y", conman), "x" + command(expected) + "y");
  EXPECT_EQ(typed("a && b", conman), "a & b");
  EXPECT_EQ(typed("sleep 9 &\r", conman), "sleep 9 &\r") << "what means nothing is the console's";
}

TEST(EscapeKeys, an_escape_of_one_key_is_waited_for_and_can_be_taken_out) {
  EscapeKeys conman(usual_escape(EscapeStyle::ConMan));
  conman.next(std::byte{'&'});
  EXPECT_FALSE(conman.holds_key());
  EXPECT_EQ(as_text(conman.take_held()), "&");
  EXPECT_EQ(as_text(conman.next(std::byte{'.'}).keys), ".");
}

TEST(EscapeKeys, sshs_style_acts_at_the_beginning_of_a_line_only) {
  const EscapeSequence ssh = usual_escape(EscapeStyle::Ssh);
  EXPECT_EQ(typed("~.", ssh), command(Command::Leave));
  EXPECT_EQ(typed("ls ~.", ssh), "ls ~.");
  EXPECT_EQ(typed("ls\r~.", ssh), "ls\r" + command(Command::Leave));
  EXPECT_EQ(typed("\r~B~?", ssh), "\r" + command(Command::Break) + command(Command::Help));
  EXPECT_EQ(typed("\r~~.", ssh), "\r~.");
  EXPECT_EQ(typed("\r~/bin/x\r~.", ssh), "\r~/bin/x\r" + command(Command::Leave));
}

TEST(EscapeNotation, each_style_says_how_its_commands_are_typed) {
  EXPECT_EQ(keys_for({}, Command::Force), "^Ecf");
  EXPECT_EQ(keys_for({}, Command::LastLine), "^Ec^R");
  EXPECT_EQ(keys_for(usual_escape(EscapeStyle::ConMan), Command::Force), "&F");
  EXPECT_EQ(keys_for(usual_escape(EscapeStyle::Ssh), Command::Force), "");
  EXPECT_EQ(parse_escape("^]", EscapeStyle::ConMan)->first, std::byte{0x1D});
  EXPECT_FALSE(parse_escape("^Ec", EscapeStyle::Ssh));
  EXPECT_EQ(escape_text(*parse_escape("%", EscapeStyle::Ssh)), "%");
}

TEST(EscapeNotation, is_read_and_written_the_same) {
  for (const char* text : {"^Ec", "^]q", "~.", "&&", "^?^@", "^^x"}) {
    const auto sequence = parse_escape(text);
    ASSERT_TRUE(sequence) << text;
    EXPECT_EQ(escape_text(*sequence), text);
  }
  EXPECT_EQ(parse_escape("^ec")->first, std::byte{5});
}

TEST(EscapeNotation, anything_but_two_keys_is_refused) {
  for (const char* text : {"", "c", "^E", "^", "^Ecc", "^!c",
                           "\x05"
                           "c",
                           "\xc3\xa9"})
    EXPECT_FALSE(parse_escape(text)) << text;
}

}  // namespace
}  // namespace oob
