// The texts about consoles and people that both the commands and the attached session's `w` and `i` show: one or more
// lines, the last without a newline, escaped. No I/O.
#pragma once
#include <string>

#include "common/clock.h"
#include "common/json/json.h"

namespace oob {

std::string who_name(const json::object& session);  // "alice", "alice (run)"
std::string who_mode(
    const json::object& session);  // "read-write", "read-only", "lost the connection, seat kept until .."
std::string who_lines(const json::value& sessions, WallTime now);  // of GET /v1/sessions
std::string info_lines(const json::value& console);                // of GET /v1/consoles/{name}
// What a listing has to say about a console beyond its columns: why it is down, what its log lacks.
std::string console_detail(const json::object& console);

}  // namespace oob
