// Encoding and decoding of log files. What is decoded may be damaged or hostile: every number is checked.
#include "server/log/format.h"

#include <fmt/format.h>

#include <array>
#include <charconv>

#include "common/limits.h"
#include "common/text.h"

namespace oob {
namespace {

constexpr std::string_view kSetBack = "clock-set-back=";
constexpr std::string_view kMarkerStart = "\x1Eoob ";
constexpr std::array<std::string_view, 12> kEventNames = {"start",  "time",     "up",    "down",  "gap",  "attach",
                                                          "detach", "takeover", "break", "moved", "line", "note"};

template <typename Number>
bool parse_number(std::string_view text, Number& out, int base = 10) {
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), out, base);
  return error == std::errc{} && end == text.data() + text.size();
}

// The text up to the next space, which is taken away too.
std::string_view take_word(std::string_view& text) {
  const std::size_t space = std::min(text.find(' '), text.size());
  const std::string_view word = text.substr(0, space);
  text.remove_prefix(std::min(space + 1, text.size()));
  return word;
}

bool take_prefix(std::string_view& text, std::string_view prefix) {
  if (!text.starts_with(prefix)) return false;
  text.remove_prefix(prefix.size());
  return true;
}

// The inverse of escape_controls(); anything else after a backslash stays as it is.
std::string unescape(std::string_view text) {
  std::string out;
  for (std::size_t i = 0; i < text.size(); ++i) {
    unsigned code = 0;
    if (text[i] != '\\') {
      out += text[i];
    } else if (text.substr(i, 2) == "\\\\") {
      out += text[++i];
    } else if (text.substr(i, 2) == "\\x" && i + 3 < text.size() && parse_number(text.substr(i + 2, 2), code, 16)) {
      out += static_cast<char>(code);
      i += 3;
    } else {
      out += text[i];
    }
  }
  return out;
}

// Cuts escaped text without leaving half an escape or half a character.
std::string_view cut(std::string_view escaped, std::size_t bytes_max) {
  if (escaped.size() <= bytes_max) return escaped;
  std::size_t end = bytes_max;
  while (end > 0 && (static_cast<unsigned char>(escaped[end]) & 0xC0) == 0x80) --end;
  // An escape is at most four bytes; a backslash begins one if an even number of backslashes comes before it.
  for (std::size_t at = end < 4 ? 0 : end - 3; at < end; ++at) {
    if (escaped[at] != '\\') continue;
    std::size_t before = 0;
    while (before < at && escaped[at - 1 - before] == '\\') ++before;
    const std::size_t length = escaped[at + 1] == 'x' ? 4 : 2;
    if (before % 2 == 0 && at + length > end) return escaped.substr(0, at);
  }
  return escaped.substr(0, end);
}

// `line` is a marker without its newline.
std::optional<LogMarker> parse_marker(std::string_view line) {
  LogMarker marker;
  if (!take_prefix(line, kMarkerStart) || !parse_utc(take_word(line), marker.time)) return {};
  std::string_view offset = take_word(line);
  if (!take_prefix(offset, "@") || !parse_number(offset, marker.at.log_offset)) return {};
  const std::string_view name = take_word(line);
  const auto found = std::find(kEventNames.begin(), kEventNames.end(), name);
  if (found == kEventNames.end()) return {};
  marker.kind = static_cast<LogEvent::Kind>(found - kEventNames.begin());
  std::string_view position = take_word(line);
  if (!take_prefix(position, "line=") || position.size() < 18 || position[16] != '+') return {};
  if (!parse_number(position.substr(0, 16), marker.at.incarnation, 16)) return {};
  if (!parse_number(position.substr(17), marker.at.line_offset)) return {};
  if (marker.kind == LogEvent::Kind::Gap) {
    std::string_view bytes = take_word(line);
    if (!take_prefix(bytes, "bytes=")) return {};
    if (bytes != "unknown" && !parse_number(bytes, marker.gap_bytes.emplace())) return {};
    // A sum that wraps around would send a reader backwards.
    const LogPosition after = position_after(marker);
    if (after.log_offset < marker.at.log_offset || after.line_offset < marker.at.line_offset) return {};
  }
  marker.text = unescape(line);
  return marker;
}

bool marker_at(ByteView file, std::size_t at, bool file_start) {
  const std::string_view text = as_text(file);
  if (at == 0 ? !file_start : text[at - 1] != '\n') return false;
  return next_element(file.subspan(at)).type == LogElement::Type::Marker;
}

}  // namespace

std::string_view event_name(LogEvent::Kind kind) { return kEventNames[static_cast<std::size_t>(kind)]; }

std::uint64_t clock_set_back(const LogMarker& marker) {
  std::string_view text = marker.text;
  std::uint64_t times = 0;
  return take_prefix(text, kSetBack) && parse_number(text, times) ? times : 0;
}

std::string clock_set_back_text(std::uint64_t times) {
  return times == 0 ? "" : std::string(kSetBack) + std::to_string(times);
}

LogPosition position_after(const LogMarker& marker) { return advanced(marker.at, marker.gap_bytes.value_or(0)); }

void encode_output(Bytes& to, ByteView output) {
  while (!output.empty()) {
    const auto* found = static_cast<const std::byte*>(std::memchr(output.data(), int(kLogEscape), output.size()));
    const std::size_t plain = found ? found - output.data() + 1 : output.size();
    append(to, output.first(plain));
    if (found) to.push_back(kLogEscape);
    output = output.subspan(plain);
  }
}

void encode_marker(Bytes& to, const LogMarker& marker, bool mid_line) {
  std::string line =
      fmt::format("{}{}{} @{} {} line={:016x}+{}", mid_line ? "\x1E\n" : "", kMarkerStart, format_utc(marker.time),
                  marker.at.log_offset, kEventNames[static_cast<std::size_t>(marker.kind)], marker.at.incarnation,
                  marker.at.line_offset);
  if (marker.kind == LogEvent::Kind::Gap) {
    line += " bytes=" + (marker.gap_bytes ? std::to_string(*marker.gap_bytes) : "unknown");
  }
  if (!marker.text.empty()) {
    line += ' ';
    // Cut before it is escaped as well, so that a huge text costs no huge copy.
    const std::string escaped = escape_controls(std::string_view(marker.text).substr(0, limits::log_marker_bytes_max));
    line += cut(escaped, limits::log_marker_bytes_max - 2 - line.size());
  }
  line += '\n';
  append(to, line);
}

LogElement next_element(ByteView file) {
  LogElement element;
  const auto take = [&](LogElement::Type type, std::size_t bytes) { element.type = type, element.file_bytes = bytes; };
  if (file.empty()) return element;
  const auto* escape = static_cast<const std::byte*>(std::memchr(file.data(), int(kLogEscape), file.size()));
  if (escape != file.data()) {
    take(LogElement::Type::Output, escape ? escape - file.data() : file.size());
    element.output = file.first(element.file_bytes);
    return element;
  }
  if (file.size() == 1) return element;
  if (file[1] == kLogEscape) {
    take(LogElement::Type::Output, 2);
    element.output = file.first(1);
  } else if (file[1] == std::byte{'\n'}) {
    take(LogElement::Type::Newline, 2);
  } else {
    const std::string_view text = as_text(file).substr(0, limits::log_marker_bytes_max);
    const std::size_t newline = text.find('\n');
    const std::string_view start = text.substr(0, kMarkerStart.size());
    if (!kMarkerStart.starts_with(start) || (newline == text.npos && text.size() == limits::log_marker_bytes_max)) {
      element.type = LogElement::Type::Bad;
    } else if (newline != text.npos) {
      auto marker = parse_marker(text.substr(0, newline));
      take(marker ? LogElement::Type::Marker : LogElement::Type::Bad, marker ? newline + 1 : 0);
      if (marker) element.marker = std::move(*marker);
    }
  }
  return element;
}

std::size_t find_marker(ByteView file, std::size_t from, bool file_start) {
  const std::string_view text = as_text(file);
  for (std::size_t at = text.find(kMarkerStart, from); at != text.npos; at = text.find(kMarkerStart, at + 1)) {
    if (marker_at(file, at, file_start)) return at;
  }
  return text.npos;
}

std::size_t find_last_marker(ByteView file, bool file_start) {
  const std::string_view text = as_text(file);
  for (std::size_t at = text.rfind(kMarkerStart); at != text.npos;
       at = at ? text.rfind(kMarkerStart, at - 1) : text.npos) {
    if (marker_at(file, at, file_start)) return at;
  }
  return text.npos;
}

}  // namespace oob
