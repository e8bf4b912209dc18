// Promises of PathWatch: a path that appears is told, however deep its folders are missing.
#include "common/runtime/path_watch.h"

#include <stdlib.h>

#include <filesystem>
#include <fstream>

#include "tests/unit/common/runtime/pump.h"

namespace oob {
namespace {
namespace fs = std::filesystem;

class PathWatches : public testing::Test {
 protected:
  PathWatches() {
    char name[] = "/tmp/oob-test-XXXXXX";
    folder = mkdtemp(name);
  }
  ~PathWatches() override { fs::remove_all(folder); }
  // Whether a watch on the path tells, after `happening`, that it is there.
  bool tells(const fs::path& path, const std::function<void()>& happening) {
    bool there = false;
    PathWatch watch(shard, path.string(), [&] { there = there || fs::exists(path); });
    happening();
    return pump_until(shard, [&] { return there; });
  }
  fs::path folder;
  Shard shard;
};

TEST_F(PathWatches, a_file_or_link_that_appears_is_told) {
  EXPECT_TRUE(tells(folder / "ttyUSB0", [&] { std::ofstream(folder / "ttyUSB0") << "x"; }));
  EXPECT_TRUE(tells(folder / "by-path", [&] { fs::create_symlink("ttyUSB0", folder / "by-path"); }));
  EXPECT_TRUE(tells(folder / "new", [&] { fs::rename(folder / "ttyUSB0", folder / "new"); }));
}

TEST_F(PathWatches, folders_that_come_with_it_are_followed) {
  const fs::path path = folder / "serial" / "by-path" / "port0";
  EXPECT_TRUE(tells(path, [&] {
    fs::create_directories(path.parent_path());
    std::ofstream(path.string()) << "x";
  }));
  EXPECT_TRUE(tells(path, [&] {
    fs::remove_all(folder / "serial");
    pump_ready(shard);
    fs::create_directory(folder / "serial");
    pump_ready(shard);
    fs::create_directory(path.parent_path());
    pump_ready(shard);
    std::ofstream(path.string()) << "x";
  }));
}

TEST_F(PathWatches, what_else_happens_in_the_folder_is_not_told) {
  int told = 0;
  PathWatch watch(shard, (folder / "port").string(), [&] { ++told; });
  for (int i = 0; i < 1000; ++i) std::ofstream(folder / ("other" + std::to_string(i))) << "x";
  pump_ready(shard);
  EXPECT_EQ(told, 0);
  std::ofstream(folder / "port") << "x";
  EXPECT_TRUE(pump_until(shard, [&] { return told > 0; }));
}

TEST_F(PathWatches, may_be_destroyed_by_its_own_call) {
  std::unique_ptr<PathWatch> watch;
  watch = std::make_unique<PathWatch>(shard, (folder / "a").string(), [&] { watch.reset(); });
  std::ofstream(folder / "a") << "x";
  EXPECT_TRUE(pump_until(shard, [&] { return !watch; }));
}

}  // namespace
}  // namespace oob
