// A TOML 1.0 file as values with positions. Independent of the parser (toml++, only in document.cpp). Every mistake of
// the file goes to Diagnostics with its place; a file with a syntax error has no document.
#pragma once
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "common/toml/diagnostics.h"

namespace oob::toml_file {

struct Entry;

struct Value {
  enum class Type { Text, Integer, Boolean, Float, Time, List, Table };
  Type type = Type::Table;
  Position at;
  std::string text;            // Text
  std::int64_t integer = 0;    // Integer
  bool boolean = false;        // Boolean
  double number = 0;           // Float
  std::vector<Value> list;     // List
  std::vector<Entry> entries;  // Table, in the order of the file

  bool is(Type t) const { return type == t; }
  const Entry* find(std::string_view key) const;  // Table; null if absent
};

struct Entry {
  std::string key;
  Position at;  // of the key
  Value value;
};

std::string_view type_name(Value::Type type);  // "text in quotes", "a number", ... for messages

// The text of a file, at most limits::config_file_bytes_max and regular. `shown` is its name in messages.
std::optional<std::string> read_config_file(const std::string& path, const std::string& shown, Diagnostics& to);

// Parses bytes; nothing if there was an error.
std::optional<Value> parse(std::string_view text, const std::string& shown, Diagnostics& to);

// Both of the above: what a program calls for its one configuration file.
std::optional<Value> load(const std::string& path, Diagnostics& to);

}  // namespace oob::toml_file
