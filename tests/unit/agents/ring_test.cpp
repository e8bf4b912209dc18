// Ring on a real file in /dev/shm: what is promised to survive, and what is promised to be told when it does not.
#include "agents/ring.h"

#include <gtest/gtest.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <filesystem>
#include <fstream>
#include <random>

namespace oob {
namespace {
namespace fs = std::filesystem;

constexpr std::size_t kBytes = 64 * 1024;

class Rings : public testing::Test {
 protected:
  Rings() {
    std::string name = "/dev/shm/oob-ring-XXXXXX";
    folder = ::mkdtemp(name.data());
    path = (folder / "web01.ring").string();
  }
  ~Rings() override { fs::remove_all(folder); }
  Ring opened(std::size_t bytes = kBytes) { return std::move(Ring::open(path, bytes).value()); }
  static void say(Ring& ring, std::string_view text) { ring.append(as_bytes(text), 1); }
  // All from `offset` on: data as it is, [N] lost, <x> an event's text; read in steps of `step`.
  static std::string all(const Ring& ring, std::uint64_t offset, std::size_t step = 1 << 20) {
    std::string text;
    Ring::Cursor at = ring.cursor_at(offset);
    while (const auto record = ring.read(at)) {
      if (record->kind == RingRecord::Kind::Data) {
        text += as_text(record->payload.first(std::min(step, record->payload.size())));
      } else if (record->kind == RingRecord::Kind::Lost) {
        text += "[" + std::to_string(record->lost_bytes) + "]";
      } else {
        text += "<" + std::string(as_text(record->payload)) + ">";
      }
      ring.advance(at, step);
    }
    return text;
  }
  std::size_t allocated() const {
    struct stat status {};
    ::stat(path.c_str(), &status);
    return std::size_t(status.st_blocks) * 512;
  }
  fs::path folder;
  std::string path;
};

TEST_F(Rings, what_was_said_is_read_in_order_and_from_any_offset) {
  Ring ring = opened();
  say(ring, "hello ");
  ring.append_event(RingRecord::Kind::Down, "gone", 2);
  say(ring, "world");
  EXPECT_EQ(all(ring, 0), "hello <gone>world");
  EXPECT_EQ(all(ring, 0, 1), "hello <gone>world");
  EXPECT_EQ(all(ring, 3), "lo <gone>world");
  EXPECT_EQ(all(ring, 6), "<gone>world");
  EXPECT_EQ(all(ring, 8), "rld");
  EXPECT_EQ(all(ring, 11), "");
  EXPECT_EQ(ring.end(), 11u);
}

TEST_F(Rings, a_ring_is_found_again_with_its_incarnation_and_all_it_held) {
  std::uint64_t incarnation = 0;
  {
    Ring ring = opened();
    EXPECT_FALSE(ring.found());
    incarnation = ring.incarnation();
    EXPECT_NE(incarnation, 0u);
    say(ring, "abcdef");
    ring.release(0);
  }
  Ring ring = opened();
  EXPECT_TRUE(ring.found());
  EXPECT_EQ(ring.incarnation(), incarnation);
  EXPECT_EQ(all(ring, 0), "abcdef");
  EXPECT_FALSE(Ring::open(path, kBytes)) << "two agents on one ring";
}

TEST_F(Rings, what_is_logged_is_forgotten_by_whole_records) {
  Ring ring = opened();
  for (int i = 0; i < 10; ++i) say(ring, "0123456789");
  ring.release(35);
  EXPECT_EQ(ring.begin(), 30u);
  ring.release(20);
  EXPECT_EQ(ring.begin(), 30u);
  ring.append_event(RingRecord::Kind::Up, "up", 1);
  ring.release(100);
  EXPECT_EQ(all(ring, 100), "<up>") << "an event at the acknowledged offset may not have been heard";
  say(ring, "x");
  ring.release(1000);
  EXPECT_TRUE(ring.empty());
  EXPECT_EQ(ring.begin(), 101u);
  EXPECT_EQ(all(ring, 101), "");
}

TEST_F(Rings, the_oldest_goes_first_and_a_reader_is_told_exactly_how_much_it_missed) {
  Ring ring = opened();
  Ring::Cursor early = ring.cursor_at(0);
  const std::string line(100, 'x');
  for (int i = 0; i < 10; ++i) say(ring, line);
  ring.advance(early, 40);
  for (int i = 0; i < 2000; ++i) say(ring, line);
  EXPECT_EQ(ring.end(), 201000u);
  EXPECT_GT(ring.used_bytes(), kBytes * 9 / 10);
  const auto lost = ring.read(early);
  ASSERT_TRUE(lost);
  EXPECT_EQ(lost->kind, RingRecord::Kind::Lost);
  EXPECT_EQ(lost->offset, 40u);
  EXPECT_EQ(lost->offset + lost->lost_bytes, ring.begin());
  ring.advance(early, 0);
  EXPECT_EQ(ring.read(early)->offset, ring.begin());
}

TEST_F(Rings, what_overflows_is_spilled_in_order) {
  Ring ring = opened();
  std::string spilled, said;
  ring.on_spill([&](const RingRecord& record) { spilled += as_text(record.payload); });
  for (int i = 0; i < 5000; ++i) {
    const std::string line = std::to_string(i) + "\n";
    said += line;
    say(ring, line);
  }
  EXPECT_EQ(spilled + all(ring, ring.begin()), said);
}

TEST_F(Rings, a_big_append_is_split_and_wraps_without_harm) {
  Ring ring = opened();
  std::mt19937 random(3);
  std::string said;
  for (int i = 0; i < 300; ++i) {
    std::string text(1 + random() % 40000, char('a' + i % 26));
    say(ring, text);
    said += text;
    const std::uint64_t begin = ring.begin();
    ASSERT_EQ(all(ring, begin), said.substr(begin));
    if (random() % 3 == 0) ring.release(begin + random() % (ring.end() - begin + 1));
    ASSERT_EQ(Ring::open(path, kBytes).has_value(), false);
  }
}

TEST_F(Rings, an_idle_ring_and_one_that_is_logged_at_once_take_few_pages) {
  Ring ring = opened(1 << 20);
  for (int i = 0; i < 20000; ++i) {
    say(ring, "some eighty bytes of output, as a console says them all day long, year by year\n");
    ring.release(ring.end());
  }
  EXPECT_LE(allocated(), 16u * 1024);
}

TEST_F(Rings, unused_pages_are_given_back) {
  Ring ring = opened(1 << 20);
  for (int i = 0; i < 9; ++i) say(ring, std::string(100'000, 'x'));
  EXPECT_GT(allocated(), 800'000u);
  ring.release(ring.end() - 10);
  ring.trim();
  EXPECT_LT(allocated(), 200'000u);
  EXPECT_EQ(all(ring, ring.end() - 10), "xxxxxxxxxx");
  say(ring, "and on");
  EXPECT_EQ(all(ring, ring.end() - 6), "and on");
}

TEST_F(Rings, a_file_that_is_no_sound_ring_is_replaced_by_a_new_incarnation) {
  std::uint64_t incarnation = 0;
  std::size_t size = 0;
  {
    Ring ring = opened();
    incarnation = ring.incarnation();
    for (int i = 0; i < 100; ++i) say(ring, "line\n");
    size = fs::file_size(path);
  }
  const auto spoil = [&](std::size_t at, const std::string& bytes) {
    std::fstream file(path, std::ios::binary | std::ios::in | std::ios::out);
    file.seekp(std::streamoff(at));
    file << bytes;
  };
  spoil(4096 + 40 * 50, std::string(16, '\xff'));  // a record's head in the middle
  EXPECT_FALSE(opened().found());
  EXPECT_NE(opened().incarnation(), incarnation);
  spoil(0, "garbage");
  EXPECT_FALSE(opened().found());
  fs::resize_file(path, size / 2);
  EXPECT_FALSE(opened().found());
  { Ring ring = opened(2 * kBytes); }
  EXPECT_FALSE(opened().found()) << "another size";
  EXPECT_TRUE(opened().found());
}

// On a tmpfs of its own that is full: a page that cannot be had would be SIGBUS if it were touched.
TEST_F(Rings, a_full_tmpfs_costs_output_that_is_told_and_never_the_agent) {
  const pid_t child = ::fork();
  if (child == 0) {
    if (::geteuid() != 0 && ::unshare(CLONE_NEWUSER) != 0) ::_exit(77);
    if (::unshare(CLONE_NEWNS) != 0 || ::mount("none", "/", nullptr, MS_REC | MS_PRIVATE, nullptr) != 0 ||
        ::mount("tmpfs", folder.c_str(), "tmpfs", 0, "size=128k") != 0) {
      ::_exit(77);
    }
    Ring ring = opened(1 << 20);
    for (int i = 0; i < 5000; ++i) say(ring, std::string(100, 'x'));
    const std::string read = all(ring, 0);
    const std::size_t lost = read.find('[');
    if (lost < 50'000 || lost > 128'000) ::_exit(1);
    if (read.substr(lost) != "[" + std::to_string(500'000 - lost) + "]") ::_exit(2);
    ring.release(ring.end());
    say(ring, "room again");
    ::_exit(all(ring, 500'000) == "room again" && !Ring::open(path + "2", 1 << 20) ? 0 : 3);
  }
  int status = 0;
  ::waitpid(child, &status, 0);
  ASSERT_TRUE(WIFEXITED(status)) << "signal " << WTERMSIG(status);
  if (WEXITSTATUS(status) == 77) GTEST_SKIP() << "no right to mount a tmpfs";
  EXPECT_EQ(WEXITSTATUS(status), 0);
}

// The child appends numbered lines as fast as it can, releases some, and is killed at a random instant.
TEST_F(Rings, kill_9_at_any_moment_leaves_a_ring_with_every_published_line) {
  std::mt19937 random(11);
  std::uint64_t incarnation = 0, told = 0;
  for (int round = 0; round < 60; ++round) {
    int progress[2];
    ASSERT_EQ(::pipe(progress), 0);
    const pid_t child = ::fork();
    if (child == 0) {
      ::close(progress[0]);
      Ring ring = std::move(Ring::open(path, kBytes).value());
      for (std::uint64_t n = ring.end() / 8;; ++n) {
        char line[9];
        std::snprintf(line, sizeof line, "%07llu\n", static_cast<unsigned long long>(n % 10'000'000));
        ring.append(as_bytes(std::string_view(line, 8)), 1);
        if (n % 64 == 0) ring.append_event(RingRecord::Kind::Up, "up", 1);
        if (n % 100 == 0) ring.release(ring.end() > 2000 ? ring.end() - 2000 : 0);
        const std::uint64_t end = ring.end();
        if (n % 16 == 0 && ::write(progress[1], &end, sizeof end) != sizeof end) ::_exit(1);
      }
    }
    ::close(progress[1]);
    // Killed after a random number of reports, so at a random point of its work.
    for (auto reports = 1 + random() % 3000; reports > 0; --reports) {
      ASSERT_EQ(::read(progress[0], &told, sizeof told), ssize_t(sizeof told));
    }
    ::kill(child, SIGKILL);
    ::waitpid(child, nullptr, 0);
    for (std::uint64_t end = 0; ::read(progress[0], &end, sizeof end) == sizeof end;) told = end;
    ::close(progress[0]);
    Ring ring = opened();
    ASSERT_TRUE(ring.found());
    if (incarnation) ASSERT_EQ(ring.incarnation(), incarnation);
    incarnation = ring.incarnation();
    ASSERT_GE(ring.end(), told) << "a line that was published is gone";
    ASSERT_LE(ring.end(), told + 17 * 8);
    std::uint64_t n = ring.begin() / 8;
    Ring::Cursor at = ring.cursor_at(ring.begin());
    while (const auto record = ring.read(at)) {
      if (record->kind == RingRecord::Kind::Data) {
        ASSERT_EQ(std::stoull(std::string(as_text(record->payload))), n++ % 10'000'000);
      } else {
        ASSERT_EQ(record->kind, RingRecord::Kind::Up);
      }
      ring.advance(at, 8);
    }
    ASSERT_EQ(n * 8, ring.end());
  }
}

}  // namespace
}  // namespace oob
