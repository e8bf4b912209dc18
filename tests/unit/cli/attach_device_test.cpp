// What the conversation promises to a program that takes the console for a serial port (`oob tty`).
#include "tests/unit/cli/attach_fixture.h"

namespace oob {
namespace {

AttachChoices device() { return {.device = true, .lines = 0}; }

TEST_F(Attach, a_device_has_no_escape_and_says_nothing_of_one) {
  attach_as_writer(device());
  const std::string typed =
      "\x05"
      "c.\x05"
      "cl0~.&.";
  type(typed);
  EXPECT_EQ(this->typed(), typed);
  EXPECT_FALSE(outside.exit);
  for (const auto& hint : outside.hints) EXPECT_EQ(hint.find("^Ec"), std::string::npos) << hint;
  event({{"type", "reader"}, {"channel", 1}, {"user", "bob"}, {"text", "bob took over"}, {"writer", "bob"}});
  EXPECT_TRUE(outside.last_notice().ends_with("; you are now read-only")) << outside.last_notice();
  type("x");
  EXPECT_EQ(outside.last_notice(), "1 key dropped: read-only");
  break_connection();
  EXPECT_TRUE(outside.last_notice().ends_with("; trying again")) << outside.last_notice();
}

TEST_F(Attach, a_device_that_cannot_have_the_seat_says_who_has_it_and_ends) {
  begin(device());
  open();
  attached(0, 0);
  EXPECT_EQ(outside.exit, Exit::SomeFailed);
  EXPECT_EQ(outside.last_words, "web01: bob is writing; --force takes over, --read-only only looks on");
}

TEST_F(Attach, a_device_is_held_up_while_its_bytes_are_under_way_and_never_while_they_are_dropped) {
  attach_as_writer(device());
  EXPECT_TRUE(conversation->wants_input());
  type("x");
  EXPECT_FALSE(conversation->wants_input());
  written(1);
  EXPECT_TRUE(conversation->wants_input());
  break_connection();
  EXPECT_TRUE(conversation->wants_input()) << "what waits now would be typed late";
}

TEST_F(Attach, a_device_is_given_as_much_room_as_its_line_takes_in_time) {
  attach_as_writer(device());
  std::uint64_t sequence = 0;
  const std::size_t least = conversation->input_room();
  EXPECT_EQ(least, limits::tty_batch_bytes_min);
  for (int i = 0; i < 20; ++i) {
    type(std::string(conversation->input_room(), 'x'));
    advance(std::chrono::milliseconds(10));
    written(++sequence);
  }
  EXPECT_EQ(conversation->input_room(), limits::client_pipe_batch_bytes);
  type("x");
  advance(std::chrono::milliseconds(1500));
  written(++sequence);
  EXPECT_EQ(conversation->input_room(), limits::client_pipe_batch_bytes / 2);
  // A line of 300 bps takes the least in time.
  EXPECT_LE(double(least) * 10 / 300, 0.75 * std::chrono::duration<double>(limits::input_age_max).count());
}

TEST_F(Attach, a_break_of_a_program_has_its_own_length) {
  attach_as_writer(device());
  conversation->send_break(Duration(333));
  EXPECT_EQ(outside.sent.back().at("type"), "break");
  EXPECT_EQ(outside.sent.back().at("ms"), 333);
  break_connection();
  conversation->send_break(Duration(0));
  EXPECT_EQ(outside.last_notice(), "not connected: no break sent");
}

}  // namespace
}  // namespace oob
