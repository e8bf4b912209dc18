// See messages.h.
#include "proto/tunnel/messages.h"

#include <google/protobuf/message_lite.h>
#include <google/protobuf/stubs/logging.h>

#include <algorithm>
#include <array>

#include "common/crypto/secret.h"

namespace oob {
namespace {

// Tags of proto/tunnel.proto: field number << 3 | wire type.
constexpr unsigned kFromLineOutput = 2 << 3 | 2, kOutputOffset = 1 << 3, kOutputWall = 2 << 3, kOutputData = 3 << 3 | 2;

void put_length(std::byte* at, std::size_t length) {
  for (int i = 0; i < 4; ++i) at[i] = std::byte(length >> (24 - 8 * i));
}

std::size_t get_length(const std::byte* at) {
  std::size_t length = 0;
  for (int i = 0; i < 4; ++i) length = length << 8 | std::to_integer<std::size_t>(at[i]);
  return length;
}

// A small buffer that a header is written into from its start.
struct Header {
  std::array<std::byte, kOutputOverheadBytes> bytes;
  std::size_t size = 0;
  void varint(std::uint64_t value) {
    for (; value >= 0x80; value >>= 7) bytes[size++] = std::byte(value | 0x80);
    bytes[size++] = std::byte(value);
  }
};

// A reader of protobuf's wire format; `ok` turns false at the first malformed byte.
struct Reader {
  ByteView rest;
  bool ok = true;
  std::uint64_t varint() {
    std::uint64_t value = 0;
    for (unsigned i = 0; i < 10 && i < rest.size(); ++i) {
      const auto byte = std::to_integer<std::uint64_t>(rest[i]);
      value |= (byte & 0x7F) << (7 * i);
      if (byte < 0x80) {
        rest = rest.subspan(i + 1);
        return value;
      }
    }
    ok = false;
    return 0;
  }
  ByteView bytes() {
    const std::uint64_t length = varint();
    if (!ok || length > rest.size()) return ok = false, ByteView();
    const ByteView taken = rest.first(std::size_t(length));
    rest = rest.subspan(std::size_t(length));
    return taken;
  }
  void skip(unsigned wire_type) {
    switch (wire_type) {
      case 0:
        varint();
        break;
      case 2:
        bytes();
        break;
      case 1:
      case 5: {
        const std::size_t width = wire_type == 1 ? 8 : 4;
        if (rest.size() < width)
          ok = false;
        else
          rest = rest.subspan(width);
        break;
      }
      default:
        ok = false;
    }
  }
};

}  // namespace

void parse_quietly() { google::protobuf::SetLogHandler(nullptr); }

bool MessageQueue::push(const google::protobuf::MessageLite& message) {
  const std::size_t size = message.ByteSizeLong();
  if (size > limits::tunnel_message_bytes_max || waiting_bytes_ + size + kMessagePrefixBytes > bytes_max_) return false;
  Bytes framed(kMessagePrefixBytes + size);
  put_length(framed.data() + 1, size);
  message.SerializeWithCachedSizesToArray(reinterpret_cast<std::uint8_t*>(framed.data() + kMessagePrefixBytes));
  waiting_bytes_ += framed.size();
  messages_.push_back(std::move(framed));
  return true;
}

std::size_t MessageQueue::fill(MutableBytes into) {
  std::size_t filled = 0;
  while (!messages_.empty() && filled < into.size()) {
    const ByteView rest = ByteView(messages_.front()).subspan(sent_of_first_);
    const std::size_t take = std::min(rest.size(), into.size() - filled);
    std::copy_n(rest.begin(), take, into.begin() + std::ptrdiff_t(filled));
    filled += take;
    sent_of_first_ += take;
    if (take < rest.size()) break;
    wipe(MutableBytes(messages_.front()));  // it may have held a password
    messages_.pop_front(), sent_of_first_ = 0;
  }
  waiting_bytes_ -= filled;
  return filled;
}

Result<> MessageSplitter::receive(ByteView chunk, const std::function<bool(ByteView)>& message) {
  while (!chunk.empty()) {
    if (partial_.empty() && chunk.size() >= kMessagePrefixBytes) {
      const std::size_t length = get_length(chunk.data() + 1);
      if (chunk[0] != std::byte(0)) return fail(ErrorCode::Usage, "message with an unknown prefix");
      if (length > message_bytes_max_) return fail(ErrorCode::Usage, "message longer than is allowed here");
      if (chunk.size() - kMessagePrefixBytes >= length) {
        if (!message(chunk.subspan(kMessagePrefixBytes, length))) return {};
        chunk = chunk.subspan(kMessagePrefixBytes + length);
        continue;
      }
    }
    // Gather: the prefix first, then exactly one message.
    std::size_t wanted = kMessagePrefixBytes;
    if (partial_.size() >= kMessagePrefixBytes) wanted += get_length(partial_.data() + 1);
    const std::size_t take = std::min(wanted - partial_.size(), chunk.size());
    append(partial_, chunk.first(take));
    chunk = chunk.subspan(take);
    if (partial_.size() < kMessagePrefixBytes) continue;
    const std::size_t length = get_length(partial_.data() + 1);
    if (partial_[0] != std::byte(0)) return fail(ErrorCode::Usage, "message with an unknown prefix");
    if (length > message_bytes_max_) return fail(ErrorCode::Usage, "message longer than is allowed here");
    if (partial_.size() < kMessagePrefixBytes + length) continue;
    Bytes whole = std::exchange(partial_, {});
    const bool go_on = message(ByteView(whole).subspan(kMessagePrefixBytes));
    wipe(MutableBytes(whole));
    if (!go_on) return {};
  }
  return {};
}

std::size_t frame_output(MutableBytes into, std::uint64_t offset, std::int64_t wall_ms, std::size_t data_bytes) {
  Header inner;  // Output's fields up to the data
  if (offset != 0) inner.varint(kOutputOffset), inner.varint(offset);
  if (wall_ms != 0) inner.varint(kOutputWall), inner.varint(std::uint64_t(wall_ms));
  inner.varint(kOutputData), inner.varint(data_bytes);
  Header outer;
  outer.varint(kFromLineOutput), outer.varint(inner.size + data_bytes);
  const std::size_t length = outer.size + inner.size + data_bytes;
  const std::size_t begin = kOutputOverheadBytes - inner.size - outer.size - kMessagePrefixBytes;
  into[begin] = std::byte(0);
  put_length(into.data() + begin + 1, length);
  std::copy_n(outer.bytes.begin(), outer.size, into.begin() + std::ptrdiff_t(begin + kMessagePrefixBytes));
  std::copy_n(inner.bytes.begin(), inner.size, into.begin() + std::ptrdiff_t(kOutputOverheadBytes - inner.size));
  return begin;
}

std::optional<OutputView> parse_output(ByteView message) {
  Reader outer{message};
  if (outer.varint() != kFromLineOutput || !outer.ok) return std::nullopt;
  Reader inner{outer.bytes()};
  // Anything after it (another member of the oneof, a field of a newer peer) is protobuf's to judge.
  if (!outer.ok || !outer.rest.empty()) return std::nullopt;
  OutputView output;
  while (inner.ok && !inner.rest.empty()) {
    const std::uint64_t tag = inner.varint();
    if (!inner.ok) break;
    if (tag == kOutputOffset)
      output.offset = inner.varint();
    else if (tag == kOutputWall)
      output.wall_ms = std::int64_t(inner.varint());
    else if (tag == kOutputData)
      output.data = inner.bytes();
    else
      inner.skip(unsigned(tag & 7));
  }
  return inner.ok ? std::optional(output) : std::nullopt;
}

}  // namespace oob
