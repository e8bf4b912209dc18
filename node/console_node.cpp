// See console_node.h.
#include "node/console_node.h"

#include <algorithm>
#include <utility>

#include "common/limits.h"
#include "common/text.h"

namespace oob {
namespace {
constexpr auto kSysRqWithin = std::chrono::seconds(5);  // as on serial lines: a break, then the letter
}  // namespace

ConsoleNode::ConsoleNode(Settings settings, Events& events)
    : settings_(std::move(settings)),
      events_(events),
      ring_(limits::node_ring_bytes),
      piece_(kConsoleTextBytesMax),
      frame_(kConsoleFrameBytesMax),
      frames_(limits::node_frames_at_once, limits::node_frames_per_second),
      inputs_(limits::node_inputs_at_once, limits::node_inputs_per_second) {
  untyped_.reserve(kConsoleTextBytesMax);
}

void ConsoleNode::output(ByteView text, bool early, SteadyTime now) {
  const std::size_t taken = std::min(text.size(), ring_.size() - used_);
  for (std::size_t i = 0; i < taken; ++i) ring_[(begin_ + used_ + i) % ring_.size()] = text[i];
  if (early && early_ == used_) early_ += taken;
  used_ += taken;
  dropped_ += text.size() - taken;
  flush(now);
}

void ConsoleNode::flush(SteadyTime now) {
  while (used_ > 0 && frames_.take(now)) {
    const bool early = early_ > 0;
    const std::size_t size = std::min({used_, kConsoleTextBytesMax, early ? early_ : used_});
    for (std::size_t i = 0; i < size; ++i) piece_[i] = ring_[(begin_ + i) % ring_.size()];
    ConsoleFrame frame;
    frame.type = ConsoleFrame::Type::Output, frame.sequence = sequence_ + 1, frame.text = ByteView(piece_).first(size);
    frame.flags = early ? ConsoleFrame::kEarly : 0;
    if (!send(frame)) return;
    ++sequence_;
    begin_ = (begin_ + size) % ring_.size(), used_ -= size;
    if (early) early_ -= size;
  }
  if (dropped_ == 0 || used_ > ring_.size() / 2) return;
  const std::string told = "\r\n[" + count_of(std::exchange(dropped_, 0), "byte", "bytes") +
                           " of this console were said too fast to be sent]\r\n";
  output(as_bytes(told), false, now);
}

bool ConsoleNode::send(ConsoleFrame frame) {
  if (frame.to == MacAddress{}) frame.to = settings_.to;
  frame.from = settings_.own, frame.ether_type = settings_.ether_type, frame.session = settings_.session;
  const std::size_t size = write_console_frame(frame, settings_.key ? &*settings_.key : nullptr, frame_);
  return events_.send(ByteView(frame_).first(size));
}

void ConsoleNode::received(ByteView bytes, SteadyTime now) {
  const auto frame = read_console_frame(bytes, settings_.key ? &*settings_.key : nullptr);
  const bool ours = frame && frame->to == settings_.own && frame->peer == settings_.session && !frame->from_node() &&
                    (settings_.to == kBroadcastMac || frame->from == settings_.to);
  if (!ours || !inputs_.take(now)) return;  // what is not confirmed comes again
  obey(*frame, now);
}

void ConsoleNode::obey(const ConsoleFrame& frame, SteadyTime now) {
  // Each is sent until it is confirmed, and one after the other: a repeat is confirmed again, and not done again.
  const bool repeated = frame.session == agent_ && frame.sequence <= applied_;
  if (!repeated) {
    if (settings_.key && frame.session < agent_) return;
    agent_ = frame.session, applied_ = frame.sequence;
    // What is left of the frame before is not typed any more: its sender has given it up.
    untyped_.clear();
    if (frame.type == ConsoleFrame::Type::Break) break_at_ = now;
    if (frame.type == ConsoleFrame::Type::SysRq && frame.text.size() == 1) events_.sysrq(as_text(frame.text)[0]);
    if (frame.type == ConsoleFrame::Type::CtrlAltDel) events_.ctrl_alt_del();
  }
  if (frame.sequence == applied_ && frame.type == ConsoleFrame::Type::Input && !typed(frame, repeated, now)) return;
  ConsoleFrame ack;
  ack.type = ConsoleFrame::Type::Ack, ack.to = frame.from, ack.peer = frame.session, ack.sequence = frame.sequence;
  send(ack);
}

// True: all of it has been. What the terminal does not take now it is given when the frame comes again, since only then
// the sender still wants that, and not later than the sender would.
bool ConsoleNode::typed(const ConsoleFrame& frame, bool repeated, SteadyTime now) {
  if (!repeated) {
    ByteView bytes = frame.text;
    if (break_at_ && now - *break_at_ < kSysRqWithin && !bytes.empty()) {
      break_at_.reset();
      events_.sysrq(as_text(bytes)[0]);
      bytes = bytes.subspan(1);
    }
    untyped_.assign(bytes.begin(), bytes.end());
    untyped_until_ = now + limits::input_age_max;
  }
  if (untyped_.empty()) return true;
  if (now > untyped_until_) return false;
  const std::size_t taken = events_.input(untyped_);
  untyped_.erase(untyped_.begin(), untyped_.begin() + static_cast<std::ptrdiff_t>(taken));
  return untyped_.empty();
}

void ConsoleNode::tick(SteadyTime now) {
  flush(now);
  if (hello_at_ && now < *hello_at_) return;
  ConsoleFrame hello;
  hello.type = ConsoleFrame::Type::Hello, hello.sequence = sequence_, hello.text = as_bytes(settings_.name);
  send(hello);
  hello_at_ = now + limits::ether_hello_every;
}

SteadyTime ConsoleNode::next_deadline(SteadyTime now) const {
  const SteadyTime hello = hello_at_.value_or(now);
  return used_ > 0 ? std::min(hello, now + limits::node_pace) : hello;
}

}  // namespace oob
