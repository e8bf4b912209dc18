// Scheduler: which stream of a tunnel sends next. Classes strictly in order: control, keystroke, console, bulk.
// Within a class start-time fair queueing (Goyal, Vin, Cheng 1996): each stream carries a start tag, the number of
// bytes a fair share would have sent by then. A stream that was silent starts at the tag now being served, so the echo
// of a keystroke goes out before the next frame of any flood, and those that always have more share evenly by bytes.
// Sans-IO, no time; one per connection and direction. Streams: limits::tunnel_streams_max.
#pragma once
#include <array>
#include <cstdint>
#include <optional>
#include <queue>
#include <unordered_map>
#include <vector>

namespace oob {

enum class StreamClass : std::uint8_t { Control, Keystroke, Console, Bulk };

class Scheduler {
 public:
  using StreamId = std::int32_t;

  void add(StreamId id, StreamClass stream_class);
  void remove(StreamId id);

  // The stream has something to send. No effect on one that is queued already.
  void ready(StreamId id);
  // Takes the stream whose turn it is out of the queue; nothing if none is ready. The caller sends one quantum of it
  // (limits::tunnel_frame_bytes at most), charges it, and calls ready() again if there is more.
  std::optional<StreamId> next();
  void charge(StreamId id, std::size_t bytes);

 private:
  struct Turn {
    std::uint64_t tag;       // in bytes: where its quantum is thought to end
    std::uint64_t sequence;  // equal tags: first come, first served
    StreamId id;
    bool operator>(const Turn& other) const { return tag != other.tag ? tag > other.tag : sequence > other.sequence; }
  };
  struct Class {
    std::priority_queue<Turn, std::vector<Turn>, std::greater<>> turns;
    std::uint64_t now = 0;  // bytes of a fair share: the start of the quantum served last
  };
  struct Stream {
    StreamClass stream_class;
    std::uint64_t start = 0, finish = 0;  // of its last quantum, or of the one it waits for
    std::uint64_t queued = 0;             // sequence of its turn, 0: not queued
  };

  std::array<Class, 4> classes_;
  std::unordered_map<StreamId, Stream> streams_;
  std::uint64_t sequence_ = 0;
};

}  // namespace oob
