// Ring: what one line said and oobd has not yet logged, as records in a shared mapping on tmpfs, so that it survives
// kill -9 of the agent. Bytes are numbered by offset within an incarnation; events stand between them in order.
// One writer (the agent's shard), which is also the reader. Not for more than one process at a time (flock on the file).
// Limits: size given at open (limits::ring_bytes_max); pages are touched as used, and given back by trim().
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
  enum class Kind : std::uint8_t { Data = 1, Up, Down, Lost, Unknown, Break };  // as wire::LineEvent::Kind
  Kind kind = Kind::Data;
  std::uint64_t offset = 0;   // of the first byte; of an event: of the byte that follows it
  std::int64_t wall_ms = 0;
  std::uint64_t lost_bytes = 0;  // Lost only
  ByteView payload;           // data, or an event's text; valid until the ring is next changed
};

class Ring {
 public:
  // Opens or makes the file. A file that is not a sound ring of this size is replaced (new incarnation);
  // `found()` tells whether an earlier ring was taken over.
  static Result<Ring> open(const std::string& path, std::size_t bytes);
  Ring(Ring&&) noexcept;
  Ring& operator=(Ring&&) noexcept;
  ~Ring();  // the file stays
  void remove();  // unlinks the file

  bool found() const;
  std::uint64_t incarnation() const;
  std::uint64_t begin() const;  // offset of the oldest byte kept
  std::uint64_t end() const;    // offset of the next byte
  std::size_t used_bytes() const;
  std::size_t capacity_bytes() const;
  bool empty() const;  // no records at all

  // Appends; where room is missing the oldest records go first: to `spill` if set, else they are lost, which is
  // remembered as one Lost record at the front. Data longer than half the ring is split.
  void append(ByteView data, std::int64_t wall_ms);
  void append_event(RingRecord::Kind kind, std::string_view text, std::int64_t wall_ms);
  void on_spill(std::function<void(const RingRecord&)> spill);

  // Everything before `offset` is in oobd's log: forget it (and events before it). Less than begin() is nothing;
  // more than end() is end().
  void release(std::uint64_t offset);
  // Gives unused pages back to the kernel; cheap when there are none.
  void trim();

  // Reading: a cursor names a record that has not been sent; it stays valid across append and release (a cursor whose
  // record is gone moves to the oldest kept).
  struct Cursor {
    std::uint64_t sequence = 0;  // of the record: counts all records ever appended
    std::uint32_t skip = 0;      // bytes of a Data record already sent
  };
  Cursor cursor_at(std::uint64_t offset) const;  // first record at or after it (or containing it)
  // The record at the cursor (payload, offset past `skip`), nothing if all was read.
  std::optional<RingRecord> read(Cursor& at) const;
  void advance(Cursor& at, std::size_t payload_bytes) const;  // by part of a Data record, or past the record

 private:
  struct Mapping;
  explicit Ring(std::unique_ptr<Mapping> mapping);
  std::unique_ptr<Mapping> mapping_;
};

}  // namespace oob
