// The ring's file: one page of head with two states, then the records. A change writes what is new where the current
// state does not look, then the other state, then, by one store, which state holds. So kill -9 between any two
// instructions leaves either the state before or the one after. (A machine that stops takes tmpfs with it.)
#include "agents/ring.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

#include <atomic>
#include <cassert>
#include <cerrno>
#include <system_error>
#include <vector>

#include "common/limits.h"
#include "common/text.h"

namespace oob {
namespace {

constexpr std::uint64_t kMagic = 0x31676e6972626f6f;  // "oobring1"
constexpr std::size_t kPage = 4096;

// Positions count bytes since the ring was made and are never reused; modulo the capacity they say where in the file.
struct State {
  std::uint64_t head = 0, tail = 0;                     // positions; tail: the oldest record's
  std::uint64_t first_sequence = 1, next_sequence = 1;  // of the records kept
  std::uint64_t end_offset = 0;
  std::int64_t wall_ms = 0;
};

struct Head {
  std::uint64_t magic, capacity, incarnation;
  std::uint64_t current;  // its lowest bit says which state holds
  State states[2];
};
static_assert(sizeof(Head) <= kPage);

struct RecordHead {
  std::uint32_t bytes;  // of the payload
  std::uint8_t kind;    // RingRecord::Kind; 0: nothing more up to the area's end
  std::uint8_t unused[3];
  std::uint64_t sequence, offset;
  std::int64_t wall_ms;
};

std::size_t padded(std::size_t bytes) { return (sizeof(RecordHead) + bytes + 7) & ~std::size_t{7}; }

}  // namespace

struct Ring::Mapping {
  std::string path;
  int fd = -1;
  std::byte* base = nullptr;
  std::size_t capacity = 0;
  bool found = false;
  State now;
  std::uint64_t begin_offset = 0;  // of the record at tail; end_offset if there is none
  std::vector<bool> pages;         // of the area, known to be allocated: writing there cannot fail
  std::size_t pages_allocated = 0;
  std::function<void(const RingRecord&)> spill;

  ~Mapping() {
    if (base) ::munmap(base, kPage + capacity);
    if (fd >= 0) ::close(fd);
  }
  Head& head() const { return *reinterpret_cast<Head*>(base); }
  std::byte* area(std::uint64_t position) const { return base + kPage + position % capacity; }
  std::size_t to_wrap(std::uint64_t position) const { return capacity - position % capacity; }

  RecordHead record_head(std::uint64_t position) const {
    RecordHead head_copy;
    std::memcpy(&head_copy, area(position), sizeof head_copy);
    return head_copy;
  }
  // Skips the unused end of the area: a position where a record can stand, or the head.
  std::uint64_t record_position(std::uint64_t position) const {
    if (position >= now.head) return now.head;
    const bool end = to_wrap(position) < sizeof(RecordHead) || record_head(position).kind == 0;
    return end ? position + to_wrap(position) : position;
  }
  std::uint64_t after(std::uint64_t position) const {
    return record_position(position + padded(record_head(position).bytes));
  }
  RingRecord record(std::uint64_t position) const {
    const RecordHead head_copy = record_head(position);
    return {RingRecord::Kind(head_copy.kind),
            head_copy.offset,
            head_copy.wall_ms,
            0,
            ByteView(area(position) + sizeof(RecordHead), head_copy.bytes),
            head_copy.sequence};
  }

  void commit(const State& next) {
    now = next;
    std::uint64_t current = head().current + 1;
    head().states[current & 1] = next;
    std::atomic_ref<std::uint64_t>(head().current).store(current, std::memory_order_release);
    begin_offset = now.tail == now.head ? now.end_offset : record_head(now.tail).offset;
  }

  Result<> make(std::size_t bytes);
  bool take_over();
  void punch_all_but(const std::vector<bool>& kept);
  bool allocate(std::uint64_t position, std::size_t bytes);
  void evict();
  void add(RingRecord::Kind kind, ByteView payload, std::size_t stream_bytes, std::int64_t wall_ms);
};

// --- opening ---

Result<> Ring::Mapping::make(std::size_t bytes) {
  const auto refuse = [&](const char* what) {
    return fail(ErrorCode::Unavailable, std::string("cannot ") + what + " the ring " + escape_controls(path) + ": " +
                                            std::generic_category().message(errno));
  };
  fd = ::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
  if (fd < 0) return refuse("open");
  if (::flock(fd, LOCK_EX | LOCK_NB) != 0) {
    return fail(ErrorCode::Conflict, "another oob-agent uses the ring " + escape_controls(path) + "; stop it first");
  }
  capacity = bytes;
  struct stat status {};
  const bool sized = ::fstat(fd, &status) == 0 && std::size_t(status.st_size) == kPage + capacity;
  if (!sized && (::ftruncate(fd, 0) != 0 || ::ftruncate(fd, off_t(kPage + capacity)) != 0)) return refuse("make");
  // Touching a page that tmpfs cannot give is SIGBUS; asking for it first is an error one can handle.
  if (::fallocate(fd, 0, 0, kPage) != 0) return refuse("find room for");
  void* mapped = ::mmap(nullptr, kPage + capacity, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
  if (mapped == MAP_FAILED) return refuse("map");
  base = static_cast<std::byte*>(mapped);
  pages.resize(capacity / kPage);
  found = sized && take_over();
  if (!found) pages.assign(pages.size(), false), pages_allocated = 0;
  punch_all_but(pages);  // what an earlier process left allocated
  if (found) return {};
  now = {};
  begin_offset = 0;
  const std::atomic_ref<std::uint64_t> magic(head().magic);
  magic.store(0);  // not a ring until all is in place
  head().capacity = capacity;
  head().states[0] = head().states[1] = now;
  std::uint64_t random = 0;
  while (random == 0) {
    if (::getrandom(&random, sizeof random, 0) != sizeof random) random = 0;
  }
  head().incarnation = random;
  magic.store(kMagic);
  return {};
}

// Believes nothing: walks all records, which have to lead from tail to head one by one.
bool Ring::Mapping::take_over() {
  const Head& file = head();
  if (file.magic != kMagic || file.capacity != capacity || file.incarnation == 0) return false;
  const State state = file.states[file.current & 1];
  constexpr std::uint64_t never = std::uint64_t{1} << 62;  // so that no sum wraps around
  if (state.tail > state.head || state.head - state.tail > capacity || state.tail % 8 != 0 || state.head % 8 != 0 ||
      state.head > never || state.first_sequence == 0 || state.next_sequence > never || state.end_offset > never) {
    return false;
  }
  // A hole between records would be allocated by reading it, which may fail as writing may.
  now = state;
  if (state.head != state.tail && !allocate(state.tail, state.head - state.tail)) return false;
  std::uint64_t sequence = state.first_sequence, position = record_position(state.tail);
  if (position != state.tail) return false;
  std::uint64_t offset = state.tail == state.head ? state.end_offset : record_head(position).offset;
  begin_offset = offset;
  while (position < state.head) {
    if (to_wrap(position) < sizeof(RecordHead) || state.head - position < sizeof(RecordHead)) return false;
    const RecordHead record = record_head(position);
    if (record.kind < 1 || record.kind > std::uint8_t(RingRecord::Kind::Note) || record.sequence != sequence ||
        record.offset < offset || record.bytes > capacity ||
        padded(record.bytes) > std::min<std::uint64_t>(to_wrap(position), state.head - position)) {
      return false;
    }
    offset = record.offset + (record.kind == std::uint8_t(RingRecord::Kind::Data) ? record.bytes : 0);
    if (offset > state.end_offset || ++sequence > state.next_sequence) return false;
    position = after(position);
  }
  return position == state.head && sequence == state.next_sequence;
}

Result<Ring> Ring::open(const std::string& path, std::size_t bytes) {
  assert(bytes >= 4 * kPage && bytes % kPage == 0);
  auto mapping = std::make_unique<Mapping>();
  mapping->path = path;
  if (auto made = mapping->make(bytes); !made) return tl::unexpected(made.error());
  return Ring(std::move(mapping));
}

Ring::Ring(std::unique_ptr<Mapping> mapping) : mapping_(std::move(mapping)) {}
Ring::Ring(Ring&&) noexcept = default;
Ring& Ring::operator=(Ring&&) noexcept = default;
Ring::~Ring() = default;
void Ring::remove() { ::unlink(mapping_->path.c_str()); }

bool Ring::found() const { return mapping_->found; }
std::uint64_t Ring::incarnation() const { return mapping_->head().incarnation; }
std::uint64_t Ring::begin() const { return mapping_->begin_offset; }
std::uint64_t Ring::end() const { return mapping_->now.end_offset; }
std::uint64_t Ring::next_sequence() const { return mapping_->now.next_sequence; }
std::int64_t Ring::last_wall_ms() const { return mapping_->now.wall_ms; }
std::size_t Ring::used_bytes() const { return mapping_->now.head - mapping_->now.tail; }
std::size_t Ring::capacity_bytes() const { return mapping_->capacity; }
bool Ring::empty() const { return mapping_->now.head == mapping_->now.tail; }
void Ring::on_spill(std::function<void(const RingRecord&)> spill) { mapping_->spill = std::move(spill); }

// --- writing ---

bool Ring::Mapping::allocate(std::uint64_t position, std::size_t bytes) {
  for (const std::uint64_t end = position + bytes; position < end; position = (position / kPage + 1) * kPage) {
    const std::size_t page = position % capacity / kPage;
    if (pages[page]) continue;
    if (::fallocate(fd, 0, off_t(kPage + page * kPage), kPage) != 0) return false;
    pages[page] = true;
    ++pages_allocated;
  }
  return true;
}

void Ring::Mapping::evict() {
  if (spill) spill(record(now.tail));
  State next = now;
  next.tail = after(now.tail);
  ++next.first_sequence;
  commit(next);
}

void Ring::Mapping::add(RingRecord::Kind kind, ByteView payload, std::size_t stream_bytes, std::int64_t wall_ms) {
  const std::size_t size = padded(payload.size());
  const std::size_t unused = to_wrap(now.head) < size ? to_wrap(now.head) : 0;  // a record is never cut by the end
  while (now.head != now.tail && now.head - now.tail + unused + size > capacity) evict();
  State next = now;
  next.end_offset += stream_bytes;
  next.wall_ms = wall_ms;
  const std::uint64_t at = now.head + unused;
  const bool room = (unused < sizeof(RecordHead) || allocate(now.head, sizeof(RecordHead))) && allocate(at, size);
  if (room) {
    if (unused >= sizeof(RecordHead)) std::memset(area(now.head), 0, sizeof(RecordHead));
    const RecordHead record{
        std::uint32_t(payload.size()), std::uint8_t(kind), {}, now.next_sequence, now.end_offset, wall_ms};
    std::memcpy(area(at), &record, sizeof record);
    if (!payload.empty()) std::memcpy(area(at) + sizeof record, payload.data(), payload.size());
    if (now.tail == now.head) next.tail = at;
    next.head = at + size;
    ++next.next_sequence;
  }
  commit(next);
}

void Ring::append(ByteView data, std::int64_t wall_ms) {
  while (!data.empty()) {
    const std::size_t part = std::min({data.size(), limits::ring_record_bytes_max, mapping_->capacity / 4});
    mapping_->add(RingRecord::Kind::Data, data.first(part), part, wall_ms);
    data = data.subspan(part);
  }
}

void Ring::append_event(RingRecord::Kind kind, std::string_view text, std::int64_t wall_ms) {
  mapping_->add(kind, as_bytes(text.substr(0, limits::log_marker_bytes_max)), 0, wall_ms);
}

void Ring::release(std::uint64_t offset, std::uint64_t event_sequence) {
  State next = mapping_->now;
  offset = std::min(offset, next.end_offset);
  while (next.tail != next.head) {
    const RingRecord oldest = mapping_->record(next.tail);
    const bool data = oldest.kind == RingRecord::Kind::Data;
    const bool logged = data ? oldest.offset + oldest.payload.size() <= offset
                             : oldest.offset < offset || (oldest.offset == offset && oldest.sequence <= event_sequence);
    if (!logged) break;
    next.tail = mapping_->after(next.tail);
    ++next.first_sequence;
  }
  if (next.tail == mapping_->now.tail) return;
  // An empty ring starts again at the area's front, so that a line whose output is logged soon uses few pages.
  if (next.tail == next.head) next.tail = next.head = next.head + mapping_->to_wrap(next.head) % mapping_->capacity;
  mapping_->commit(next);
}

void Ring::trim(bool silent) {
  Mapping& ring = *mapping_;
  const std::size_t used_pages = (used_bytes() + kPage - 1) / kPage + 1;
  if (ring.pages_allocated < used_pages + (silent ? 1 : limits::ring_trim_bytes / kPage)) return;
  std::vector<bool> needed(ring.pages.size());
  for (std::uint64_t at = ring.now.tail; at < ring.now.head; at = (at / kPage + 1) * kPage) {
    needed[at % ring.capacity / kPage] = true;
  }
  for (std::size_t page = 0; page < needed.size(); ++page) needed[page] = needed[page] && ring.pages[page];
  ring.punch_all_but(needed);
}

void Ring::Mapping::punch_all_but(const std::vector<bool>& kept) {
  for (std::size_t page = 0, end = 0; page < kept.size(); page = end + 1) {
    for (end = page; end < kept.size() && !kept[end];) ++end;
    const int punch = FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE;
    if (end > page && ::fallocate(fd, punch, off_t(kPage + page * kPage), off_t((end - page) * kPage)) != 0) return;
    for (std::size_t gone = page; gone < end; ++gone) {
      pages_allocated -= pages[gone];
      pages[gone] = false;
    }
  }
}

// --- reading ---

std::optional<RingRecord> Ring::find(std::uint64_t sequence, std::uint64_t& hint) const {
  const Mapping& ring = *mapping_;
  // Positions are never reused, so one that is still within the ring is the record's own.
  std::uint64_t at = ring.now.tail;
  if (hint > ring.now.tail && hint <= ring.now.head) {
    at = ring.record_position(hint);
    if (at < ring.now.head && ring.record_head(at).sequence > sequence) at = ring.now.tail;
  }
  while (at < ring.now.head && ring.record_head(at).sequence < sequence) at = ring.after(at);
  hint = at;
  if (at >= ring.now.head) return {};
  return ring.record(at);
}

RingCursor Ring::cursor_at(std::uint64_t offset) const {
  const Mapping& ring = *mapping_;
  std::uint64_t at = ring.now.tail;
  while (at < ring.now.head) {
    const RingRecord record = ring.record(at);
    if (record.offset + (record.kind == RingRecord::Kind::Data ? record.payload.size() : 0) > offset ||
        (record.kind != RingRecord::Kind::Data && record.offset == offset)) {
      break;
    }
    at = ring.after(at);
  }
  const std::uint64_t sequence = at < ring.now.head ? ring.record_head(at).sequence : ring.now.next_sequence;
  return {sequence, std::min(offset, ring.now.end_offset), at};
}

std::optional<RingRecord> Ring::read(Cursor& at) const {
  const auto next = find(at.sequence, at.hint);
  return what_follows(at, next, end(), last_wall_ms());
}

void Ring::advance(Cursor& at, std::size_t payload_bytes) const {
  if (const auto given = read(at)) advance_cursor(at, *given, payload_bytes);
}

std::optional<RingRecord> what_follows(const RingCursor& at, const std::optional<RingRecord>& next, std::uint64_t end,
                                       std::int64_t wall_ms) {
  const std::uint64_t stands_at = next ? next->offset : end;
  if (stands_at > at.offset) {
    return RingRecord{RingRecord::Kind::Lost, at.offset, next ? next->wall_ms : wall_ms, stands_at - at.offset, {}, 0};
  }
  if (!next || next->kind != RingRecord::Kind::Data) return next;
  RingRecord rest = *next;
  const std::uint64_t sent = std::min<std::uint64_t>(at.offset - next->offset, next->payload.size());
  rest.offset += sent;
  rest.payload = rest.payload.subspan(sent);
  return rest;
}

void advance_cursor(RingCursor& at, const RingRecord& given, std::size_t payload_bytes) {
  const bool data = given.kind == RingRecord::Kind::Data;
  if (given.kind == RingRecord::Kind::Lost && given.sequence == 0) {
    at.offset = given.offset + given.lost_bytes;
    return;
  }
  if (data) at.offset = given.offset + std::min(payload_bytes, given.payload.size());
  if (!data || payload_bytes >= given.payload.size()) at.sequence = given.sequence + 1;
}

}  // namespace oob
