// Spool: what overflows from a line's ring while the server is away, in files on the agent's disk: at most four
// segments, each of a quarter of limits::spool_bytes_max; the oldest segment goes first. Written and read by plain
// calls, so that a failing disk costs records (which a reader is told) and never the agent. It serves one incarnation;
// after a reboot, which takes the ring, it is what is left of it (line_store.h).
#pragma once
#include <string>
#include <vector>

#include "agents/ring.h"

namespace oob {

class Spool {
 public:
  // Files are `<path>.0` to `<path>.3`; those of another incarnation, or not sound, are removed. No file is made
  // before the first append(). Segments are numbered from `first_number` on, to tell older spools from newer ones.
  Spool(std::string path, std::uint64_t incarnation, std::size_t bytes_max, std::uint64_t first_number = 1);
  // The incarnation that a segment's file says it is of; 0: it is none.
  static std::uint64_t incarnation_of(const std::string& file);
  ~Spool();
  Spool(const Spool&) = delete;
  Spool& operator=(const Spool&) = delete;

  // False: the disk refused and the record is lost. One that is here already is left out.
  bool append(const RingRecord& record);
  void release(std::uint64_t offset, std::uint64_t event_sequence = 0);  // as Ring::release; frees whole segments
  void remove();

  bool empty() const { return segments_.empty(); }
  std::uint64_t begin() const { return segments_.front().first_offset; }  // of a spool that is not empty
  std::uint64_t end() const { return segments_.back().end_offset; }
  std::int64_t last_wall_ms() const { return segments_.back().last_wall_ms; }
  std::uint64_t next_number() const { return next_number_; }
  std::uint64_t incarnation() const { return incarnation_; }
  std::size_t bytes() const;

  // As Ring::find; payload valid until the next call of any kind. A part that cannot be read is passed over.
  std::optional<RingRecord> find(std::uint64_t sequence, std::uint64_t& hint) const;
  // The sequence number of the first record at or after `offset` (or containing it); 0 if there is none.
  std::uint64_t sequence_at(std::uint64_t offset) const;

 private:
  struct Segment {
    std::uint64_t number = 0;  // ascending; number % 4 names the file
    int fd = -1;
    std::size_t bytes = 0;
    std::uint64_t first_sequence = 0, last_sequence = 0, first_offset = 0;
    std::uint64_t released_from = 0;               // an acknowledged offset of at least this frees the segment
    std::uint64_t end_offset = 0, last_event = 0;  // or this one, if this event was acknowledged too
    std::int64_t last_wall_ms = 0;
  };
  struct Head;
  std::string file_of(std::uint64_t number) const;
  void load(unsigned slot);
  bool begin_segment();
  void drop_oldest();
  static void note(Segment& segment, const RingRecord& record);
  std::optional<RingRecord> read(const Segment& segment, std::size_t at) const;

  std::string path_;
  std::uint64_t incarnation_;
  std::size_t segment_bytes_max_;
  std::vector<Segment> segments_;  // oldest first
  std::uint64_t next_number_;      // never used twice, or a hint could lead into the wrong segment
  bool cut_ = false;               // the last segment ends in something half written
  mutable Bytes block_;            // of the file last read, from block_at_ on
  mutable std::uint64_t block_of_ = 0;
  mutable std::size_t block_at_ = 0;
};

}  // namespace oob
