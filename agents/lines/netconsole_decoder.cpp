// See netconsole_decoder.h.
#include "agents/lines/netconsole_decoder.h"

#include <algorithm>
#include <charconv>
#include <cstdio>
#include <utility>

#include "common/limits.h"
#include "common/text.h"

namespace oob {
namespace {

constexpr std::size_t kHeaderBytesMax = 256;
// Processors tell the time a little apart; a clock that is back by more than this has been started anew.
constexpr std::uint64_t kClockBackMicroseconds = 5'000'000;

template <typename Number>
bool read_number(std::string_view text, Number& out) {
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), out);
  return error == std::errc() && end == text.data() + text.size();
}

// Up to the separator, which is taken as well; all of it if there is none.
std::string_view take(std::string_view& from, char separator) {
  const std::size_t at = from.find(separator);
  const std::string_view out = from.substr(0, at);
  from.remove_prefix(at == std::string_view::npos ? from.size() : at + 1);
  return out;
}

int hex_digit(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  return -1;
}

// printk writes whatever is not printable ASCII as \xNN.
std::string unescape(std::string_view text) {
  std::string out;
  out.reserve(text.size());
  for (std::size_t i = 0; i < text.size(); ++i) {
    const bool escaped = text[i] == '\\' && i + 3 < text.size() && text[i + 1] == 'x' && hex_digit(text[i + 2]) >= 0 &&
                         hex_digit(text[i + 3]) >= 0;
    out += escaped ? static_cast<char>(hex_digit(text[i + 2]) * 16 + hex_digit(text[i + 3])) : text[i];
    if (escaped) i += 3;
  }
  return out;
}

}  // namespace

std::optional<NetconsoleDecoder::Header> NetconsoleDecoder::parse(std::string_view datagram) {
  const std::size_t end = datagram.substr(0, kHeaderBytesMax).find(';');
  if (end == std::string_view::npos) return {};
  std::string_view fields = datagram.substr(0, end);
  Header out;
  unsigned level = 0;
  // With `release` set the kernel's version comes before all else.
  const std::string_view first = take(fields, ',');
  if (!read_number(first, level) && !read_number(take(fields, ','), level)) return {};
  if (!read_number(take(fields, ','), out.number) || !read_number(take(fields, ','), out.microseconds)) return {};
  const std::string_view flag = take(fields, ',');
  if (flag.size() != 1 || std::string_view("-c+").find(flag) == std::string_view::npos) return {};
  if (out.number == ~0ull) return {};
  out.flag = flag[0];
  out.body = datagram.substr(end + 1);
  while (!fields.empty()) {
    std::string_view value = take(fields, ',');
    if (take(value, '=') != "ncfrag") continue;
    const std::string_view offset = take(value, '/');
    out.sound = read_number(offset, out.offset) && read_number(value, out.total) && !out.body.empty() &&
                out.total <= limits::netconsole_message_bytes_max && out.offset <= out.total &&
                out.body.size() <= out.total - out.offset;
  }
  return out;
}

std::string_view NetconsoleDecoder::said(std::string_view datagram) {
  const auto header = parse(datagram);
  if (!header) return datagram;
  const std::size_t end = header->body.find('\n');
  return end == std::string_view::npos ? header->body : header->body.substr(0, end + 1);
}

void NetconsoleDecoder::receive(ByteView datagram, bool cut, SteadyTime now) {
  const auto header = parse(as_text(datagram));
  if (cut) {
    ++counters_.malformed;
    note("a datagram too long for netconsole follows, cut", now);
  }
  if (!header) {
    ++counters_.basic;
    basic(as_text(datagram));
    return;
  }
  ++counters_.extended;
  if (!header->sound) {
    ++counters_.malformed;
    return note("a malformed fragment was left out", now);
  }
  if (from_before(*header, now)) return;
  hold(*header, now);
  release(now);
}

void NetconsoleDecoder::basic(std::string_view text) {
  end_line();
  for (const char c : text) {
    if (c == '\n' && !after_cr_) out_ += '\r';
    out_ += c;
    after_cr_ = c == '\r';
  }
  put_out();
}

// True: all is said about it. False: it is in its place or ahead of it.
bool NetconsoleDecoder::from_before(const Header& header, SteadyTime now) {
  if (!next_) return false;
  if (header.number >= *next_) {
    if (header.microseconds + kClockBackMicroseconds < last_microseconds_) begin_anew(now);
    return false;
  }
  if (*next_ - header.number > recent_.size()) {
    begin_anew(now);
    return false;
  }
  Remembered& known = recent_[header.number % recent_.size()];
  if (known.number != header.number) {
    ++counters_.late;
    known = {header.number, header.microseconds};
    note("the next message came too late for its place", now);
    Message message{header.microseconds, header.flag, std::string(header.body), {}, 0, now};
    if (header.total > 0) message.missing = header.total - header.body.size();
    say(message, now);
    put_out();
    return true;
  }
  if (known.microseconds == header.microseconds) {
    ++counters_.repeated;
    return true;
  }
  begin_anew(now);
  return false;
}

void NetconsoleDecoder::begin_anew(SteadyTime now) {
  release(now, true);
  ++counters_.restarts;
  note("the sender's numbers began anew: it was started again", now);
  next_.reset();
  last_microseconds_ = 0;
  recent_ = {};
}

void NetconsoleDecoder::hold(const Header& header, SteadyTime now) {
  const bool fresh = !held_.contains(header.number);
  Message& message = held_[header.number];
  if (fresh) {
    message.microseconds = header.microseconds, message.flag = header.flag, message.arrived = now;
    message.body.resize(std::max(header.total, header.body.size()));
    if (header.total > 0) message.have.resize(header.total), message.missing = header.total;
    held_bytes_ += message.body.size();
  }
  if (header.total == 0) {
    fresh ? void(message.body = header.body) : void(++counters_.repeated);
    return;
  }
  if (message.have.size() != header.total) {
    ++counters_.malformed;
    return note("a malformed fragment was left out", now);
  }
  for (std::size_t i = 0; i < header.body.size(); ++i) {
    const std::size_t at = header.offset + i;
    if (message.have[at]) continue;
    message.have[at] = true;
    message.body[at] = header.body[i];
    --message.missing;
  }
}

// What is in order and whole; and what has waited long enough for what is not.
void NetconsoleDecoder::release(SteadyTime now, bool all) {
  while (!held_.empty()) {
    const auto first = held_.begin();
    const bool ready = next_ && first->first == *next_ && first->second.missing == 0;
    if (!ready && !all && held_.size() <= limits::netconsole_held_max &&
        held_bytes_ <= limits::netconsole_held_bytes_max) {
      const auto oldest = std::ranges::min_element(held_, {}, [](const auto& held) { return held.second.arrived; });
      if (now - oldest->second.arrived < limits::netconsole_window) break;
    }
    const auto node = held_.extract(first);
    held_bytes_ -= node.mapped().body.size();
    if (next_ && node.key() > *next_) missing(node.key() - *next_, now);
    next_ = node.key() + 1;
    last_microseconds_ = std::max(last_microseconds_, node.mapped().microseconds);
    recent_[node.key() % recent_.size()] = {node.key(), node.mapped().microseconds};
    say(node.mapped(), now);
  }
  put_out();
}

void NetconsoleDecoder::say(const Message& message, SteadyTime now) {
  if (message.flag != '+') end_line();
  // The text ends at the first newline; properties of the device follow it, one a line, and are not shown.
  const std::size_t end = std::min(message.body.find('\n'), message.body.size());
  if (message.missing == 0) {
    say_text(std::string_view(message.body).substr(0, end), message.microseconds);
  } else {
    std::string came;
    for (std::size_t i = 0; i < end; ++i) {
      if (message.have.empty() || message.have[i]) came += message.body[i];
    }
    say_text(came, message.microseconds);
    put_out();
    events_.line_lost(count_of(message.missing, "byte", "bytes") + " of this message did not come");
  }
  line_ends_ = now + limits::netconsole_window;
  if (message.flag == '-') end_line();
}

// As the kernel writes it to a serial port with printk.time: the time at the beginning of each line.
void NetconsoleDecoder::say_text(std::string_view body, std::uint64_t microseconds) {
  char time[48];
  std::snprintf(time, sizeof time, "[%5llu.%06llu] ", static_cast<unsigned long long>(microseconds / 1'000'000),
                static_cast<unsigned long long>(microseconds % 1'000'000));
  const std::string text = unescape(body);
  std::string_view rest = text;
  if (!line_ends_) out_ += time;
  for (std::size_t at = rest.find('\n'); at != std::string_view::npos; at = rest.find('\n')) {
    out_.append(rest.substr(0, at)).append("\r\n").append(time);
    rest.remove_prefix(at + 1);
  }
  out_ += rest;
}

void NetconsoleDecoder::end_line() {
  if (std::exchange(line_ends_, {})) out_ += "\r\n";
}

void NetconsoleDecoder::put_out() {
  if (!out_.empty()) events_.line_output(as_bytes(out_));
  out_.clear();
}

// In its place, unless there are too many such places: then as a sum, soon.
void NetconsoleDecoder::missing(std::uint64_t count, SteadyTime now) {
  counters_.missing += count;
  missing_untold_ += count;
  if (!marks_.take(now)) {
    if (!tell_missing_) tell_missing_ = now + limits::netconsole_marks_gathered;
    return;
  }
  put_out();
  events_.line_lost(count_of(std::exchange(missing_untold_, 0), "message", "messages") +
                    " did not come: lost, or below the sender's console log level");
  tell_missing_.reset();
}

void NetconsoleDecoder::note(const char* text, SteadyTime now) {
  if (!marks_.take(now)) return;  // the counters have it
  put_out();
  events_.line_note(text);
}

std::optional<SteadyTime> NetconsoleDecoder::next_deadline() const {
  std::optional<SteadyTime> out = tell_missing_;
  const auto sooner = [&](SteadyTime time) { out = out ? std::min(*out, time) : time; };
  for (const auto& [number, message] : held_) sooner(message.arrived + limits::netconsole_window);
  if (line_ends_) sooner(*line_ends_);
  return out;
}

void NetconsoleDecoder::tick(SteadyTime now) {
  release(now);
  if (line_ends_ && now >= *line_ends_) end_line();
  put_out();
  if (tell_missing_ && now >= *tell_missing_) {
    tell_missing_.reset();
    missing(0, now);
  }
}

}  // namespace oob
