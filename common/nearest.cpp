// Optimal string alignment distance (Damerau-Levenshtein without substrings edited twice), in three rows.
#include "common/nearest.h"

#include <array>

#include "common/limits.h"
#include "common/text.h"

namespace oob {
namespace {

constexpr std::size_t kBeginning = 5;  // letters

using Row = std::array<std::size_t, limits::name_bytes_max + 1>;

std::size_t distance_between(std::string_view a, std::string_view b) {
  Row before{}, last{}, row{};
  for (std::size_t j = 0; j <= b.size(); ++j) last[j] = j;
  for (std::size_t i = 1; i <= a.size(); ++i) {
    row[0] = i;
    for (std::size_t j = 1; j <= b.size(); ++j) {
      const std::size_t changed = last[j - 1] + (a[i - 1] == b[j - 1] ? 0 : 1);
      row[j] = std::min({last[j] + 1, row[j - 1] + 1, changed});
      if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1]) row[j] = std::min(row[j], before[j - 2] + 1);
    }
    before = last;
    last = row;
  }
  return last[b.size()];
}

}  // namespace

void Nearest::consider(std::string_view candidate) {
  if (word_.size() > limits::name_bytes_max || candidate.size() > limits::name_bytes_max) return;
  if (word_.size() >= kBeginning && candidate.starts_with(word_) && candidate != longer_) {
    longer_ = std::string(candidate);
    ++begun_;
  }
  const std::size_t shorter = std::min(word_.size(), candidate.size());
  const std::size_t longer = std::max(word_.size(), candidate.size());
  const std::size_t allowed = std::max<std::size_t>(1, shorter / 3);
  if (longer - shorter > allowed || candidate == word_ || shorter == 0) return;
  const std::size_t distance = distance_between(word_, candidate);
  if (distance > allowed || distance >= longer || (best_ && distance >= best_distance_)) return;
  best_ = std::string(candidate);
  best_distance_ = distance;
}

std::optional<std::string> nearest_of(std::string_view word, const std::vector<std::string>& candidates) {
  Nearest nearest(word);
  for (const auto& candidate : candidates) nearest.consider(candidate);
  return nearest.best();
}

std::string did_you_mean(const std::optional<std::string>& nearest) {
  return nearest ? "; did you mean \"" + escape_controls(*nearest) + "\"?" : "";
}

std::string in_quotes(std::string_view text) {
  constexpr std::size_t kShown = 80;
  if (text.size() <= kShown) return "\"" + escape_controls(text) + "\"";
  std::size_t cut = kShown;
  while (cut > kShown - 4 && (static_cast<unsigned char>(text[cut]) & 0xC0) == 0x80) --cut;  // not inside a character
  return "\"" + escape_controls(text.substr(0, cut)) + "...\"";
}

}  // namespace oob
