// Promises of test lines.
#include "tests/unit/agents/lines/recorder.h"

namespace oob {
namespace {

LineConfig test_line(std::map<std::string, std::string> settings = {}) {
  return {"demo", "test", std::move(settings), {}};
}

// The numbers of complete lines, in the order they came; 0 for a malformed one.
std::vector<long> numbers(const std::string& output, std::size_t length) {
  std::vector<long> out;
  for (std::size_t at = 0; at + length <= output.size(); at += length) {
    const std::string line = output.substr(at, length);
    const bool good = line.starts_with("demo ") && line.ends_with("\r\n") && line.find('\n') == length - 1;
    out.push_back(good ? std::stol(line.substr(5, 12)) : 0);
  }
  return out;
}
std::vector<long> counted(long to) {
  std::vector<long> out;
  for (long i = 1; i <= to; ++i) out.push_back(i);
  return out;
}

TEST(TestLine, echoes_what_is_typed_and_nothing_else) {
  Bench bench(test_line());
  ASSERT_TRUE(bench.until_up());
  EXPECT_EQ(bench.line->write(as_bytes("abc\r")), 4u);
  EXPECT_EQ(bench.events.output, "") << "reported from inside write()";
  EXPECT_TRUE(bench.until([&] { return bench.events.output == "abc\r"; }));
}

TEST(TestLine, numbers_its_lines_from_one_without_a_gap_and_falls_silent_after_the_last) {
  Bench bench(test_line({{"rate", "1000000"}, {"lines", "50000"}}));
  EXPECT_TRUE(bench.until([&] { return bench.events.output.size() >= 50000 * 80; }));
  EXPECT_EQ(numbers(bench.events.output, 80), counted(50000));
  pump_ready(bench.shard);
  EXPECT_EQ(bench.shard.io().run_one_for(std::chrono::milliseconds(30)), 0u) << "it still ticks";
}

TEST(TestLine, a_rate_is_held) {
  Bench bench(test_line({{"rate", "100000"}, {"length", "100"}}));
  ASSERT_TRUE(bench.until_up());
  const auto from = std::chrono::steady_clock::now();
  ASSERT_TRUE(bench.until([&] { return bench.events.output.size() >= 20000 * 100; }));
  EXPECT_GE(std::chrono::steady_clock::now() - from, std::chrono::milliseconds(190)) << "too fast";
}

TEST(TestLine, waits_while_reading_is_off_and_leaves_nothing_out) {
  for (const auto& settings : {std::map<std::string, std::string>{{"flood", "true"}, {"lines", "100000"}},
                               std::map<std::string, std::string>{{"rate", "1000000"}, {"lines", "100000"}}}) {
    Bench bench(test_line(settings));
    bool paused = false;
    std::size_t at_pause = 0;
    bench.events.on_output = [&] {
      if (std::exchange(paused, true)) return;
      bench.line->set_reading(false);
      at_pause = bench.events.output.size();
    };
    ASSERT_TRUE(bench.until([&] { return paused; }));
    EXPECT_EQ(bench.line->write(as_bytes("typed")), 5u);
    pump_ready(bench.shard);
    bench.shard.io().run_one_for(std::chrono::milliseconds(30));
    EXPECT_EQ(bench.events.output.size(), at_pause);
    EXPECT_LT(at_pause, 100000u * 80);
    bench.line->set_reading(true);
    ASSERT_TRUE(bench.until([&] { return bench.events.output.size() >= 100000 * 80 + 5; }));
    bench.events.output.erase(bench.events.output.find("typed"), 5);
    EXPECT_EQ(numbers(bench.events.output, 80), counted(100000));
  }
}

TEST(TestLine, what_it_cannot_echo_yet_it_does_not_take) {
  Bench bench(test_line());
  ASSERT_TRUE(bench.until_up());
  bench.line->set_reading(false);
  const std::string much(200'000, 'x');
  const std::size_t taken = bench.line->write(as_bytes(much));
  EXPECT_EQ(taken, 65536u);
  bench.line->set_reading(true);
  EXPECT_TRUE(bench.until([&] { return bench.events.writable == 1; }));
  EXPECT_EQ(bench.events.output.size(), taken);
}

TEST(TestLine, may_be_destroyed_by_its_own_output) {
  for (const char* key : {"flood", "rate"}) {
    Bench bench(test_line({{key, std::string(key) == "flood" ? "true" : "1000000"}}));
    bench.events.on_output = [&] { bench.line.reset(); };
    EXPECT_TRUE(bench.until([&] { return !bench.line; }));
    pump_ready(bench.shard);
  }
}

}  // namespace
}  // namespace oob
