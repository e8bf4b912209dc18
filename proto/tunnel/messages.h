// Messages on a stream: protobuf behind gRPC's 5-byte prefix (one byte 0, then the length, big-endian), as
// PROTOCOL.md says. MessageQueue frames them for sending; MessageSplitter finds them in what arrives. The one message
// of the byte path, FromLine.output, is written and read by hand, byte-compatible with protobuf, and never copied
// into a message object.
#pragma once
#include <functional>
#include <list>
#include <optional>

#include "common/bytes.h"
#include "common/limits.h"
#include "common/result.h"

namespace google::protobuf {
class MessageLite;
}

namespace oob {

// protobuf would print a line for each message that a peer got wrong: once, before there are threads.
void parse_quietly();

inline constexpr std::size_t kMessagePrefixBytes = 5;

// Framed messages that wait for their stream's turn. Bounded: push() refuses what goes beyond `bytes_max`.
class MessageQueue {
 public:
  explicit MessageQueue(std::size_t bytes_max) : bytes_max_(bytes_max) {}
  [[nodiscard]] bool push(const google::protobuf::MessageLite& message);
  std::size_t fill(MutableBytes into);  // up to into.size() bytes, also of half a message
  bool empty() const { return waiting_bytes_ == 0; }
  std::size_t waiting_bytes() const { return waiting_bytes_; }

 private:
  std::list<Bytes> messages_;  // an empty deque takes half a kilobyte a stream
  std::size_t sent_of_first_ = 0, waiting_bytes_ = 0;
  const std::size_t bytes_max_;
};

// Cuts a stream's bytes into messages. A message that lies whole in one chunk is passed on as a view of it.
class MessageSplitter {
 public:
  explicit MessageSplitter(std::size_t message_bytes_max) : message_bytes_max_(message_bytes_max) {}
  // Calls `message` for each whole one, while it returns true. Error: not a message of this protocol, or too long.
  Result<> receive(ByteView chunk, const std::function<bool(ByteView)>& message);
  bool in_message() const { return !partial_.empty(); }

 private:
  Bytes partial_;
  std::size_t message_bytes_max_;
};

// FromLine{output} with `data` gathered from several pieces.
struct OutputView {
  std::uint64_t offset = 0;
  std::int64_t wall_ms = 0;
  ByteView data;
};
inline constexpr std::size_t kOutputOverheadBytes = kMessagePrefixBytes + 4 + 11 + 11 + 4;

// Writes prefix and message around data that the caller has put at into[kOutputOverheadBytes ..+data_bytes); returns
// where the framed message begins in `into` (it ends with the data).
std::size_t frame_output(MutableBytes into, std::uint64_t offset, std::int64_t wall_ms, std::size_t data_bytes);
// If `message` (without prefix) is a FromLine{output} in any encoding protobuf allows, its fields; else nothing.
std::optional<OutputView> parse_output(ByteView message);

}  // namespace oob
