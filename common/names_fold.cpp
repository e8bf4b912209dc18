// fold_names(): names of one shape (same text around the last number) become one name with a [range].
#include <algorithm>
#include <charconv>
#include <map>

#include "common/names.h"

namespace oob {
namespace {

struct Number {
  std::uint64_t value;
  std::string text;
};

struct Shape {
  std::string before, after;
  std::vector<Number> numbers;
};

// Splits at the last run of digits; false if there is none that counts (18 digits at most, as in a range).
bool split(const std::string& name, std::string& before, Number& number, std::string& after) {
  const auto last = name.find_last_of("0123456789");
  if (last == std::string::npos) return false;
  const auto start = name.find_last_not_of("0123456789", last) + 1;  // npos + 1 is 0
  if (last + 1 - start > 18) return false;
  before = name.substr(0, start);
  number.text = name.substr(start, last + 1 - start);
  after = name.substr(last + 1);
  std::from_chars(number.text.data(), number.text.data() + number.text.size(), number.value);
  return true;
}

// True if a range that begins with `first` yields `next.text` for its number.
bool continues(const Number& first, const Number& last, const Number& next) {
  if (next.value != last.value + 1) return false;
  const std::string plain = std::to_string(next.value);
  const std::size_t width = std::max(plain.size(), first.text.size());
  return next.text == std::string(width - plain.size(), '0') + plain;
}

std::string fold(Shape& shape) {
  auto& numbers = shape.numbers;
  if (numbers.size() == 1) return shape.before + numbers[0].text + shape.after;
  std::ranges::sort(numbers, [](const Number& a, const Number& b) {
    return a.value != b.value ? a.value < b.value : a.text.size() < b.text.size();
  });
  std::string out;
  for (std::size_t i = 0; i < numbers.size();) {
    std::size_t end = i + 1;
    while (end < numbers.size() && continues(numbers[i], numbers[end - 1], numbers[end])) ++end;
    out += (out.empty() ? "" : ",") + numbers[i].text;
    if (end - i > 1) out += "-" + numbers[end - 1].text;
    i = end;
  }
  return shape.before + "[" + out + "]" + shape.after;
}

}  // namespace

std::string fold_names(const std::vector<std::string>& names) {
  std::vector<Shape> shapes;  // in the order in which they come first
  std::map<std::pair<std::string, std::string>, std::size_t> known;
  for (const auto& name : names) {
    std::string before, after;
    Number number{};
    if (!split(name, before, number, after)) {
      shapes.push_back({name, "", {}});
      continue;
    }
    const auto [found, is_new] = known.try_emplace({before, after}, shapes.size());
    if (is_new) shapes.push_back({before, after, {}});
    shapes[found->second].numbers.push_back(std::move(number));
  }
  std::string out;
  for (auto& shape : shapes) {
    out += (out.empty() ? "" : ",") + (shape.numbers.empty() ? shape.before : fold(shape));
  }
  return out;
}

}  // namespace oob
