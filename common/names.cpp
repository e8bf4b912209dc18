// Parsing and evaluation of NAMES in one pass, left to right.
#include "common/names.h"

#include <algorithm>
#include <charconv>
#include <unordered_set>

#include "common/limits.h"

namespace oob {
namespace {

constexpr std::string_view kVerbs[] = {
    "access", "agent", "alarm", "ask",       "attach",   "audit", "bmc", "ether",   "forward", "gang",
    "grep",   "help",  "info",  "inventory", "kick",     "kvm",   "log", "login",   "logout",  "ls",
    "msg",    "power", "run",   "screen",    "timeline", "token", "tty", "version", "who",     "whoami"};

bool is_digit(char c) { return c >= '0' && c <= '9'; }
bool is_alnum(char c) { return is_digit(c) || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z'); }
bool is_name_char(char c) { return is_alnum(c) || c == '.' || c == '_' || c == '-'; }

tl::unexpected<Error> usage(std::string message) { return fail(ErrorCode::Usage, std::move(message)); }
tl::unexpected<Error> too_many() {
  return usage("more than " + std::to_string(limits::names_max) + " names; write a narrower expression");
}

std::string_view trim(std::string_view text) {
  while (!text.empty() && text.front() == ' ') text.remove_prefix(1);
  while (!text.empty() && text.back() == ' ') text.remove_suffix(1);
  return text;
}

// Wildcards * and ?, by going back to the last star only: name x pattern steps at most.
bool glob_matches(std::string_view pattern, std::string_view name) {
  std::size_t p = 0, n = 0, star = std::string_view::npos, tried = 0;
  while (n < name.size()) {
    if (p < pattern.size() && (pattern[p] == '?' || pattern[p] == name[n])) {
      ++p, ++n;
    } else if (p < pattern.size() && pattern[p] == '*') {
      star = p++;
      tried = n;
    } else if (star != std::string_view::npos) {
      p = star + 1;
      n = ++tried;
    } else {
      return false;
    }
  }
  while (p < pattern.size() && pattern[p] == '*') ++p;
  return p == pattern.size();
}

std::string padded(std::uint64_t number, std::size_t width) {
  std::string digits = std::to_string(number);
  return digits.size() < width ? std::string(width - digits.size(), '0') + digits : digits;
}

// The alternatives of one [..]: "01-16,20".
Result<std::vector<std::string>> expand_bracket(std::string_view inside) {
  std::vector<std::string> out;
  while (true) {
    const auto comma = inside.find(',');
    const auto item = trim(inside.substr(0, comma));
    const auto dash = item.find('-');
    const auto first = item.substr(0, dash), last = dash == std::string_view::npos ? first : item.substr(dash + 1);
    const auto bad = [](std::string_view n) { return n.empty() || n.size() > 18 || !std::ranges::all_of(n, is_digit); };
    if (bad(first) || bad(last)) return usage("the range " + in_quotes(item) + " is no number or \"01-16\"");
    std::uint64_t from = 0, to = 0;
    std::from_chars(first.data(), first.data() + first.size(), from);
    std::from_chars(last.data(), last.data() + last.size(), to);
    if (from > to) return usage("the range " + in_quotes(item) + " runs backwards; write the lower number first");
    if (to - from >= limits::names_max - out.size()) return too_many();
    for (auto n = from; n <= to; ++n) out.push_back(padded(n, first.size()));
    if (comma == std::string_view::npos) return out;
    inside.remove_prefix(comma + 1);
  }
}

// Every name a pattern stands for; globs stay in. Fails before it grows beyond the limits.
Result<std::vector<std::string>> expand(std::string_view pattern) {
  std::vector<std::string> out{""};
  const auto append_all = [&](std::string_view text) {
    for (auto& name : out) name += text;
  };
  std::string_view rest = pattern;
  std::size_t literal = 0;
  while (!rest.empty()) {
    const auto open = rest.find_first_of("[]");
    if (open != std::string_view::npos && rest[open] == ']') {
      return usage("the \"]\" in " + in_quotes(pattern) + " closes nothing");
    }
    literal += std::min(open, rest.size());
    if (literal > limits::name_bytes_max) return usage(in_quotes(pattern) + " is longer than a name can be");
    append_all(rest.substr(0, open));
    if (open == std::string_view::npos) break;
    const auto close = rest.find(']', open);
    if (close == std::string_view::npos) return usage("the \"[\" in " + in_quotes(pattern) + " is not closed by \"]\"");
    const auto numbers = expand_bracket(rest.substr(open + 1, close - open - 1));
    if (!numbers) return tl::unexpected(numbers.error());
    if (numbers->size() * out.size() > limits::names_max) return too_many();
    literal += numbers->front().size();
    std::vector<std::string> next;
    next.reserve(numbers->size() * out.size());
    for (const auto& name : out) {
      for (const auto& number : *numbers) next.push_back(name + number);
    }
    out = std::move(next);
    rest.remove_prefix(close + 1);
  }
  return out;
}

Result<> check_pattern_chars(std::string_view pattern) {
  bool inside = false;
  for (const char c : pattern) {
    if (c == '[') inside = true;
    if (c == ']') inside = false;
    const bool fine =
        is_name_char(c) || c == '[' || c == ']' || c == '*' || c == '?' || (inside && (c == ',' || c == ' '));
    if (!fine) return usage(in_quotes(std::string(1, c)) + " in " + in_quotes(pattern) + " can stand in no name");
  }
  return {};
}

class Selection {
 public:
  explicit Selection(const NameUniverse& universe) : universe_(universe) {}

  Result<std::vector<std::string>> run(std::string_view expression) {
    std::vector<std::string> out;
    std::unordered_set<std::string> seen;
    rest_ = expression;
    while (true) {
      auto names = term();
      if (!names) return names;
      for (auto& name : *names) {
        if (!seen.insert(name).second) continue;
        if (out.size() == limits::names_max) return too_many();
        out.push_back(std::move(name));
      }
      if (rest_.empty()) break;
      rest_.remove_prefix(1);  // the comma
    }
    if (out.empty()) return fail(ErrorCode::NotFound, in_quotes(expression) + " selects nothing");
    return out;
  }

  std::size_t steps() const { return steps_; }

 private:
  using Names = Result<std::vector<std::string>>;

  Names term() {
    auto left = factor();
    while (left && !rest_.empty() && rest_[0] != ',') {
      const bool take_away = rest_[0] == '!';
      rest_.remove_prefix(1);
      const auto right = factor();
      if (!right) return right;
      const std::unordered_set<std::string_view> chosen(right->begin(), right->end());
      std::erase_if(*left, [&](const std::string& name) { return chosen.contains(name) == take_away; });
    }
    return left;
  }

  // Takes the text up to the next operator outside of brackets.
  std::string_view take_word() {
    std::size_t end = 0;
    for (bool inside = false; end < rest_.size(); ++end) {
      const char c = rest_[end];
      if (c == '[') inside = true;
      if (c == ']') inside = false;
      if (c == '!' || c == '&' || (c == ',' && !inside)) break;
    }
    const auto word = trim(rest_.substr(0, end));
    rest_.remove_prefix(end);
    return word;
  }

  Names factor() {
    const auto word = take_word();
    if (word.empty()) {
      return usage("a name is missing in the expression, before or after one of \",\", \"!\" and \"&\"");
    }
    if (word[0] == '@') return group(word.substr(1));
    if (const auto equals = word.find('='); equals != std::string_view::npos) {
      return label(word.substr(0, equals), word.substr(equals + 1));
    }
    return pattern(word);
  }

  Names group(std::string_view name) {
    const auto* members = universe_.members(name);
    if (!members) {
      return fail(ErrorCode::NotFound,
                  "no group " + in_quotes(name) + did_you_mean(nearest_of(name, universe_.groups())));
    }
    if (!spend(members->size() + 1)) return too_much();
    std::vector<std::string> out;
    for (const auto& member : *members) {
      if (std::ranges::binary_search(universe_.all(), member)) out.push_back(member);
    }
    return out;
  }

  Names label(std::string_view key, std::string_view value) {
    if (!spend(universe_.all().size() + 1)) return too_much();
    auto out = universe_.labelled(key, value);
    if (out.empty()) {
      const std::string whole = std::string(key) + "=" + std::string(value);
      return fail(ErrorCode::NotFound,
                  "nothing has the label " + in_quotes(whole) + did_you_mean(nearest_of(whole, universe_.labels())));
    }
    return out;
  }

  Names pattern(std::string_view word) {
    if (const auto fine = check_pattern_chars(word); !fine) return tl::unexpected(fine.error());
    const auto expanded = expand(word);
    if (!expanded) return expanded;
    const auto& all = universe_.all();
    std::vector<std::string> out;
    for (const auto& name : *expanded) {
      const bool glob = name.find_first_of("*?") != std::string::npos;
      if (!spend(glob ? all.size() * name.size() + 1 : 1)) return too_much();  // as the match costs
      if (glob) {
        std::ranges::copy_if(all, std::back_inserter(out), [&](const auto& one) { return glob_matches(name, one); });
        if (out.size() > limits::names_max) return too_many();
      } else if (std::ranges::binary_search(all, name)) {
        out.push_back(name);
      } else {
        return fail(ErrorCode::NotFound, "no name " + in_quotes(name) + did_you_mean(nearest_of(name, all)));
      }
    }
    return out;
  }

  bool spend(std::size_t steps) { return (steps_ += steps) <= limits::names_steps_max; }
  tl::unexpected<Error> too_much() { return usage("the expression looks at too many names; write fewer globs"); }

  const NameUniverse& universe_;
  std::string_view rest_;
  std::size_t steps_ = 0;
};

}  // namespace

Result<> check_name_letters(std::string_view name) {
  if (name.empty()) return usage("a name cannot be empty");
  if (name.size() > limits::name_bytes_max) {
    return usage(in_quotes(name) + " is too long for a name: at most " + std::to_string(limits::name_bytes_max) +
                 " characters");
  }
  for (std::size_t i = 0; i < name.size(); ++i) {
    if (i == 0 ? is_alnum(name[i]) : is_name_char(name[i])) continue;
    return usage(
        in_quotes(name) + " is no name: " +
        (i == 0 ? "it begins with a letter or digit" : "letters, digits, \".\", \"_\" and \"-\" may stand in it"));
  }
  return {};
}

Result<> check_name(std::string_view name) {
  if (const auto letters = check_name_letters(name); !letters) return letters;
  if (std::ranges::find(kVerbs, name) != std::end(kVerbs)) {
    return usage(in_quotes(name) + " cannot be a name: it is a command of oob");
  }
  return {};
}

Result<std::vector<std::string>> select_names(std::string_view expression, const NameUniverse& universe,
                                              std::size_t* steps) {
  if (expression.size() > limits::names_expression_bytes_max) {
    return usage("the names expression is longer than " + std::to_string(limits::names_expression_bytes_max / 1024) +
                 " KB");
  }
  Selection selection(universe);
  auto names = selection.run(expression);
  if (steps != nullptr) *steps = selection.steps();
  return names;
}

Result<std::vector<std::string>> expand_ranges(std::string_view pattern) {
  if (const auto fine = check_pattern_chars(pattern); !fine) return tl::unexpected(fine.error());
  if (pattern.empty() || pattern.find_first_of("*?") != std::string_view::npos) {
    return usage(in_quotes(pattern) + " wants names and ranges only, as \"db[01-06]\"");
  }
  return expand(pattern);
}

bool is_names_expression(std::string_view text) {
  return text.starts_with('@') || text.find_first_of("[]*?!&,=") != std::string_view::npos;
}

}  // namespace oob
