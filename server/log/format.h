// The console log's file format (docs/LOG-FORMAT.md), sans I/O: a stream's bytes one to one between marker lines.
// After byte 0x1E comes 0x1E (one literal 0x1E), a newline (which the log added before a marker in mid-line), or 'o',
// which begins a marker. So "\n\x1Eoob " is a marker and nothing else, wherever in a file one starts to look.
#pragma once
#include <optional>
#include <string>

#include "server/log/console_log.h"

namespace oob {

inline constexpr std::byte kLogEscape{0x1E};

// A marker line: what happened, when, and where in the stream. Every marker bears the line's position, so that any of
// them is enough to know where the log stands.
struct LogMarker {
  LogEvent::Kind kind = LogEvent::Kind::Note;
  WallTime time{};
  LogPosition at;                          // of the byte that follows; Gap: of the first missing one
  std::optional<std::uint64_t> gap_bytes;  // Gap only: empty = unknown
  std::string text;                        // as said; escaped in the file, cut to limits::log_marker_bytes_max there
};

std::string_view event_name(LogEvent::Kind kind);  // "attach", as in the file and in the API

inline LogPosition advanced(LogPosition position, std::uint64_t bytes) {
  position.log_offset += bytes;
  position.line_offset += bytes;
  return position;
}
// Whether what was read at `time` needs a Time marker if the last one says `last`: it is of another second. A clock
// that went back by less than a second is not followed, so that times seldom fall.
inline bool begins_second(WallTime time, WallTime last) {
  using std::chrono::floor, std::chrono::seconds;
  return floor<seconds>(time) > floor<seconds>(last) || last - time >= seconds(1);
}
// In the text of a Time marker: how often the clock had gone back in this file. 0: it does not say.
std::uint64_t clock_set_back(const LogMarker& marker);
std::string clock_set_back_text(std::uint64_t times);

// Where the stream is behind the marker: a gap of known size has moved it.
LogPosition position_after(const LogMarker& marker);

// Appends output, 0x1E doubled.
void encode_output(Bytes& to, ByteView output);
// Appends a marker line; `mid_line`: the file's last byte so far is not a newline.
void encode_marker(Bytes& to, const LogMarker& marker, bool mid_line);

// One element at the front of `file`.
struct LogElement {
  enum class Type {
    Output,   // `output`, as long as there is no 0x1E; a literal 0x1E alone
    Newline,  // added by the log, not output
    Marker,
    Torn,  // `file` ends within the element: more to be read, or cut off by a crash
    Bad,   // not this format
  };
  Type type = Type::Torn;
  std::size_t file_bytes = 0;  // taken from the front; 0 for Torn and Bad
  ByteView output;
  LogMarker marker;
};
LogElement next_element(ByteView file);

// The first marker line that begins at or after `from` in `file`; `file_start`: byte 0 of `file` begins a line.
// Only sound markers count. npos if there is none. `find_last_marker` is the same from the end.
std::size_t find_marker(ByteView file, std::size_t from, bool file_start);
std::size_t find_last_marker(ByteView file, bool file_start);

}  // namespace oob
