// Spool: what a crash leaves of a segment is read up to its last whole record.
#include "agents/spool.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>

namespace oob {
namespace {
namespace fs = std::filesystem;

class Spools : public testing::Test {
 protected:
  Spools() {
    std::string name = (fs::temp_directory_path() / "oob-spool-XXXXXX").string();
    folder = ::mkdtemp(name.data());
  }
  ~Spools() override { fs::remove_all(folder); }
  Spool opened(std::uint64_t incarnation = 7) { return {(folder / "web01.spool").string(), incarnation, 64 * 1024}; }
  static RingRecord record(std::uint64_t n) {  // ten bytes each
    return {RingRecord::Kind::Data, (n - 1) * 10, 1, 0, as_bytes("0123456789"), n};
  }
  static std::size_t count(const Spool& spool) {
    std::size_t n = 0;
    std::uint64_t hint = 0;
    for (std::uint64_t sequence = 0; const auto found = spool.find(sequence, hint); ++n) {
      EXPECT_EQ(as_text(found->payload), "0123456789");
      sequence = found->sequence + 1;
    }
    return n;
  }
  fs::path folder;
};

TEST_F(Spools, a_segment_cut_anywhere_keeps_its_whole_records) {
  {
    Spool spool = opened();
    for (std::uint64_t n = 1; n <= 20; ++n) EXPECT_TRUE(spool.append(record(n)));
    EXPECT_EQ(count(spool), 20u);
  }
  const fs::path file = folder / "web01.spool.1";
  for (std::size_t size = fs::file_size(file), left = 20; size > 0; --size) {
    fs::resize_file(file, size);
    if (size < 24 + left * 42) --left;
    Spool spool = opened();
    ASSERT_EQ(count(spool), left) << size;
    if (left == 0) break;
  }
}

TEST_F(Spools, it_is_bounded_and_drops_the_oldest_segment) {
  Spool spool = opened();
  for (std::uint64_t n = 1; n <= 10'000; ++n) EXPECT_TRUE(spool.append(record(n)));
  EXPECT_LE(spool.bytes(), 64u * 1024);
  EXPECT_GT(count(spool), 64u * 1024 / 42 * 3 / 4 - 2);
  const std::uint64_t begin = spool.begin();
  EXPECT_EQ(spool.sequence_at(begin), begin / 10 + 1);
  EXPECT_EQ(spool.sequence_at(99'995), 10'000u);
  EXPECT_EQ(spool.sequence_at(100'000), 0u);
  spool.release(100'000);
  EXPECT_TRUE(spool.empty());
}

TEST_F(Spools, a_record_that_is_here_already_is_not_taken_twice) {
  Spool spool = opened();
  EXPECT_TRUE(spool.append(record(1)));
  const std::size_t bytes = spool.bytes();
  EXPECT_TRUE(spool.append(record(1)));
  EXPECT_EQ(spool.bytes(), bytes);
  EXPECT_EQ(count(spool), 1u);
}

TEST_F(Spools, another_incarnation_is_not_read) {
  { opened().append(record(1)); }
  EXPECT_TRUE(opened(8).empty());
  EXPECT_TRUE(fs::is_empty(folder));
}

}  // namespace
}  // namespace oob
