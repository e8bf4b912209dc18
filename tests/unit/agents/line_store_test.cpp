// LineStore: ring and spool as one, seen as oobd sees it: nothing lost but what a Lost record tells, nothing twice.
#include "agents/line_store.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>
#include <random>

#include "common/limits.h"

namespace oob {
namespace {
namespace fs = std::filesystem;

class Stores : public testing::Test {
 protected:
  Stores() {
    std::string name = "/dev/shm/oob-store-XXXXXX";
    folder = ::mkdtemp(name.data());
    store = opened();
  }
  ~Stores() override {
    store.reset();
    fs::remove_all(folder);
  }
  std::unique_ptr<LineStore> opened() {
    return std::move(LineStore::open((folder / "rings").string(), (folder / "spool").string(), "web01").value());
  }
  void say(std::string_view text) { store->append(as_bytes(text), 1); }
  // Numbered lines of 100 bytes each.
  static std::string line(std::uint64_t n) {
    std::string text = std::to_string(n);
    return std::string(99 - text.size(), '.') + text + "\n";
  }
  void say_lines(std::uint64_t count) {
    for (const std::uint64_t end = said + count; said < end; ++said) say(line(said));
  }
  // Reads up to `records` and checks every byte of them; the sum of what was lost.
  std::uint64_t take(LineStore::Cursor& at, std::size_t records = std::size_t(-1)) {
    std::uint64_t lost = 0;
    for (; records > 0; --records) {
      const auto record = store->read(at);
      if (!record) break;
      lost += record->lost_bytes;
      if (record->kind == RingRecord::Kind::Data) {
        EXPECT_EQ(as_text(record->payload), line(record->offset / 100).substr(record->offset % 100));
        EXPECT_EQ(record->offset, expected);
        expected = record->offset + record->payload.size();
      } else {
        EXPECT_EQ(record->offset, expected);
        expected += record->lost_bytes;
      }
      store->advance(at, record->payload.size());
    }
    return lost;
  }

  fs::path folder;
  std::unique_ptr<LineStore> store;
  std::uint64_t said = 0;      // lines
  std::uint64_t expected = 0;  // offset of the next byte to be read
};

TEST_F(Stores, while_the_server_is_here_the_disk_is_not_touched_and_what_overflows_is_told) {
  LineStore::Cursor at = store->cursor_at(0);
  store->set_server_away(false);
  say_lines(20'000);
  EXPECT_TRUE(fs::is_empty(folder / "spool"));
  EXPECT_EQ(take(at), store->begin());
  EXPECT_GT(store->begin(), 0u);
  EXPECT_EQ(expected, store->end());
}

TEST_F(Stores, while_the_server_is_away_ring_and_spool_lose_nothing_that_fits) {
  LineStore::Cursor at = store->cursor_at(0);
  take(at, 5);
  store->set_server_away(true);
  say_lines(30'000);
  EXPECT_GT(store->spool_bytes(), 1'000'000u);
  EXPECT_EQ(store->begin(), 0u);
  EXPECT_EQ(take(at, 7'000), 0u);
  store->set_server_away(false);
  EXPECT_EQ(take(at), 0u);
  EXPECT_EQ(expected, store->end());
  store->release(store->incarnation() + 1, store->end());
  EXPECT_EQ(store->begin(), 0u) << "an acknowledgement of another incarnation";
  store->release(store->incarnation(), store->end());
  EXPECT_EQ(store->spool_bytes(), 0u);
  EXPECT_TRUE(fs::is_empty(folder / "spool"));
  EXPECT_EQ(store->ring_bytes(), 0u);
}

TEST_F(Stores, an_outage_beyond_ring_and_spool_keeps_the_newest_and_counts_the_rest) {
  store->set_server_away(true);
  say_lines(100'000);
  EXPECT_LE(store->spool_bytes(), limits::spool_bytes_max);
  EXPECT_GT(store->end() - store->begin(), limits::spool_bytes_max / 2);
  LineStore::Cursor at = store->cursor_at(0);
  EXPECT_EQ(take(at), store->begin());
  EXPECT_EQ(expected, store->end());
}

TEST_F(Stores, a_restarted_agent_finds_ring_and_spool_and_says_what_nobody_knows) {
  store->set_server_away(true);
  say_lines(25'000);
  const std::uint64_t incarnation = store->incarnation();
  store.reset();
  store = opened();
  EXPECT_TRUE(store->found());
  EXPECT_EQ(store->incarnation(), incarnation);
  say_lines(1);
  LineStore::Cursor at = store->cursor_at(0);
  EXPECT_EQ(take(at, 25'000), 0u);
  EXPECT_EQ(store->read(at)->kind, RingRecord::Kind::Unknown);
  EXPECT_EQ(take(at), 0u);
  EXPECT_EQ(expected, store->end());
}

// Reads on over incarnations, as a console's stream does; the numbers of the lines that were read.
std::vector<std::uint64_t> lines_from(LineStore& store, LineStore::Cursor at) {
  std::string text;
  while (true) {
    const auto record = store.read(at);
    if (record) {
      if (record->kind == RingRecord::Kind::Data) text += as_text(record->payload);
      store.advance(at, record->payload.size());
    } else if (const auto next = store.next_incarnation(at)) {
      at = *next;
    } else {
      break;
    }
  }
  std::vector<std::uint64_t> numbers;
  for (std::size_t i = 0; i + 100 <= text.size(); i += 100)
    numbers.push_back(std::stoull(text.substr(i + text.substr(i).find_first_not_of('.'))));
  return numbers;
}

TEST_F(Stores, a_reboot_takes_the_ring_and_what_spilled_is_read_first) {
  store->set_server_away(true);
  say_lines(25'000);
  const std::uint64_t old = store->incarnation();
  store.reset();
  fs::remove_all(folder / "rings");
  store = opened();
  EXPECT_FALSE(store->found());
  EXPECT_NE(store->incarnation(), old);
  EXPECT_FALSE(store->drained());
  const std::uint64_t kept = store->spool_bytes();
  EXPECT_GT(kept, 1'000'000u);
  said = 90'000;
  say_lines(3);
  const auto at = store->resume(old, 500);
  EXPECT_EQ(at.incarnation, old);
  EXPECT_EQ(at.offset, 500u);
  const auto numbers = lines_from(*store, at);
  ASSERT_GT(numbers.size(), 10'000u);
  for (std::size_t i = 0; i + 3 < numbers.size(); ++i) ASSERT_EQ(numbers[i], i + 5);
  EXPECT_EQ(numbers.back(), 90'002u);
  EXPECT_EQ(lines_from(*store, store->resume(7, 0)).size(), numbers.size() + 5) << "one that knows neither";
  EXPECT_EQ(lines_from(*store, store->resume(old, 24'999'00)).size(), 3u) << "one that has more than the disk got";
  EXPECT_EQ(lines_from(*store, store->resume(store->incarnation(), 100)).size(), 2u);
  store->release(old, 300);
  EXPECT_EQ(store->spool_bytes(), kept);
  store->release(store->incarnation(), 0);
  EXPECT_EQ(store->spool_bytes(), 0u) << "logged from the new one: all of the old one is logged";
  EXPECT_TRUE(fs::is_empty(folder / "spool"));
}

TEST_F(Stores, what_was_saved_before_a_reboot_is_all_there_and_is_forgotten_once_logged) {
  say_lines(50);
  store->append_event(RingRecord::Kind::Down, "the agent was stopped", 1);
  store->save();
  const std::uint64_t old = store->incarnation();
  store.reset();
  fs::remove_all(folder / "rings");
  store = opened();
  EXPECT_EQ(lines_from(*store, store->resume(0, 0)).size(), 50u);
  store->release(old, 5000, 50);
  EXPECT_FALSE(store->drained()) << "the event is not acknowledged";
  store->release(old, 5000, 51);
  EXPECT_TRUE(store->drained());
}

TEST_F(Stores, what_was_saved_is_not_told_twice_if_the_machine_stayed_up) {
  say_lines(50);
  store->save();
  store.reset();
  store = opened();
  EXPECT_TRUE(store->found());
  say_lines(10);
  EXPECT_EQ(lines_from(*store, store->resume(store->incarnation(), 0)).size(), 60u);
  store->save();
  EXPECT_EQ(lines_from(*store, store->cursor_at(0)).size(), 60u);
  store->release(store->incarnation(), store->end(), 100);
  EXPECT_TRUE(fs::is_empty(folder / "spool"));
}

TEST_F(Stores, a_line_that_said_nothing_leaves_no_file_behind) {
  store->append_event(RingRecord::Kind::Down, "the agent was stopped", 1);
  store->save();
  EXPECT_TRUE(fs::is_empty(folder / "spool"));
}

TEST_F(Stores, several_reboots_are_read_in_their_order_and_bounded) {
  for (int reboot = 0; reboot < 6; ++reboot) {
    said = std::uint64_t(reboot) * 100;
    say_lines(10);
    store->save();
    store.reset();
    fs::remove_all(folder / "rings");
    store = opened();
  }
  std::vector<std::uint64_t> wanted;
  for (std::uint64_t reboot = 6 - limits::spools_earlier_max; reboot < 6; ++reboot)
    for (std::uint64_t i = 0; i < 10; ++i) wanted.push_back(reboot * 100 + i);
  EXPECT_EQ(lines_from(*store, store->resume(0, 0)), wanted);
  store->remove();
  EXPECT_TRUE(fs::is_empty(folder / "spool"));
}

TEST_F(Stores, a_spool_of_an_agent_of_before_is_found_under_its_old_name) {
  say_lines(50);
  store->save();
  store.reset();
  for (const auto& file : fs::directory_iterator(folder / "spool"))
    fs::rename(file.path(), folder / "spool" / ("web01.spool" + file.path().extension().string()));
  fs::remove_all(folder / "rings");
  store = opened();
  EXPECT_EQ(lines_from(*store, store->resume(0, 0)).size(), 50u);
}

TEST_F(Stores, a_disk_that_cannot_be_written_loses_only_what_overflows) {
  fs::remove_all(folder / "spool");
  store->set_server_away(true);
  say_lines(20'000);
  LineStore::Cursor at = store->cursor_at(0);
  EXPECT_EQ(take(at), store->begin());
  EXPECT_EQ(expected, store->end());
}

TEST_F(Stores, nearly_full_is_three_quarters) {
  say(std::string(limits::ring_bytes_max * 7 / 10, 'x'));
  EXPECT_FALSE(store->nearly_full());
  say(std::string(limits::ring_bytes_max / 10, 'x'));
  EXPECT_TRUE(store->nearly_full());
}

TEST_F(Stores, a_removed_line_leaves_no_file) {
  store->set_server_away(true);
  say_lines(20'000);
  store->remove();
  EXPECT_TRUE(fs::is_empty(folder / "spool"));
  EXPECT_TRUE(fs::is_empty(folder / "rings"));
}

// A reader, outages, acknowledgements and restarts at random: every byte is read once, or told to be lost.
TEST_F(Stores, random_histories_are_read_once_and_in_order) {
  for (unsigned seed = 1; seed <= 12; ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    std::mt19937 random(seed);
    store->remove();
    store.reset();
    store = opened();
    said = expected = 0;
    LineStore::Cursor at = store->cursor_at(0);
    std::uint64_t acknowledged = 0;
    for (int step = 0; step < 300; ++step) {
      switch (random() % 8) {
        case 0:
          store->set_server_away(random() % 2);
          break;
        case 1:
          take(at, random() % 3000);
          break;
        case 2:
          acknowledged += expected > acknowledged ? random() % (expected - acknowledged + 1) : 0;
          store->release(store->incarnation(), acknowledged);
          break;
        case 3:
          if (random() % 10 == 0) {
            store.reset();
            store = opened();
            at = store->cursor_at(expected);
          }
          break;
        case 4:
          store->trim();
          break;
        default:
          say_lines(random() % 1500);
      }
    }
    take(at);
    ASSERT_EQ(expected, said * 100);
    ASSERT_EQ(store->end(), said * 100);
  }
}

}  // namespace
}  // namespace oob
