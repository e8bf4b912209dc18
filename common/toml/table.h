// Reads one table of a TOML file key by key. Asking for a key makes it known; finish() then reports every key nobody
// asked for, with the nearest known one. Wrong types are reported with what was wanted; the getter then says nothing,
// as for an absent key, so that a whole file is checked in one go.
#pragma once
#include "common/clock.h"
#include "common/result.h"
#include "common/toml/document.h"

namespace oob {

class TableReader {
 public:
  // `title` names the table in messages: "[agents]", "" for the top of the file. Both references outlive the reader.
  TableReader(const toml_file::Value& table, std::string title, Diagnostics& to);

  std::optional<std::string> text(std::string_view key);
  std::optional<std::int64_t> integer(std::string_view key, std::int64_t min, std::int64_t max);
  std::optional<bool> boolean(std::string_view key);
  std::optional<Duration> duration(std::string_view key);               // text as parse_duration() takes it
  std::optional<std::vector<std::string>> texts(std::string_view key);  // a list of text
  // One of `words`; the error names the nearest.
  std::optional<std::string> one_of(std::string_view key, const std::vector<std::string>& words);
  const toml_file::Value* table(std::string_view key);
  const toml_file::Value* list(std::string_view key);
  const toml_file::Value* any(std::string_view key);  // of any type; null if absent

  // True if it is there; else finish() reports it, by its misspelling if that is what is there.
  bool require(std::string_view key);
  // An error at the value of `key` (or at the table, if absent).
  void error(std::string_view key, std::string text);
  Position position(std::string_view key) const;

  void finish();  // call once, at the end, also after an error

 private:
  const toml_file::Value* typed(std::string_view key, toml_file::Value::Type wanted);
  std::string in_title() const;

  const toml_file::Value& table_;
  std::string title_;
  Diagnostics& to_;
  std::vector<std::string> known_, missing_;
};

// "250ms", "30s", "5m", "2h", "7d"; whole numbers, at most 366 days. Error: Usage, says what is wanted.
Result<Duration> parse_duration(std::string_view text);

// `path` if absolute, else below the folder that holds `file`.
std::string path_beside(const std::string& file, const std::string& path);

}  // namespace oob
