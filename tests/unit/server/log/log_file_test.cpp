// LogFile on real files: recovery, disk trouble (a real limit on the file's size, real permissions), reading.
#include "server/log/log_file.h"

#include <gtest/gtest.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <filesystem>
#include <fstream>
#include <random>

#include "common/limits.h"

namespace oob {
namespace {
namespace fs = std::filesystem;

class LogFiles : public testing::Test {
 protected:
  LogFiles() {
    std::string name = (fs::temp_directory_path() / "oob-log-XXXXXX").string();
    folder = ::mkdtemp(name.data());
    path = (folder / "web01.log").string();
  }
  ~LogFiles() override { fs::remove_all(folder); }

  std::unique_ptr<LogFile> opened() {
    auto file = std::make_unique<LogFile>(path, clock);
    file->open();
    return file;
  }
  static LogItem output(std::string_view text, WallTime at = {}) {
    const ByteView bytes = as_bytes(text);
    return {0, std::make_shared<const Bytes>(bytes.begin(), bytes.end()), nullptr, at};
  }
  void say(LogFile& file, std::string_view text) {
    const LogItem item = output(text, clock.wall());
    file.write({&item, 1});
  }
  void mark(LogFile& file, LogEvent::Kind kind, LogPosition at, std::optional<std::uint64_t> gap = {}) {
    LogItem item;
    item.marker = std::make_unique<LogMarker>(LogMarker{kind, clock.wall(), at, gap, "why"});
    file.write({&item, 1});
  }
  // Everything from `from` on, read in steps of `step`: output as it is, a gap as [N] or [?], other events not.
  static std::string all(const LogFile& file, std::uint64_t from = 0, std::size_t step = 1 << 20) {
    std::string text;
    std::uint64_t next = from;
    for (bool done = false; !done;) {
      LogPieces pieces(next, step);
      const auto result = file.read(pieces);
      EXPECT_TRUE(result.has_value());
      done = !result || *result;
      const ConsoleLog::Read read = pieces.take();
      EXPECT_TRUE(done || read.next > next) << "no progress at " << next;
      for (const LogPiece& piece : read.pieces) {
        EXPECT_EQ(piece.log_offset, next);
        if (piece.bytes) {
          text += as_text(*piece.bytes);
          next += piece.bytes->size();
        } else if (piece.event->kind == LogEvent::Kind::Gap) {
          next += piece.event->gap_bytes.value_or(0);
          text += piece.event->gap_bytes ? "[" + std::to_string(*piece.event->gap_bytes) + "]" : "[?]";
        }
      }
      EXPECT_EQ(next, read.next);
    }
    return text;
  }
  std::string content() const {
    std::ifstream in(path, std::ios::binary);
    return {std::istreambuf_iterator<char>(in), {}};
  }
  std::size_t files() const { return std::size_t(std::distance(fs::directory_iterator(folder), {})); }

  ManualClock clock;
  fs::path folder;
  std::string path;
};

TEST_F(LogFiles, a_new_file_begins_with_a_start_marker_and_is_not_for_everyone) {
  auto file = opened();
  EXPECT_TRUE(content().starts_with("\x1Eoob "));
  EXPECT_NE(content().find(" @0 start line=0000000000000000+0\n"), std::string::npos);
  struct stat status {};
  ASSERT_EQ(::stat(path.c_str(), &status), 0);
  EXPECT_EQ(status.st_mode & 07, 0u);
  EXPECT_EQ(status.st_mode & 0600, 0600u);
}

TEST_F(LogFiles, output_is_in_the_file_one_to_one_between_marker_lines) {
  auto file = opened();
  say(*file, "one\ntw");
  mark(*file, LogEvent::Kind::Attach, file->end());
  say(*file, "o\n\x1E\n");
  const std::string text = content();
  EXPECT_NE(text.find("\none\ntw\x1E\n\x1Eoob "), std::string::npos);
  EXPECT_TRUE(text.ends_with("\no\n\x1E\x1E\n"));
  EXPECT_EQ(all(*file), "one\ntwo\n\x1E\n");
}

TEST_F(LogFiles, a_restart_goes_on_where_the_file_ends) {
  LogPosition end;
  {
    auto file = opened();
    mark(*file, LogEvent::Kind::Line, {0, 42, 1000});
    say(*file, "hello \x1E");
    mark(*file, LogEvent::Kind::Gap, file->end(), 93);
    say(*file, "x");
    end = file->end();
    EXPECT_EQ(end, (LogPosition{101, 42, 1101}));
  }
  auto file = opened();
  EXPECT_EQ(file->end(), end);
  EXPECT_EQ(all(*file), "hello \x1E[93]x");
}

TEST_F(LogFiles, a_file_cut_anywhere_by_a_crash_is_read_up_to_its_last_whole_element) {
  {
    auto file = opened();
    mark(*file, LogEvent::Kind::Line, {0, 42, 7});
    say(*file, "one\x1E two");
    mark(*file, LogEvent::Kind::Gap, file->end(), 5);
    say(*file, "three\n");
    mark(*file, LogEvent::Kind::Attach, file->end());
  }
  const std::string whole = content(), stream = "one\x1E two[5]three\n";
  for (std::size_t cut = 0; cut <= whole.size(); ++cut) {
    std::ofstream(path, std::ios::binary | std::ios::trunc) << whole.substr(0, cut);
    auto file = opened();
    EXPECT_EQ(file->trouble(), "");
    const std::string kept = all(*file);
    EXPECT_TRUE(stream.starts_with(kept)) << kept;
    EXPECT_EQ(files(), 1u) << "put aside at " << cut;
    if (file->end().incarnation) EXPECT_EQ(file->end().line_offset, file->end().log_offset + 7);
    say(*file, "more");
    EXPECT_EQ(all(*file), kept + "more");
    EXPECT_EQ(opened()->end(), file->end());
  }
}

TEST_F(LogFiles, a_damaged_file_is_put_aside_and_the_new_one_notes_an_unknown_gap) {
  for (const std::string& damage : {std::string("not a log at all\n"), std::string(2 << 20, 'x')}) {
    std::ofstream(path, std::ios::binary | std::ios::trunc) << damage;
    EXPECT_EQ(all(*opened()), "[?]");
    EXPECT_EQ(files(), 2u);
    for (const auto& entry : fs::directory_iterator(folder)) {
      if (entry.path() != path) EXPECT_NE(entry.path().string().find("web01.log.damaged-"), std::string::npos);
      fs::remove(entry.path());
    }
  }
  // Damage behind a sound marker: offsets go on.
  { say(*opened(), "twelve bytes"); }
  std::ofstream(path, std::ios::binary | std::ios::app) << "\x1E?";
  EXPECT_EQ(opened()->end().log_offset, 12u);
  EXPECT_EQ(all(*opened()), "[12][?]");
}

TEST_F(LogFiles, markers_stand_close_enough_for_recovery_and_time_markers_not_too_close) {
  auto file = opened();
  const std::string flood(3 * limits::log_marker_every_bytes, '\x1E');
  say(*file, flood);
  EXPECT_EQ(opened()->end().log_offset, flood.size());
  EXPECT_EQ(all(*opened()), flood);
  fs::remove(path);
  file = opened();
  for (int second = 0; second < 180; ++second) say(*file, "line\n"), clock.advance(std::chrono::seconds(1));
  std::size_t times = 0;
  for (std::size_t at = 0; (at = content().find(" time ", at)) != std::string::npos; ++at) ++times;
  EXPECT_EQ(times, 180u);
  EXPECT_EQ(*opened()->last_output(), clock.wall() - std::chrono::seconds(1));
  // Many lines in one second share a marker; a line that goes on is not cut by one before a minute is over.
  fs::remove(path);
  file = opened();
  for (int i = 0; i < 100; ++i) say(*file, "line\n"), clock.advance(std::chrono::milliseconds(10));
  for (int second = 0; second < 50; ++second) say(*file, "."), clock.advance(std::chrono::seconds(1));
  say(*file, " end\nnext line\n");
  const std::string text = content();
  EXPECT_NE(text.find("\n.................................................. end\n\x1Eoob "), std::string::npos) << text;
  EXPECT_NE(text.find("\nnext line\n"), std::string::npos);
  times = 0;
  for (std::size_t at = 0; (at = text.find(" time ", at)) != std::string::npos; ++at) ++times;
  EXPECT_EQ(times, 3u) << text;
}

TEST_F(LogFiles, any_offset_of_a_big_file_is_found_and_read_in_any_steps) {
  auto file = opened();
  std::mt19937 random(7);
  std::string stream;
  for (int i = 0; i < 3000; ++i) {
    std::string line = std::to_string(i) + std::string(random() % 1500, "ab\x1E\n"[random() % 4]) + "\n";
    stream += line;
    say(*file, line);
    if (random() % 50 == 0) mark(*file, LogEvent::Kind::Attach, file->end());
  }
  for (int i = 0; i < 200; ++i) {
    const std::size_t from = random() % (stream.size() + 1);
    LogPieces pieces(from, 300);
    ASSERT_TRUE(file->read(pieces));
    std::string got;
    for (const LogPiece& piece : pieces.take().pieces) got += piece.bytes ? as_text(*piece.bytes) : "";
    ASSERT_EQ(got, stream.substr(from, 300)) << from;
  }
  EXPECT_EQ(all(*file, stream.size() - 5000, 7), stream.substr(stream.size() - 5000));
  EXPECT_EQ(all(*file), stream);
}

TEST_F(LogFiles, events_are_told_once_however_small_the_steps) {
  auto file = opened();
  say(*file, "ab");
  for (int i = 0; i < 3; ++i) mark(*file, LogEvent::Kind::Note, file->end());
  say(*file, "cd");
  mark(*file, LogEvent::Kind::Note, file->end());
  for (const std::size_t step : {1, 2, 3, 4, 100}) {
    std::uint64_t next = 0;
    int notes = 0;
    for (bool done = false; !done;) {
      LogPieces pieces(next, step);
      done = *file->read(pieces);
      const auto read = pieces.take();
      for (const LogPiece& piece : read.pieces) notes += piece.event && piece.event->kind == LogEvent::Kind::Note;
      next = read.next;
    }
    EXPECT_EQ(notes, 4) << step;
  }
}

TEST_F(LogFiles, long_events_are_read_in_parts_and_each_is_told_once) {
  auto file = opened();
  for (int i = 0; i < 2000; ++i) {
    say(*file, "x");
    LogItem item;
    item.marker = std::make_unique<LogMarker>(
        LogMarker{LogEvent::Kind::Note, clock.wall(), file->end(), {}, std::to_string(i) + std::string(900, '.')});
    file->write({&item, 1});
  }
  std::uint64_t next = 0;
  int told = 0, reads = 0;
  for (bool done = false; !done; ++reads) {
    LogPieces pieces(next, 1 << 20);
    done = *file->read(pieces);
    const auto read = pieces.take();
    std::size_t bytes = 0;
    for (const LogPiece& piece : read.pieces) {
      if (!piece.event || piece.event->kind != LogEvent::Kind::Note) continue;
      EXPECT_TRUE(piece.event->text.starts_with(std::to_string(told++) + "."));
      bytes += piece.event->text.size();
    }
    EXPECT_LE(bytes, limits::log_request_bytes_max);
    ASSERT_TRUE(done || read.next > next);
    next = read.next;
  }
  EXPECT_EQ(told, 2000);
  EXPECT_EQ(reads, 2);
}

TEST_F(LogFiles, a_reader_inside_a_gap_is_told_the_rest_of_it) {
  auto file = opened();
  say(*file, "abc");
  mark(*file, LogEvent::Kind::Gap, file->end(), 10);
  say(*file, "def");
  EXPECT_EQ(all(*file, 2), "c[10]def");
  EXPECT_EQ(all(*file, 7), "[6]def");
  EXPECT_EQ(all(*file, 13), "def");
  EXPECT_EQ(all(*file, 16), "");
}

// A limit on the size of files does what a full disk does: a short write, then an error.
class FileSizeLimit {
 public:
  explicit FileSizeLimit(std::size_t bytes) {
    ::signal(SIGXFSZ, SIG_IGN);
    ::getrlimit(RLIMIT_FSIZE, &before_);
    const rlimit limit{bytes, before_.rlim_max};
    ::setrlimit(RLIMIT_FSIZE, &limit);
  }
  ~FileSizeLimit() { ::setrlimit(RLIMIT_FSIZE, &before_); }

 private:
  rlimit before_{};
};

TEST_F(LogFiles, a_disk_that_takes_half_a_write_leaves_a_sound_file_and_an_exact_gap) {
  auto file = opened();
  say(*file, "before ");
  {
    const FileSizeLimit limit(content().size() + 3);
    say(*file, "never seen ");
    EXPECT_NE(file->trouble().find("cannot write"), std::string::npos) << file->trouble();
    EXPECT_EQ(file->end().log_offset, 18u) << "what the disk refused is let go";
    EXPECT_EQ(all(*file), "before [11]");
    clock.advance(limits::log_retry_every);
    say(*file, "nor this ");
  }
  say(*file, "too soon ");  // the disk is asked once a second only
  EXPECT_NE(file->trouble(), "");
  clock.advance(limits::log_retry_every);
  file->write({});
  EXPECT_EQ(file->trouble(), "");
  EXPECT_EQ(file->unlogged_bytes(), 29u);
  say(*file, "after");
  EXPECT_EQ(all(*file), "before [29]after");
  EXPECT_EQ(opened()->end(), file->end());
  EXPECT_EQ(all(*opened()), "before [29]after");
}

TEST_F(LogFiles, a_full_disk_is_said_so_and_costs_what_the_gap_says) {
  const pid_t child = ::fork();
  if (child == 0) {
    if (::geteuid() != 0 && ::unshare(CLONE_NEWUSER) != 0) ::_exit(77);
    if (::unshare(CLONE_NEWNS) != 0 || ::mount("none", "/", nullptr, MS_REC | MS_PRIVATE, nullptr) != 0 ||
        ::mount("tmpfs", folder.c_str(), "tmpfs", 0, "size=64k") != 0) {
      ::_exit(77);
    }
    auto file = opened();
    say(*file, "before");
    std::ofstream(folder / "ballast") << std::string(100'000, 'x');  // as much as there is room for
    say(*file, std::string(20'000, 'y'));
    if (file->trouble() != "disk full: No space left on device") ::_exit(1);
    fs::remove(folder / "ballast");
    clock.advance(limits::log_retry_every);
    say(*file, "after");
    ::_exit(all(*file) == "before[20000]after" && all(*opened()) == all(*file) ? 0 : 2);
  }
  int status = 0;
  ::waitpid(child, &status, 0);
  ASSERT_TRUE(WIFEXITED(status)) << "signal " << WTERMSIG(status);
  if (WEXITSTATUS(status) == 77) GTEST_SKIP() << "no right to mount a tmpfs";
  EXPECT_EQ(WEXITSTATUS(status), 0);
}

TEST_F(LogFiles, a_line_that_changed_while_the_disk_refused_is_right_afterwards) {
  auto file = opened();
  mark(*file, LogEvent::Kind::Line, {0, 1, 100});
  say(*file, "x");
  {
    const FileSizeLimit limit(content().size());
    say(*file, "lost");
    mark(*file, LogEvent::Kind::Line, {5, 2, 0});
    say(*file, "lost too");
    mark(*file, LogEvent::Kind::Gap, file->end());
  }
  clock.advance(limits::log_retry_every);
  say(*file, "y");
  EXPECT_EQ(file->end(), (LogPosition{14, 2, 9}));
  EXPECT_EQ(opened()->end(), (LogPosition{14, 2, 9}));
  EXPECT_EQ(all(*file), "x[12][?]y");
}

TEST_F(LogFiles, a_folder_that_is_removed_or_cannot_be_made_is_trouble_until_it_is_back) {
  auto file = opened();
  say(*file, "gone");
  fs::remove_all(folder);
  std::ofstream(folder) << "a file in its place";
  say(*file, "lost");
  EXPECT_NE(file->trouble().find("cannot open"), std::string::npos) << file->trouble();
  fs::remove(folder);
  clock.advance(limits::log_retry_every);
  say(*file, "back");
  EXPECT_EQ(file->trouble(), "");
  EXPECT_EQ(file->oldest(), 4u);
  EXPECT_EQ(all(*file), "[4][4]back");
  EXPECT_EQ(opened()->end().log_offset, 12u);
}

TEST_F(LogFiles, a_log_that_could_not_be_opened_at_start_begins_when_it_can) {
  fs::create_directory(path);
  auto file = opened();
  EXPECT_NE(file->trouble(), "");
  say(*file, "lost");
  EXPECT_EQ(file->end().log_offset, 4u);
  fs::remove(path);
  clock.advance(limits::log_retry_every);
  say(*file, "kept");
  EXPECT_EQ(all(*file), "[4]kept");
  EXPECT_EQ(all(*opened()), "[4]kept");
}

TEST_F(LogFiles, a_log_moved_away_is_begun_anew_with_its_offsets_when_asked) {
  auto file = opened();
  mark(*file, LogEvent::Kind::Line, {0, 9, 50});
  say(*file, "old\n");
  fs::rename(path, path + ".1");
  say(*file, "still old\n");
  file->reopen();
  say(*file, "new\n");
  EXPECT_EQ(all(*file), "[14]new\n");
  EXPECT_EQ(opened()->end(), (LogPosition{18, 9, 68}));
}

TEST_F(LogFiles, a_log_cut_to_nothing_by_another_program_is_sound_again_at_once) {
  auto file = opened();
  say(*file, "old\n");
  fs::resize_file(path, 0);
  say(*file, "new\n");
  EXPECT_TRUE(content().starts_with("\x1Eoob "));
  EXPECT_EQ(all(*file), "[4]new\n");
  EXPECT_EQ(opened()->end().log_offset, 8u);
}

TEST_F(LogFiles, a_log_damaged_in_its_middle_is_read_around_the_damage) {
  auto file = opened();
  std::string stream;
  for (int i = 0; i < 40; ++i) {
    stream.assign(20000, char('a' + i % 26));
    say(*file, stream);
    mark(*file, LogEvent::Kind::Note, file->end());
  }
  std::fstream damage(path, std::ios::binary | std::ios::in | std::ios::out);
  damage.seekp(300000);
  damage << "\x1E!\x1Eoob nonsense";
  damage.close();
  LogPieces pieces(0, 10 << 20);
  ASSERT_TRUE(file->read(pieces));
  EXPECT_EQ(pieces.next(), 800000u);
  EXPECT_EQ(all(*file).substr(0, 20000), std::string(20000, 'a'));
}

// docs/LOG-FORMAT.md promises that its Python program gives the output back, byte for byte.
TEST_F(LogFiles, the_documented_program_reads_what_was_said) {
  const fs::path docs = fs::path(OOB_SOURCE_DIR) / "docs/LOG-FORMAT.md";
  std::ifstream page(docs);
  ASSERT_TRUE(page) << docs;
  std::string text{std::istreambuf_iterator<char>(page), {}};
  text = text.substr(text.find("```python\n") + 10);
  std::ofstream(folder / "strip.py") << text.substr(0, text.find("```"));
  auto file = opened();
  std::string said;
  for (const std::string_view part : {"login: ", "root\n", "\x1E", "\x1E\x1Eoob \n", "\n\n", "end"}) {
    said += part;
    say(*file, part);
    mark(*file, LogEvent::Kind::Attach, file->end());
  }
  file.reset();
  std::ofstream(path, std::ios::binary | std::ios::app) << "\x1E"
                                                        << "oob half a mark";
  const std::string out = (folder / "out").string();
  ASSERT_EQ(std::system(("python3 " + (folder / "strip.py").string() + " <" + path + " >" + out).c_str()), 0);
  std::ifstream in(out, std::ios::binary);
  EXPECT_EQ(std::string(std::istreambuf_iterator<char>(in), {}), said);
}

// Kill -9 leaves some prefix of what was written. Whatever the crash, nothing is lost or doubled that the position does
// not tell: what follows it is sent again, as an agent does from its ring.
TEST_F(LogFiles, random_histories_with_crashes_lose_and_double_nothing) {
  for (unsigned seed = 1; seed <= 20; ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    std::mt19937 random(seed);
    fs::remove(path);
    std::string line;  // all the line ever said; gaps as '~'
    auto file = opened();
    std::size_t synced = 0;
    for (int step = 0; step < 80; ++step) {
      const int what = int(random() % 10);
      clock.advance(Duration(random() % 30000));
      if (what < 6) {
        std::string text;
        for (auto left = random() % 200; left > 0; --left) text += "abc\n\x1E o@"[random() % 9];
        if (what == 0) text.append(random() % 400'000, text.empty() ? 'x' : text.back());
        if (text.empty()) continue;
        say(*file, text);
        line += text;
      } else if (what == 6) {
        const std::size_t missing = 1 + random() % 500;
        mark(*file, LogEvent::Kind::Gap, file->end(), missing);
        line += std::string(missing, '~');
      } else if (what < 9) {
        mark(*file, LogEvent::Kind::Down, file->end());
      } else {
        file.reset();
        const std::size_t size = fs::file_size(path);
        const std::size_t cut = synced + random() % (size - synced + 1);
        fs::resize_file(path, cut);
        file = opened();
        ASSERT_EQ(files(), 1u);
        ASSERT_LE(file->end().log_offset, line.size());
        line.resize(file->end().log_offset);
        synced = fs::file_size(path);
      }
      ASSERT_EQ(file->end().log_offset, line.size());
    }
    LogPieces pieces(0, 100 << 20);
    ASSERT_TRUE(file->read(pieces));
    std::string got;
    for (const LogPiece& piece : pieces.take().pieces) {
      if (piece.bytes) got += as_text(*piece.bytes);
      if (piece.event && piece.event->gap_bytes) got += std::string(*piece.event->gap_bytes, '~');
    }
    ASSERT_EQ(got, line);
  }
}

}  // namespace
}  // namespace oob
