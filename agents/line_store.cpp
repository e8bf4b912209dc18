// See line_store.h. Ring and spool count records by the same sequence numbers, so a cursor need not know where one is.
#include "agents/line_store.h"

#include <sys/stat.h>

#include "common/limits.h"

namespace oob {

Result<std::unique_ptr<LineStore>> LineStore::open(const std::string& rings_folder, const std::string& spool_folder,
                                                   const std::string& name) {
  for (const std::string& folder : {rings_folder, spool_folder}) ::mkdir(folder.c_str(), 0700);  // or open() says why
  auto ring = Ring::open(rings_folder + "/" + name + ".ring", limits::ring_bytes_max);
  if (!ring) return tl::unexpected(ring.error());
  auto store = std::unique_ptr<LineStore>(new LineStore(std::move(*ring), spool_folder + "/" + name + ".spool"));
  // A line that was down when the agent ended had nothing more to say.
  std::uint64_t hint = 0;
  const auto last = store->ring_.find(store->ring_.next_sequence() - 1, hint);
  const bool was_down = last && last->kind == RingRecord::Kind::Down;
  if (store->found() && !was_down) {
    store->append_event(RingRecord::Kind::Unknown, "agent restarted; output may be missing",
                        wall_ms(SystemClock().wall()));
  }
  return store;
}

LineStore::LineStore(Ring ring, std::string spool_path)
    : ring_(std::move(ring)), spool_(std::move(spool_path), ring_.incarnation(), limits::spool_bytes_max) {
  ring_.on_spill([this](const RingRecord& record) {
    if (away_) spool_.append(record);
  });
}

void LineStore::release(std::uint64_t incarnation, std::uint64_t offset, std::uint64_t event_sequence) {
  if (incarnation != ring_.incarnation()) return;
  spool_.release(offset);
  ring_.release(offset, event_sequence);
}

LineStore::Cursor LineStore::cursor_at(std::uint64_t offset) const {
  Cursor cursor{ring_.cursor_at(offset)};
  if (spool_.empty()) return cursor;
  if (const std::uint64_t sequence = spool_.sequence_at(cursor.offset)) cursor.sequence = sequence;
  return cursor;
}

std::optional<RingRecord> LineStore::read(Cursor& at) const {
  auto next = spool_.find(at.sequence, at.spool_hint);
  if (!next) next = ring_.find(at.sequence, at.hint);
  return what_follows(at, next, ring_.end(), ring_.last_wall_ms());
}

void LineStore::advance(Cursor& at, std::size_t payload_bytes) const {
  if (const auto given = read(at)) advance_cursor(at, *given, payload_bytes);
}

void LineStore::remove() {
  spool_.remove();
  ring_.remove();
}

}  // namespace oob
