// See console_link.h.
#include "server/agents/console_link.h"

#include <algorithm>

#include "common/text.h"
#include "server/agents/agent_link.h"
#include "tunnel.pb.h"

namespace oob {
namespace {

// An agent's largest message here is a frame of output or an event's text.
constexpr std::size_t kMessageBytesMax = 64 * 1024;
constexpr std::size_t kTextBytesMax = 1024;
// More than a line can say in years; beyond it offsets would wrap around.
constexpr std::uint64_t kOffsetMax = std::uint64_t(1) << 56;

// An agent's wall clock, as far as a log can hold it: from 1970 to 2200.
WallTime believable(std::int64_t wall_ms) {
  return WallTime(Duration(std::clamp<std::int64_t>(wall_ms, 0, 7'258'118'400'000)));
}

}  // namespace

ConsoleLink::ConsoleLink(AgentLink& agent, Console& console, std::uint32_t id)
    : agent_(agent), console_(console), id_(id), queue_(2 * limits::input_pending_bytes_max) {
  const LogPosition& at = console.log().position();
  wire::ToLine message;
  message.mutable_open()->set_incarnation(at.incarnation);
  message.mutable_open()->set_offset(at.line_offset);
  (void)queue_.push(message);
  stream_ = agent.mux().open("/v1/console/" + console.name(), StreamClass::Keystroke, kMessageBytesMax, *this);
  console.connect(*this);
}

ConsoleLink::~ConsoleLink() {
  if (stream_ > 0) agent_.mux().close(stream_);
}

bool ConsoleLink::send(const google::protobuf::MessageLite& message) {
  if (stream_ <= 0 || !queue_.push(message)) return false;
  agent_.mux().wake(stream_);
  return true;
}

void ConsoleLink::input(std::uint64_t session, std::uint64_t sequence, SteadyTime deadline, ByteView bytes) {
  wire::ToLine message;
  auto& input = *message.mutable_input();
  input.set_session(session);
  input.set_sequence(sequence);
  input.set_deadline_ms(agent_.deadline_there(deadline));
  input.set_data(std::string(as_text(bytes)));
  if (!send(message)) console_.input_done(session, sequence, 0, "the tunnel to the agent takes no input");
}

void ConsoleLink::flush_input(std::uint64_t keep_session) {
  wire::ToLine message;
  message.mutable_flush()->set_session(keep_session);
  (void)send(message);  // a full queue is late by its deadlines anyway
}

void ConsoleLink::send_break(std::uint64_t session, std::uint64_t sequence, Duration duration) {
  wire::ToLine message;
  auto& brk = *message.mutable_brk();
  brk.set_session(session);
  brk.set_sequence(sequence);
  brk.set_duration_ms(std::uint32_t(duration.count()));
  if (!send(message)) console_.input_done(session, sequence, 0, "the tunnel to the agent takes no input");
}

void ConsoleLink::acknowledge(const LogPosition& written) { agent_.acknowledge(id_, written); }

void ConsoleLink::hold(bool held) {
  if (stream_ > 0) agent_.mux().hold(stream_, held);
}

Result<> ConsoleLink::stream_message(ByteView bytes) {
  if (const auto output = parse_output(bytes)) return line_output(output->offset, output->wall_ms, output->data);
  wire::FromLine message;
  if (!message.ParseFromArray(bytes.data(), int(bytes.size()))) return fail(ErrorCode::Usage, "malformed FromLine");
  switch (message.body_case()) {
    case wire::FromLine::kOpened:
      if (message.opened().offset() > kOffsetMax) return fail(ErrorCode::Usage, "an impossible offset");
      // A line whose ring was lost begins anew, and each time is a marker in the log.
      if (std::exchange(opened_, true) && !agent_.takes_event(0)) {
        return fail(ErrorCode::Unavailable, "its line " + console_.name() + " begins anew too often");
      }
      console_.line_opened(message.opened().incarnation(), message.opened().offset());
      break;
    case wire::FromLine::kOutput: {  // in an encoding the short way does not know
      const auto& output = message.output();
      return line_output(output.offset(), output.wall_ms(), as_bytes(output.data()));
    }
    case wire::FromLine::kEvent:
      return line_event(message.event());
    case wire::FromLine::kInput: {
      const auto& done = message.input();
      console_.input_done(done.session(), done.sequence(), done.written(),
                          valid_utf8(done.refused().substr(0, kTextBytesMax)));
      break;
    }
    case wire::FromLine::BODY_NOT_SET:
      break;  // of a newer agent
  }
  return {};
}

// Not all that an agent could tell: it would fill the logs' disk.
Result<> ConsoleLink::line_event(const wire::LineEvent& event) {
  if (event.offset() > kOffsetMax || event.bytes() > kOffsetMax) {
    return fail(ErrorCode::Usage, "an impossible offset");
  }
  const std::string text = event.text().substr(0, kTextBytesMax);
  if (!console_.line_event_is_new(event.offset(), event.sequence())) return {};
  if (!agent_.takes_event(text.size())) {
    if (left_out_++ > 0) return {};
    if (!left_out_said_) left_out_said_ = std::make_unique<Timer>(agent_.shard());
    left_out_said_->once(limits::agent_events_left_out_said_every, [this] { say_left_out(); });
    return {};
  }
  switch (event.kind()) {
    case wire::LineEvent::UP:
      console_.line_event(LogEvent::Kind::Up, text);
      break;
    case wire::LineEvent::DOWN:
      console_.line_event(LogEvent::Kind::Down, text);
      break;
    case wire::LineEvent::BREAK:
      console_.line_event(LogEvent::Kind::Break, text);
      break;
    case wire::LineEvent::NOTE:
      console_.line_event(LogEvent::Kind::Note, text);
      break;
    case wire::LineEvent::LOST:
      console_.line_lost(event.offset(), event.bytes(), text);
      break;
    case wire::LineEvent::UNKNOWN:
      console_.line_lost(event.offset(), std::nullopt, text);
      break;
    default:
      break;
  }
  return {};
}

void ConsoleLink::say_left_out() {
  if (left_out_ == 0) return;
  console_.line_event(LogEvent::Kind::Note, count_of(std::exchange(left_out_, 0), "event", "events") +
                                                " of this line left out: agent " + agent_.peer().name +
                                                " told too many");
}

Result<> ConsoleLink::line_output(std::uint64_t offset, std::int64_t wall_ms, ByteView data) {
  if (offset > kOffsetMax) return fail(ErrorCode::Usage, "an impossible offset");
  console_.line_output(offset, believable(wall_ms), data);
  return {};
}

void ConsoleLink::stream_closed(const std::string& reason) {
  stream_ = 0;
  agent_.console_closed(console_.name(), reason);  // destroys us
}

}  // namespace oob
