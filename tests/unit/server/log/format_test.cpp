// The log file's format: what is written is read back, and nothing in the output can pass for a marker.
#include "server/log/format.h"

#include <gtest/gtest.h>

#include <random>

#include "common/limits.h"

namespace oob {
namespace {

LogMarker marker(LogEvent::Kind kind, std::string text = "") {
  return {
      kind, WallTime(std::chrono::milliseconds(1795228479123)), {1000, 0x0123456789abcdef, 77}, {}, std::move(text)};
}

std::string encoded(const LogMarker& m, bool mid_line = false) {
  Bytes bytes;
  encode_marker(bytes, m, mid_line);
  return std::string(as_text(bytes));
}

TEST(LogFormat, a_marker_is_one_line_of_the_documented_form) {
  EXPECT_EQ(encoded(marker(LogEvent::Kind::Attach, "alice")),
            "\x1Eoob 2026-11-21T02:34:39.123Z @1000 attach line=0123456789abcdef+77 alice\n");
  auto gap = marker(LogEvent::Kind::Gap, "disk full");
  EXPECT_EQ(encoded(gap, true),
            "\x1E\n\x1Eoob 2026-11-21T02:34:39.123Z @1000 gap line=0123456789abcdef+77 bytes=unknown disk full\n");
  gap.gap_bytes = 5;
  EXPECT_NE(encoded(gap).find(" bytes=5 disk full\n"), std::string::npos);
}

TEST(LogFormat, every_kind_and_any_text_is_read_back) {
  for (int kind = 0; kind <= int(LogEvent::Kind::Note); ++kind) {
    for (const std::string text : {"", "plain", " spaces  inside ", "a\nb\x1E\\x41\\\x7f", "\xff\xc3\xa9", "bytes=9"}) {
      LogMarker m = marker(LogEvent::Kind(kind), text);
      if (m.kind == LogEvent::Kind::Gap) m.gap_bytes = 12;
      const std::string line = encoded(m);
      const LogElement element = next_element(as_bytes(line));
      ASSERT_EQ(element.type, LogElement::Type::Marker) << line;
      EXPECT_EQ(element.file_bytes, line.size());
      EXPECT_EQ(element.marker.kind, m.kind);
      EXPECT_EQ(element.marker.time, m.time);
      EXPECT_EQ(element.marker.at, m.at);
      EXPECT_EQ(element.marker.gap_bytes, m.gap_bytes);
      EXPECT_EQ(element.marker.text, text);
    }
  }
}

TEST(LogFormat, a_long_text_is_cut_between_its_escapes) {
  for (std::size_t plain = 0; plain < 8; ++plain) {
    for (const std::string unit : {"\x01", "\\", "\xc3\xa9"}) {
      std::string text(plain, 'a');
      while (text.size() < 5000) text += unit;
      const std::string line = encoded(marker(LogEvent::Kind::Note, text));
      EXPECT_LE(line.size(), limits::log_marker_bytes_max);
      const LogElement element = next_element(as_bytes(line));
      ASSERT_EQ(element.type, LogElement::Type::Marker);
      EXPECT_TRUE(text.starts_with(element.marker.text)) << element.marker.text;
      EXPECT_GT(element.marker.text.size(), 200u);
    }
  }
}

TEST(LogFormat, output_of_any_bytes_is_read_back_and_never_found_to_be_a_marker) {
  std::mt19937 random(1);
  const std::string_view alphabet = "\x1E\x1E\nobo  @";
  for (int round = 0; round < 2000; ++round) {
    std::string output, read;
    for (int i = 0; i < 40; ++i) output += alphabet[random() % alphabet.size()];
    if (round % 3 == 0) output.insert(random() % output.size(), encoded(marker(LogEvent::Kind::Note)));
    Bytes file;
    encode_output(file, as_bytes(output));
    EXPECT_EQ(find_marker(file, 0, false), std::string_view::npos);
    for (ByteView left = file; !left.empty();) {
      const LogElement element = next_element(left);
      ASSERT_EQ(element.type, LogElement::Type::Output);
      read += as_text(element.output);
      left = left.subspan(element.file_bytes);
    }
    EXPECT_EQ(read, output);
  }
}

TEST(LogFormat, every_cut_marker_is_torn_and_every_wrong_one_bad) {
  const std::string line = encoded(marker(LogEvent::Kind::Gap, "x"));
  for (std::size_t length = 1; length < line.size(); ++length) {
    EXPECT_EQ(next_element(as_bytes(line.substr(0, length))).type, LogElement::Type::Torn) << length;
  }
  for (const char* bad :
       {"\x1Eoob 2026-13-21T02:34:39.123Z @1 up line=0123456789abcdef+7\n",
        "\x1Eoob 2026-11-21T02:34:39.123Z @-1 up line=0123456789abcdef+7\n",
        "\x1Eoob 2026-11-21T02:34:39.123Z @1 what line=0123456789abcdef+7\n",
        "\x1Eoob 2026-11-21T02:34:39.123Z @1 up line=0123456789abcde+7\n", "\x1Eoob 2026-11-21T02:34:39.123Z @1 up\n",
        "\x1Eoob 2026-11-21T02:34:39.123Z @1 gap line=0123456789abcdef+7\n",
        "\x1Eoob 2026-11-21T02:34:39.123Z @9 gap line=0123456789abcdef+7 bytes=18446744073709551615\n", "\x1Ex",
        "\x1Eooc"}) {
    EXPECT_EQ(next_element(as_bytes(bad)).type, LogElement::Type::Bad) << bad;
  }
  EXPECT_EQ(next_element(as_bytes("\x1Eoob " + std::string(limits::log_marker_bytes_max, 'x'))).type,
            LogElement::Type::Bad);
}

}  // namespace
}  // namespace oob
