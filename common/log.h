// The daemons' own log (not the consoles'): one line an event on standard error, `time level area: message key=value`.
// Values are escaped; never pass a secret or console bytes. Repeats from one source are limited: see log_limited.
#pragma once
#include <initializer_list>
#include <string>
#include <string_view>
#include <utility>

namespace oob {

enum class LogLevel { Debug, Info, Warning, Error };

// One key=value pair of a log line.
struct LogField {
  LogField(std::string_view k, std::string_view v) : key(k), value(v) {}
  LogField(std::string_view k, const std::string& v) : key(k), value(v) {}
  LogField(std::string_view k, const char* v) : key(k), value(v) {}
  template <typename Number>
    requires std::is_arithmetic_v<Number>
  LogField(std::string_view k, Number v) : key(k), value(std::to_string(v)) {}
  std::string_view key;
  std::string value;
};
using LogFields = std::initializer_list<LogField>;

void log_start(std::string_view program, LogLevel least);
void log_line(LogLevel level, std::string_view area, std::string_view message, LogFields fields = {});
inline void log_debug(std::string_view a, std::string_view m, LogFields f = {}) { log_line(LogLevel::Debug, a, m, f); }
inline void log_info(std::string_view a, std::string_view m, LogFields f = {}) { log_line(LogLevel::Info, a, m, f); }
inline void log_warning(std::string_view a, std::string_view m, LogFields f = {}) {
  log_line(LogLevel::Warning, a, m, f);
}
inline void log_error(std::string_view a, std::string_view m, LogFields f = {}) { log_line(LogLevel::Error, a, m, f); }

// As log_line, but at most one line in 10 s for each `source` (an address, a console's name); the next line that gets
// through says how many were left out. Use it for whatever a stranger on the network can provoke.
void log_limited(LogLevel level, std::string_view area, std::string_view source, std::string_view message,
                 LogFields fields = {});

}  // namespace oob
