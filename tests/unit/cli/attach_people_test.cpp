// The conversation's other keys (breaks, SysRq, messages, counts, styles), and what it says of others' acts and of its
// own return.
#include "tests/unit/cli/attach_fixture.h"

namespace oob {
namespace {

TEST_F(Attach, breaks_have_nine_longer_lengths) {
  attach_as_writer();
  type(
      "\x05"
      "cl0");
  EXPECT_FALSE(outside.sent.back().contains("ms")) << "as usual for the line";
  type(
      "\x05"
      "cl9");
  EXPECT_EQ(outside.sent.back().at("ms"), 4500);
}

TEST_F(Attach, a_message_is_typed_on_its_own_line_and_said_to_all) {
  attach_as_writer();
  type(
      "\x05"
      "cbback in 5 minutes, sch\xC3\xB6n\x7f\x7f\r");
  EXPECT_TRUE(outside.inputs.empty());
  EXPECT_EQ(outside.sent.back().at("type"), "message");
  EXPECT_EQ(outside.sent.back().at("text"), "back in 5 minutes, sch");
  event({{"type", "message"}, {"channel", 1}, {"user", "bob"}, {"text", "\x1b[2Jhi"}});
  EXPECT_EQ(outside.hints.back(), "bob: \\x1b[2Jhi");
}

TEST_F(Attach, a_sysrq_goes_by_name_letter_or_unique_beginning_and_takes_two_numbers) {
  attach_as_writer();
  const std::pair<std::string, std::string> cases[] = {
      {"sync", "s"}, {"reb", "b"}, {"c", "c"}, {"7", "7"}, {"show-t", "t"}};
  int sequence = 1;
  for (const auto& [name, key] : cases) {
    type(
        "\x05"
        "c!" +
        name + "\r");
    EXPECT_EQ(outside.sent.back().at("type"), "sysrq");
    EXPECT_EQ(outside.sent.back().at("key"), json::string(key));
    EXPECT_EQ(outside.sent.back().at("sequence"), sequence);
    sequence += 2;
  }
  const std::size_t count = outside.sent.size();
  for (const std::string wrong : {"show", "rebot", "x", ""})
    type(
        "\x05"
        "c!" +
        wrong + "\r");
  EXPECT_EQ(outside.sent.size(), count) << "nothing is guessed";
  event({{"type", "input"},
         {"channel", 1},
         {"sequence", 3},
         {"written", 0},
         {"refused", "this kind of line has no break"}});
  EXPECT_EQ(outside.last_notice(), "SysRq b not sent: this kind of line has no break");
}

TEST_F(Attach, replay_and_playback_have_line_counts_of_their_own) {
  attach_as_writer();
  type(
      "\x05"
      "cp");
  EXPECT_EQ(outside.sent.back().at("lines"), 60);
  type(
      "\x05"
      "cP200\r\x05"
      "cp");
  EXPECT_EQ(outside.sent.back().at("lines"), 200);
  type(
      "\x05"
      "cR5\r\x05"
      "cr");
  EXPECT_EQ(outside.sent.back().at("lines"), 5);
  type(
      "\x05"
      "c\x12");
  EXPECT_EQ(outside.sent.back().at("lines"), 1);
  type(
      "\x05"
      "cPnone\r\x05"
      "cp");
  EXPECT_EQ(outside.sent.back().at("lines"), 200);
}

TEST_F(Attach, the_escape_can_be_changed_and_hints_name_the_new_one) {
  attach_as_writer();
  type(
      "\x05"
      "ce^x");
  EXPECT_EQ(outside.hints.back(), "the escape is ^x now");
  type(
      "\x05"
      "c.");
  EXPECT_EQ(typed(),
            "\x05"
            "c.");
  type("^x?");
  EXPECT_NE(outside.hints.back().find("^x. "), std::string::npos);
}

TEST_F(Attach, hints_name_only_keys_that_the_style_has) {
  AttachChoices choices;
  choices.escape = usual_escape(EscapeStyle::Ssh);
  begin(std::move(choices));
  open();
  attached(0, 0);
  EXPECT_NE(outside.hints.at(0).find("~? help, ~. leave"), std::string::npos);
  type("x");
  EXPECT_EQ(outside.last_notice(), "1 key dropped: read-only");
}

TEST_F(Attach, a_reader_is_told_that_the_seat_is_free_once_the_writer_has_left) {
  for (const bool asked : {false, true}) {
    outside = RecordedOutside();
    begin();
    open();
    attached(0, 0);
    if (asked)
      type(
          "\x05"
          "cA");
    type("x");
    event({{"type", "left"}, {"channel", 1}, {"user", "bob"}, {"text", ""}, {"writer", "bob"}});
    EXPECT_EQ(outside.hints.back(), "bob left") << "it was another session of bob's";
    event({{"type", "left"}, {"channel", 1}, {"user", "bob"}, {"text", ""}, {"writer", ""}});
    EXPECT_EQ(outside.hints.back(), "bob left; nobody writes now, ^Eca for read-write");
    event({{"type", "left"}, {"channel", 1}, {"user", "carol"}, {"text", ""}, {"writer", ""}});
    EXPECT_EQ(outside.hints.back(), "carol left") << "said once";
    type("x");
    EXPECT_EQ(outside.last_notice(), "1 key dropped: read-only; ^Eca for read-write");
    event({{"type", "note"}, {"channel", 1}, {"text", "dave writes now"}, {"writer", "dave"}});
    type("x");
    EXPECT_EQ(outside.last_notice(), "1 key dropped: read-only; ^EcA asks dave to hand over, ^Ecf takes over");
    event({{"type", "note"}, {"channel", 1}, {"text", "dave did not come back; nobody writes"}, {"writer", ""}});
    EXPECT_EQ(outside.hints.back(), "dave did not come back; nobody writes, ^Eca for read-write");
  }
}

TEST_F(Attach, the_help_of_a_style_lists_only_what_it_has) {
  for (const auto style : {EscapeStyle::Conserver, EscapeStyle::ConMan, EscapeStyle::Ssh}) {
    outside = RecordedOutside();
    AttachChoices choices;
    choices.escape = usual_escape(style);
    attach_as_writer(std::move(choices));
    type(escape_text(usual_escape(style)) == "^Ec" ? "\x05"
                                                     "c?"
                                                   : escape_text(usual_escape(style)) + "?");
    EXPECT_NE(outside.hints.back().find("a break"), std::string::npos);
    EXPECT_EQ(outside.hints.back().find("l1..l9") != std::string::npos, style == EscapeStyle::Conserver);
  }
}

TEST_F(Attach, after_a_refusal_keys_name_the_new_seat) {
  attach_as_writer();
  type("a");
  event({{"type", "input"}, {"channel", 1}, {"sequence", 1}, {"written", 0}, {"refused", "late"}, {"seat", 9}});
  type("b");
  EXPECT_EQ(input_of(outside.inputs.at(1)).seat, 9u);
}

TEST_F(Attach, leaving_is_said_so_that_the_seat_is_not_kept) {
  attach_as_writer();
  type(
      "\x05"
      "c.");
  EXPECT_EQ(outside.sent.back().at("type"), "detach");
  EXPECT_EQ(outside.sent.back().at("channel"), 1);
}

TEST_F(Attach, comes_back_as_the_session_it_was) {
  begin();
  open();
  attached(7, 0, {{"session", 4711}});
  break_connection();
  advance(limits::client_reconnect_delay_max);
  open();
  EXPECT_EQ(outside.sent.back().at("session"), 4711);
  EXPECT_EQ(outside.sent.back().at("write"), true);
  attached(0, 0, {{"session", 4712}, {"writer_since", "2026-11-21T02:34:39.000Z"}});
  EXPECT_NE(outside.last_notice().find("bob took over at "), std::string::npos);
  EXPECT_NE(outside.last_notice().find("while you were away; you are now read-only. ^EcA to ask"), std::string::npos);
}

TEST_F(Attach, a_server_that_says_nothing_is_taken_for_lost) {
  attach_as_writer();
  advance(limits::client_silence_max - Duration(1));
  EXPECT_EQ(outside.disconnects, 0);
  event({{"type", "tick"}, {"ms", kServerMs}});
  advance(limits::client_silence_max);
  EXPECT_EQ(outside.disconnects, 1);
  EXPECT_NE(outside.last_notice().find("no sign of the server"), std::string::npos);
}

TEST_F(Attach, a_kicked_user_is_told_by_whom_and_does_not_come_back) {
  attach_as_writer();
  event({{"type", "detached"}, {"channel", 1}, {"text", "bob ended your session"}});
  EXPECT_EQ(outside.exit, Exit::SomeFailed);
  EXPECT_NE(outside.last_words.find("bob ended your session"), std::string::npos);
  EXPECT_EQ(outside.connects, 1);
}

}  // namespace
}  // namespace oob
