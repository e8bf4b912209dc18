// See log_times.h.
#include "server/log/log_times.h"

#include "common/limits.h"

namespace oob {
namespace {

constexpr std::size_t kStepBytes = 4096;  // a window so small is looked through marker by marker

struct TimeMarker {
  std::size_t at;  // in the file; the limit: there is none
  LogMarker marker;
};

TimeMarker time_marker_after(const LogView& view, std::size_t from, std::size_t limit) {
  TimeMarker found{from, {}};
  while (true) {
    found.at = marker_after(view, found.at, limit, found.marker);
    if (found.at >= limit || found.marker.kind == LogEvent::Kind::Time) return found;
    ++found.at;
  }
}

// The first time marker of [low, limit) that `reached` is true for; it is for all after it, too.
template <typename Reached>
TimeMarker first_reached(const LogView& view, std::size_t low, std::size_t limit, Reached reached) {
  TimeMarker best{limit, {}};
  std::size_t high = limit;
  while (low < high) {
    const std::size_t middle = high - low > kStepBytes ? low + (high - low) / 2 : low;
    TimeMarker found = time_marker_after(view, middle, high);
    if (found.at < high && !reached(found.marker)) {
      low = found.at + 1;
      continue;
    }
    if (found.at < high) best = std::move(found);
    if (middle == low) break;
    high = middle;
  }
  return best;
}

}  // namespace

LogSpans find_spans(const LogView& view, WallTime since, WallTime until, WallTime now) {
  LogSpans out;
  const std::uint64_t end = view.end.log_offset;
  const std::size_t limit = view.file ? view.file_bytes : 0;
  since = second_begin(since), until = second_end(until);
  TimeMarker stretch = time_marker_after(view, 0, limit);
  if (stretch.at < limit) out.first = stretch.marker.time;
  for (std::size_t n = 0; n < limits::log_spans_max && stretch.at < limit; ++n) {
    const std::uint64_t backs = clock_set_back(stretch.marker);
    const TimeMarker next =
        first_reached(view, stretch.at, limit, [&](const LogMarker& m) { return clock_set_back(m) > backs; });
    const bool is_last = next.at >= limit;
    const TimeMarker begin =
        first_reached(view, stretch.at, next.at, [&](const LogMarker& m) { return m.time >= since; });
    const TimeMarker after =
        first_reached(view, stretch.at, next.at, [&](const LogMarker& m) { return m.time > until; });
    const std::uint64_t stretch_end = is_last ? UINT64_MAX : next.marker.at.log_offset;
    if (begin.at < after.at) {
      out.spans.push_back({begin.marker.at.log_offset, after.at < next.at ? after.marker.at.log_offset : stretch_end});
    } else if (is_last && after.at >= next.at && since <= now) {
      out.spans.push_back({end, UINT64_MAX});  // what comes, and what happened since the last output
    }
    if (is_last) break;
    stretch = next;
  }
  if (!out.first && since <= now) out.spans.push_back({});
  LogMarker last;
  if (marker_after(view, view.marker_at, limit, last) < limit) out.last = last.time;
  return out;
}

}  // namespace oob
