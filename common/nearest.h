// Words in messages: quoting, and "did you mean", the candidate that a mistyped word most likely stands for. Bounded:
// words longer than a name (limits::name_bytes_max) have no nearest; the cost is the candidates times 64 x 64 steps at
// most.
#pragma once
#include <algorithm>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace oob {

// Keeps the best of the candidates it is shown, one by one.
class Nearest {
 public:
  explicit Nearest(std::string_view word) : word_(word) {}
  void consider(std::string_view candidate);
  // Nothing if none is close: at most one edit (a letter added, lost, changed, or two swapped) in three letters; or the
  // only one that the word is the beginning of, if it has five letters ("admin", "password").
  const std::optional<std::string>& best() const { return best_ || begun_ > 1 ? best_ : longer_; }

 private:
  std::string word_;
  std::optional<std::string> best_, longer_;
  int begun_ = 0;  // candidates that the word is the beginning of
  std::size_t best_distance_ = 0;
};

std::optional<std::string> nearest_of(std::string_view word, const std::vector<std::string>& candidates);

// `; did you mean "x"?`, or nothing: the end of a message about `word`.
std::string did_you_mean(const std::optional<std::string>& nearest);

// A name or value as messages show it: in quotes, escaped, cut after 80 bytes.
std::string in_quotes(std::string_view text);

}  // namespace oob
