// Typed access to one table, with the messages that go with it.
#include "common/toml/table.h"

#include <algorithm>
#include <charconv>

namespace oob {
using toml_file::Value;

TableReader::TableReader(const Value& table, std::string title, Diagnostics& to)
    : table_(table), title_(std::move(title)), to_(to) {}

std::string TableReader::in_title() const { return title_.empty() ? "" : " in " + title_; }

const Value* TableReader::any(std::string_view key) {
  if (std::ranges::find(known_, key) == known_.end()) known_.emplace_back(key);
  const auto* entry = table_.find(key);
  return entry ? &entry->value : nullptr;
}

const Value* TableReader::typed(std::string_view key, Value::Type wanted) {
  const Value* value = any(key);
  if (!value || value->is(wanted)) return value;
  to_.error(value->at, in_quotes(key) + " wants " + std::string(type_name(wanted)) + ", this is " +
                           std::string(type_name(value->type)));
  return nullptr;
}

std::optional<std::string> TableReader::text(std::string_view key) {
  const Value* value = typed(key, Value::Type::Text);
  if (!value) return {};
  if (value->text.find('\0') != std::string::npos) {  // it would end early in every system call
    to_.error(value->at, in_quotes(key) + " holds a zero byte");
    return {};
  }
  return value->text;
}

std::optional<std::int64_t> TableReader::integer(std::string_view key, std::int64_t min, std::int64_t max) {
  const Value* value = typed(key, Value::Type::Integer);
  if (!value) return {};
  if (value->integer < min || value->integer > max) {
    to_.error(value->at, in_quotes(key) + " is from " + std::to_string(min) + " to " + std::to_string(max) +
                             ", this is " + std::to_string(value->integer));
    return {};
  }
  return value->integer;
}

std::optional<bool> TableReader::boolean(std::string_view key) {
  const Value* value = typed(key, Value::Type::Boolean);
  return value ? std::optional(value->boolean) : std::nullopt;
}

std::optional<Duration> TableReader::duration(std::string_view key) {
  const auto written = text(key);
  if (!written) return {};
  const auto parsed = parse_duration(*written);
  if (!parsed) {
    error(key, in_quotes(key) + " " + parsed.error().message);
    return {};
  }
  return *parsed;
}

std::optional<std::vector<std::string>> TableReader::texts(std::string_view key) {
  const Value* value = typed(key, Value::Type::List);
  if (!value) return {};
  std::vector<std::string> out;
  for (const auto& element : value->list) {
    if (!element.is(Value::Type::Text) || element.text.find('\0') != std::string::npos) {
      to_.error(element.at, in_quotes(key) + " wants a list of text in quotes, here is " +
                                std::string(element.is(Value::Type::Text) ? "a zero byte" : type_name(element.type)));
      return {};
    }
    out.push_back(element.text);
  }
  return out;
}

std::optional<std::string> TableReader::one_of(std::string_view key, const std::vector<std::string>& words) {
  const auto written = text(key);
  if (!written || std::ranges::find(words, *written) != words.end()) return written;
  std::string list;
  for (const auto& word : words) list += (list.empty() ? "" : ", ") + word;
  to_.error_about(position(key), in_quotes(key) + " is one of " + list + "; this is " + in_quotes(*written), *written,
                  words);
  return {};
}

const Value* TableReader::table(std::string_view key) { return typed(key, Value::Type::Table); }
const Value* TableReader::list(std::string_view key) { return typed(key, Value::Type::List); }

bool TableReader::require(std::string_view key) {
  if (any(key)) return true;
  missing_.emplace_back(key);
  return false;
}

void TableReader::error(std::string_view key, std::string text) { to_.error(position(key), std::move(text)); }

Position TableReader::position(std::string_view key) const {
  const auto* entry = table_.find(key);
  return entry ? entry->value.at : table_.at;
}

void TableReader::finish() {
  for (const auto& entry : table_.entries) {
    if (std::ranges::find(known_, entry.key) == known_.end()) std::erase(missing_, nearest_of(entry.key, known_));
  }
  for (const auto& key : missing_) to_.error(table_.at, "the key " + in_quotes(key) + " is missing" + in_title());
  for (const auto& entry : table_.entries) {
    if (std::ranges::find(known_, entry.key) != known_.end()) continue;
    const bool table = entry.value.is(Value::Type::Table);
    to_.error_about(entry.at, (table ? "unknown table " : "unknown key ") + in_quotes(entry.key) + in_title(),
                    entry.key, known_);
  }
}

Result<Duration> parse_duration(std::string_view text) {
  const auto wrong = [&] {
    return fail(ErrorCode::Usage,
                "wants a time as \"250ms\", \"30s\", \"5m\", \"2h\" or \"7d\", this is " + in_quotes(text));
  };
  std::int64_t number = 0;
  const auto [end, problem] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (problem != std::errc{} || number < 0) return wrong();
  const std::string_view unit(end, static_cast<std::size_t>(text.data() + text.size() - end));
  const std::int64_t factor = unit == "ms"  ? 1
                              : unit == "s" ? 1000
                              : unit == "m" ? 60'000
                              : unit == "h" ? 3'600'000
                              : unit == "d" ? 24 * 3'600'000
                                            : 0;
  constexpr std::int64_t kMax = std::int64_t{366} * 24 * 3'600'000;
  if (factor == 0) return wrong();
  if (number > kMax / factor) return fail(ErrorCode::Usage, "is longer than 366 days: " + in_quotes(text));
  return Duration(number * factor);
}

std::string path_beside(const std::string& file, const std::string& path) {
  if (path.starts_with('/')) return path;
  const auto slash = file.rfind('/');
  return slash == std::string::npos ? path : file.substr(0, slash + 1) + path;
}

}  // namespace oob
