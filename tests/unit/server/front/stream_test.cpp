// A client's stream against real consoles: rights of each channel, the fate of every input, slow and rude clients.
#include "server/front/stream.h"

#include "tests/unit/server/front/backend_for_test.h"

namespace oob {
namespace {

// The client's end, in memory: what was sent to it is kept; `stuck` stands for a client that does not read.
struct Wire {
  WebSocket::Events events;
  std::vector<json::object> texts;
  std::string output;
  std::uint64_t output_offset = 0;  // of the last output message
  std::size_t stuck_bytes = 0;
  bool stuck = false;
  std::optional<std::string> closed;
};

class MemoryWebSocket final : public WebSocket {
 public:
  explicit MemoryWebSocket(Wire& wire) : wire_(wire) {}
  void on(Events events) override { wire_.events = std::move(events); }
  void send(Bytes message, bool binary) override {
    if (wire_.stuck) wire_.stuck_bytes += message.size();
    if (!binary) return wire_.texts.push_back(json::parse(as_text(message)).as_object());
    wire_.output += as_text(message).substr(kOutputHeadBytes);
    wire_.output_offset = 0;
    for (std::size_t i = 5; i < 13; ++i)
      wire_.output_offset = wire_.output_offset << 8 | std::to_integer<int>(message[i]);
  }
  std::size_t unsent() const override { return wire_.stuck_bytes; }
  void set_reading(bool) override {}
  void close(const std::string& reason) override { wire_.closed = reason; }

 private:
  Wire& wire_;
};

// The line's end: records what is typed and answers only when told to.
struct Port final : LinePort {
  struct Typed {
    std::uint64_t session, sequence;
    SteadyTime deadline;
    std::string keys;
  };
  void input(std::uint64_t session, std::uint64_t sequence, SteadyTime deadline, ByteView bytes) override {
    typed.push_back({session, sequence, deadline, std::string(as_text(bytes))});
  }
  void flush_input(std::uint64_t) override {}
  void send_break(std::uint64_t session, std::uint64_t sequence, Duration) override {
    breaks.push_back({session, sequence, {}, {}});
  }
  void acknowledge(const LogPosition&) override {}
  void hold(bool) override {}
  std::vector<Typed> typed, breaks;
};

struct Stream : ::testing::Test {
  Stream() {
    for (auto& [name, console] : backend.consoles) {
      Port& port = ports[name];
      console->connect(port);
      console->line_opened(1, 0);
      console->line_state(true, "a test", clock.wall(), 0);
    }
  }
  ~Stream() override {
    for (auto& [name, console] : backend.consoles) console->disconnect("the test is over");
  }

  std::unique_ptr<StreamConnection> connect(Wire& wire, const std::string& user = "alice") {
    Identity who{user, 1000, {"oob"}, "local"};
    if (user == "stranger") who.groups.clear();
    return std::make_unique<StreamConnection>(shard, clock, backend, access, who,
                                              std::make_unique<MemoryWebSocket>(wire));
  }
  void say(Wire& wire, const std::string& message) { wire.events.message(as_bytes(message), false); }
  void type(Wire& wire, std::uint32_t channel, std::uint64_t seat, std::uint64_t sequence, std::int64_t deadline,
            const std::string& keys) {
    Bytes bytes{std::byte{1}};
    const auto put = [&](std::uint64_t number, int size) {
      for (int i = size - 1; i >= 0; --i) bytes.push_back(static_cast<std::byte>(number >> (8 * i) & 0xff));
    };
    put(channel, 4), put(seat, 8), put(sequence, 8), put(static_cast<std::uint64_t>(deadline), 8);
    append(bytes, keys);
    wire.events.message(bytes, true);
  }
  // The first message of that type; waits for it.
  json::object wait_for(Wire& wire, const std::string& type) {
    const auto find = [&] {
      return std::find_if(wire.texts.begin(), wire.texts.end(),
                          [&](auto& m) { return m.at("type").as_string() == type; });
    };
    if (!run_until(shard, [&] { return find() != wire.texts.end(); })) {
      std::string came;
      for (const auto& m : wire.texts) came += "\n" + json::serialize(m);
      ADD_FAILURE() << "no " << type << " came, but:" << came;
      return {};
    }
    const json::object found = *find();
    wire.texts.erase(find());
    return found;
  }
  std::uint64_t attach(Wire& wire, int channel, const std::string& console = "a", const std::string& more = "") {
    say(wire, R"({"type":"attach","write":true,"channel":)" + std::to_string(channel) + R"(,"console":")" + console +
                  "\"" + more + "}");
    return wait_for(wire, "attached").at("seat").to_number<std::uint64_t>();
  }
  void print(const std::string& console, const std::string& text) {
    Console& it = *backend.consoles.at(console);
    it.line_output(it.log().position().line_offset, clock.wall(), as_bytes(text));
  }
  std::int64_t now_ms() { return steady_ms(clock.now()); }

  Shard shard;
  SystemClock clock;
  TestBackend backend{shard};
  Access access{"oob", 900};
  std::map<std::string, Port> ports;
};

TEST_F(Stream, begins_with_welcome_and_the_servers_clock) {
  Wire wire;
  const auto stream = connect(wire);
  ASSERT_GE(wire.texts.size(), 2u);
  EXPECT_EQ(wire.texts[0].at("type"), "welcome");
  EXPECT_EQ(wire.texts[0].at("user"), "alice");
  EXPECT_EQ(wire.texts[1].at("type"), "tick");
  EXPECT_NEAR(wire.texts[1].at("ms").to_number<double>(), static_cast<double>(now_ms()), 5000);
}

TEST_F(Stream, attached_comes_before_output_and_replay_runs_into_live) {
  print("a", "one\ntwo\n");
  Wire wire;
  const auto stream = connect(wire);
  say(wire, R"({"type":"attach","channel":1,"console":"a","lines":1})");
  EXPECT_TRUE(wire.output.empty());
  const json::object attached = wait_for(wire, "attached");
  EXPECT_EQ(attached.at("mode"), "reader");
  EXPECT_EQ(attached.at("line"), "up");
  EXPECT_EQ(attached.at("kind"), "test");
  EXPECT_EQ(attached.at("offset").to_number<int>(), 8);
  print("a", "three\n");
  ASSERT_TRUE(run_until(shard, [&] { return wire.output.size() >= 10; }));
  EXPECT_EQ(wire.output, "two\nthree\n");
}

TEST_F(Stream, a_resume_at_an_offset_misses_nothing_and_repeats_nothing) {
  print("a", "0123456789");
  Wire wire;
  const auto stream = connect(wire);
  say(wire, R"({"type":"attach","channel":1,"console":"a","offset":4})");
  ASSERT_TRUE(run_until(shard, [&] { return wire.output.size() >= 6; }));
  EXPECT_EQ(wire.output, "456789");
}

TEST_F(Stream, output_larger_than_a_message_is_cut_with_right_offsets) {
  Wire wire;
  const auto stream = connect(wire);
  attach(wire, 1);
  ASSERT_TRUE(run_until(shard, [&] { return !wire.texts.empty() || wire.output.empty(); }));
  std::string big(limits::stream_message_bytes_max + 10, 'x');
  print("a", big);
  ASSERT_TRUE(run_until(shard, [&] { return wire.output.size() == big.size(); }));
  EXPECT_LE(wire.output_offset, big.size());
}

TEST_F(Stream, typing_reaches_the_line_and_its_fate_comes_back) {
  Wire wire;
  const auto stream = connect(wire);
  const auto seat = attach(wire, 1);
  EXPECT_NE(seat, 0u);
  type(wire, 1, seat, 1, now_ms() + 1000, "ls\r");
  ASSERT_EQ(ports["a"].typed.size(), 1u);
  EXPECT_EQ(ports["a"].typed[0].keys, "ls\r");
  backend.consoles.at("a")->input_done(ports["a"].typed[0].session, ports["a"].typed[0].sequence, 3, "");
  const json::object fate = wait_for(wire, "input");
  EXPECT_EQ(fate.at("sequence").to_number<int>(), 1);
  EXPECT_EQ(fate.at("written").to_number<int>(), 3);
  EXPECT_FALSE(fate.contains("refused"));
}

TEST_F(Stream, late_input_is_refused_and_a_far_deadline_is_cut_to_two_seconds) {
  Wire wire;
  const auto stream = connect(wire);
  const auto seat = attach(wire, 1);
  type(wire, 1, seat, 1, now_ms() - 1, "late");
  EXPECT_EQ(wait_for(wire, "input").at("refused"), "late");
  type(wire, 1, seat, 2, INT64_MIN, "late");
  EXPECT_EQ(wait_for(wire, "input").at("refused"), "late");
  EXPECT_TRUE(ports["a"].typed.empty());
  type(wire, 1, backend.consoles.at("a")->sessions()[0].id, 3, INT64_MAX, "astray");
  const auto renewed = wait_for(wire, "input").at("seat").to_number<std::uint64_t>();
  type(wire, 1, renewed, 4, INT64_MAX, "now");
  ASSERT_EQ(ports["a"].typed.size(), 1u);
  EXPECT_LE(ports["a"].typed[0].deadline, clock.now() + limits::input_age_max);
}

TEST_F(Stream, a_reader_or_an_old_seat_types_nothing) {
  Wire one, two;
  const auto first = connect(one), second = connect(two, "bob");
  const auto seat = attach(one, 1);
  EXPECT_EQ(attach(two, 1), 0u);
  type(two, 1, 0, 1, now_ms() + 1000, "x");
  EXPECT_TRUE(wait_for(two, "input").contains("refused"));
  say(two, R"({"type":"want-write","channel":1,"force":true})");
  EXPECT_NE(wait_for(two, "writer").at("seat").to_number<std::uint64_t>(), seat);
  EXPECT_EQ(wait_for(one, "reader").at("user"), "bob");
  type(one, 1, seat, 1, now_ms() + 1000, "x");
  EXPECT_TRUE(wait_for(one, "input").contains("refused"));
  EXPECT_TRUE(ports["a"].typed.empty());
}

TEST_F(Stream, the_seat_is_given_up_asked_for_and_handed_over) {
  Wire one, two;
  const auto first = connect(one), second = connect(two, "bob");
  attach(one, 1);
  attach(two, 1);
  say(two, R"({"type":"want-write","channel":1})");
  EXPECT_EQ(wait_for(two, "error").at("code"), "conflict");
  say(two, R"({"type":"ask","channel":1})");
  EXPECT_EQ(wait_for(one, "asked").at("user"), "bob");
  say(one, R"({"type":"hand-over","channel":1,"user":"bob"})");
  EXPECT_NE(wait_for(two, "writer").at("seat").to_number<std::uint64_t>(), 0u);
  wait_for(one, "reader");
  say(two, R"({"type":"want-write","channel":1})");  // answered also if there is nothing to change
  wait_for(two, "writer");
  for (int i = 0; i < 2; ++i) {
    say(two, R"({"type":"give-up-write","channel":1})");
    wait_for(two, "reader");
  }
}

TEST_F(Stream, a_break_reaches_the_line) {
  Wire wire;
  const auto stream = connect(wire);
  const auto seat = attach(wire, 1);
  say(wire, R"({"type":"break","channel":1,"sequence":1,"seat":)" + std::to_string(seat) + "}");
  EXPECT_EQ(ports["a"].breaks.size(), 1u);
}

TEST_F(Stream, what_follows_refused_keys_is_refused_until_the_client_knows_the_new_seat) {
  Wire wire;
  const auto stream = connect(wire);
  const auto seat = attach(wire, 1);
  type(wire, 1, seat, 1, now_ms() + 1000, "rm ");
  type(wire, 1, seat, 2, now_ms() - 1, "-i ");
  type(wire, 1, seat, 3, now_ms() + 1000, "x\r");
  ASSERT_EQ(ports["a"].typed.size(), 1u);
  const json::object late = wait_for(wire, "input"), after = wait_for(wire, "input");
  EXPECT_EQ(after.at("refused"), "typed after keys that were refused");
  type(wire, 1, late.at("seat").to_number<std::uint64_t>(), 4, now_ms() + 1000, "ls\r");
  ASSERT_EQ(ports["a"].typed.size(), 2u);
  EXPECT_EQ(ports["a"].typed[1].keys, "ls\r");
}

TEST_F(Stream, a_connection_that_broke_has_its_seat_back_by_the_number_of_its_session) {
  Wire one, two, three;
  const auto first = connect(one), second = connect(two), third = connect(three, "bob");
  attach(three, 1, "b");
  say(one, R"({"type":"attach","write":true,"channel":1,"console":"a","tool":"run"})");
  const json::object attached = wait_for(one, "attached");
  one.events.closed("the peer went away");
  say(three, R"({"type":"attach","write":true,"channel":2,"console":"a"})");
  const json::object waiting = wait_for(three, "attached");
  EXPECT_EQ(waiting.at("mode"), "reader");
  EXPECT_EQ(waiting.at("writer"), "alice (run)");
  EXPECT_GT(waiting.at("seat_kept_ms").to_number<int>(), 20'000);
  EXPECT_NE(attach(two, 1, "a", R"(,"session":)" + json::serialize(attached.at("session"))), 0u);
}

TEST_F(Stream, messages_and_sysrq_go_through) {
  Wire one, two;
  const auto first = connect(one), second = connect(two, "bob");
  const auto seat = attach(one, 1);
  attach(two, 1);
  say(two, R"({"type":"message","channel":1,"text":"lunch?"})");
  const json::object heard = wait_for(one, "message");
  EXPECT_EQ(heard.at("user"), "bob");
  EXPECT_EQ(heard.at("text"), "lunch?");
  say(one, R"({"type":"sysrq","channel":1,"key":"s","sequence":1,"seat":)" + std::to_string(seat) + "}");
  EXPECT_EQ(ports["a"].breaks.size(), 1u);
  EXPECT_TRUE(ports["a"].typed.empty()) << "its key waits for the break";
}

TEST_F(Stream, channels_do_not_mix) {
  Wire wire;
  const auto stream = connect(wire);
  const auto seat_a = attach(wire, 1, "a");
  const auto seat_b = attach(wire, 2, "b");
  type(wire, 2, seat_b, 1, now_ms() + 1000, "to b");
  type(wire, 1, seat_a, 1, now_ms() + 1000, "to a");
  ASSERT_EQ(ports["a"].typed.size(), 1u);
  ASSERT_EQ(ports["b"].typed.size(), 1u);
  EXPECT_EQ(ports["a"].typed[0].keys, "to a");
  EXPECT_EQ(ports["b"].typed[0].keys, "to b");
}

TEST_F(Stream, a_stranger_is_refused_by_name_on_every_channel) {
  Wire wire;
  const auto stream = connect(wire, "stranger");
  say(wire, R"({"type":"attach","channel":1,"console":"a"})");
  const json::object error = wait_for(wire, "error");
  EXPECT_EQ(error.at("code"), "denied");
  EXPECT_EQ(error.at("channel").to_number<int>(), 1);
  EXPECT_TRUE(backend.consoles.at("a")->sessions().empty());
}

TEST_F(Stream, unknown_consoles_channels_and_types_are_answered_and_the_stream_goes_on) {
  Wire wire;
  const auto stream = connect(wire);
  say(wire, R"({"type":"attach","channel":1,"console":"aa"})");
  EXPECT_EQ(wait_for(wire, "error").at("text"), "no console \"aa\"; did you mean \"a\"?");
  say(wire, R"({"type":"attach","channel":1,"console":"a"})");  // 1 was used
  EXPECT_EQ(wait_for(wire, "error").at("code"), "usage");
  say(wire, R"({"type":"detach","channel":9})");
  EXPECT_EQ(wait_for(wire, "error").at("code"), "not-found");
  type(wire, 9, 1, 1, now_ms() + 1000, "x");
  EXPECT_EQ(wait_for(wire, "error").at("code"), "not-found");
  say(wire, R"({"type":"dance","channel":9})");
  EXPECT_EQ(wait_for(wire, "error").at("code"), "usage");
  EXPECT_FALSE(wire.closed);
  attach(wire, 2);
}

TEST_F(Stream, what_is_no_message_ends_the_connection) {
  Wire wire;
  const auto stream = connect(wire);
  say(wire, "hello?");
  EXPECT_EQ(wait_for(wire, "error").at("code"), "usage");
  EXPECT_TRUE(wire.closed);
}

TEST_F(Stream, input_that_floods_is_refused_and_bounded) {
  Wire wire;
  const auto stream = connect(wire);
  const auto seat = attach(wire, 1);
  type(wire, 1, seat, 1, now_ms() + 1000, std::string(limits::input_batch_bytes_max + 1, 'x'));
  EXPECT_TRUE(wait_for(wire, "input").contains("refused"));
  for (std::uint64_t i = 2; i < 1000; ++i) {
    type(wire, 1, seat, i, now_ms() + 1000, std::string(limits::input_batch_bytes_max, 'x'));
  }
  std::size_t passed = 0;
  for (const auto& typed : ports["a"].typed) passed += typed.keys.size();
  EXPECT_LE(passed, limits::stream_input_waiting_bytes_max);
  ASSERT_TRUE(run_until(shard, [&] { return wire.texts.size() > 900; }));
}

// Prints `count` lines of 2 KB while the client does not read; returns them.
std::string print_unread(Stream& test, Wire& wire, int count) {
  std::string all;
  wire.stuck = true;
  for (int i = 0; i < count; ++i) {
    const std::string part = std::to_string(i) + std::string(2000, 'x') + "\n";
    all += part;
    test.print("a", part);
    test.shard.io().poll();
  }
  EXPECT_LE(wire.stuck_bytes, limits::viewer_queue_bytes + 70'000);
  wire.stuck = false;
  wire.stuck_bytes = 0;
  wire.events.drained();
  return all;
}

TEST_F(Stream, a_client_that_is_slow_for_a_moment_is_held_back_and_misses_nothing) {
  Wire wire;
  const auto stream = connect(wire);
  attach(wire, 1);
  print("a", "live\n");
  ASSERT_TRUE(run_until(shard, [&] { return wire.output == "live\n"; }));
  const std::string all = "live\n" + print_unread(*this, wire, 200);
  ASSERT_TRUE(run_until(shard, [&] { return wire.output.size() >= all.size(); }));
  EXPECT_EQ(wire.output, all);
}

TEST_F(Stream, a_client_that_is_slow_for_long_is_told_what_it_missed) {
  Wire wire;
  const auto stream = connect(wire);
  attach(wire, 1);
  print("a", "live\n");
  ASSERT_TRUE(run_until(shard, [&] { return wire.output == "live\n"; }));
  const std::string all = "live\n" + print_unread(*this, wire, 400);
  const auto skipped = wait_for(wire, "lagged").at("bytes").to_number<std::size_t>();
  ASSERT_TRUE(run_until(shard, [&] { return wire.output.size() + skipped >= all.size(); }));
  EXPECT_EQ(wire.output.size() + skipped, all.size());
  EXPECT_EQ(wire.output.substr(wire.output.size() - 50'000), all.substr(all.size() - 50'000));
}

TEST_F(Stream, sessions_end_with_detach_with_the_console_and_with_the_connection) {
  Wire one, two;
  auto first = connect(one), second = connect(two, "bob");
  attach(one, 1);
  attach(one, 2);
  attach(two, 1, "b");
  EXPECT_EQ(backend.consoles.at("a")->sessions().size(), 2u);
  say(one, R"({"type":"detach","channel":1})");
  wait_for(one, "detached");
  EXPECT_EQ(backend.consoles.at("a")->sessions().size(), 1u);
  two.events.closed("the peer went away");
  ASSERT_EQ(backend.consoles.at("b")->sessions().size(), 1u) << "a writer's seat is kept";
  EXPECT_TRUE(backend.consoles.at("b")->sessions()[0].kept_until);
  backend.consoles.at("a")->disconnect("removed");
  backend.consoles.erase("a");
  EXPECT_EQ(wait_for(one, "detached").at("channel").to_number<int>(), 2);
  say(one, R"({"type":"ask","channel":2})");
  EXPECT_EQ(wait_for(one, "error").at("code"), "not-found");
  first.reset();
}

}  // namespace
}  // namespace oob
