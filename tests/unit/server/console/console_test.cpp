// A console's promises, with a real log on disk and a line played by the test: one writer, input never astray, and a
// viewer that sees every byte once, whenever it comes and however slow it is.
#include "server/console/console.h"

#include <gtest/gtest.h>

#include <filesystem>
#include <random>

#include "common/limits.h"

namespace oob {
namespace {

struct Port final : LinePort {
  void input(std::uint64_t session, std::uint64_t sequence, SteadyTime, ByteView bytes) override {
    typed += as_text(bytes);
    last = {session, sequence};
  }
  void flush_input(std::uint64_t keep) override { flushed_but = keep; }
  void send_break(std::uint64_t, std::uint64_t, Duration) override { ++breaks; }
  void acknowledge(const LogPosition& written) override { acknowledged = written; }
  void hold(bool now) override { held = now; }
  std::string typed;
  std::pair<std::uint64_t, std::uint64_t> last;
  std::optional<std::uint64_t> flushed_but;
  int breaks = 0;
  bool held = false;
  LogPosition acknowledged;
};

struct Sink final : SessionSink {
  void output(std::uint64_t log_offset, const Chunk& bytes, std::size_t skip) override {
    EXPECT_TRUE(is_ready);
    if (next) EXPECT_EQ(*next, log_offset) << "a gap or a repeat that nobody told of";
    seen += as_text(ByteView(*bytes).subspan(skip));
    next = log_offset + bytes->size() - skip;
    taken += bytes->size();
    if (takes != 0 && taken >= takes) is_ready = false;
  }
  void event(const SessionEvent& event) override {
    events.push_back(event);
    if (next && event.gap_bytes) *next += *event.gap_bytes;
  }
  void input_done(std::uint64_t sequence, std::size_t written, const std::string& refused) override {
    fates[sequence] = {written, refused};
  }
  bool ready() const override { return is_ready; }
  bool has(SessionEvent::Kind kind) const {
    return std::ranges::any_of(events, [&](const auto& event) { return event.kind == kind; });
  }
  bool is_ready = true;
  std::size_t takes = 0, taken = 0;  // 0: everything
  std::optional<std::uint64_t> next;
  std::string seen;
  std::vector<SessionEvent> events;
  std::map<std::uint64_t, std::pair<std::size_t, std::string>> fates;
};

struct Fixture : testing::Test {
  std::string folder = std::filesystem::temp_directory_path() / ("oob-console-" + std::to_string(::getpid()));
  Shard shard;
  std::unique_ptr<LogFolder> logs;
  std::unique_ptr<Console> console;
  Port port;
  Identity alice{.user = "alice", .uid = 1, .groups = {}, .from = "local"},
      bob{.user = "bob", .uid = 2, .groups = {}, .from = "local"};
  std::uint64_t offset = 0;

  void SetUp() override {
    std::filesystem::remove_all(folder);
    std::filesystem::create_directories(folder);
    logs = std::make_unique<LogFolder>(shard, folder);
    console = std::make_unique<Console>(shard, "web01", std::move(*ConsoleLog::open(*logs, "web01")));
    console->connect(port);
    console->line_opened(7, 0);
  }
  void TearDown() override {
    console.reset();
    logs.reset();
    std::filesystem::remove_all(folder);
  }
  // Runs the shard until `done`; a test that never gets there fails by its time limit of 10 s.
  void until(const std::function<bool()>& done) {
    const auto give_up = std::chrono::steady_clock::now() + std::chrono::seconds(10);
    while (!done()) {
      ASSERT_LT(std::chrono::steady_clock::now(), give_up) << "it never came";
      shard.io().restart();
      shard.io().run_one_for(std::chrono::milliseconds(100));
    }
  }
  void say(std::string_view text) {
    console->line_output(offset, shard.clock().wall(), as_bytes(text));
    offset += text.size();
  }
  SteadyTime soon() { return shard.clock().now() + Duration(2000); }
};
using ConsoleTest = Fixture;

TEST_F(ConsoleTest, a_line_that_ran_ahead_of_its_log_goes_on_as_soon_as_that_is_written) {
  const std::string piece(64 * 1024, 'x');
  while (!port.held) {
    ASSERT_LT(offset, limits::log_waiting_bytes_max);
    say(piece);
  }
  until([&] { return port.acknowledged.line_offset == offset; });
  EXPECT_FALSE(port.held) << "and not at the next look, milliseconds later";
}

TEST_F(ConsoleTest, the_first_who_wants_it_writes_and_the_second_reads) {
  Sink a, b;
  const auto first = console->attach(alice, {.want_write = true}, a);
  const auto second = console->attach(bob, {.want_write = true}, b);
  EXPECT_EQ(first->mode(), SessionMode::Writer);
  EXPECT_EQ(second->mode(), SessionMode::Reader);
  EXPECT_EQ(console->writer(), "alice");
  const auto wanted = second->want_write(false);
  ASSERT_FALSE(wanted);
  EXPECT_EQ(wanted.error().message, "alice is writing");
}

TEST_F(ConsoleTest, a_reader_is_never_promoted_in_silence) {
  Sink a, b;
  auto first = console->attach(alice, {.want_write = true}, a);
  const auto second = console->attach(bob, {.want_write = true}, b);
  first.reset();
  EXPECT_EQ(second->mode(), SessionMode::Reader);
  EXPECT_EQ(console->writer(), "");
  EXPECT_TRUE(b.has(SessionEvent::Kind::Left));
  EXPECT_TRUE(second->want_write(false));
  EXPECT_EQ(second->mode(), SessionMode::Writer);
}

TEST_F(ConsoleTest, taking_over_tells_both_and_keys_of_before_are_astray) {
  Sink a, b;
  const auto first = console->attach(alice, {.want_write = true}, a);
  const std::uint64_t seat = first->seat();
  const auto second = console->attach(bob, {.want_write = true, .force = true}, b);
  EXPECT_EQ(port.flushed_but, second->seat());
  first->input(seat, 1, soon(), as_bytes("rm -rf /\r"));
  until([&] { return a.fates.contains(1) && a.has(SessionEvent::Kind::Reader) && b.has(SessionEvent::Kind::Writer); });
  EXPECT_EQ(a.fates[1].second, "this session is read-only");
  EXPECT_EQ(port.typed, "");
  // The seat comes back: what was typed for the old seat still does not count.
  ASSERT_TRUE(first->want_write(true));
  first->input(seat, 2, soon(), as_bytes("x"));
  until([&] { return a.fates.contains(2); });
  EXPECT_EQ(a.fates[2].second, "typed before the writer changed");
  first->input(first->seat(), 3, soon(), as_bytes("y"));
  EXPECT_EQ(port.typed, "y");
}

TEST_F(ConsoleTest, handing_over_gives_the_seat_to_that_user_and_no_other) {
  Sink a, b;
  const auto first = console->attach(alice, {.want_write = true}, a);
  const auto second = console->attach(bob, {}, b);
  EXPECT_FALSE(first->hand_over("carol"));
  EXPECT_TRUE(second->ask_writer());
  EXPECT_TRUE(a.has(SessionEvent::Kind::Asked));
  EXPECT_TRUE(first->hand_over("bob"));
  EXPECT_EQ(console->writer(), "bob");
}

TEST_F(ConsoleTest, late_keys_and_keys_for_a_lost_agent_are_refused_and_said) {
  Sink a;
  const auto session = console->attach(alice, {.want_write = true}, a);
  session->input(session->seat(), 1, shard.clock().now() - Duration(1), as_bytes("x"));
  session->input(session->seat(), 2, soon(), as_bytes("y"));
  EXPECT_EQ(port.typed, "y");
  console->disconnect("agent rack1 is not connected");
  session->input(session->seat(), 3, soon(), as_bytes("z"));
  until([&] { return a.fates.size() == 3; });
  EXPECT_EQ(a.fates[1].second, "late");
  EXPECT_NE(a.fates[2].second.find("unknown"), std::string::npos);
  EXPECT_EQ(a.fates[3].second, "agent rack1 is not connected");
  EXPECT_EQ(port.typed, "y");
}

TEST_F(ConsoleTest, one_who_asks_for_replays_without_end_keeps_nobody_from_reading_and_gets_the_last) {
  say("one\r\ntwo\r\nthree\r\n");
  Sink a;
  const auto session = console->attach(alice, {.replay_lines = 0}, a);
  for (std::size_t i = 0; i < limits::log_reads_waiting_max + 100; ++i) session->replay(3);
  session->replay(2);
  std::optional<bool> read;
  console->log().read(0, 100, [&](const Result<ConsoleLog::Read>& result) { read = result.has_value(); });
  until([&] { return read && !a.seen.empty(); });
  EXPECT_TRUE(*read) << "too many read the logs";
  EXPECT_EQ(a.seen, "two\r\nthree\r\n");
}

TEST_F(ConsoleTest, replay_meets_live_without_a_gap_or_a_repeat) {
  std::mt19937 random(3);
  std::string said;
  std::vector<std::unique_ptr<Sink>> sinks;
  std::vector<std::unique_ptr<Session>> sessions;
  std::vector<std::size_t> from;
  for (int i = 0; i < 300; ++i) {
    const std::string text = std::to_string(i) + std::string(random() % 3000, 'x') + "\r\n";
    said += text;
    say(text);
    if (i % 10 == 0) {
      sinks.push_back(std::make_unique<Sink>());
      from.push_back(random() % said.size());
      sessions.push_back(console->attach(bob, {.from_offset = from.back()}, *sinks.back()));
    }
    if (random() % 3 == 0) shard.io().restart(), shard.io().poll_one();
  }
  for (std::size_t i = 0; i < sinks.size(); ++i) {
    until([&] { return sinks[i]->seen.size() >= said.size() - from[i]; });
    EXPECT_EQ(sinks[i]->seen, said.substr(from[i]));
  }
}

TEST_F(ConsoleTest, a_slow_viewer_is_told_what_it_missed_and_slows_nobody) {
  Sink slow, quick;
  slow.takes = 10'000;
  const auto s = console->attach(alice, {.from_offset = 0}, slow);
  const auto q = console->attach(bob, {.from_offset = 0}, quick);
  shard.io().poll();
  std::string said;
  for (int i = 0; i < 2000; ++i) {
    const std::string text(500, char('a' + i % 26));
    said += text;
    say(text);
    shard.io().restart(), shard.io().poll();
  }
  until([&] { return quick.seen.size() == said.size(); });
  EXPECT_EQ(quick.seen, said);
  EXPECT_LT(slow.seen.size(), 20'000u);
  slow.takes = 0;
  slow.is_ready = true;
  s->drained();
  until([&] { return slow.next && *slow.next == said.size(); });
  ASSERT_TRUE(slow.has(SessionEvent::Kind::Lagged));
  std::uint64_t skipped = 0;
  for (const auto& event : slow.events) skipped += event.gap_bytes.value_or(0);
  EXPECT_EQ(slow.seen.size() + skipped, said.size());
}

TEST_F(ConsoleTest, what_the_agent_overwrote_is_a_gap_of_exactly_that_size) {
  Sink a;
  const auto session = console->attach(alice, {.from_offset = 0}, a);
  say("before");
  console->disconnect("tunnel cut");
  console->connect(port);
  console->line_opened(7, 106);
  console->line_output(106, shard.clock().wall(), as_bytes("after"));
  until([&] { return a.seen == "beforeafter"; });
  ASSERT_TRUE(a.has(SessionEvent::Kind::Gap));
  EXPECT_EQ(console->log().position().log_offset, 111u);
}

TEST_F(ConsoleTest, what_is_sent_again_after_a_reconnect_is_dropped) {
  Sink a;
  const auto session = console->attach(alice, {.from_offset = 0}, a);
  say("0123456789");
  console->line_output(4, shard.clock().wall(), as_bytes("456789abc"));
  console->line_output(0, shard.clock().wall(), as_bytes("012"));
  until([&] { return a.seen == "0123456789abc"; });
  EXPECT_EQ(console->log().position().line_offset, 13u);
}

TEST_F(ConsoleTest, a_new_incarnation_goes_on_in_the_same_log_with_an_unknown_gap) {
  Sink a;
  const auto session = console->attach(alice, {.from_offset = 0}, a);
  say("old");
  console->line_opened(8, 0);
  console->line_output(0, shard.clock().wall(), as_bytes("new"));
  until([&] { return a.seen == "oldnew"; });
  ASSERT_TRUE(a.has(SessionEvent::Kind::Gap));
  EXPECT_EQ(console->log().position().log_offset, 6u);
  EXPECT_EQ(console->log().position().incarnation, 8u);
}

TEST_F(ConsoleTest, an_event_told_twice_is_logged_once_and_acknowledged_when_it_is_written) {
  Sink a;
  const auto session = console->attach(alice, {.from_offset = 0}, a);
  say("x");
  for (int i = 0; i < 2; ++i) {
    if (console->line_event_is_new(1, 5)) console->line_event(LogEvent::Kind::Up, "again");
  }
  until([&] { return port.acknowledged.line_event == 5 && port.acknowledged.line_offset == 1; });
  EXPECT_EQ(std::ranges::count_if(a.events, [](const auto& e) { return e.kind == SessionEvent::Kind::Up; }), 1);
}

TEST_F(ConsoleTest, a_resume_from_before_the_log_begins_is_told_what_is_missing) {
  say("rotated away");
  until([&] { return port.acknowledged.line_offset == offset; });
  std::filesystem::rename(folder + "/web01.log", folder + "/web01.log.1");
  logs->reopen();
  say("kept");
  until([&] { return port.acknowledged.line_offset == offset && console->log().oldest() > 0; });
  Sink a;
  const auto session = console->attach(alice, {.from_offset = 0}, a);
  until([&] { return a.seen == "kept"; });
  ASSERT_TRUE(a.has(SessionEvent::Kind::Gap));
  EXPECT_EQ(a.events.front().gap_bytes, std::string("rotated away").size());
}

TEST_F(ConsoleTest, a_replay_since_a_time_begins_there_and_goes_on_live) {
  const WallTime now = shard.clock().wall();
  const auto say_at = [&](Duration ago, const std::string& text) {
    console->line_output(offset, now - ago, as_bytes(text));
    offset += text.size();
  };
  say_at(std::chrono::hours(2), "long ago\n");
  say_at(std::chrono::minutes(10), "lately\n");
  until([&] { return port.acknowledged.line_offset == offset; });
  Sink a, b;
  const auto session = console->attach(alice, {.since = now - std::chrono::hours(1)}, a);
  const auto other = console->attach(bob, {.since = now}, b);
  until([&] { return a.seen == "lately\n"; });
  say("live");
  until([&] { return a.seen == "lately\nlive" && b.seen == "live"; });
  EXPECT_FALSE(a.has(SessionEvent::Kind::Lagged));
}

TEST_F(ConsoleTest, a_replay_is_bounded_and_says_so_and_one_that_is_taken_slowly_is_whole) {
  std::string said;
  for (int i = 0; i < 30; ++i) {
    const std::string part(100'000, static_cast<char>('a' + i % 26));
    say(part);
    said += part;
    until([&] { return port.acknowledged.line_offset == offset; });
  }
  Sink slow;
  slow.takes = 50'000;
  const auto session = console->attach(alice, {.since = shard.clock().wall() - std::chrono::hours(1)}, slow);
  until([&] {
    if (!slow.is_ready) {
      slow.taken = 0;
      slow.is_ready = true;
      session->drained();
    }
    return slow.seen.size() >= limits::replay_bytes_max;
  });
  EXPECT_EQ(slow.seen, said.substr(said.size() - limits::replay_bytes_max));
  ASSERT_EQ(slow.events.size(), 1u);
  EXPECT_EQ(slow.events[0].gap_bytes, said.size() - limits::replay_bytes_max);
  EXPECT_NE(slow.events[0].text.find("oob log --since"), std::string::npos);
}

TEST_F(ConsoleTest, its_sessions_are_told_when_it_goes) {
  Sink a;
  const auto session = console->attach(alice, {.want_write = true}, a);
  console.reset();
  EXPECT_TRUE(a.has(SessionEvent::Kind::Removed));
  EXPECT_FALSE(session->want_write(true));
  session->input(1, 1, soon(), as_bytes("x"));
  session->drained();
}

TEST_F(ConsoleTest, what_a_line_knows_of_itself_is_forgotten_when_it_is_down_or_out_of_sight) {
  const ConsoleState::Facts facts{{"settings", "9600 8N1"}};
  console->line_facts(facts);
  EXPECT_TRUE(console->state().facts.empty()) << "of a line that is not up";
  console->line_state(true, "/dev/ttyS0", WallTime{}, 0);
  console->line_facts(facts);
  EXPECT_EQ(console->state().facts, facts);
  console->line_state(false, "gone", WallTime{}, 0);
  EXPECT_TRUE(console->state().facts.empty());
}

}  // namespace
}  // namespace oob
