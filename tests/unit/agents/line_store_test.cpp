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

TEST_F(Stores, a_spool_of_an_incarnation_that_is_gone_is_removed) {
  store->set_server_away(true);
  say_lines(25'000);
  store.reset();
  fs::remove_all(folder / "rings");
  store = opened();
  EXPECT_FALSE(store->found());
  EXPECT_EQ(store->spool_bytes(), 0u);
  EXPECT_EQ(store->end(), 0u);
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
