// LineStore: all that one line said and oobd has not logged: the ring, and before it what spilled to disk while the
// server was away. One interface for LineHost (which appends) and the tunnel (which reads and releases). On the shard.
// What neither could keep is told to a reader as a Lost record, exact to the byte.
#pragma once
#include <memory>
#include <string>

#include "agents/ring.h"
#include "agents/spool.h"

namespace oob {

class LineStore {
 public:
  // `<rings_folder>/<name>.ring` (tmpfs) and `<spool_folder>/<name>.spool.N` (disk); the folders are made (0700) if
  // missing. `name` was checked by the grammar. A ring that an earlier agent left is taken over, and an Unknown record
  // says that output may be missing, unless the line was down.
  static Result<std::unique_ptr<LineStore>> open(const std::string& rings_folder, const std::string& spool_folder,
                                                 const std::string& name);
  LineStore(const LineStore&) = delete;
  LineStore& operator=(const LineStore&) = delete;

  bool found() const { return ring_.found(); }
  std::uint64_t incarnation() const { return ring_.incarnation(); }
  std::uint64_t begin() const { return spool_.empty() ? ring_.begin() : spool_.begin(); }
  std::uint64_t end() const { return ring_.end(); }

  void append(ByteView data, std::int64_t wall_ms) { ring_.append(data, wall_ms); }
  // Up, Down, Unknown, Break, Note. A Lost record is made by reading, where bytes are missing.
  void append_event(RingRecord::Kind kind, std::string_view text, std::int64_t wall_ms) {
    ring_.append_event(kind, text, wall_ms);
  }
  // Away (as at first): what overflows goes to disk. Else the disk is never touched, and what overflows is lost.
  void set_server_away(bool away) { away_ = away; }
  bool nearly_full() const { return ring_.used_bytes() >= ring_.capacity_bytes() / 4 * 3; }
  // Everything before `offset` is logged, and every event up to `event_sequence`. An acknowledgement of another
  // incarnation means nothing here.
  void release(std::uint64_t incarnation, std::uint64_t offset, std::uint64_t event_sequence = 0);

  struct Cursor : RingCursor {
    std::uint64_t spool_hint = 0;
  };
  // At this byte, and at the events that stand right before it. An offset before begin() is told as a Lost record.
  Cursor cursor_at(std::uint64_t offset) const;
  // The next record (payload valid until the store is next used), nothing if all was read.
  std::optional<RingRecord> read(Cursor& at) const;
  // Behind `payload_bytes` of what read() gave: less than all of a Data record stays in it.
  void advance(Cursor& at, std::size_t payload_bytes) const;

  void remove();  // the files; the line is no longer wanted
  std::size_t ring_bytes() const { return ring_.used_bytes(); }
  std::size_t spool_bytes() const { return spool_.bytes(); }
  void trim(bool silent = false) { ring_.trim(silent); }

 private:
  LineStore(Ring ring, std::string spool_path);
  Ring ring_;
  Spool spool_;
  bool away_ = true;
};

}  // namespace oob
