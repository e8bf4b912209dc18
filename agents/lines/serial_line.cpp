// See serial_line.h.
#include "agents/lines/serial_line.h"

#include <fcntl.h>

#include <algorithm>

#include "common/limits.h"
#include "common/log.h"
#include "common/text.h"

namespace oob {
namespace {

// Keys that the kernel has taken are typed whatever happens: it gets what the wire takes in a quarter of a second.
std::size_t unsent_bytes_max(const SerialSettings& settings) {
  return std::clamp<std::size_t>(settings.speed / 10 / 4, 1, limits::serial_unsent_bytes_max);
}

std::string on_off(const ModemLines& lines) {
  std::string out;
  const auto put = [&](const char* name, bool on) {
    out += (out.empty() ? "" : " ") + ((on ? "+" : "-") + std::string(name));
  };
  put("DTR", lines.dtr), put("RTS", lines.rts), put("CTS", lines.cts);
  put("DSR", lines.dsr), put("DCD", lines.dcd), put("RI", lines.ri);
  return out;
}

}  // namespace

SerialLine::SerialLine(Shard& shard, LineEvents& events, SerialSettings settings, OpenSerialPort open)
    : StreamLine(shard, events),
      settings_(std::move(settings)),
      open_(std::move(open)),
      look_(shard),
      break_(shard),
      pace_(shard),
      unsent_(shard) {}

SerialLine::~SerialLine() {
  if (port_ && breaking_) (void)port_->set_break(false);
}

// Not from inside the caller, by a timer that ends with us.
void SerialLine::start() {
  pace_.once(Duration(0), [this] { begin(); });
}

void SerialLine::begin() {
  auto port = open_(settings_);
  if (!port) return down(port.error().message);
  const int fd = fcntl((*port)->fd(), F_DUPFD_CLOEXEC, 0);
  if (fd < 0) return down("out of file descriptors");
  port_ = std::move(*port);
  if (const std::string trouble = port_->lock_trouble(); !trouble.empty()) {
    log_limited(LogLevel::Warning, "line", settings_.device, "no lock file for the serial port; its own lock holds",
                {{"device", settings_.device}, {"reason", trouble}});
  }
  const auto counters = port_->counters();
  counted_ = counters.has_value();
  last_ = counters.value_or(SerialCounters());
  look_.every(limits::serial_look_every, [this] { look(); });
  open(fd, escape_controls(settings_.device) + ", " + to_string(settings_), 0);
  look();
}

// A port that is unplugged ends like a file.
void SerialLine::at_end(const std::string& reason) {
  look_.cancel(), break_.cancel(), pace_.cancel(), unsent_.cancel();
  count(true);
  port_.reset();
  down(escape_controls(settings_.device) + (reason == "closed" ? " has gone" : " has gone: " + reason));
}

// --- what the port says beside the bytes ---

void SerialLine::after_output(ByteView bytes) {
  hints_.received(bytes);
  count();
}

void SerialLine::look() {
  count();
  auto now = facts();
  if (now == told_facts_) return;
  told_facts_ = now;
  events_.line_facts(std::move(now));
}

void SerialLine::count(bool last) {
  const auto now = counted_ ? port_->counters() : std::nullopt;
  if (now && *now != last_) {
    const SerialCounters more = counted_since(last_, *now);
    errors_.add(more);
    hints_.framing_errors(more.framing);
    last_ = *now;
  }
  errors_.tell(events_, shard_.clock().now(), last);
}

LineFacts SerialLine::facts() {
  LineFacts out{{"settings", to_string(settings_)}};
  const auto lines = port_->modem_lines();
  if (lines) hints_.modem_lines(*lines);
  out.emplace_back("modem-lines", lines ? on_off(*lines) : "this port has none");
  if (counted_) errors_.put_facts(out);
  if (!counted_) out.emplace_back("errors", "this port does not count them");
  hints_.put_facts(out, shard_.clock().now());
  return out;
}

// --- what is typed ---

std::size_t SerialLine::write(ByteView bytes) {
  if (!port_ || breaking_) return 0;
  const std::size_t room = unsent_bytes_max(settings_), waiting = port_->unsent_bytes();
  const std::size_t offered = waiting < room ? std::min(bytes.size(), room - waiting) : 0;
  const std::size_t taken = StreamLine::write(bytes.first(offered));
  hints_.typed(taken, shard_.clock().now());
  if (taken > 0 && can_wait()) watch_unsent();
  // If the port takes less than it is offered, it says itself when it takes more.
  if (taken == offered && offered < bytes.size()) {
    pace_.once(limits::serial_pace, [this] { events_.line_writable(); });
  }
  return taken;
}

// With flow control what the kernel has may wait for as long as the device likes, and would be typed at any time.
void SerialLine::watch_unsent() {
  if (unsent_.armed()) return;
  unsent_before_ = port_->unsent_bytes();
  moved_at_ = shard_.clock().now();
  unsent_.every(limits::serial_pace * 10, [this] {
    const std::size_t now = port_->unsent_bytes();
    if (now == 0) return unsent_.cancel();
    if (now < std::exchange(unsent_before_, now)) moved_at_ = shard_.clock().now();
    if (shard_.clock().now() - moved_at_ < limits::input_age_max) return;
    unsent_.cancel();
    drop_unsent("flow control held them for 2 s");
  });
}

void SerialLine::drop_unsent(const std::string& why) {
  const std::size_t bytes = port_->unsent_bytes();
  if (bytes == 0) return;
  port_->drop_unsent();
  events_.line_note(count_of(bytes, "typed byte was", "typed bytes were") + " dropped: " + why);
}

Result<Duration> SerialLine::send_break(Duration duration) {
  if (!port_) return fail(ErrorCode::Conflict, "the port is not open");
  if (breaking_) return fail(ErrorCode::Conflict, "a break is being sent just now");
  break_time_ = duration == Duration(0) ? settings_.break_time : duration;
  breaking_ = true;
  if (port_->is_idle()) {
    if (const auto begun = begin_break(); !begun) return tl::unexpected(begun.error());
  } else {
    break_patience_ = shard_.clock().now() + limits::serial_break_patience;
    break_when_idle();
  }
  return break_time_;
}

// A break amid a character would garble it, and what was typed before must not come behind: after a break the other
// side may take it for a command.
void SerialLine::break_when_idle() {
  if (!port_->is_idle() && shard_.clock().now() < break_patience_) {
    return break_.once(limits::serial_pace, [this] { break_when_idle(); });
  }
  drop_unsent("a break was sent before the device took them");
  if (const auto begun = begin_break(); !begun) events_.line_note(begun.error().message);
}

Result<> SerialLine::begin_break() {
  const auto begun = port_->set_break(true);
  // The wire rests for a moment after a break, or the next character would be part of it.
  break_.once(begun ? break_time_ : Duration(0), [this] {
    (void)port_->set_break(false);
    break_.once(limits::serial_pace, [this] {
      breaking_ = false;
      events_.line_writable();
    });
  });
  return begun;
}

}  // namespace oob
