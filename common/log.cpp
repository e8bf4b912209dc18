// The daemons' own log, written by spdlog to standard error (journald or a file takes it from there).
#include "common/log.h"

#include <spdlog/sinks/stdout_sinks.h>
#include <spdlog/spdlog.h>

#include <chrono>
#include <mutex>
#include <unordered_map>

#include "common/text.h"

namespace oob {
namespace {

constexpr std::size_t kSourcesMax = 4096;
constexpr auto kLimitedEvery = std::chrono::seconds(10);

struct Limited {
  std::chrono::steady_clock::time_point next;
  std::size_t left_out = 0;
};

spdlog::level::level_enum spdlog_level(LogLevel level) {
  switch (level) {
    case LogLevel::Debug:
      return spdlog::level::debug;
    case LogLevel::Info:
      return spdlog::level::info;
    case LogLevel::Warning:
      return spdlog::level::warn;
    case LogLevel::Error:
      return spdlog::level::err;
  }
  return spdlog::level::info;
}

}  // namespace

void log_start(std::string_view program, LogLevel least) {
  auto logger = spdlog::stderr_logger_mt(std::string(program));
  logger->set_pattern("%Y-%m-%dT%H:%M:%S.%eZ %l %n: %v", spdlog::pattern_time_type::utc);
  logger->set_level(spdlog_level(least));
  logger->flush_on(spdlog::level::debug);
  spdlog::set_default_logger(std::move(logger));
}

void log_line(LogLevel level, std::string_view area, std::string_view message, LogFields fields) {
  auto* logger = spdlog::default_logger_raw();
  if (!logger->should_log(spdlog_level(level))) return;
  std::string line;
  line.append(area).append(": ").append(escape_controls(message));
  for (const auto& field : fields) {
    const std::string value = escape_controls(field.value);
    const bool quote = value.empty() || value.find_first_of(" \"=") != std::string::npos;
    line.append(" ").append(field.key).append("=");
    quote ? line.append("\"").append(value).append("\"") : line.append(value);
  }
  logger->log(spdlog_level(level), "{}", line);
}

void log_limited(LogLevel level, std::string_view area, std::string_view source, std::string_view message,
                 LogFields fields) {
  static std::mutex mutex;
  static std::unordered_map<std::string, Limited> sources;
  std::size_t left_out = 0;
  {
    const std::lock_guard lock(mutex);
    const auto now = std::chrono::steady_clock::now();
    if (sources.size() >= kSourcesMax) sources.clear();
    Limited& limited = sources[std::string(area) + '\0' + std::string(source)];
    if (now < limited.next) {
      ++limited.left_out;
      return;
    }
    limited.next = now + kLimitedEvery;
    left_out = std::exchange(limited.left_out, 0);
  }
  if (left_out == 0) return log_line(level, area, message, fields);
  log_line(level, area, std::string(message) + " (" + std::to_string(left_out) + " more like it left out)", fields);
}

}  // namespace oob
