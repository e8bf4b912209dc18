// What a reader of a log gets beyond its limits.
#include <gtest/gtest.h>

#include "common/limits.h"
#include "server/log/log_file.h"

namespace oob {
namespace {

TEST(LogPieces, events_of_one_place_that_are_too_many_for_a_reader_are_counted) {
  LogPieces pieces(0, 10 << 20);
  const LogMarker note{LogEvent::Kind::Note, WallTime{}, {}, {}, "why"};
  for (std::size_t i = 0; i < limits::log_read_events_max + 5; ++i) EXPECT_TRUE(pieces.marker(note));
  EXPECT_TRUE(pieces.output(0, as_bytes("then this")));
  const auto read = pieces.take();
  ASSERT_EQ(read.pieces.size(), limits::log_read_events_max + 2);
  ASSERT_TRUE(read.pieces.back().bytes);
  EXPECT_EQ(as_text(*read.pieces.back().bytes), "then this");
  const auto& before = (read.pieces.end() - 2)->event;
  ASSERT_TRUE(before);
  EXPECT_EQ(before->text, "5 more events here, which only the log's file shows");
}

}  // namespace
}  // namespace oob
