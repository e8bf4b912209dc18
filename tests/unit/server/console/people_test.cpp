// People on one console: seats kept for who lost the connection, asking and handing over, kicks, messages, and acts
// that others feel.
#include <gtest/gtest.h>

#include <filesystem>

#include "server/console/console.h"

namespace oob {
namespace {

using Kind = SessionEvent::Kind;

struct Port final : LinePort {
  void input(std::uint64_t session, std::uint64_t sequence, SteadyTime, ByteView bytes) override {
    typed += as_text(bytes);
    last = {session, sequence};
  }
  void flush_input(std::uint64_t) override { ++flushes; }
  void send_break(std::uint64_t session, std::uint64_t sequence, Duration) override {
    typed += "<break>";
    last = {session, sequence};
  }
  void acknowledge(const LogPosition&) override {}
  void hold(bool) override {}
  std::string typed;
  std::pair<std::uint64_t, std::uint64_t> last;
  int flushes = 0;
};

struct Sink final : SessionSink {
  void output(std::uint64_t, const Chunk&, std::size_t) override {}
  void event(const SessionEvent& event) override { events.push_back(event); }
  void input_done(std::uint64_t sequence, std::size_t, const std::string& refused) override {
    fates.emplace_back(sequence, refused);
  }
  bool ready() const override { return true; }
  const SessionEvent* find(Kind kind, const std::string& text = "") const {
    for (const auto& event : events) {
      if (event.kind == kind && event.text.find(text) != std::string::npos) return &event;
    }
    return nullptr;
  }
  std::vector<SessionEvent> events;
  std::vector<std::pair<std::uint64_t, std::string>> fates;
};

struct People : testing::Test {
  std::string folder = std::filesystem::temp_directory_path() / ("oob-people-" + std::to_string(::getpid()));
  Shard shard;
  std::unique_ptr<LogFolder> logs;
  std::unique_ptr<Console> console;
  Port port;
  Identity alice{.user = "alice", .uid = 1, .groups = {}, .from = "local"},
      bob{.user = "bob", .uid = 2, .groups = {}, .from = "local"};
  Sink a, b, c;

  void SetUp() override { make(limits::seat_kept); }
  void make(Duration seat_kept) {
    TearDown();
    std::filesystem::create_directories(folder);
    logs = std::make_unique<LogFolder>(shard, folder);
    console = std::make_unique<Console>(shard, "web01", std::move(*ConsoleLog::open(*logs, "web01")), seat_kept);
    console->connect(port);
    console->line_opened(7, 0);
    console->line_state(true, "a test", shard.clock().wall(), 0);
  }
  void TearDown() override {
    console.reset();
    logs.reset();
    std::filesystem::remove_all(folder);
  }
  std::unique_ptr<Session> writer(const Identity& who, Sink& sink, std::uint64_t returns_as = 0) {
    return console->attach(who, {.want_write = true, .returns_as = returns_as}, sink);
  }
  void until(const std::function<bool()>& done) {
    const auto give_up = std::chrono::steady_clock::now() + std::chrono::seconds(10);
    while (!done()) {
      ASSERT_LT(std::chrono::steady_clock::now(), give_up) << "it never came";
      shard.io().restart();
      shard.io().run_one_for(std::chrono::milliseconds(100));
    }
  }
  std::uint64_t lose(std::unique_ptr<Session>& session) {
    const std::uint64_t id = session->id();
    session->lose();
    session.reset();
    return id;
  }
  std::string log_text() {
    std::string out;
    std::optional<Result<ConsoleLog::Read>> read;
    console->log().read(0, 1 << 20, [&](Result<ConsoleLog::Read> got) { read = std::move(got); });
    until([&] { return read.has_value(); });
    for (const auto& piece : (*read)->pieces) out += piece.event ? piece.event->text + "\n" : "";
    return out;
  }
};

TEST_F(People, a_writer_that_lost_the_connection_writes_again_without_asking) {
  auto first = writer(alice, a);
  const auto second = writer(bob, b);
  const std::uint64_t id = lose(first);
  ASSERT_NE(b.find(Kind::Left, "lost the connection; may write again within 30 s"), nullptr);
  EXPECT_EQ(console->writer(), "alice");
  const auto rows = console->sessions();
  ASSERT_EQ(rows.size(), 2u);
  EXPECT_TRUE(rows[1].kept_until);
  const auto wanted = second->want_write(false);
  ASSERT_FALSE(wanted);
  EXPECT_NE(wanted.error().message.find("alice lost the connection, and may write again within"), std::string::npos);
  const auto back = writer(alice, c, id);
  EXPECT_EQ(back->mode(), SessionMode::Writer);
  EXPECT_EQ(second->mode(), SessionMode::Reader);
  EXPECT_EQ(console->sessions().size(), 2u);
}

TEST_F(People, a_kept_seat_is_nobody_elses) {
  auto first = writer(alice, a);
  const std::uint64_t id = lose(first);
  Identity other_alice = alice;
  other_alice.uid = 3;
  EXPECT_EQ(writer(bob, b, id)->mode(), SessionMode::Reader);
  EXPECT_EQ(writer(other_alice, b, id)->mode(), SessionMode::Reader);
  EXPECT_EQ(writer(alice, b, id + 1)->mode(), SessionMode::Reader);
  EXPECT_EQ(writer(alice, b, id)->mode(), SessionMode::Writer);
}

TEST_F(People, force_takes_a_kept_seat_at_once_and_who_comes_back_reads) {
  auto first = writer(alice, a);
  const std::uint64_t id = lose(first);
  const auto second = writer(bob, b);
  EXPECT_TRUE(second->want_write(true));
  const auto back = writer(alice, c, id);
  EXPECT_EQ(back->mode(), SessionMode::Reader);
  EXPECT_EQ(console->writer(), "bob");
  EXPECT_TRUE(console->writer_since());
  EXPECT_NE(log_text().find("bob from alice: bob took over"), std::string::npos);
}

TEST_F(People, a_seat_nobody_comes_back_for_is_free_and_all_are_told) {
  make(Duration(20));
  auto first = writer(alice, a);
  const auto second = writer(bob, b);
  lose(first);
  until([&] { return b.find(Kind::Note, "alice did not come back; nobody writes") != nullptr; });
  EXPECT_EQ(console->writer(), "");
  EXPECT_EQ(second->mode(), SessionMode::Reader) << "a reader is never promoted in silence";
  EXPECT_TRUE(second->want_write(false));
}

TEST_F(People, an_orderly_leave_frees_the_seat_at_once) {
  auto first = writer(alice, a);
  first.reset();
  EXPECT_EQ(console->writer(), "");
  EXPECT_EQ(writer(bob, b)->mode(), SessionMode::Writer);
}

TEST_F(People, who_returns_before_the_old_connection_is_known_dead_replaces_it) {
  const auto first = writer(alice, a);
  const auto back = writer(alice, c, first->id());
  EXPECT_EQ(back->mode(), SessionMode::Writer);
  EXPECT_EQ(first->mode(), SessionMode::Reader);
  EXPECT_NE(a.find(Kind::Removed, "over another connection"), nullptr);
  EXPECT_EQ(console->sessions().size(), 1u);
}

TEST_F(People, the_seat_goes_to_the_session_that_asked_and_both_are_told) {
  Sink d;
  const auto first = writer(alice, a);
  const auto idle = console->attach(bob, {.want_write = false}, b), asker = console->attach(bob, {}, c);
  const auto other = console->attach({.user = "carol", .uid = 3, .groups = {}, .from = "local"}, {}, d);
  ASSERT_TRUE(asker->ask_writer());
  EXPECT_NE(a.find(Kind::Asked, "bob asks you to hand over"), nullptr);
  ASSERT_TRUE(first->hand_over("bob"));
  EXPECT_EQ(asker->mode(), SessionMode::Writer);
  EXPECT_EQ(idle->mode(), SessionMode::Reader);
  until([&] { return a.find(Kind::Reader, "handed over to bob") && c.find(Kind::Writer); });
  EXPECT_NE(d.find(Kind::Note, "bob writes now instead of alice"), nullptr);
}

TEST_F(People, the_seat_is_not_handed_to_who_may_not_write) {
  const auto first = writer(alice, a);
  const auto reader = console->attach(bob, {.may_write = false}, b);
  const auto done = first->hand_over("bob");
  ASSERT_FALSE(done);
  EXPECT_EQ(done.error().code, ErrorCode::Denied);
  EXPECT_EQ(first->mode(), SessionMode::Writer);
}

TEST_F(People, a_kicked_user_is_told_by_whom_and_so_are_the_others) {
  const auto first = writer(alice, a), second = writer(bob, b);
  EXPECT_EQ(console->kick("alice", "bob"), 1u);
  EXPECT_NE(a.find(Kind::Removed, "bob ended your session"), nullptr);
  EXPECT_NE(b.find(Kind::Note, "bob kicked alice"), nullptr);
  EXPECT_LT(b.find(Kind::Note, "bob kicked alice"), b.find(Kind::Left, "")) << "why she leaves, before she does";
  EXPECT_EQ(console->writer(), "") << "the seat is free, and nobody's by itself";
  EXPECT_EQ(console->sessions().size(), 1u);
  EXPECT_NE(log_text().find("bob kicked alice"), std::string::npos);
  EXPECT_EQ(console->kick("alice", "bob"), 0u);
  EXPECT_EQ(console->kick({}, "root"), 1u);
}

TEST_F(People, a_kick_takes_the_seat_from_one_who_lost_the_connection_too) {
  auto first = writer(alice, a);
  const std::uint64_t id = lose(first);
  EXPECT_EQ(console->kick("alice", "bob"), 1u);
  EXPECT_EQ(console->writer(), "");
  const auto second = writer(bob, b);
  EXPECT_EQ(writer(alice, c, id)->mode(), SessionMode::Reader);
}

TEST_F(People, a_message_reaches_all_and_the_log) {
  const auto first = writer(alice, a), second = writer(bob, b);
  second->say("back in 5");
  console->say("root", "reboot at noon");
  for (const Sink* sink : {&a, &b}) {
    ASSERT_NE(sink->find(Kind::Message, "back in 5"), nullptr);
    EXPECT_EQ(sink->find(Kind::Message, "reboot")->user, "root");
  }
  EXPECT_NE(log_text().find("bob: back in 5"), std::string::npos);
}

TEST_F(People, a_break_is_told_to_all_with_the_name_of_its_sender) {
  const auto first = writer(alice, a), second = writer(bob, b);
  until([&] {  // both see the console live
    console->line_output(console->log().position().line_offset, shard.clock().wall(), as_bytes("x"));
    console->line_event(LogEvent::Kind::Break, "1 ms");
    return b.find(Kind::Note, "break sent: 1 ms") != nullptr;
  });
  first->send_break(first->seat(), 1, Duration(250));
  console->line_event(LogEvent::Kind::Break, "250 ms");
  EXPECT_NE(b.find(Kind::Note, "break sent: 250 ms by alice"), nullptr);
  first->send_break(first->seat(), 2, Duration(250));
  console->input_done(port.last.first, 2, 0, "this kind of line has no break");
  console->line_event(LogEvent::Kind::Break, "300 ms");
  EXPECT_EQ(b.find(Kind::Note, "300 ms by"), nullptr) << "the refused one is not remembered";
}

TEST_F(People, a_sysrq_is_a_break_and_then_its_key_and_nothing_between) {
  const auto first = writer(alice, a), second = writer(bob, b);
  const SteadyTime soon = shard.clock().now() + Duration(2000);
  first->send_sysrq(first->seat(), 1, 's');
  EXPECT_EQ(port.typed, "<break>");
  first->input(first->seat(), 3, soon, as_bytes("x"));
  console->input_done(port.last.first, 1, 0, "");
  EXPECT_EQ(port.typed, "<break>s");
  console->input_done(port.last.first, 2, 1, "");
  until([&] { return a.fates.size() == 2; });
  EXPECT_EQ(a.fates[0], (std::pair<std::uint64_t, std::string>(1, "")));
  EXPECT_EQ(a.fates[1], (std::pair<std::uint64_t, std::string>(3, "a SysRq is under way")));
  EXPECT_NE(b.find(Kind::Note, "alice sent SysRq s"), nullptr);
  EXPECT_NE(log_text().find("alice sent SysRq s"), std::string::npos);
}

TEST_F(People, a_sysrq_whose_break_was_refused_types_no_key) {
  const auto first = writer(alice, a);
  first->send_sysrq(first->seat(), 1, 'b');
  console->input_done(port.last.first, 1, 0, "this kind of line has no break");
  EXPECT_EQ(port.typed, "<break>");
  ASSERT_EQ(a.fates.size(), 1u);
  EXPECT_EQ(a.fates[0].second, "this kind of line has no break");
}

TEST_F(People, a_sysrq_waits_for_no_keys_that_would_be_taken_for_its_own) {
  const auto first = writer(alice, a);
  first->input(first->seat(), 1, shard.clock().now() + Duration(2000), as_bytes("ls"));
  first->send_sysrq(first->seat(), 2, 'b');
  until([&] { return a.fates.size() == 1; });
  ASSERT_EQ(a.fates.size(), 1u);
  EXPECT_NE(a.fates[0].second.find("still under way"), std::string::npos);
  EXPECT_EQ(port.typed, "ls");
}

TEST_F(People, a_program_is_told_from_the_person_it_types_for) {
  const auto first = console->attach(alice, {.want_write = true, .tool = "run"}, a);
  EXPECT_EQ(console->writer(), "alice (run)");
  const auto second = writer(bob, b);
  EXPECT_EQ(second->want_write(false).error().message, "alice (run) is writing");
}

TEST_F(People, a_reader_ends_neither_a_writing_session_of_the_same_user_nor_its_kept_seat) {
  auto first = writer(alice, a);
  const std::uint64_t id = first->id();
  const auto reader = console->attach(alice, {.returns_as = id}, b);
  EXPECT_EQ(a.find(Kind::Removed), nullptr);
  EXPECT_EQ(first->mode(), SessionMode::Writer);
  const auto denied = console->attach(alice, {.want_write = true, .may_write = false, .returns_as = id}, b);
  EXPECT_EQ(a.find(Kind::Removed), nullptr);
  lose(first);
  const auto another = console->attach(alice, {.may_write = false, .returns_as = id}, b);
  EXPECT_GT(console->seat_kept(), Duration(0));
  const auto again = writer(alice, c, id);
  EXPECT_EQ(again->mode(), SessionMode::Writer);
}

TEST_F(People, a_session_is_taken_back_only_with_the_token_that_began_it) {
  const auto with_token = [&](const std::string& id) {
    auto scope = std::make_shared<TokenScope>();
    scope->id = id;
    Identity who = alice;
    who.token = scope;
    return who;
  };
  auto first = writer(with_token("11111111"), a);
  const std::uint64_t id = first->id();
  for (const Identity& other : {with_token("22222222"), alice}) {
    const auto second = writer(other, b, id);
    EXPECT_EQ(a.find(Kind::Removed), nullptr);
    EXPECT_EQ(second->mode(), SessionMode::Reader);
  }
  lose(first);
  EXPECT_EQ(writer(with_token("22222222"), b, id)->mode(), SessionMode::Reader);
  EXPECT_EQ(writer(with_token("11111111"), c, id)->mode(), SessionMode::Writer);
}

}  // namespace
}  // namespace oob
