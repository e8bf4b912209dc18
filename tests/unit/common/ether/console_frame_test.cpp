// Promises of the etherconsole's frames (docs/etherconsole.md): bytes as written there, keys, and what is new.
#include "common/ether/console_frame.h"

#include <gtest/gtest.h>

#include "common/crypto/digest.h"

namespace oob {
namespace {

const Secret kKey{std::string(32, 'k')};

struct Written {
  explicit Written(const ConsoleFrame& frame, const Secret* key = nullptr) : bytes(kConsoleFrameBytesMax) {
    bytes.resize(write_console_frame(frame, key, bytes));
  }
  Bytes bytes;
};

ConsoleFrame output(std::string_view text) {
  ConsoleFrame frame;
  frame.to = kBroadcastMac, frame.from = {2, 0, 0, 0, 0, 0x11};
  frame.session = 0x0102030405060708, frame.peer = 0x1112131415161718, frame.sequence = 0x21222324;
  frame.flags = ConsoleFrame::kEarly, frame.text = as_bytes(text);
  return frame;
}

TEST(ConsoleFrame, has_the_bytes_that_the_document_says) {
  EXPECT_EQ(hex(Written(output("hi")).bytes),
            "ffffffffffff"
            "020000000011"
            "88b5"
            "4f42"
            "01"
            "01"
            "01"
            "00"
            "0002"
            "0102030405060708"
            "21222324"
            "1112131415161718"
            "6869");
}

TEST(ConsoleFrame, is_read_as_written_whatever_padding_follows) {
  for (const Secret* key : {static_cast<const Secret*>(nullptr), &kKey}) {
    Written written(output("hello"), key);
    written.bytes.resize(written.bytes.size() + 30);
    const auto read = read_console_frame(written.bytes, key);
    ASSERT_TRUE(read) << read.error().message;
    EXPECT_EQ(as_text(read->text), "hello");
    EXPECT_EQ(read->session, 0x0102030405060708u);
    EXPECT_EQ(read->peer, 0x1112131415161718u);
    EXPECT_EQ(read->sequence, 0x21222324u);
    EXPECT_EQ(read->flags, ConsoleFrame::kEarly);
    EXPECT_EQ(mac_text(read->from), "02:00:00:00:00:11");
    EXPECT_TRUE(read->from_node());
  }
}

TEST(ConsoleFrame, with_a_key_every_bit_counts) {
  const Written written(output("hello"), &kKey);
  for (std::size_t bit = 0; bit < written.bytes.size() * 8; ++bit) {
    Bytes changed = written.bytes;
    changed[bit / 8] ^= std::byte(1 << bit % 8);
    EXPECT_FALSE(read_console_frame(changed, &kKey)) << bit;
  }
  EXPECT_FALSE(read_console_frame(Written(output("hello")).bytes, &kKey)) << "without a tag";
  const Secret other{std::string(32, 'o')};
  EXPECT_FALSE(read_console_frame(written.bytes, &other));
}

// Its value is another implementation's (Python's hmac).
TEST(ConsoleFrame, the_tag_is_hmac_sha256) {
  const Written written(output("hi"), &kKey);
  EXPECT_EQ(hex(ByteView(written.bytes).last(kConsoleTagBytes)), "d82e4ed8d7f2e36d835b90080e2dfa83");
}

TEST(ConsoleFrame, what_is_cut_or_foreign_is_none) {
  const Written written(output("hello"), &kKey);
  for (std::size_t size = 0; size < written.bytes.size(); ++size) {
    EXPECT_FALSE(read_console_frame(ByteView(written.bytes).first(size), &kKey)) << size;
  }
  Bytes other = Written(output("x")).bytes;
  other[kEtherHeaderBytes + 2] = std::byte{2};
  EXPECT_EQ(read_console_frame(other, nullptr).error().message, "of another version");
  EXPECT_FALSE(read_console_frame(Bytes(60), nullptr));
}

TEST(MacAddress, is_six_pairs_of_digits) {
  EXPECT_EQ(mac_text(parse_mac("52:54:00:AB:cd:ef").value()), "52:54:00:ab:cd:ef");
  for (const char* bad : {"", "52:54:00:ab:cd", "52-54-00-ab-cd-ef", "52:54:00:ab:cd:e", "52:54:00:ab:cd:eg",
                          "52:54:00:ab:cd:ef:", "525400abcdef"}) {
    EXPECT_FALSE(parse_mac(bad)) << bad;
  }
}

TEST(FrameOrder, counts_what_is_missing_and_takes_nothing_twice) {
  using Is = FrameOrder::Is;
  FrameOrder order(true);
  std::uint32_t missing = 0;
  EXPECT_EQ(order.take(5, 100, missing), Is::New);
  EXPECT_EQ(missing, 0u) << "what was said before we listened";
  EXPECT_EQ(order.take(5, 103, missing), Is::New);
  EXPECT_EQ(missing, 2u);
  EXPECT_EQ(order.take(5, 103, missing), Is::Repeated);
  EXPECT_EQ(order.take(5, 101, missing), Is::Repeated);
  EXPECT_EQ(order.take_last(5, 105, missing), Is::New);
  EXPECT_EQ(missing, 2u);
  EXPECT_EQ(order.take_last(5, 105, missing), Is::New);
  EXPECT_EQ(missing, 0u);
  EXPECT_EQ(order.take(6, 3, missing), Is::NewSession);
  EXPECT_EQ(missing, 2u);
  EXPECT_EQ(order.take(5, 200, missing), Is::OfEarlierSession);
  FrameOrder known(true, 9);  // by an earlier run
  EXPECT_EQ(known.take(8, 1, missing), Is::OfEarlierSession);
  EXPECT_EQ(known.take(9, 7, missing), Is::New);
  FrameOrder any(false);
  EXPECT_EQ(any.take(9, 1, missing), Is::New);
  EXPECT_EQ(any.take(3, 1, missing), Is::NewSession) << "a clock that was set back";
}

}  // namespace
}  // namespace oob
