// LineStore: all that one line said and oobd has not logged: the ring; before it what spilled to disk while the server
// was away; and before that, the spools of rings that a reboot of the machine took with it. One interface for LineHost
// (which appends) and the tunnel (which reads and releases). On the shard.
// What neither could keep is told to a reader as a Lost record, exact to the byte.
#pragma once
#include <memory>
#include <string>
#include <vector>

#include "agents/ring.h"
#include "agents/spool.h"

namespace oob {

class LineStore {
 public:
  // `<rings_folder>/<name>.ring` (tmpfs) and `<spool_folder>/<name>.<incarnation>.spool.N` (disk); the folders are made
  // (0700) if missing. `name` was checked by the grammar. A ring that an earlier agent left is taken over, and an
  // Unknown record says that output may be missing, unless the line was down. Of rings that are gone, the spools of the
  // last limits::spools_earlier_max are read.
  static Result<std::unique_ptr<LineStore>> open(const std::string& rings_folder, const std::string& spool_folder,
                                                 const std::string& name);
  LineStore(const LineStore&) = delete;
  LineStore& operator=(const LineStore&) = delete;

  bool found() const { return ring_.found(); }
  std::uint64_t incarnation() const { return ring_.incarnation(); }
  std::uint64_t begin() const { return spool_.empty() ? ring_.begin() : spool_.begin(); }  // of this incarnation
  std::uint64_t end() const { return ring_.end(); }
  bool drained() const { return earlier_.empty() && begin() == end(); }  // all bytes were acknowledged

  void append(ByteView data, std::int64_t wall_ms) { ring_.append(data, wall_ms); }
  // Up, Down, Unknown, Break, Note. A Lost record is made by reading, where bytes are missing.
  void append_event(RingRecord::Kind kind, std::string_view text, std::int64_t wall_ms) {
    ring_.append_event(kind, text, wall_ms);
  }
  // Away (as at first): what overflows goes to disk. Else the disk is never touched, and what overflows is lost.
  void set_server_away(bool away) { away_ = away; }
  // The agent ends: bytes that were not acknowledged go to disk, for the machine may go down as well.
  void save();
  bool nearly_full() const { return ring_.used_bytes() >= ring_.capacity_bytes() / 4 * 3; }
  // Everything before `offset` is logged, and every event up to `event_sequence`; and all of incarnations before. An
  // acknowledgement of another incarnation means nothing here.
  void release(std::uint64_t incarnation, std::uint64_t offset, std::uint64_t event_sequence = 0);

  struct Cursor : RingCursor {
    std::uint64_t incarnation = 0;
    std::uint64_t spool_hint = 0;
  };
  // Where a reader goes on that has everything before `offset` of `incarnation`: there, if that is here, else at the
  // oldest that is kept.
  Cursor resume(std::uint64_t incarnation, std::uint64_t offset) const;
  // At this byte of this incarnation, and at the events that stand right before it. An offset before begin() is told as
  // a Lost record.
  Cursor cursor_at(std::uint64_t offset) const;
  // The next record (payload valid until the store is next used), nothing if all of its incarnation was read.
  std::optional<RingRecord> read(Cursor& at) const;
  // Behind `payload_bytes` of what read() gave: less than all of a Data record stays in it.
  void advance(Cursor& at, std::size_t payload_bytes) const;
  // The beginning of the incarnation after that of `at`; nothing if it is the present one.
  std::optional<Cursor> next_incarnation(const Cursor& at) const;

  void remove();  // the files; the line is no longer wanted
  std::size_t ring_bytes() const { return ring_.used_bytes(); }
  std::size_t spool_bytes() const;
  void trim(bool silent = false) { ring_.trim(silent); }

 private:
  using Spools = std::vector<std::unique_ptr<Spool>>;
  LineStore(Ring ring, Spools earlier, std::string spool_path);
  const Spool* find_earlier(std::uint64_t incarnation) const;
  static Cursor begin_of(const Spool& earlier);

  Ring ring_;
  Spools earlier_;  // none empty, oldest first
  Spool spool_;
  bool away_ = true;
};

}  // namespace oob
