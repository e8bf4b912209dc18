// ConsoleLog and LogFolder on a real shard, worker and disk: gathering, acknowledgement, and the seam between what is
// in the file and what is still in memory.
#include "server/log/console_log.h"

#include <gtest/gtest.h>
#include <sys/resource.h>

#include <csignal>
#include <filesystem>
#include <fstream>

#include "common/limits.h"

namespace oob {
namespace {
namespace fs = std::filesystem;

class ConsoleLogs : public testing::Test {
 protected:
  ConsoleLogs() {
    std::string name = (fs::temp_directory_path() / "oob-logs-XXXXXX").string();
    folder = ::mkdtemp(name.data());
    logs = std::make_unique<LogFolder>(shard, (folder / "log").string());
    log = opened("web01");
  }
  ~ConsoleLogs() override {
    log.reset();
    logs.reset();
    fs::remove_all(folder);
  }
  std::unique_ptr<ConsoleLog> opened(const std::string& name) {
    return std::move(ConsoleLog::open(*logs, name).value());
  }
  static Chunk chunk(std::string_view text) {
    const ByteView bytes = as_bytes(text);
    return std::make_shared<const Bytes>(bytes.begin(), bytes.end());
  }
  void say(std::string_view text) { log->append(chunk(text), shard.clock().wall()); }
  // Runs the shard until `done` says so.
  template <typename Condition>
  void until(Condition done) {
    while (!done()) shard.io().run_one();
  }
  ConsoleLog::Read read(std::uint64_t from, std::size_t bytes_max = 1 << 20) {
    std::optional<ConsoleLog::Read> got;
    log->read(from, bytes_max, [&](Result<ConsoleLog::Read> result) { got = std::move(result.value()); });
    until([&] { return got.has_value(); });
    return std::move(*got);
  }
  static std::string text_of(const ConsoleLog::Read& read) {
    std::string text;
    for (const LogPiece& piece : read.pieces) {
      if (piece.bytes) text += as_text(*piece.bytes);
      if (piece.event && piece.event->kind == LogEvent::Kind::Gap) {
        text += "[" + (piece.event->gap_bytes ? std::to_string(*piece.event->gap_bytes) : "?") + "]";
      }
    }
    return text;
  }
  std::uint64_t last_lines(std::size_t lines, std::size_t bytes_max = 1 << 20) {
    std::optional<std::uint64_t> got;
    log->find_last_lines(lines, bytes_max, [&](Result<std::uint64_t> result) { got = *result; });
    until([&] { return got.has_value(); });
    return *got;
  }
  void flush() {
    bool flushed = false;
    logs->flush([&] { flushed = true; });
    until([&] { return flushed; });
  }
  std::string content(const std::string& name) const {
    std::ifstream in(folder / "log" / (name + ".log"), std::ios::binary);
    return {std::istreambuf_iterator<char>(in), {}};
  }

  Shard shard;
  fs::path folder;
  std::unique_ptr<LogFolder> logs;
  std::unique_ptr<ConsoleLog> log;
};

TEST_F(ConsoleLogs, output_is_gathered_written_and_then_acknowledged) {
  std::vector<LogPosition> written;
  log->on_written = [&](const LogPosition& to) { written.push_back(to); };
  log->set_line(77, 1000);
  for (int i = 0; i < 100; ++i) say("ten bytes\n");
  EXPECT_EQ(log->position(), (LogPosition{1000, 77, 2000}));
  EXPECT_GE(log->pending_bytes(), 1000u);
  EXPECT_EQ(content("web01").find("ten bytes"), std::string::npos) << "gathered first";
  until([&] { return !written.empty(); });
  EXPECT_EQ(written, std::vector<LogPosition>{log->position()}) << "one write for all";
  EXPECT_EQ(log->pending_bytes(), 0u);
  EXPECT_EQ(logs->pending_bytes(), 0u);
  EXPECT_NE(content("web01").find("ten bytes"), std::string::npos);
}

TEST_F(ConsoleLogs, a_reader_misses_nothing_and_sees_nothing_twice_wherever_the_bytes_are) {
  std::string said;
  const auto say_more = [&](int lines) {
    for (int i = 0; i < lines; ++i) {
      const std::string line = "line " + std::to_string(said.size()) + "\n";
      said += line;
      say(line);
    }
  };
  say_more(50);
  flush();
  for (int round = 0; round < 200; ++round) {
    say_more(round % 40 * 20);
    if (round % 7 == 0) logs->flush();
    const std::uint64_t from = said.size() * unsigned(round) / 200;
    std::optional<ConsoleLog::Read> got;
    log->read(from, 10 << 20, [&](Result<ConsoleLog::Read> result) {
      got = std::move(*result);
      EXPECT_EQ(got->next, log->position().log_offset);
      EXPECT_EQ(text_of(*got), said.substr(from));
    });
    say_more(round % 3);  // after the read was asked for: it is part of what it gives
    until([&] { return got.has_value(); });
  }
  EXPECT_EQ(text_of(read(10, 20)), said.substr(10, 20));
  EXPECT_EQ(read(10, 20).next, 30u);
}

TEST_F(ConsoleLogs, gaps_move_both_offsets_and_a_restart_knows_them) {
  log->set_line(5, 0);
  say("abc");
  log->append_gap(100, "overwritten");
  log->append_gap({}, "agent restarted");
  say("def");
  const LogPosition end = log->position();
  EXPECT_EQ(end, (LogPosition{106, 5, 106}));
  EXPECT_EQ(text_of(read(0)), "abc[100][?]def");
  log.reset();
  log = opened("web01");
  EXPECT_EQ(log->position(), end) << "what was pending is written by the destructor, before the log is opened again";
  EXPECT_EQ(text_of(read(0)), "abc[100][?]def");
  EXPECT_TRUE(log->last_output().has_value());
}

TEST_F(ConsoleLogs, a_new_incarnation_goes_on_in_the_same_log) {
  log->set_line(1, 10);
  say("old");
  log->set_line(2, 0);
  log->set_line(2, 0);
  say("new");
  EXPECT_EQ(log->position(), (LogPosition{6, 2, 3}));
  flush();
  EXPECT_NE(content("web01").find("@3 line line=0000000000000002+0\n"), std::string::npos);
  EXPECT_EQ(text_of(read(0)), "oldnew");
}

TEST_F(ConsoleLogs, lines_far_back_are_looked_for_by_a_few_at_a_time_and_others_read_meanwhile) {
  for (int i = 0; i < 40; ++i) {
    say(std::string(100'000, '\n'));
    flush();
  }
  EXPECT_EQ(last_lines(1'500'000, 64 << 20), 2'500'000u);
  EXPECT_EQ(last_lines(100'000'000, 64 << 20), 0u);
  std::size_t found = 0, refused = 0;
  for (std::size_t i = 0; i < limits::searches_waiting_max + 10; ++i) {
    log->find_last_lines(100'000'000, 64 << 20, [&](const Result<std::uint64_t>& at) { ++(at ? found : refused); });
  }
  EXPECT_EQ(text_of(read(0, 3)), "\n\n\n");
  EXPECT_LT(found, limits::searches_waiting_max) << "they would be in its way on its thread";
  until([&] { return found + refused == limits::searches_waiting_max + 10; });
  EXPECT_EQ(refused, 10u);
}

TEST_F(ConsoleLogs, the_last_lines_are_found_in_the_file_and_in_memory) {
  for (int i = 0; i < 1000; ++i) say("line " + std::to_string(i) + "\n");
  flush();
  EXPECT_EQ(text_of(read(last_lines(2))), "line 998\nline 999\n");
  say("login: ");
  EXPECT_EQ(text_of(read(last_lines(2))), "line 999\nlogin: ");
  EXPECT_EQ(last_lines(100'000), 0u);
  EXPECT_EQ(last_lines(0), log->position().log_offset);
  EXPECT_EQ(last_lines(100, 10), log->position().log_offset - 10);
  say("\n" + std::string(200'000, 'x') + "\nend\n");
  EXPECT_EQ(text_of(read(last_lines(3))).substr(0, 10), "login: \nxx");
}

TEST_F(ConsoleLogs, a_disk_that_refuses_frees_the_ring_and_is_tried_again_by_itself) {
  say("kept");
  flush();
  ::signal(SIGXFSZ, SIG_IGN);
  rlimit before{};
  ::getrlimit(RLIMIT_FSIZE, &before);
  const rlimit limit{content("web01").size() + 2, before.rlim_max};
  ::setrlimit(RLIMIT_FSIZE, &limit);
  say("lost");
  std::uint64_t written = 0;
  log->on_written = [&](const LogPosition& to) { written = to.log_offset; };
  flush();
  EXPECT_EQ(written, 8u);
  EXPECT_NE(log->trouble(), "");
  EXPECT_EQ(log->unlogged_bytes(), 4u);
  EXPECT_EQ(text_of(read(0)), "kept[4]");
  ::setrlimit(RLIMIT_FSIZE, &before);
  until([&] { return log->trouble().empty(); });
  say("back");
  EXPECT_EQ(text_of(read(0)), "kept[4]back");
  flush();
  EXPECT_NE(content("web01").find(" gap line=0000000000000000+4 bytes=4 "), std::string::npos);
}

TEST_F(ConsoleLogs, a_disk_that_hangs_costs_bounded_memory_and_an_exact_gap) {
  // Nothing is written while the shard does not run; so is it if the worker hangs.
  const std::string text(10'000, 'x');
  for (int i = 0; i < 1000; ++i) say(text);
  EXPECT_LE(log->pending_bytes(), limits::log_waiting_bytes_max + 1000);
  EXPECT_EQ(log->position().log_offset, 10'000'000u);
  EXPECT_GT(log->unlogged_bytes(), 7'000'000u);
  EXPECT_NE(log->trouble(), "");
  const std::uint64_t lost = log->unlogged_bytes();
  flush();
  EXPECT_EQ(log->trouble(), "");
  std::uint64_t bytes = 0, missing = 0;
  const auto all = read(0, 20 << 20);
  for (const LogPiece& piece : all.pieces) {
    if (piece.bytes) bytes += piece.bytes->size();
    if (piece.event) missing += piece.event->gap_bytes.value_or(0);
  }
  EXPECT_EQ(missing, lost);
  EXPECT_EQ(bytes + missing, 10'000'000u);
  EXPECT_EQ(all.next, 10'000'000u);
}

TEST_F(ConsoleLogs, what_people_did_is_not_pushed_out_by_a_line_that_floods_a_slow_disk_and_has_a_limit) {
  for (int i = 0; i < 1000; ++i) say(std::string(10'000, 'x'));
  for (int i = 0; i < 1000; ++i) say("y");
  log->append_line_event(LogEvent::Kind::Note, "of the line");
  log->append_event(LogEvent::Kind::Attach, "alice read-write");
  for (int i = 0; i < 1000; ++i) log->append_event(LogEvent::Kind::Note, "alice: " + std::string(500, 'm'));
  EXPECT_LE(log->pending_bytes(), limits::log_waiting_bytes_max + limits::log_event_bytes_max + 1000);
  flush();
  flush();
  const std::string file = content("web01");
  EXPECT_NE(file.find(" alice read-write"), std::string::npos);
  EXPECT_EQ(file.find("of the line"), std::string::npos);
  std::size_t told = 0;
  for (std::size_t at = file.find(" alice: m"); at != std::string::npos; at = file.find(" alice: m", at + 1)) ++told;
  EXPECT_GT(told, 20u);
  EXPECT_NE(file.find(" 1 event left out: disk too slow"), std::string::npos) << "what the line told";
  EXPECT_NE(file.find(" " + std::to_string(1000 - told) + " events left out: disk too slow"), std::string::npos);
  EXPECT_EQ(logs->pending_bytes(), 0u);
}

TEST_F(ConsoleLogs, logs_moved_away_are_begun_anew) {
  say("old");
  flush();
  fs::rename(folder / "log" / "web01.log", folder / "log" / "web01.log.1");
  say("last of old");
  logs->reopen();
  say("new");
  flush();
  EXPECT_EQ(log->oldest(), 14u);
  EXPECT_TRUE(content("web01").find("old") == std::string::npos);
  EXPECT_EQ(text_of(read(14)), "new");
  EXPECT_EQ(text_of(read(0)), "[14]new");
}

TEST_F(ConsoleLogs, a_read_of_a_log_that_is_gone_ends_in_an_error) {
  std::optional<Result<ConsoleLog::Read>> got;
  log->read(0, 100, [&](Result<ConsoleLog::Read> result) { got = std::move(result); });
  log.reset();
  until([&] { return got.has_value(); });
  EXPECT_EQ(got->error().code, ErrorCode::NotFound);
}

TEST_F(ConsoleLogs, many_logs_are_written_together) {
  std::vector<std::unique_ptr<ConsoleLog>> many;
  int written = 0;
  for (int i = 0; i < 200; ++i) {
    many.push_back(opened("n" + std::to_string(i)));
    many.back()->on_written = [&](const LogPosition&) { ++written; };
    many.back()->append(chunk("hello\n"), shard.clock().wall());
  }
  until([&] { return written > 0; });
  EXPECT_EQ(written, 200) << "one report for all";
}

}  // namespace
}  // namespace oob
