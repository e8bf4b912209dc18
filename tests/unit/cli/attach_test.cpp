// What an attached session promises about output and the connection.
#include "tests/unit/cli/attach_fixture.h"

namespace oob {
namespace {

bool has(const std::vector<std::string>& lines, const std::string& part) {
  for (const auto& line : lines) {
    if (line.find(part) != std::string::npos) return true;
  }
  return false;
}

TEST_F(Attach, says_who_one_is_and_how_to_leave_as_a_hint) {
  begin();
  open();
  EXPECT_EQ(outside.sent.at(0).at("type"), "attach");
  EXPECT_EQ(outside.sent.at(0).at("lines"), 20);
  EXPECT_EQ(outside.sent.at(0).at("write"), true);
  attached(7, 30);
  EXPECT_TRUE(outside.notices.empty()) << "nothing of it in a pipe";
  EXPECT_EQ(outside.hints.at(0), "web01: read-write as alice, line exec via rack1. ^Ec? help, ^Ec. leave.");
}

TEST_F(Attach, who_writes_instead_is_named) {
  begin();
  open();
  attached(0, 0);
  EXPECT_NE(outside.hints.at(0).find("read-only as alice, bob is writing"), std::string::npos);
}

TEST_F(Attach, a_unique_beginning_of_a_name_is_enough) {
  conversation.emplace(AttachChoices{.console = "we"}, outside, clock);
  conversation->start();
  open();
  event({{"type", "error"}, {"channel", 1}, {"code", "not-found"}, {"text", "no console"}});
  outside.answer(json::parse(R"({"consoles":[{"name":"db1"},{"name":"web01"}]})"));
  EXPECT_EQ(outside.connects, 1);
  EXPECT_EQ(outside.sent.at(1).at("console"), "web01");
  attached(7, 0, {}, 2);
  EXPECT_EQ(outside.hints.at(0), "web01: read-write as alice, line exec via rack1. ^Ec? help, ^Ec. leave.");
}

TEST_F(Attach, an_unknown_name_ends_with_the_nearest_name_or_command) {
  conversation.emplace(AttachChoices{.console = "webb1", .also_meant = {"ls", "info"}}, outside, clock);
  conversation->start();
  open();
  event({{"type", "error"}, {"channel", 1}, {"code", "not-found"}, {"text", "no console"}});
  outside.answer(json::parse(R"({"consoles":[{"name":"db1"},{"name":"web1"}]})"));
  EXPECT_EQ(outside.exit, Exit::NoSuchName);
  EXPECT_NE(outside.last_words.find("\"web1\""), std::string::npos);
}

TEST_F(Attach, a_mistyped_command_is_recognised_without_a_server_too) {
  conversation.emplace(AttachChoices{.console = "lss", .also_meant = {"ls", "info"}}, outside, clock);
  conversation->start();
  conversation->disconnected({ErrorCode::Unavailable, "no server answers"});
  EXPECT_EQ(outside.exit, Exit::NoServer);
  EXPECT_EQ(outside.last_words, "no server answers; did you mean \"ls\"?");
}

TEST_F(Attach, what_cannot_be_a_name_never_becomes_a_path) {
  conversation.emplace(AttachChoices{.console = "../agents/x"}, outside, clock);
  conversation->start();
  EXPECT_EQ(outside.requests.at(0), "GET /v1/consoles");
}

TEST_F(Attach, no_server_at_the_start_ends_at_once) {
  begin();
  conversation->disconnected({ErrorCode::Unavailable, "no server answers"});
  EXPECT_EQ(outside.exit, Exit::NoServer);
  EXPECT_EQ(outside.last_words, "no server answers");
}

TEST_F(Attach, not_being_allowed_ends_with_its_own_status) {
  begin();
  open();
  event({{"type", "error"}, {"channel", 1}, {"code", "denied"}, {"text", "user alice may not read web01"}});
  outside.answer(json::parse(R"({"consoles":[{"name":"web01"}]})"));
  EXPECT_EQ(outside.exit, Exit::NotAllowed);
}

TEST_F(Attach, resumes_after_the_last_byte_seen_and_shows_each_byte_once) {
  attach_as_writer();
  output(0, "one\n");
  output(4, "two\n");
  break_connection();
  EXPECT_TRUE(has(outside.notices, "connection lost"));
  advance(limits::client_reconnect_delay_max);
  ASSERT_EQ(outside.connects, 2);
  open();
  const json::object& again = outside.sent.back();
  EXPECT_EQ(again.at("offset"), 8);
  EXPECT_FALSE(again.contains("lines"));
  EXPECT_EQ(again.at("write"), true) << "it had the seat";
  EXPECT_EQ(again.at("force"), false);
  attached(9, 8);
  output(4, "two\nthree\n");  // the server starts a little early
  EXPECT_EQ(outside.screen, "one\ntwo\nthree\n");
  EXPECT_TRUE(has(outside.notices, "connected again, read-write"));
}

TEST_F(Attach, a_server_that_lost_its_last_moment_repeats_nothing_on_the_screen) {
  attach_as_writer();
  output(0, "one\ntwo\n");
  break_connection();
  advance(limits::client_reconnect_delay_max);
  open();
  attached(9, 4);  // killed before "two" was in its log; the agent sends it again
  output(4, "two\n");
  output(8, "three\n");
  EXPECT_EQ(outside.screen, "one\ntwo\nthree\n");
}

TEST_F(Attach, another_log_under_the_old_name_is_shown_and_said) {
  begin();
  open();
  attached(7, 9'000'000);
  output(9'000'000, "old\n");
  break_connection();
  advance(limits::client_reconnect_delay_max);
  open();
  attached(9, 0);
  output(0, "new\n");
  EXPECT_EQ(outside.screen, "old\nnew\n");
  EXPECT_TRUE(has(outside.notices, "begins anew"));
}

TEST_F(Attach, output_that_a_killed_server_had_shown_but_not_yet_written_is_not_shown_twice) {
  begin();
  open();
  attached(7, 0, {{"log", 1234}});
  output(0, "first line\nsec");
  break_connection();
  advance(limits::client_reconnect_delay_max);
  open();
  attached(9, 0, {{"log", 1234}});  // the same file, still empty
  output(0, "first line\nsecond");
  EXPECT_EQ(outside.screen, "first line\nsecond");
  EXPECT_FALSE(has(outside.notices, "begins anew"));
  break_connection();
  advance(limits::client_reconnect_delay_max);
  open();
  attached(11, 0, {{"log", 1235}});
  EXPECT_TRUE(has(outside.notices, "begins anew"));
}

TEST_F(Attach, behind_an_unknown_gap_nothing_is_taken_for_shown) {
  begin();
  open();
  attached(7, 0, {{"log", 1234}});
  output(0, "lost by the server");
  break_connection();
  advance(limits::client_reconnect_delay_max);
  open();
  attached(9, 0, {{"log", 1234}});
  event({{"type", "gap"}, {"channel", 1}, {"offset", 0}, {"text", "the agent has lost its ring"}});
  output(0, "other");
  EXPECT_EQ(outside.screen, "lost by the serverother");
}

TEST_F(Attach, whose_token_has_ended_is_told_that_and_not_that_the_connection_was_lost) {
  attach_as_writer();
  event({{"type", "error"}, {"code", "denied"}, {"text", "this token was revoked"}});
  break_connection();
  EXPECT_EQ(outside.exit, Exit::NotAllowed);
  EXPECT_EQ(outside.last_words, "this token was revoked");
  EXPECT_TRUE(outside.notices.empty());
}

TEST_F(Attach, keys_typed_while_a_local_command_has_the_console_go_nowhere_and_that_is_said_once) {
  attach_as_writer();
  outside.program = true;
  type(
      "\x05"
      "c|");
  type("cat\r");
  for (const char* key : {"a", "b", "c"}) type(key);
  EXPECT_EQ(typed(), "");
  std::size_t said = 0;
  for (const std::string& hint : outside.hints) said += hint.starts_with("not typed: a local command has the console");
  EXPECT_EQ(said, 1u);
}

TEST_F(Attach, a_replay_since_a_time_is_asked_for_once) {
  begin({.since = "2026-11-21T02:00:00.000Z"});
  EXPECT_EQ(outside.sent.at(0).at("since"), "2026-11-21T02:00:00.000Z");
  open();
  attached(7, 100, {{"since", "2026-11-21T02:34:00.000Z"}});
  EXPECT_NE(outside.hints.at(0).find(", since "), std::string::npos);
  EXPECT_EQ(outside.hints.at(0).find("lines"), std::string::npos);
  output(40, "said then");
  break_connection();
  advance(limits::client_reconnect_delay_max);
  EXPECT_FALSE(outside.sent.back().contains("since"));
  EXPECT_EQ(outside.sent.back().at("offset"), 49);
}

TEST_F(Attach, an_emptied_log_is_another_log_however_short_the_old_one_was) {
  attach_as_writer();
  output(0, "old\n");
  break_connection();
  advance(limits::client_reconnect_delay_max);
  open();
  attached(9, 0);
  output(0, "new\n");
  EXPECT_EQ(outside.screen, "old\nnew\n");
}

TEST_F(Attach, missing_output_never_passes_silently) {
  attach_as_writer();
  output(0, "one\n");
  output(10, "two\n");
  EXPECT_TRUE(has(outside.notices, "6 bytes of output missing"));
}

TEST_F(Attach, a_gap_is_said_once_and_output_goes_on_behind_it) {
  attach_as_writer();
  output(0, "one\n");
  event({{"type", "gap"}, {"channel", 1}, {"offset", 4}, {"bytes", 100}, {"text", "agent rack1 was away"}});
  output(104, "two\n");
  ASSERT_EQ(outside.notices.size(), 1u);
  EXPECT_EQ(outside.notices[0], "100 bytes of output missing: agent rack1 was away");
  event({{"type", "lagged"}, {"channel", 1}, {"offset", 108}, {"bytes", 50}});
  output(158, "three\n");
  EXPECT_EQ(outside.notices.size(), 2u);
  EXPECT_EQ(outside.screen, "one\ntwo\nthree\n");
}

TEST_F(Attach, replay_repeats_on_purpose_and_goes_on_without_a_seam) {
  attach_as_writer();
  output(0, "one\ntwo\n");
  type(
      "\x05"
      "cr");
  EXPECT_EQ(outside.sent.back().at("type"), "replay");
  output(8, "late\n");  // was on its way
  output(4, "two\nlate\n");
  output(13, "more\n");
  EXPECT_EQ(outside.screen, "one\ntwo\nlate\ntwo\nlate\nmore\n");
  EXPECT_TRUE(outside.notices.empty());
}

TEST_F(Attach, retries_spread_between_a_quarter_second_and_five_seconds_and_stop_on_success) {
  attach_as_writer();
  break_connection();
  Duration longest{0};
  for (int i = 0; i < 20; ++i) {
    const auto wait = std::chrono::ceil<Duration>(*conversation->next_deadline() - clock.now());
    EXPECT_GE(wait, limits::reconnect_delay_min / 2);
    EXPECT_LE(wait, limits::client_reconnect_delay_max);
    longest = std::max(longest, wait);
    advance(wait);
    EXPECT_EQ(outside.connects, i + 2);
    break_connection();
  }
  EXPECT_GT(longest, limits::client_reconnect_delay_max / 2);
  EXPECT_EQ(outside.notices.size(), 1u) << "said once, not twenty times";
  EXPECT_FALSE(outside.exit);
}

TEST_F(Attach, a_console_that_is_removed_ends_the_session) {
  attach_as_writer();
  event({{"type", "detached"}, {"channel", 1}, {"text", "removed from the inventory"}});
  EXPECT_EQ(outside.exit, Exit::SomeFailed);
}

TEST_F(Attach, words_from_others_are_escaped) {
  attach_as_writer();
  event({{"type", "note"}, {"channel", 1}, {"user", "bob\x1b[2J"}, {"text", "\x1b]0;x\x07"}});
  event({{"type", "down"}, {"channel", 1}, {"text", "\x1b[31m"}});
  for (const auto* lines : {&outside.hints, &outside.notices}) {
    for (const auto& line : *lines) EXPECT_EQ(line.find('\x1b'), std::string::npos) << line;
  }
}

TEST_F(Attach, nonsense_from_the_server_is_survived) {
  attach_as_writer();
  for (const std::string& text : {"", "{", "[]", "{\"type\":5}", "{\"type\":\"input\",\"channel\":1}"}) {
    conversation->message(as_bytes(text), false);
    conversation->message(as_bytes(text), true);
  }
  output(0, "ok");
  EXPECT_EQ(outside.screen, "ok");
}

}  // namespace
}  // namespace oob
