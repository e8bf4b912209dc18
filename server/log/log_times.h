// Where in a log a span of time is. A `time` marker stands at the first line of each second, and numbers how often the
// clock had gone back, so that a file is a sequence of stretches in which times only grow: each is found by bisecting,
// however large the file is and whatever the clock did.
#pragma once
#include <vector>

#include "server/log/log_reader.h"

namespace oob {

struct LogSpan {
  std::uint64_t from = 0, to = UINT64_MAX;  // offsets; `to` at its largest: to the end, and on
};

struct LogSpans {
  std::vector<LogSpan> spans;           // in order; none: nothing was said then
  std::optional<WallTime> first, last;  // of all the log's times, as far as its ends tell; for a message
};

// The first and the last moment of a time's second: spans are exact to a second.
inline WallTime second_begin(WallTime time) {
  return time == WallTime::min() ? time : std::chrono::floor<std::chrono::seconds>(time);
}
inline WallTime second_end(WallTime time) {
  return time == WallTime::max() ? time : second_begin(time) + std::chrono::seconds(1) - Duration(1);
}

// Output of `since` to `until`, both inclusive and exact to a second. On a thread that may block.
LogSpans find_spans(const LogView& view, WallTime since, WallTime until, WallTime now);

}  // namespace oob
