// How values from the server become text for a person: escaped, times local. And how JSON goes to a script: as proper
// JSON that is safe on a terminal too.
#pragma once
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "common/clock.h"
#include "common/json/json.h"

namespace oob {

// Fields of an object as the server sent them; "" / 0 / false if absent or of another type. Unescaped.
std::string text_of(const json::object& from, std::string_view key);
std::int64_t number_of(const json::object& from, std::string_view key);
std::optional<std::uint64_t> count_at(const json::object& from, std::string_view key);  // empty: absent or negative
bool flag_of(const json::object& from, std::string_view key);
// The rows of an answer; none if it has no such list.
const json::array& rows_of(const json::value& answer, const char* list);
// text_of() for a person: what a terminal would obey escaped, a backslash as it is. The server sends what lines,
// devices and agents said as it came, so that it is escaped once, here.
std::string shown(const json::object& from, std::string_view key);

// "14:02:11" for today, else "2026-11-21 14:02:11"; local. What is no UTC time is given back escaped.
std::string local_time(std::string_view utc, WallTime now);
// "2026-11-21 14:02:11+01:00".
std::string local_time_full(std::string_view utc);
std::string size_text(std::uint64_t bytes);  // "1.2 MB", as SI counts

// escape_controls() line by line: newlines stay.
std::string escape_lines(std::string_view text);
// The same with backslashes as they are: for files' texts, which are shown to be read and copied.
std::string escape_text_lines(std::string_view text);
// escape_controls() with backslashes as they are: for what the person here has typed, and is to know again.
std::string escape_typed(std::string_view text);
// One line of JSON with DEL, C1 controls and those that turn the direction of text as \u escapes (all else that a
// terminal would obey is escaped by JSON).
std::string json_line(const json::value& value);

}  // namespace oob
