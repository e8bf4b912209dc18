// links: oob_log
// Any bytes as a console's log file: opening, reading from anywhere and going on never crash, never loop, and what is
// written afterwards is there on the next open.
#include <cstdlib>
#include <filesystem>
#include <fstream>

#include "server/log/log_file.h"

namespace {

void require(bool holds) {
  if (!holds) std::abort();
}

// Reads all from `from` on in steps; the reader has to get ahead each time, and to the end.
void read_all(const oob::LogFile& file, std::uint64_t from, std::size_t step) {
  for (bool done = false; !done;) {
    oob::LogPieces pieces(from, step);
    done = file.read(pieces).value();
    const auto read = pieces.take();
    require(done || read.next > from);
    from = read.next;
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace oob;
  static const std::string folder = [] {
    std::string name = "/dev/shm/oob-fuzz-log-XXXXXX";
    return std::string(::mkdtemp(name.data()));
  }();
  static const bool registered = std::atexit([] { std::filesystem::remove_all(folder); }) == 0;
  (void)registered;
  const std::string path = folder + "/x.log";
  std::ofstream(path, std::ios::binary | std::ios::trunc)
      .write(reinterpret_cast<const char*>(data), std::streamsize(size));
  ManualClock clock;
  LogFile file(path, clock);
  file.open();
  require(file.trouble().empty());
  const LogPosition begin = file.end();
  read_all(file, 0, 1 << 20);
  read_all(file, size % 7, 1 + size % 50);
  LogItem item;
  const std::string text = "x\x1E\ny";
  item.bytes = std::make_shared<const Bytes>(as_bytes(text).begin(), as_bytes(text).end());
  file.write({&item, 1});
  require(file.trouble().empty() && file.end() == advanced(begin, text.size()));
  std::ifstream in(path, std::ios::binary);
  require(std::string(std::istreambuf_iterator<char>(in), {}).ends_with("x\x1E\x1E\ny"));
  LogFile again(path, clock);
  again.open();
  require(again.end() == file.end());
  read_all(again, begin.log_offset, 100);
  std::filesystem::remove_all(folder);
  std::filesystem::create_directory(folder);
  return 0;
}
