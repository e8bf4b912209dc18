// See line_store.h. Ring and spool count records by the same sequence numbers, so a cursor need not know where one is.
#include "agents/line_store.h"

#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <charconv>
#include <cstdio>
#include <filesystem>
#include <set>

#include "common/limits.h"
#include "common/log.h"

namespace oob {
namespace {

namespace fs = std::filesystem;
constexpr std::size_t kHexDigits = 16;
constexpr std::string_view kSuffix = ".spool";

std::string spool_path(const std::string& folder, const std::string& name, std::uint64_t incarnation) {
  char hex[kHexDigits + 1];
  std::snprintf(hex, sizeof hex, "%016llx", static_cast<unsigned long long>(incarnation));
  return folder + "/" + name + "." + hex + std::string(kSuffix);
}

// Agents of 0.1 had one spool a line, whose name did not tell the incarnation.
void give_name_of_today(const std::string& folder, const std::string& name) {
  for (int segment = 0; segment < 4; ++segment) {
    const std::string number = "." + std::to_string(segment);
    const std::string file = folder + "/" + name + std::string(kSuffix) + number;
    const std::uint64_t incarnation = Spool::incarnation_of(file);
    if (incarnation != 0) ::rename(file.c_str(), (spool_path(folder, name, incarnation) + number).c_str());
  }
}

// Of which incarnations files lie here: "<name>.<16 hex digits>.spool.N".
std::set<std::uint64_t> incarnations_of(const std::string& folder, const std::string& name) {
  std::set<std::uint64_t> out;
  std::error_code error;
  for (const auto& entry : fs::directory_iterator(folder, error)) {
    const std::string file = entry.path().filename().string();
    if (file.size() != name.size() + 1 + kHexDigits + kSuffix.size() + 2 || !file.starts_with(name + ".")) continue;
    const char* digits = file.data() + name.size() + 1;
    std::uint64_t incarnation = 0;
    const auto [end, problem] = std::from_chars(digits, digits + kHexDigits, incarnation, 16);
    if (problem == std::errc() && end == digits + kHexDigits && std::string_view(end).starts_with(kSuffix))
      out.insert(incarnation);
  }
  return out;
}

}  // namespace

Result<std::unique_ptr<LineStore>> LineStore::open(const std::string& rings_folder, const std::string& spool_folder,
                                                   const std::string& name) {
  for (const std::string& folder : {rings_folder, spool_folder}) ::mkdir(folder.c_str(), 0700);  // or open() says why
  auto ring = Ring::open(rings_folder + "/" + name + ".ring", limits::ring_bytes_max);
  if (!ring) return tl::unexpected(ring.error());
  give_name_of_today(spool_folder, name);
  Spools earlier;
  for (const std::uint64_t incarnation : incarnations_of(spool_folder, name)) {
    if (incarnation == ring->incarnation()) continue;
    auto spool =
        std::make_unique<Spool>(spool_path(spool_folder, name, incarnation), incarnation, limits::spool_bytes_max);
    if (!spool->empty()) earlier.push_back(std::move(spool));
  }
  std::ranges::sort(earlier, {}, [](const auto& spool) { return spool->next_number(); });
  for (; earlier.size() > limits::spools_earlier_max; earlier.erase(earlier.begin())) {
    log_error("spool", "the machine was restarted too often without its server; the oldest output is lost",
              {{"console", name}, {"bytes", earlier.front()->bytes()}});
    earlier.front()->remove();
  }
  if (!ring->found() && !earlier.empty()) {
    log_info("spool", "found what was said before the machine was restarted",
             {{"console", name}, {"bytes", earlier.back()->bytes()}});
  }
  const std::string path = spool_path(spool_folder, name, ring->incarnation());
  auto store = std::unique_ptr<LineStore>(new LineStore(std::move(*ring), std::move(earlier), path));
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

LineStore::LineStore(Ring ring, Spools earlier, std::string spool_path)
    : ring_(std::move(ring)),
      earlier_(std::move(earlier)),
      spool_(std::move(spool_path), ring_.incarnation(), limits::spool_bytes_max,
             earlier_.empty() ? 1 : earlier_.back()->next_number()) {
  ring_.on_spill([this](const RingRecord& record) {
    if (away_) spool_.append(record);
  });
}

void LineStore::save() {
  if (ring_.begin() == ring_.end()) return;
  std::uint64_t sequence = 0, hint = 0;
  while (const auto record = ring_.find(sequence, hint)) {
    if (!spool_.append(*record)) return;  // which it has said
    sequence = record->sequence + 1;
  }
}

void LineStore::release(std::uint64_t incarnation, std::uint64_t offset, std::uint64_t event_sequence) {
  const bool present = incarnation == ring_.incarnation();
  if (!present && find_earlier(incarnation) == nullptr) return;
  while (!earlier_.empty()) {
    Spool& oldest = *earlier_.front();
    oldest.incarnation() == incarnation ? oldest.release(offset, event_sequence) : oldest.remove();
    if (!oldest.empty()) return;
    earlier_.erase(earlier_.begin());
    if (!present) return;
  }
  if (!present) return;
  spool_.release(offset, event_sequence);
  ring_.release(offset, event_sequence);
}

const Spool* LineStore::find_earlier(std::uint64_t incarnation) const {
  const auto found = std::ranges::find_if(earlier_, [&](const auto& s) { return s->incarnation() == incarnation; });
  return found == earlier_.end() ? nullptr : found->get();
}

LineStore::Cursor LineStore::begin_of(const Spool& earlier) {
  return {{.sequence = 0, .offset = earlier.begin(), .hint = 0}, earlier.incarnation(), 0};
}

LineStore::Cursor LineStore::resume(std::uint64_t incarnation, std::uint64_t offset) const {
  if (incarnation == ring_.incarnation()) return cursor_at(std::clamp(offset, begin(), end()));
  if (const Spool* spool = find_earlier(incarnation)) {
    Cursor at = begin_of(*spool);
    if (offset <= at.offset) return at;
    // It has all of this one, and perhaps more of it than the disk got: it is asked for nothing twice.
    if (offset > spool->end()) return *next_incarnation(at);
    at.offset = offset;
    at.sequence = spool->sequence_at(offset);
    if (at.sequence == 0) return *next_incarnation(at);
    return at;
  }
  return earlier_.empty() ? cursor_at(begin()) : begin_of(*earlier_.front());
}

LineStore::Cursor LineStore::cursor_at(std::uint64_t offset) const {
  Cursor cursor{ring_.cursor_at(offset), ring_.incarnation()};
  if (spool_.empty()) return cursor;
  if (const std::uint64_t sequence = spool_.sequence_at(cursor.offset)) cursor.sequence = sequence;
  return cursor;
}

std::optional<RingRecord> LineStore::read(Cursor& at) const {
  if (at.incarnation != ring_.incarnation()) {
    const Spool* earlier = find_earlier(at.incarnation);
    if (earlier == nullptr) return {};  // released meanwhile
    return what_follows(at, earlier->find(at.sequence, at.spool_hint), earlier->end(), earlier->last_wall_ms());
  }
  auto next = spool_.find(at.sequence, at.spool_hint);
  if (!next) next = ring_.find(at.sequence, at.hint);
  return what_follows(at, next, ring_.end(), ring_.last_wall_ms());
}

void LineStore::advance(Cursor& at, std::size_t payload_bytes) const {
  if (const auto given = read(at)) advance_cursor(at, *given, payload_bytes);
}

std::optional<LineStore::Cursor> LineStore::next_incarnation(const Cursor& at) const {
  if (at.incarnation == ring_.incarnation()) return {};
  const auto here = std::ranges::find_if(earlier_, [&](const auto& s) { return s->incarnation() == at.incarnation; });
  const auto next = here == earlier_.end() ? earlier_.begin() : here + 1;
  return next == earlier_.end() ? cursor_at(begin()) : begin_of(**next);
}

void LineStore::remove() {
  for (const auto& earlier : earlier_) earlier->remove();
  earlier_.clear();
  spool_.remove();
  ring_.remove();
}

std::size_t LineStore::spool_bytes() const {
  std::size_t sum = spool_.bytes();
  for (const auto& earlier : earlier_) sum += earlier->bytes();
  return sum;
}

}  // namespace oob
