// A segment: a head, then records one behind the other, each with its length. A record whose end lies beyond the file's
// was cut by a crash and is not there.
#include "agents/spool.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <system_error>

#include "common/limits.h"
#include "common/log.h"

namespace oob {
namespace {

constexpr std::uint64_t kMagic = 0x316c6f6f7073626f;  // "obspool1"
constexpr unsigned kSegments = 4;
constexpr std::size_t kBlockBytes = 128 * 1024;

struct RecordHead {
  std::uint32_t bytes;
  std::uint8_t kind, unused[3];
  std::uint64_t sequence, offset;
  std::int64_t wall_ms;
};

}  // namespace

struct Spool::Head {
  std::uint64_t magic, incarnation, number;
};

Spool::Spool(std::string path, std::uint64_t incarnation, std::size_t bytes_max, std::uint64_t first_number)
    : path_(std::move(path)),
      incarnation_(incarnation),
      segment_bytes_max_(bytes_max / kSegments),
      next_number_(first_number) {
  for (unsigned slot = 0; slot < kSegments; ++slot) load(slot);
  std::sort(segments_.begin(), segments_.end(), [](const auto& a, const auto& b) { return a.number < b.number; });
  for (std::size_t i = 1; i < segments_.size(); ++i) {
    if (segments_[i].first_sequence > segments_[i - 1].last_sequence) continue;
    remove();
    break;
  }
  if (!segments_.empty()) next_number_ = std::max(next_number_, segments_.back().number + 1);
}

Spool::~Spool() {
  for (const Segment& segment : segments_) ::close(segment.fd);
}

std::string Spool::file_of(std::uint64_t number) const { return path_ + "." + std::to_string(number % kSegments); }

void Spool::note(Segment& segment, const RingRecord& record) {
  const bool data = record.kind == RingRecord::Kind::Data;
  if (segment.first_sequence == 0) segment.first_sequence = record.sequence, segment.first_offset = record.offset;
  segment.last_sequence = record.sequence;
  // An event at the acknowledged offset may not have been heard of.
  segment.released_from = std::max(segment.released_from, record.offset + (data ? record.payload.size() : 1));
  segment.end_offset = record.offset + (data ? record.payload.size() : 0);
  if (!data) segment.last_event = record.sequence;
  segment.last_wall_ms = record.wall_ms;
}

std::uint64_t Spool::incarnation_of(const std::string& file) {
  const int fd = ::open(file.c_str(), O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
  if (fd < 0) return 0;
  Head head{};
  const bool read = ::pread(fd, &head, sizeof head, 0) == sizeof head && head.magic == kMagic;
  ::close(fd);
  return read ? head.incarnation : 0;
}

void Spool::load(unsigned slot) {
  const std::string file = file_of(slot);
  Segment segment;
  segment.fd = ::open(file.c_str(), O_RDWR | O_CLOEXEC | O_NOFOLLOW);
  if (segment.fd < 0) return;
  Head head{};
  struct stat status {};
  bool sound = ::fstat(segment.fd, &status) == 0 && S_ISREG(status.st_mode) &&
               ::pread(segment.fd, &head, sizeof head, 0) == sizeof head && head.magic == kMagic &&
               head.incarnation == incarnation_ && head.number % kSegments == slot && head.number > 0 &&
               head.number >> 32 == 0;
  if (sound) {
    segment.number = head.number;
    segment.bytes = std::size_t(status.st_size);
    std::size_t at = sizeof head;
    std::uint64_t offset = 0;
    while (const auto record = read(segment, at)) {
      if (record->sequence <= segment.last_sequence || record->offset < offset) break;
      note(segment, *record);
      offset = record->offset;
      at += sizeof(RecordHead) + record->payload.size();
    }
    segment.bytes = at;
    block_of_ = 0;
    sound = segment.first_sequence != 0 && ::ftruncate(segment.fd, off_t(at)) == 0;
  }
  if (sound) {
    segments_.push_back(segment);
  } else {
    ::close(segment.fd);
    ::unlink(file.c_str());
  }
}

std::size_t Spool::bytes() const {
  std::size_t sum = 0;
  for (const Segment& segment : segments_) sum += segment.bytes;
  return sum;
}

void Spool::drop_oldest() {
  if (block_of_ == segments_.front().number) block_of_ = 0;
  ::unlink(file_of(segments_.front().number).c_str());
  ::close(segments_.front().fd);
  segments_.erase(segments_.begin());
  if (segments_.empty()) block_ = Bytes();
}

void Spool::remove() {
  while (!segments_.empty()) drop_oldest();
}

void Spool::release(std::uint64_t offset, std::uint64_t event_sequence) {
  const auto is_logged = [&](const Segment& segment) {
    return segment.released_from <= offset || (segment.end_offset <= offset && segment.last_event <= event_sequence);
  };
  while (!segments_.empty() && is_logged(segments_.front())) drop_oldest();
}

bool Spool::begin_segment() {
  if (segments_.size() == kSegments) drop_oldest();
  Segment segment;
  segment.number = next_number_++;
  const std::string file = file_of(segment.number);
  segment.fd = ::open(file.c_str(), O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600);
  const Head head{kMagic, incarnation_, segment.number};
  const bool made = segment.fd >= 0 && ::pwrite(segment.fd, &head, sizeof head, 0) == sizeof head;
  if (!made) {
    log_limited(LogLevel::Error, "spool", "disk", "output overflows and cannot be kept on disk; it is lost",
                {{"file", file}, {"reason", std::generic_category().message(errno)}});
    if (segment.fd >= 0) ::close(segment.fd), ::unlink(file.c_str());
    return false;
  }
  segment.bytes = sizeof head;
  segments_.push_back(segment);
  cut_ = false;
  return true;
}

bool Spool::append(const RingRecord& record) {
  if (!segments_.empty() && record.sequence <= segments_.back().last_sequence) return true;
  const std::size_t bytes = sizeof(RecordHead) + record.payload.size();
  const bool fits = !segments_.empty() && !cut_ && segments_.back().bytes + bytes <= segment_bytes_max_;
  if (!fits && !begin_segment()) return false;
  Segment& segment = segments_.back();
  RecordHead head{std::uint32_t(record.payload.size()),
                  std::uint8_t(record.kind),
                  {},
                  record.sequence,
                  record.offset,
                  record.wall_ms};
  const iovec parts[2] = {{&head, sizeof head}, {const_cast<std::byte*>(record.payload.data()), record.payload.size()}};
  const ssize_t written = ::pwritev(segment.fd, parts, 2, off_t(segment.bytes));
  if (written == ssize_t(bytes)) {
    segment.bytes += bytes;
    note(segment, record);
    return true;
  }
  log_limited(LogLevel::Error, "spool", "disk", "output overflows and cannot be kept on disk; it is lost",
              {{"file", path_}, {"reason", std::generic_category().message(written < 0 ? errno : ENOSPC)}});
  if (segment.first_sequence == 0) {  // nothing in it: not a segment
    ::unlink(file_of(segment.number).c_str());
    ::close(segment.fd);
    segments_.pop_back();
  } else {
    cut_ = ::ftruncate(segment.fd, off_t(segment.bytes)) != 0;
  }
  return false;
}

// --- reading ---

std::optional<RingRecord> Spool::read(const Segment& segment, std::size_t at) const {
  RecordHead head{};
  for (int again = 0;; ++again) {
    const bool here = block_of_ == segment.number && at >= block_at_ && at + sizeof head <= block_at_ + block_.size();
    if (here) std::memcpy(&head, block_.data() + (at - block_at_), sizeof head);
    if (here && at - block_at_ + sizeof head + head.bytes <= block_.size()) break;
    if (again || (here && head.bytes > limits::ring_record_bytes_max) || at >= segment.bytes) return {};
    block_.resize(std::min(kBlockBytes, segment.bytes - at));
    const ssize_t n = ::pread(segment.fd, block_.data(), block_.size(), off_t(at));
    block_.resize(std::max<ssize_t>(n, 0));
    block_of_ = segment.number;
    block_at_ = at;
  }
  if (head.kind < 1 || head.kind > std::uint8_t(RingRecord::Kind::Note) || head.sequence == 0) return {};
  return RingRecord{RingRecord::Kind(head.kind),
                    head.offset,
                    head.wall_ms,
                    0,
                    ByteView(block_).subspan(at - block_at_ + sizeof head, head.bytes),
                    head.sequence};
}

// The hint: the segment's number and the place in it.
std::optional<RingRecord> Spool::find(std::uint64_t sequence, std::uint64_t& hint) const {
  for (const Segment& segment : segments_) {
    if (segment.last_sequence < sequence) continue;
    std::size_t at = hint >> 32 == segment.number ? hint & 0xFFFFFFFF : sizeof(Head);
    auto record = read(segment, at);
    if (!record || record->sequence > sequence) record = read(segment, at = sizeof(Head));
    while (record && record->sequence < sequence) {
      at += sizeof(RecordHead) + record->payload.size();
      record = read(segment, at);
    }
    hint = segment.number << 32 | at;
    if (record) return record;
  }
  return {};
}

std::uint64_t Spool::sequence_at(std::uint64_t offset) const {
  std::uint64_t sequence = 0, hint = 0;
  while (const auto record = find(sequence, hint)) {
    const bool data = record->kind == RingRecord::Kind::Data;
    const std::uint64_t end = record->offset + (data ? record->payload.size() : 0);
    if (end > offset || (!data && end == offset)) return record->sequence;
    sequence = record->sequence + 1;
  }
  return 0;
}

}  // namespace oob
