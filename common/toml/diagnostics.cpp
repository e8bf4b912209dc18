// Formatting and bounding of diagnostics.
#include "common/toml/diagnostics.h"

#include "common/limits.h"
#include "common/text.h"

namespace oob {

Position position_in(std::string file, unsigned line, unsigned column) {
  return {std::make_shared<const std::string>(std::move(file)), line, column};
}

std::string to_string(const Position& at) {
  std::string out = at.file ? escape_controls(*at.file) : "";
  if (at.line) out += ":" + std::to_string(at.line) + ":" + std::to_string(at.column);
  return out;
}

std::string to_string(const Diagnostic& diagnostic) {
  const std::string where = to_string(diagnostic.at);
  const char* severity = diagnostic.severity == Diagnostic::Severity::Error ? "error: " : "warning: ";
  return where + (where.empty() ? "" : ": ") + severity + diagnostic.text;
}

bool Diagnostics::full() const { return list_.size() >= limits::diagnostics_max; }

void Diagnostics::error(Position at, std::string text) {
  ++errors_;
  if (full()) return void(++left_out_);
  list_.push_back({Diagnostic::Severity::Error, std::move(at), std::move(text)});
}

void Diagnostics::warning(Position at, std::string text) {
  if (full()) return void(++left_out_);
  list_.push_back({Diagnostic::Severity::Warning, std::move(at), std::move(text)});
}

void Diagnostics::error_about(Position at, std::string text, std::string_view word,
                              const std::vector<std::string>& known) {
  if (!full()) text += did_you_mean(nearest_of(word, known));  // the search is what costs
  error(std::move(at), std::move(text));
}

std::string Diagnostics::text() const {
  std::string out;
  for (const auto& diagnostic : list_) out += to_string(diagnostic) + "\n";
  if (left_out_) out += "and " + std::to_string(left_out_) + " more\n";
  return out;
}

}  // namespace oob
