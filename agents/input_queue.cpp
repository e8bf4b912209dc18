// See input_queue.h.
#include "agents/input_queue.h"

#include <algorithm>
#include <utility>

#include "common/limits.h"
#include "common/text.h"

namespace oob {
namespace {
constexpr std::size_t kSessionsRemembered = 64;
constexpr char kAfterRefused[] = "typed after keys that were refused";
}  // namespace

bool InputQueue::is_new(std::uint64_t session, std::uint64_t sequence) {
  std::uint64_t& last = known_[session].last_sequence;
  if (sequence <= last) return false;
  last = sequence;
  // Sessions are numbered upwards, so the first is the oldest; its person has long gone.
  if (known_.size() > kSessionsRemembered) known_.erase(known_.begin());
  return true;
}

bool InputQueue::was_refused(std::uint64_t session) const {
  const auto known = known_.find(session);
  return known != known_.end() && known->second.refused;
}

void InputQueue::refuse(const Batch& batch, const std::string& why) {
  if (const auto known = known_.find(batch.session); known != known_.end()) known->second.refused = true;
  std::string words = why;
  if (batch.under_way > 0) words += "; " + count_of(batch.under_way, "byte", "bytes") + " may have arrived";
  told_({batch.session, batch.sequence, batch.written, words, batch.under_way});
}

void InputQueue::add(std::uint64_t session, std::uint64_t sequence, SteadyTime deadline, ByteView bytes, SteadyTime now,
                     const std::string& down) {
  if (!is_new(session, sequence)) return;
  Batch batch{session, sequence, deadline, Bytes(bytes.begin(), bytes.end())};
  if (was_refused(session)) return refuse(batch, kAfterRefused);
  if (!down.empty()) return refuse(batch, down);
  if (now > deadline) return refuse(batch, "late");
  if (waiting_bytes_ + bytes.size() > limits::input_pending_bytes_max) return refuse(batch, "the line takes no input");
  waiting_bytes_ += bytes.size();
  waiting_.push_back(std::move(batch));
  pump(now);
}

void InputQueue::pump(SteadyTime now) {
  while (!waiting_.empty()) {
    Batch& first = waiting_.front();
    const bool after_refused = was_refused(first.session);
    if (after_refused || now > first.deadline) {
      const Batch late = std::move(first);
      waiting_.pop_front();
      waiting_bytes_ -= late.bytes.size() - late.written;
      refuse(late, after_refused ? kAfterRefused : "late: the line took no input in time");
      continue;
    }
    if (first.under_way > 0) return;
    const std::size_t taken = write_(ByteView(first.bytes).subspan(first.written));
    if (confirms_) {
      first.under_way = taken;
    } else {
      first.written += taken;
      waiting_bytes_ -= taken;
    }
    if (first.written < first.bytes.size()) return;
    finish_first();
  }
}

void InputQueue::finish_first() {
  const Fate fate{waiting_.front().session, waiting_.front().sequence, waiting_.front().written, ""};
  waiting_.pop_front();
  told_(fate);
}

void InputQueue::confirmed(std::size_t bytes, SteadyTime now) {
  if (waiting_.empty()) return;
  Batch& first = waiting_.front();
  bytes = std::min(bytes, first.under_way);
  if (bytes == 0) return;
  first.under_way -= bytes;
  first.written += bytes;
  waiting_bytes_ -= bytes;
  if (first.written == first.bytes.size()) finish_first();
  pump(now);
}

void InputQueue::refuse_all(const std::string& why) {
  const auto refused = std::exchange(waiting_, {});
  waiting_bytes_ = 0;
  for (const Batch& batch : refused) refuse(batch, why);
}

void InputQueue::refuse_waiting(const std::string& why) {
  std::list<Batch> kept;
  if (!waiting_.empty() && waiting_.front().written + waiting_.front().under_way == waiting_.front().bytes.size()) {
    kept.splice(kept.begin(), waiting_, waiting_.begin());
  }
  refuse_all(why);
  waiting_ = std::move(kept);
  if (!waiting_.empty()) waiting_bytes_ = waiting_.front().under_way;
}

void InputQueue::refuse_others(std::uint64_t keep_session, const std::string& why) {
  std::list<Batch> refused;
  for (auto batch = waiting_.begin(); batch != waiting_.end();) {
    if (batch->session == keep_session) {
      ++batch;
      continue;
    }
    waiting_bytes_ -= batch->bytes.size() - batch->written;
    refused.push_back(std::move(*batch));
    batch = waiting_.erase(batch);
  }
  for (const Batch& batch : refused) refuse(batch, why);
}

std::optional<SteadyTime> InputQueue::next_deadline() const {
  if (waiting_.empty()) return std::nullopt;
  return std::ranges::min(waiting_, {}, &Batch::deadline).deadline;
}

}  // namespace oob
