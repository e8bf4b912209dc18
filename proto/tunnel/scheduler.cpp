// See scheduler.h.
#include "proto/tunnel/scheduler.h"

#include <algorithm>
#include <cassert>

namespace oob {

void Scheduler::add(StreamId id, StreamClass stream_class) { streams_[id] = {.stream_class = stream_class}; }

// Its turn, if one is queued, is found stale by next().
void Scheduler::remove(StreamId id) { streams_.erase(id); }

void Scheduler::ready(StreamId id) {
  const auto found = streams_.find(id);
  if (found == streams_.end() || found->second.queued != 0) return;
  Stream& stream = found->second;
  Class& queue = classes_[std::size_t(stream.stream_class)];
  const std::uint64_t last_bytes = stream.finish - stream.start;
  stream.start = stream.finish = std::max(queue.now, stream.finish);
  stream.queued = ++sequence_;
  queue.turns.push({stream.start + last_bytes, stream.queued, id});
}

std::optional<Scheduler::StreamId> Scheduler::next() {
  for (Class& queue : classes_) {
    while (!queue.turns.empty()) {
      const Turn turn = queue.turns.top();
      queue.turns.pop();
      const auto found = streams_.find(turn.id);
      if (found == streams_.end() || found->second.queued != turn.sequence) continue;
      found->second.queued = 0;
      queue.now = std::max(queue.now, found->second.start);
      return turn.id;
    }
  }
  return std::nullopt;
}

void Scheduler::charge(StreamId id, std::size_t bytes) {
  const auto found = streams_.find(id);
  if (found != streams_.end()) found->second.finish += bytes;
}

}  // namespace oob
