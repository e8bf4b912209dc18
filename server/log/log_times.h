// Where in a log a span of time is. A `time` marker stands at the first line that begins a second or more after the one
// before, and numbers how often the clock had gone back, so that a file is a sequence of stretches in which times only
// grow: each is found by bisecting, however large the file is and whatever the clock did.
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

// Output of `since` to `until`, both inclusive and exact to a second. On a thread that may block.
LogSpans find_spans(const LogView& view, WallTime since, WallTime until, WallTime now);

}  // namespace oob
