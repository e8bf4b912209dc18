// What an attached session promises about keys: never late, never astray, never lost silently.
#include "common/limits.h"
#include "tests/unit/cli/attach_fixture.h"

namespace oob {
namespace {

using namespace std::chrono_literals;

TEST_F(Attach, keys_carry_seat_sequence_and_a_deadline_in_the_servers_clock) {
  attach_as_writer();
  clock.advance(300ms);
  type("ls\r");
  type("x");
  ASSERT_EQ(outside.inputs.size(), 2u);
  const Input first = input_of(outside.inputs[0]), second = input_of(outside.inputs[1]);
  EXPECT_EQ(first.channel, 1u);
  EXPECT_EQ(first.seat, 7u);
  EXPECT_EQ(first.sequence, 1u);
  EXPECT_EQ(second.sequence, 2u);
  EXPECT_EQ(first.keys, "ls\r");
  EXPECT_EQ(first.deadline, kServerMs + 300 + Duration(limits::input_age_max).count());
}

TEST_F(Attach, long_input_goes_in_batches_in_order) {
  attach_as_writer();
  const std::string much(limits::input_batch_bytes_max * 2 + 5, 'x');
  type(much);
  EXPECT_EQ(outside.inputs.size(), 3u);
  EXPECT_EQ(typed(), much);
}

TEST_F(Attach, keys_typed_while_not_connected_are_dropped_and_counted) {
  attach_as_writer();
  break_connection();
  type("a");
  EXPECT_EQ(outside.last_notice(), "1 key dropped: not connected");
  const std::size_t said = outside.notices.size();
  type("bc");
  EXPECT_EQ(outside.notices.size(), said) << "said once";
  advance(limits::client_reconnect_delay_max);
  open();
  type("d");
  attached(9, 0);
  EXPECT_NE(std::find(outside.notices.begin(), outside.notices.end(), "4 keys dropped in all: not connected"),
            outside.notices.end());
  type("e");
  EXPECT_EQ(typed(), "e");
}

TEST_F(Attach, a_readers_keys_go_nowhere_and_the_reader_is_told_what_to_do) {
  begin();
  open();
  attached(0, 0);
  type("abc");
  EXPECT_TRUE(outside.inputs.empty());
  EXPECT_EQ(outside.last_notice(), "3 keys dropped: read-only; ^EcA asks bob to hand over, ^Ecf takes over");
}

TEST_F(Attach, who_goes_on_typing_as_a_reader_is_told_again_and_the_keys_are_summed) {
  begin();
  open();
  attached(0, 0);
  type("abc");
  advance(AttachConversation::kDroppedAgain - Duration(1));
  type("d");
  EXPECT_EQ(outside.notices.size(), 1u) << "not for each key";
  advance(Duration(1));
  type("e");
  EXPECT_EQ(outside.last_notice(), "5 keys dropped in all: read-only; ^EcA asks bob to hand over, ^Ecf takes over");
  type("f");
  EXPECT_EQ(outside.notices.size(), 2u);
}

TEST_F(Attach, keys_of_unknown_fate_are_spoken_of_when_the_connection_breaks) {
  attach_as_writer();
  type("abc");
  type("de");
  written(1);
  break_connection();
  EXPECT_NE(std::find(outside.notices.begin(), outside.notices.end(), "the last 2 keys may not have arrived"),
            outside.notices.end());
}

TEST_F(Attach, refused_keys_are_counted_and_said_with_the_reason) {
  attach_as_writer();
  type("hello world!");
  event({{"type", "input"}, {"channel", 1}, {"sequence", 1}, {"written", 0}, {"refused", "late"}});
  EXPECT_EQ(outside.last_notice(), "12 keys not typed: late");
}

TEST_F(Attach, after_a_take_over_no_key_is_sent_until_the_seat_is_back) {
  attach_as_writer();
  event({{"type", "reader"}, {"channel", 1}, {"user", "bob"}, {"text", "bob took over web01 from alice"}});
  EXPECT_EQ(outside.last_notice().find("bob took over web01 from alice at "), 0u);
  EXPECT_NE(outside.last_notice().find("^EcA to ask for it back"), std::string::npos);
  type("rm");
  EXPECT_TRUE(outside.inputs.empty());
  event({{"type", "writer"}, {"channel", 1}, {"seat", 8}, {"text", "handed over by bob"}});
  type("x");
  EXPECT_EQ(input_of(outside.inputs.back()).seat, 8u);
  EXPECT_EQ(typed(), "x");
}

TEST_F(Attach, a_take_over_by_ones_own_other_session_is_one_too) {
  attach_as_writer();
  event({{"type", "reader"}, {"channel", 1}, {"user", "alice"}, {"text", "alice took over"}});
  EXPECT_NE(outside.last_notice().find("^EcA to ask for it back"), std::string::npos);
  event({{"type", "writer"}, {"channel", 1}, {"seat", 8}});
  type(
      "\x05"
      "cs");
  event({{"type", "reader"}, {"channel", 1}, {"user", "alice"}, {"text", ""}});
  EXPECT_EQ(outside.last_notice(), "you are now read-only. ^Eca for read-write");
}

TEST_F(Attach, nobody_becomes_writer_again_by_a_reconnect_who_was_none) {
  begin();
  open();
  attached(0, 0);
  break_connection();
  advance(limits::client_reconnect_delay_max);
  open();
  EXPECT_EQ(outside.sent.back().at("write"), false);
}

TEST_F(Attach, each_key_of_the_escape_is_its_message) {
  attach_as_writer();
  type(
      "\x05"
      "cl0");
  EXPECT_EQ(outside.sent.back().at("type"), "break");
  EXPECT_EQ(outside.sent.back().at("sequence"), 1);
  EXPECT_EQ(outside.sent.back().at("seat"), 7);
  type(
      "\x05"
      "cs");
  EXPECT_EQ(outside.sent.back().at("type"), "give-up-write");
  event({{"type", "reader"}, {"channel", 1}, {"user", "alice"}, {"text", ""}});
  type(
      "\x05"
      "ca");
  EXPECT_EQ(outside.sent.back().at("type"), "want-write");
  EXPECT_EQ(outside.sent.back().at("force"), false);
  type(
      "\x05"
      "cf");
  EXPECT_EQ(outside.sent.back().at("force"), true);
  type(
      "\x05"
      "cA");
  EXPECT_EQ(outside.sent.back().at("type"), "ask");
  type(
      "\x05"
      "cw");
  EXPECT_EQ(outside.requests.back(), "GET /v1/sessions?names=web01");
  type(
      "\x05"
      "ci");
  EXPECT_EQ(outside.requests.back(), "GET /v1/consoles/web01");
  type(
      "\x05"
      "cd");
  EXPECT_EQ(outside.requests.back(), "POST /v1/consoles/web01/down");
  type(
      "\x05"
      "co");
  EXPECT_EQ(outside.requests.back(), "POST /v1/consoles/web01/retry");
  EXPECT_TRUE(outside.inputs.empty());
}

TEST_F(Attach, who_is_asked_hands_over_to_the_one_who_asked) {
  attach_as_writer();
  event({{"type", "asked"}, {"channel", 1}, {"user", "bob"}});
  EXPECT_NE(outside.hints.back().find("bob asks"), std::string::npos);
  type(
      "\x05"
      "cs");
  EXPECT_EQ(outside.sent.back().at("type"), "hand-over");
  EXPECT_EQ(outside.sent.back().at("user"), "bob");
}

TEST_F(Attach, keys_before_a_command_are_sent_before_it) {
  attach_as_writer();
  type(
      "reboot\r\x05"
      "cs");
  EXPECT_EQ(typed(), "reboot\r");
  EXPECT_EQ(outside.sent.back().at("type"), "give-up-write");
}

TEST_F(Attach, leaving_waits_for_the_fate_of_the_last_keys) {
  attach_as_writer();
  type(
      "exit\r\x05"
      "c.");
  EXPECT_FALSE(outside.exit);
  written(1);
  EXPECT_EQ(outside.exit, Exit::Done);
}

TEST_F(Attach, leaving_does_not_wait_for_ever_and_says_what_it_does_not_know) {
  attach_as_writer();
  type(
      "exit\r\x05"
      "c.more");
  advance(limits::client_leave_wait);
  EXPECT_EQ(outside.exit, Exit::Done);
  EXPECT_EQ(outside.last_notice(), "the last 5 keys may not have arrived");
}

TEST_F(Attach, one_can_leave_while_the_server_is_away) {
  attach_as_writer();
  break_connection();
  type(
      "\x05"
      "c.");
  EXPECT_EQ(outside.exit, Exit::Done);
}

TEST_F(Attach, a_lone_first_key_of_the_escape_arrives_before_it_is_late) {
  attach_as_writer();
  type("\x05");
  EXPECT_TRUE(outside.inputs.empty());
  advance(limits::client_escape_wait);
  EXPECT_EQ(typed(), "\x05");
}

TEST_F(Attach, a_key_held_for_an_escape_does_not_survive_a_broken_connection) {
  attach_as_writer();
  type("\x05");
  break_connection();
  advance(limits::reconnect_delay_min);  // sooner than it would have been passed on
  ASSERT_EQ(outside.connects, 2);
  open();
  attached(9, 0);
  type("x");
  EXPECT_EQ(typed(), "x");
}

// --- moving ---

TEST_F(Attach, moving_asks_for_a_name_on_its_own_line_with_output_held) {
  attach_as_writer();
  type(
      "\x05"
      "c;db9\x7f"
      "1");
  EXPECT_TRUE(outside.held);
  EXPECT_EQ(outside.echoed, "\r\n[move to: db9\b \b1");
  EXPECT_TRUE(outside.inputs.empty()) << "the name is not the console's";
  type("\r");
  EXPECT_FALSE(outside.held);
  EXPECT_EQ(outside.requests.back(), "GET /v1/consoles/db1");
}

TEST_F(Attach, nothing_typed_for_one_console_reaches_the_other) {
  attach_as_writer();
  type(
      "\x05"
      "c;db1\rls\r");  // typed ahead: whom it is for is not known yet
  outside.answer(json::object{{"name", "db1"}});
  EXPECT_EQ(outside.sent.back().at("type"), "attach");
  EXPECT_EQ(outside.sent.back().at("channel"), 2);
  EXPECT_EQ(outside.sent.back().at("console"), "db1");
  type("pwd\r");
  EXPECT_TRUE(outside.inputs.empty());
  EXPECT_EQ(outside.notices.at(0), "3 keys dropped: moving to db1");
  attached(3, 0, {{"console", "db1"}}, 2);
  EXPECT_EQ(outside.sent.back().at("type"), "detach");
  EXPECT_EQ(outside.sent.back().at("channel"), 1);
  type("id\r");
  const Input input = input_of(outside.inputs.at(0));
  EXPECT_EQ(input.channel, 2u);
  EXPECT_EQ(input.seat, 3u);
  EXPECT_EQ(input.sequence, 1u);
  EXPECT_EQ(input.keys, "id\r");
}

TEST_F(Attach, a_move_says_what_became_of_the_keys_before_it) {
  attach_as_writer();
  type(
      "ls\r\x05"
      "c;db1\r");
  outside.answer(json::object{{"name", "db1"}});
  attached(3, 0, {{"console", "db1"}}, 2);
  EXPECT_EQ(outside.notices.at(0), "the last 3 keys may not have arrived");
}

TEST_F(Attach, after_a_move_output_of_the_old_console_is_not_shown) {
  attach_as_writer();
  type(
      "\x05"
      "c;db1\r");
  outside.answer(json::object{{"name", "db1"}});
  output(0, "old ");
  attached(3, 5, {{"console", "db1"}}, 2);
  output(4, "stray", 1);
  output(0, "new", 2);
  EXPECT_EQ(outside.screen, "old new");
}

TEST_F(Attach, a_move_to_nowhere_stays_where_it_was) {
  attach_as_writer();
  type(
      "\x05"
      "c;db1\r");
  outside.answer(fail(ErrorCode::NotFound, "x"));
  outside.answer(json::parse(R"({"consoles":[{"name":"web01"}]})"));
  type("a");
  EXPECT_EQ(input_of(outside.inputs.at(0)).channel, 1u);
  type(
      "\x05"
      "c;db1\x03"
      "b");  // given up
  EXPECT_EQ(typed(), "ab");
}

// --- a pipe instead of a person ---

AttachChoices pipe() {
  AttachChoices choices;
  choices.pipe = true;
  return choices;
}

TEST_F(Attach, a_pipe_is_read_only_when_its_bytes_can_be_sent) {
  begin(pipe());
  EXPECT_FALSE(conversation->wants_input());
  open();
  EXPECT_FALSE(conversation->wants_input());
  attached(7, 0);
  EXPECT_TRUE(conversation->wants_input());
  type(
      "a\x05"
      "c.b");
  EXPECT_EQ(typed(),
            "a\x05"
            "c.b")
      << "no escape in a pipe";
  EXPECT_FALSE(conversation->wants_input()) << "until that is written";
  written(1);
  EXPECT_TRUE(conversation->wants_input());
}

TEST_F(Attach, a_pipe_that_writes_is_told_what_the_line_notes_of_its_input) {
  attach_as_writer(pipe());
  event({{"type", "note"}, {"channel", 1}, {"text", "4 typed bytes may not have arrived"}});
  EXPECT_EQ(outside.last_notice(), "4 typed bytes may not have arrived");
}

TEST_F(Attach, a_pipe_leaves_after_its_input_was_written_and_output_is_quiet) {
  attach_as_writer(pipe());
  type("date\n");
  conversation->input_ended();
  advance(10s);
  EXPECT_FALSE(outside.exit) << "not yet written";
  written(1);
  advance(400ms);
  output(0, "Sat\n");
  advance(400ms);
  EXPECT_FALSE(outside.exit);
  advance(100ms);
  EXPECT_EQ(outside.exit, Exit::Done);
}

TEST_F(Attach, a_pipe_whose_input_was_refused_ends_unknown_and_sends_no_more) {
  attach_as_writer(pipe());
  type("date\n");
  event({{"type", "input"}, {"channel", 1}, {"sequence", 1}, {"written", 2}, {"refused", "the line is down"}});
  EXPECT_EQ(outside.exit, Exit::Unknown);
  EXPECT_FALSE(conversation->wants_input());
  EXPECT_EQ(outside.last_notice(), "3 keys not typed: the line is down");
}

TEST_F(Attach, a_pipe_that_cannot_write_types_nothing_and_fails) {
  begin(pipe());
  open();
  attached(0, 0);
  EXPECT_EQ(outside.exit, Exit::SomeFailed);
  EXPECT_NE(outside.last_words.find("bob is writing"), std::string::npos);
}

TEST_F(Attach, a_pipe_that_only_looks_on_stays) {
  AttachChoices choices = pipe();
  choices.write = false;
  begin(choices);
  open();
  attached(0, 0);
  EXPECT_FALSE(conversation->wants_input());
  advance(10s);
  EXPECT_FALSE(outside.exit);
}

TEST_F(Attach, a_pipe_with_input_under_way_ends_unknown_when_the_connection_breaks) {
  attach_as_writer(pipe());
  type("date\n");
  break_connection();
  EXPECT_EQ(outside.exit, Exit::Unknown);
}

}  // namespace
}  // namespace oob
