// Ring: what one line said and oobd has not yet logged, as records in a shared mapping on tmpfs, so that it survives
// kill -9 of the agent. Bytes are numbered by offset within an incarnation; events stand between them in order.
// One writer (the agent's shard), which is also the reader. Not for more than one process at a time (flock on the
// file). Limits: size given at open (limits::ring_bytes_max); pages are touched as used, and given back by trim().
#pragma once
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "common/bytes.h"
#include "common/clock.h"
#include "common/result.h"

namespace oob {

struct RingRecord {
  enum class Kind : std::uint8_t { Data = 1, Up, Down, Lost, Unknown, Break, Note };  // as wire::LineEvent::Kind
  Kind kind = Kind::Data;
  std::uint64_t offset = 0;  // of the first byte; of an event: of the byte that follows it; Lost: of the first lost one
  std::int64_t wall_ms = 0;
  std::uint64_t lost_bytes = 0;  // Lost only
  ByteView payload;              // data, or an event's text; valid until the ring is next changed
  std::uint64_t sequence = 0;    // counts all records ever appended, from 1; Lost: 0, it is not a record but their lack
};

// Names what has not been sent: the record, and the byte. Valid across append, release and the move of records to a
// spool; where bytes it still wanted are gone, reading tells so by a Lost record, exactly.
struct RingCursor {
  std::uint64_t sequence = 0;  // of the record wanted; one that is gone: the oldest after it
  std::uint64_t offset = 0;    // of the byte wanted
  std::uint64_t hint = 0;      // where the record was last seen; 0: look for it
};

// What a reader at `at` gets, where `next` is the first record kept from at.sequence on (none: all was read) and `end`
// the line's offset: a Lost record for bytes that are missing before it, or the record without what was already sent.
std::optional<RingRecord> what_follows(const RingCursor& at, const std::optional<RingRecord>& next, std::uint64_t end,
                                       std::int64_t wall_ms);

class Ring {
 public:
  // Opens or makes the file. A file that is not a sound ring of this size is replaced (new incarnation);
  // `found()` tells whether an earlier ring was taken over. Errors: Conflict if another process has it.
  static Result<Ring> open(const std::string& path, std::size_t bytes);
  Ring(Ring&&) noexcept;
  Ring& operator=(Ring&&) noexcept;
  ~Ring();        // the file stays
  void remove();  // unlinks the file

  bool found() const;
  std::uint64_t incarnation() const;
  std::uint64_t begin() const;          // offset of the oldest byte kept
  std::uint64_t end() const;            // offset of the next byte
  std::uint64_t next_sequence() const;  // of the next record
  std::int64_t last_wall_ms() const;    // of the last append
  std::size_t used_bytes() const;
  std::size_t capacity_bytes() const;
  bool empty() const;  // no records at all

  // Appends; where room is missing the oldest records go first: to `spill` if set, else they are lost. So is what comes
  // while tmpfs has no page left: offsets go on, and a reader gets a Lost record. Long data is split.
  void append(ByteView data, std::int64_t wall_ms);
  void append_event(RingRecord::Kind kind, std::string_view text, std::int64_t wall_ms);
  void on_spill(std::function<void(const RingRecord&)> spill);

  // Everything before `offset` is in oobd's log, and every event up to the record `event_sequence`: forget it. Less
  // than begin() is nothing; more than end() is end(). Whole records go; begin() may be less than `offset`.
  void release(std::uint64_t offset, std::uint64_t event_sequence = 0);
  // Gives unused pages back to the kernel once they are limits::ring_trim_bytes; cheap when they are fewer. Of a line
  // that has fallen silent, all of them.
  void trim(bool silent = false);

  using Cursor = RingCursor;
  Cursor cursor_at(std::uint64_t offset) const;  // first record at or after it (or containing it)
  // What follows the cursor (payload and offset past what was sent); nothing if all was read.
  std::optional<RingRecord> read(Cursor& at) const;
  // Behind `payload_bytes` of what read() gave: part of a Data record, or past the record (event, Lost, all of it).
  void advance(Cursor& at, std::size_t payload_bytes) const;

  // The first record with this sequence number or a later one; `hint` as in RingCursor, set anew.
  std::optional<RingRecord> find(std::uint64_t sequence, std::uint64_t& hint) const;

 private:
  struct Mapping;
  explicit Ring(std::unique_ptr<Mapping> mapping);
  std::unique_ptr<Mapping> mapping_;
};

// advance() for any reader: `given` is what it was given at `at`, of which it took `payload_bytes`.
void advance_cursor(RingCursor& at, const RingRecord& given, std::size_t payload_bytes);

}  // namespace oob
