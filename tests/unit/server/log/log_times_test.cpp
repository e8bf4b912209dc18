// Spans of time in log files: exact to a second, whatever the clock did, and found without reading the whole file.
#include "server/log/log_times.h"

#include <gtest/gtest.h>

#include <filesystem>

#include "common/limits.h"
#include "server/log/log_file.h"

namespace oob {
namespace {
namespace fs = std::filesystem;
using std::chrono::hours;
using std::chrono::seconds;

class LogTimes : public testing::Test {
 protected:
  LogTimes() {
    std::string name = (fs::temp_directory_path() / "oob-times-XXXXXX").string();
    folder = ::mkdtemp(name.data());
    open();
  }
  ~LogTimes() override { fs::remove_all(folder); }

  void open() {
    file = std::make_unique<LogFile>((folder / "web01.log").string(), clock);
    file->open();
  }
  // A line that says when it was said.
  void say() {
    const std::string text = format_utc(clock.wall()) + "\n";
    const ByteView bytes = as_bytes(text);
    const LogItem item{0, std::make_shared<const Bytes>(bytes.begin(), bytes.end()), nullptr, clock.wall()};
    file->write({&item, 1});
    said.push_back(clock.wall());
  }
  void talk(seconds how_long, Duration every) {
    for (Duration t{}; t < how_long; t += every) say(), clock.advance(every);
  }
  std::vector<WallTime> found(WallTime since, WallTime until) const {
    std::string text;
    for (const LogSpan& span : find_spans(file->view(), since, until, clock.wall()).spans) {
      LogPieces pieces(LogWanted{.from = span.from, .to = span.to});
      EXPECT_TRUE(file->read(pieces).has_value());
      for (const LogPiece& piece : pieces.take().pieces) text += piece.bytes ? as_text(*piece.bytes) : "";
    }
    std::vector<WallTime> out;
    for (std::size_t at = 0; at < text.size(); at += 25) {
      EXPECT_TRUE(parse_utc(text.substr(at, 24), out.emplace_back())) << text.substr(at, 24);
    }
    return out;
  }
  // Every line of the span's seconds is there, and no other.
  void expect_right(WallTime since, WallTime until) const {
    const auto got = found(since, until);
    std::vector<WallTime> inside, outside;
    for (const WallTime time : said) {
      if (time >= second_begin(since) && time <= second_end(until)) inside.push_back(time);
    }
    std::size_t next = 0;
    for (const WallTime time : got) {
      if (next < inside.size() && time == inside[next]) ++next;
      if (time < second_begin(since) || time > second_end(until)) outside.push_back(time);
    }
    EXPECT_EQ(next, inside.size()) << format_utc(since) << " to " << format_utc(until);
    EXPECT_TRUE(outside.empty()) << outside.size() << " lines of other times, as " << format_utc(outside[0]);
  }
  void expect_right_everywhere(WallTime begin, WallTime end) const {
    for (WallTime since = begin - seconds(90); since < end + seconds(90); since += seconds(47)) {
      for (const seconds length : {seconds(0), seconds(5), seconds(300), seconds(100'000)}) {
        expect_right(since, since + length);
      }
    }
  }

  fs::path folder;
  ManualClock clock;
  std::unique_ptr<LogFile> file;
  std::vector<WallTime> said;
};

TEST_F(LogTimes, any_span_holds_its_lines_and_no_others) {
  const WallTime begin = clock.wall();
  talk(seconds(600), Duration(130));
  clock.advance(hours(1));
  talk(seconds(300), Duration(2500));
  expect_right_everywhere(begin, clock.wall());
}

TEST_F(LogTimes, a_span_of_one_second_holds_its_lines_alone) {
  clock.set_wall(WallTime(seconds(1'000'000) + Duration(240)));
  for (const int apart : {1000, 999, 400, 600, 1000})
    say(), clock.advance(Duration(apart));  // .240 .240 .239 .639 .239
  const auto of_second = [&](int n) {
    return found(WallTime(seconds(1'000'000 + n)), WallTime(seconds(1'000'000 + n)));
  };
  EXPECT_EQ(of_second(0), std::vector{said[0]});
  EXPECT_EQ(of_second(1), std::vector{said[1]});
  EXPECT_EQ(of_second(2), (std::vector{said[2], said[3]}));
  EXPECT_EQ(of_second(3), std::vector{said[4]});
}

TEST_F(LogTimes, a_clock_that_is_set_back_and_forward_hides_no_line_also_over_a_restart) {
  const WallTime begin = clock.wall();
  talk(seconds(400), Duration(300));
  clock.set_wall(clock.wall() - seconds(200));
  talk(seconds(300), Duration(300));
  clock.set_wall(clock.wall() + hours(24 * 365 * 10));  // a wrong clock, for a while
  talk(seconds(20), Duration(300));
  open();
  clock.set_wall(clock.wall() - hours(24 * 365 * 10));
  talk(seconds(400), Duration(300));
  open();
  clock.set_wall(clock.wall() - seconds(100));
  talk(seconds(200), Duration(700));
  expect_right_everywhere(begin, clock.wall());
}

TEST_F(LogTimes, times_before_and_after_the_log_give_nothing) {
  talk(seconds(10), Duration(500));
  EXPECT_TRUE(found(clock.wall() - hours(2), clock.wall() - hours(1)).empty());
  EXPECT_TRUE(found(clock.wall() + hours(1), clock.wall() + hours(2)).empty());
  const LogSpans spans = find_spans(file->view(), clock.wall() - hours(2), clock.wall() - hours(1), clock.wall());
  EXPECT_EQ(spans.first, said.front());
}

TEST_F(LogTimes, a_large_log_is_not_read_from_its_start) {
  // 2 GB of markers 256 KB apart in a sparse file, with holes for output: reading it all would take seconds.
  const std::string path = (folder / "large.log").string();
  FILE* large = std::fopen(path.c_str(), "w");
  const std::size_t block = limits::log_marker_every_bytes, blocks = 8192;
  for (std::size_t i = 0; i < blocks; ++i) {
    Bytes marker;
    encode_marker(marker, {LogEvent::Kind::Time, WallTime(seconds(1'000'000 + i)), {i * block, 1, i * block}, {}, ""},
                  false);
    std::fseek(large, long(i * (block + 100)), SEEK_SET);
    std::fwrite(marker.data(), 1, marker.size(), large);
    std::fseek(large, long((i + 1) * (block + 100) - 1), SEEK_SET);
    std::fputc('\n', large);
  }
  std::fclose(large);
  LogFile log(path, clock);
  log.open();
  LogView view = log.view();
  ASSERT_GT(view.file_bytes, std::size_t(2) << 30);
  const auto start = std::chrono::steady_clock::now();
  const LogSpans spans =
      find_spans(view, WallTime(seconds(1'005'000)), WallTime(seconds(1'005'010)), WallTime(seconds(2'000'000)));
  const auto took = std::chrono::duration_cast<std::chrono::milliseconds>(std::chrono::steady_clock::now() - start);
  RecordProperty("ms", int(took.count()));
  ASSERT_EQ(spans.spans.size(), 1u);
  EXPECT_EQ(spans.spans[0].from, 5000 * block);
  EXPECT_EQ(spans.spans[0].to, 5011 * block);
  EXPECT_LT(took, std::chrono::milliseconds(500));
}

}  // namespace
}  // namespace oob
