// See telnet_line.h.
#include "agents/lines/telnet_line.h"

#include <utility>

#include "agents/lines/tcp_socket.h"
#include "common/com_port.h"
#include "common/limits.h"
#include "common/text.h"

namespace oob {

using telnet::kBinary, telnet::kComPort, telnet::kEcho, telnet::kSuppressGoAhead;

// A console echoes itself; we never do.
TelnetLine::TelnetLine(Shard& shard, LineEvents& events, TelnetSettings settings)
    : shard_(shard),
      events_(events),
      settings_(std::move(settings)),
      connection_(std::make_unique<DialledLine>(shard, static_cast<LineEvents&>(*this), settings_.address,
                                                settings_.address, watch_tcp_peer)),
      codec_(shard.clock(), {kBinary, kSuppressGoAhead, kComPort}, {kBinary, kSuppressGoAhead, kEcho}),
      port_(settings_.port),
      look_(shard),
      break_(shard),
      answers_(shard) {}

TelnetLine::~TelnetLine() {
  if (breaking_) end_break();
}

void TelnetLine::line_up(std::string detail, int pid) {
  up_ = true;
  if (settings_.port.any()) {
    codec_.ask_ours(kComPort);
    codec_.ask_ours(kBinary), codec_.ask_theirs(kBinary);
    codec_.ask_ours(kSuppressGoAhead), codec_.ask_theirs(kSuppressGoAhead);
    answers_.once(limits::telnet_answer_time_max, [this] { tell_not_set(true); });
  }
  flush();
  look_.every(limits::serial_look_every, [this] { look(); });
  events_.line_up(std::move(detail), pid);
}

// What is said last is still told: the connection has reported all of it.
void TelnetLine::line_down(std::string reason) {
  up_ = breaking_ = false;
  look_.cancel(), break_.cancel(), answers_.cancel();
  errors_.tell(events_, shard_.clock().now(), true);
  events_.line_down(std::move(reason));
}

// --- what the peer sends ---

void TelnetLine::line_output(ByteView bytes) {
  const std::weak_ptr<void> alive = alive_;
  for (;;) {
    const TelnetItem item = codec_.next(bytes);
    if (item.kind == TelnetItem::Kind::None) break;
    take(item);
    if (alive.expired()) return;
  }
  errors_.tell(events_, shard_.clock().now());
  if (codec_.ignored() > 0 && !std::exchange(said_ignored_, true)) {
    events_.line_note("the peer negotiates without end; requests beyond " +
                      std::to_string(unsigned(limits::telnet_answers_per_second)) + " a second are ignored");
  }
  flush();
}

void TelnetLine::take(const TelnetItem& item) {
  using Kind = TelnetItem::Kind;
  if (item.kind == Kind::Stream) {
    hints_.received(item.bytes);
    events_.line_output(item.bytes);
  } else if (item.kind == Kind::Command) {
    if (item.code == telnet::kBreak) errors_.add({.breaks = 1});
  } else if (item.kind == Kind::Option) {
    option_changed(item);
  } else if (item.kind == Kind::Message) {
    if (item.code == kComPort && has_port()) port_said(item.bytes);
  } else if (item.kind == Kind::Torn) {
    ++torn_;
    tell_torn();
  }
}

// Each where it is, unless there are too many: then as a sum, soon. Others have to get their events told, too.
void TelnetLine::tell_torn() {
  if (torn_ == 0 || !torn_marks_.take(shard_.clock().now())) return;
  const std::size_t count = std::exchange(torn_, 0);
  events_.line_lost("the peer began " + (count == 1 ? std::string("a telnet message and did not end it")
                                                    : std::to_string(count) + " telnet messages and did not end them"));
}

void TelnetLine::option_changed(const TelnetItem& item) {
  if (!item.ours || item.code != kComPort) return;
  if (item.on) {
    for (const Bytes& message : port_.opening()) send(message);
    if (settings_.port.any()) answers_.once(limits::telnet_answer_time_max, [this] { tell_not_set(true); });
  } else {
    if (settings_.port.any()) tell_not_set(true);
    port_.release();
    let_type();
  }
}

void TelnetLine::port_said(ByteView message) {
  const bool held = port_.held();
  if (const Bytes answer = port_.receive(message); !answer.empty()) send(answer);
  tell_not_set(false);
  if (const auto& lines = port_.modem_lines()) hints_.modem_lines(*lines);
  const SerialCounters counted = port_.take_counted();
  errors_.add(counted);
  hints_.framing_errors(counted.framing);
  if (held && !port_.held()) let_type();
}

void TelnetLine::let_type() {
  shard_.post([this, alive = std::weak_ptr(alive_)] {
    if (!alive.expired() && up_ && flush() && !breaking_) events_.line_writable();
  });
}

// Once, when every wish has its answer or time is over.
void TelnetLine::tell_not_set(bool over) {
  const std::string open = port_.unanswered();
  if (!settings_.port.any() || !not_set_.empty() || (!open.empty() && !over)) return;
  answers_.cancel();
  not_set_ = port_.take_refusals();
  const std::string why = has_port()                    ? "no answer to " + open
                          : codec_.asked_ours(kComPort) ? "the peer does not answer (RFC 2217)"
                                                        : "the peer has no RFC 2217";
  if (!open.empty()) not_set_ += (not_set_.empty() ? "" : ", ") + why;
  if (!not_set_.empty()) events_.line_note("the console server's port is not set as asked: " + not_set_);
}

// --- what we send ---

void TelnetLine::send(ByteView com_port_message) { TelnetCodec::message(kComPort, com_port_message, unsent_); }

// Answers come behind what is half sent. True: all has gone.
bool TelnetLine::flush() {
  append(unsent_, codec_.take_answers());
  if (!connection_ || blocked_) return false;
  const std::size_t n = unsent_.empty() ? 0 : connection_->write(unsent_);
  unsent_.erase(unsent_.begin(), unsent_.begin() + std::ptrdiff_t(n));
  blocked_ = !unsent_.empty();
  return !blocked_;
}

void TelnetLine::line_writable() {
  blocked_ = false;
  if (flush() && !breaking_ && !port_.held()) events_.line_writable();
}

std::size_t TelnetLine::write(ByteView bytes) {
  if (!up_ || breaking_ || port_.held() || !flush()) return 0;
  std::size_t taken = 0;
  while (taken < bytes.size() && !blocked_) {
    taken += write_some(bytes.subspan(taken, std::min(bytes.size() - taken, limits::telnet_write_bytes)));
  }
  hints_.typed(taken, shard_.clock().now());
  return taken;
}

// A byte whose first half was taken is taken; its other half goes before anything else.
std::size_t TelnetLine::write_some(ByteView bytes) {
  Bytes encoded;
  encoded.reserve(bytes.size() + 64);
  for (const std::byte byte : bytes) codec_.encode(byte, encoded);
  const std::size_t sent = connection_->write(encoded);
  if (sent == encoded.size()) return bytes.size();
  blocked_ = true;
  Bytes scratch;
  std::size_t taken = 0;
  while (scratch.size() < sent) codec_.encode(bytes[taken++], scratch);
  append(unsent_, ByteView(encoded).subspan(sent, scratch.size() - sent));
  return taken;
}

Result<Duration> TelnetLine::send_break(Duration duration) {
  if (!up_) return fail(ErrorCode::Conflict, "the line is not open");
  if (breaking_) return fail(ErrorCode::Conflict, "a break is being sent just now");
  if (!flush()) return fail(ErrorCode::Conflict, "the connection takes nothing just now");
  if (!has_port()) {
    TelnetCodec::command(telnet::kBreak, unsent_);
    flush();
    return Duration(0);
  }
  const Duration time = duration == Duration(0) ? settings_.break_time : duration;
  breaking_ = true;
  send(com_port::byte_message(com_port::kControl, com_port::kBreakOn));
  flush();
  // The wire rests for a moment after a break, or the next character would be part of it.
  break_.once(time, [this] {
    end_break();
    break_.once(limits::serial_pace, [this] {
      breaking_ = false;
      if (flush() && !port_.held()) events_.line_writable();
    });
  });
  return time;
}

void TelnetLine::end_break() {
  send(com_port::byte_message(com_port::kControl, com_port::kBreakOff));
  flush();
}

// --- what is known beside the bytes ---

void TelnetLine::look() {
  if (unsent_.size() > limits::telnet_unsent_bytes_max) {
    connection_.reset();  // nothing more comes of it
    return line_down("the peer asks, and takes no answers");
  }
  errors_.tell(events_, shard_.clock().now());
  tell_torn();
  auto now = facts();
  if (now == told_facts_) return;
  told_facts_ = now;
  events_.line_facts(std::move(now));
}

std::string TelnetLine::options() const {
  if (!codec_.spoken()) return "the peer has not negotiated";
  std::string out;
  const auto put = [&](const char* name, bool ours, bool theirs) {
    if (ours || theirs)
      out += (out.empty() ? "" : ", ") + std::string(name) + (!ours ? " (in)" : !theirs ? " (out)" : "");
  };
  put("binary", codec_.ours(kBinary), codec_.theirs(kBinary));
  put("suppress-go-ahead", codec_.ours(kSuppressGoAhead), codec_.theirs(kSuppressGoAhead));
  if (codec_.theirs(kEcho)) out += (out.empty() ? "" : ", ") + std::string("the peer echoes");
  if (has_port()) out += (out.empty() ? "" : ", ") + std::string("RFC 2217");
  return out.empty() ? "no options" : out;
}

LineFacts TelnetLine::facts() const {
  LineFacts out{{"telnet", options()}};
  if (has_port()) {
    out.emplace_back("settings", port_.settings());
    out.emplace_back("modem-lines", port_.modem_text());
    if (!port_.signature().empty()) out.emplace_back("port-server", port_.signature());
  }
  if (!not_set_.empty()) out.emplace_back("not-set", not_set_);
  if (has_port() && port_.counts_errors()) errors_.put_facts(out);
  hints_.put_facts(out, shard_.clock().now());
  return out;
}

}  // namespace oob
