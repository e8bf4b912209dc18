// Text for people and scripts out of the server's JSON.
#include "cli/show.h"

#include <cstdio>
#include <ctime>

#include "common/text.h"

namespace oob {
namespace {

std::tm local_of(WallTime t) {
  const std::time_t seconds = std::chrono::system_clock::to_time_t(t);
  std::tm out{};
  localtime_r(&seconds, &out);
  return out;
}

std::string formatted(const std::tm& tm, const char* format) {
  char text[64];
  return {text, std::strftime(text, sizeof text, format, &tm)};
}

}  // namespace

std::string text_of(const json::object& from, std::string_view key) {
  const auto* value = from.if_contains(json::string_view(key.data(), key.size()));
  if (value == nullptr || !value->is_string()) return {};
  return {value->get_string().data(), value->get_string().size()};
}

std::optional<std::uint64_t> count_at(const json::object& from, std::string_view key) {
  const auto* value = from.if_contains(json::string_view(key.data(), key.size()));
  if (value == nullptr) return {};
  if (value->is_uint64()) return value->get_uint64();
  if (value->is_int64() && value->get_int64() >= 0) return static_cast<std::uint64_t>(value->get_int64());
  return {};
}

std::int64_t number_of(const json::object& from, std::string_view key) {
  const auto* value = from.if_contains(json::string_view(key.data(), key.size()));
  return value != nullptr && value->is_int64() ? value->get_int64() : 0;
}

bool flag_of(const json::object& from, std::string_view key) {
  const auto* value = from.if_contains(json::string_view(key.data(), key.size()));
  return value != nullptr && value->is_bool() && value->get_bool();
}

std::string local_time(std::string_view utc, WallTime now) {
  WallTime t;
  if (!parse_utc(utc, t)) return escape_controls(utc);
  const std::tm then = local_of(t), today = local_of(now);
  const bool same_day = then.tm_yday == today.tm_yday && then.tm_year == today.tm_year;
  return formatted(then, same_day ? "%H:%M:%S" : "%Y-%m-%d %H:%M:%S");
}

std::string local_time_full(std::string_view utc) {
  WallTime t;
  if (!parse_utc(utc, t)) return escape_controls(utc);
  std::string out = formatted(local_of(t), "%Y-%m-%d %H:%M:%S%z");
  if (out.size() > 5) out.insert(out.size() - 2, ":");  // +0100 -> +01:00
  return out;
}

std::string size_text(std::uint64_t bytes) {
  if (bytes < 1000) return std::to_string(bytes) + " bytes";
  double value = static_cast<double>(bytes);
  const char* unit = "";
  for (const char* next : {"kB", "MB", "GB", "TB"}) {
    if (value < 999.95) break;
    value /= 1000, unit = next;
  }
  char text[32];
  std::snprintf(text, sizeof text, "%.1f %s", value, unit);
  return text;
}

namespace {

// Splits at what stands for itself, and escapes the rest.
std::string escape_between(std::string_view text, std::string_view kept) {
  std::string out;
  while (true) {
    const auto end = text.find_first_of(kept);
    out += escape_controls(text.substr(0, end));
    if (end == std::string_view::npos) return out;
    out += text[end];
    text.remove_prefix(end + 1);
  }
}

}  // namespace

std::string escape_lines(std::string_view text) { return escape_between(text, "\n"); }
std::string escape_text_lines(std::string_view text) { return escape_between(text, "\n\\"); }

std::string escape_typed(std::string_view text) { return escape_between(text, "\\"); }

const json::array& rows_of(const json::value& answer, const char* list) {
  static const json::array none;
  const auto* object = answer.if_object();
  const auto* rows = object != nullptr ? object->if_contains(list) : nullptr;
  return rows != nullptr && rows->is_array() ? rows->get_array() : none;
}

std::string shown(const json::object& from, std::string_view key) { return escape_typed(text_of(from, key)); }

std::string json_line(const json::value& value) {
  const std::string plain = json::serialize(value);
  std::string out;
  out.reserve(plain.size() + 1);
  for (std::size_t i = 0; i < plain.size(); ++i) {
    const auto byte = [&](std::size_t at) { return static_cast<unsigned>(static_cast<unsigned char>(plain[i + at])); };
    const std::size_t wide = wide_control(std::string_view(plain).substr(i));
    if (byte(0) != 0x7F && wide == 0) {
      out += plain[i];
      continue;
    }
    const unsigned code = wide == 3   ? (byte(0) & 0x0F) << 12 | (byte(1) & 0x3F) << 6 | (byte(2) & 0x3F)
                          : wide == 2 ? (byte(0) & 0x1F) << 6 | (byte(1) & 0x3F)
                                      : byte(0);
    char hex[8];
    std::snprintf(hex, sizeof hex, "\\u%04x", code);
    out += hex;
    i += wide > 0 ? wide - 1 : 0;
  }
  return out + "\n";
}

}  // namespace oob
