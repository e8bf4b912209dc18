// See console_stream.h.
#include "agents/console_stream.h"

#include <algorithm>

#include "common/limits.h"
#include "tunnel.pb.h"

namespace oob {
namespace {

// Answers and events that wait for their turn. An event is queued only when the one before it has gone, so this bounds
// what a peer can make us say.
constexpr std::size_t kAnswerBytesMax = 2 * limits::input_pending_bytes_max;
constexpr std::size_t kEventTextBytesMax = 1024;
constexpr std::int64_t kSteadyMsMax = std::int64_t(1) << 42;  // in nanoseconds it still fits

wire::LineEvent::Kind wire_kind(RingRecord::Kind kind) {
  switch (kind) {
    case RingRecord::Kind::Up:
      return wire::LineEvent::UP;
    case RingRecord::Kind::Down:
      return wire::LineEvent::DOWN;
    case RingRecord::Kind::Lost:
      return wire::LineEvent::LOST;
    case RingRecord::Kind::Unknown:
      return wire::LineEvent::UNKNOWN;
    case RingRecord::Kind::Break:
      return wire::LineEvent::BREAK;
    case RingRecord::Kind::Note:
      return wire::LineEvent::NOTE;
    case RingRecord::Kind::Data:
      break;
  }
  return wire::LineEvent::NONE;
}

}  // namespace

ConsoleStream::ConsoleStream(Mux& mux, StreamId id, LineHost& line, std::function<void()> closed)
    : mux_(mux), id_(id), line_(line), closed_(std::move(closed)), answers_(kAnswerBytesMax) {}

ConsoleStream::~ConsoleStream() {
  if (!over_) mux_.close(id_);
}

void ConsoleStream::stream_closed(const std::string&) {
  over_ = true;
  const auto closed = closed_;  // it destroys us
  closed();
}

Result<> ConsoleStream::stream_message(ByteView bytes) {
  wire::ToLine message;
  if (!message.ParseFromArray(bytes.data(), int(bytes.size()))) return fail(ErrorCode::Usage, "malformed ToLine");
  if (!cursor_ && !message.has_open()) return fail(ErrorCode::Usage, "a console stream has to begin with open");
  switch (message.body_case()) {
    case wire::ToLine::kOpen:
      if (cursor_) return fail(ErrorCode::Usage, "a console stream was opened twice");
      open_at(message.open().incarnation(), message.open().offset());
      break;
    case wire::ToLine::kInput: {
      const auto& input = message.input();
      line_.input(input.session(), input.sequence(),
                  SteadyTime(Duration(std::clamp<std::int64_t>(input.deadline_ms(), 0, kSteadyMsMax))),
                  as_bytes(input.data()));
      break;
    }
    case wire::ToLine::kFlush:
      line_.flush_input(message.flush().session());
      break;
    case wire::ToLine::kBrk:
      line_.send_break(message.brk().session(), message.brk().sequence(),
                       Duration(std::min<std::uint32_t>(message.brk().duration_ms(), 10'000)));
      break;
    case wire::ToLine::BODY_NOT_SET:
      break;  // of a newer peer
  }
  return {};
}

void ConsoleStream::open_at(std::uint64_t incarnation, std::uint64_t offset) {
  cursor_ = line_.store().resume(incarnation, offset);
  say_opened();
  mux_.wake(id_);
}

void ConsoleStream::say_opened() {
  wire::FromLine opened;
  opened.mutable_opened()->set_incarnation(cursor_->incarnation);
  opened.mutable_opened()->set_offset(cursor_->offset);
  (void)answers_.push(opened);
}

void ConsoleStream::input_done(const InputQueue::Fate& fate) {
  wire::FromLine message;
  auto& done = *message.mutable_input();
  done.set_session(fate.session);
  done.set_sequence(fate.sequence);
  done.set_written(std::uint32_t(fate.written));
  done.set_refused(fate.refused);
  // A peer that sends input and takes no answers loses the answers; its typist is told "may not have arrived".
  (void)answers_.push(message);
  if (!fate.refused.empty()) tell();
}

bool ConsoleStream::queue_event(const RingRecord& record) {
  wire::FromLine message;
  auto& event = *message.mutable_event();
  event.set_kind(wire_kind(record.kind));
  event.set_offset(record.offset);
  event.set_wall_ms(record.wall_ms);
  event.set_bytes(record.lost_bytes);
  event.set_sequence(record.sequence);
  event.set_text(std::string(as_text(record.payload.first(std::min(record.payload.size(), kEventTextBytesMax)))));
  return answers_.push(message);
}

std::size_t ConsoleStream::stream_fill(MutableBytes into) {
  std::size_t filled = answers_.fill(into);
  while (cursor_ && answers_.empty()) {
    const auto record = line_.store().read(*cursor_);
    if (!record) {
      // All of a ring that is gone was sent: now of the next one.
      const auto next = line_.store().next_incarnation(*cursor_);
      if (!next) break;
      cursor_ = next;
      say_opened();
      filled += answers_.fill(into.subspan(filled));
      continue;
    }
    if (record->kind == RingRecord::Kind::Data) {
      if (into.size() - filled <= kOutputOverheadBytes) break;
      filled += fill_output(into.subspan(filled));
      continue;
    }
    if (!queue_event(*record)) break;
    line_.store().advance(*cursor_, 0);
    filled += answers_.fill(into.subspan(filled));
  }
  return filled;
}

// One Output message of as many records as fit and belong together in time.
std::size_t ConsoleStream::fill_output(MutableBytes into) {
  LineStore& store = line_.store();
  const MutableBytes room = into.subspan(kOutputOverheadBytes);
  const auto first = store.read(*cursor_);
  const std::uint64_t offset = first->offset;
  const std::int64_t wall = first->wall_ms;
  std::size_t size = 0;
  for (auto record = first;
       record && record->kind == RingRecord::Kind::Data && size < room.size() && record->offset == offset + size &&
       record->wall_ms - wall <= limits::log_gather_time / std::chrono::milliseconds(1);
       record = store.read(*cursor_)) {
    const std::size_t take = std::min(record->payload.size(), room.size() - size);
    std::copy_n(record->payload.begin(), take, room.begin() + std::ptrdiff_t(size));
    size += take;
    store.advance(*cursor_, take);
  }
  const std::size_t begin = frame_output(into, offset, wall, size);
  const std::size_t framed = kOutputOverheadBytes + size - begin;
  std::memmove(into.data(), into.data() + begin, framed);  // the header's length is known only now
  return framed;
}

}  // namespace oob
