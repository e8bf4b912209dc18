// The only file that knows toml++: its tree becomes ours, its exceptions become diagnostics.
#include "common/toml/document.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <toml++/toml.h>
#include <algorithm>
#include <cerrno>
#include <cstring>

#include "common/limits.h"
#include "common/text.h"

namespace oob::toml_file {
namespace {

using File = std::shared_ptr<const std::string>;

Position place(const File& file, const ::toml::source_position& at) {
  return {file, static_cast<unsigned>(at.line), static_cast<unsigned>(at.column)};
}

Value convert(const ::toml::node& node, const File& file);

void convert_entries(const ::toml::table& table, const File& file, Value& out) {
  out.entries.reserve(table.size());
  for (const auto& [key, node] : table) {
    out.entries.push_back({std::string(key.str()), place(file, key.source().begin), convert(node, file)});
  }
  std::ranges::stable_sort(out.entries, [](const Entry& a, const Entry& b) {
    return std::pair(a.at.line, a.at.column) < std::pair(b.at.line, b.at.column);
  });
}

Value convert(const ::toml::node& node, const File& file) {
  Value out;
  out.at = place(file, node.source().begin);
  if (const auto* table = node.as_table()) {
    out.type = Value::Type::Table;
    convert_entries(*table, file, out);
  } else if (const auto* list = node.as_array()) {
    out.type = Value::Type::List;
    out.list.reserve(list->size());
    for (const auto& element : *list) out.list.push_back(convert(element, file));
  } else if (const auto* text = node.as_string()) {
    out.type = Value::Type::Text;
    out.text = text->get();
  } else if (const auto* integer = node.as_integer()) {
    out.type = Value::Type::Integer;
    out.integer = integer->get();
  } else if (const auto* boolean = node.as_boolean()) {
    out.type = Value::Type::Boolean;
    out.boolean = boolean->get();
  } else if (const auto* number = node.as_floating_point()) {
    out.type = Value::Type::Float;
    out.number = number->get();
  } else {
    out.type = Value::Type::Time;
  }
  return out;
}

// Steps over a text file outside of strings and comments. The parser recurses once for each dot of a key and each
// bracket, and so does the destruction of its tree: depth is bounded here, before it sees the file.
class DepthCheck {
 public:
  DepthCheck(std::string_view text, const File& file) : text_(text), file_(file) {}

  // The place where the file nests too deep, if it does.
  std::optional<Position> run() {
    while (i_ < text_.size()) {
      const char c = text_[i_];
      if (c == '"' || c == '\'') {
        skip_string(c);
        continue;
      }
      if (c == '#') {
        i_ = std::min(text_.find('\n', i_), text_.size());
        continue;
      }
      if (c == '\n') ++line_, dots_ = 0;
      if (c == '=' || c == ',' || c == '{') dots_ = 0;
      if (c == '.') ++dots_;
      if (c == '[' || c == '{') ++depth_;
      if ((c == ']' || c == '}') && depth_ > 0) --depth_;
      if (dots_ > limits::config_key_dots_max || depth_ > limits::config_depth_max) return Position{file_, line_, 1};
      ++i_;
    }
    return {};
  }

 private:
  void skip_string(char quote) {
    const std::string three(3, quote);
    const bool long_string = text_.substr(i_, 3) == three;
    i_ += long_string ? 3 : 1;
    while (i_ < text_.size()) {
      if (text_[i_] == '\\' && quote == '"') {
        if (i_ + 1 < text_.size() && text_[i_ + 1] == '\n') ++line_;
        i_ += 2;
      } else if (long_string && text_.substr(i_, 3) == three) {
        i_ += 3;
        while (i_ < text_.size() && text_[i_] == quote) ++i_;  // up to two quotes may stand before the end
        return;
      } else if (!long_string && (text_[i_] == quote || text_[i_] == '\n')) {
        if (text_[i_] == quote) ++i_;
        return;
      } else {
        if (text_[i_] == '\n') ++line_;
        ++i_;
      }
    }
  }

  std::string_view text_;
  const File& file_;
  std::size_t i_ = 0, dots_ = 0, depth_ = 0;
  unsigned line_ = 1;
};

std::string_view line_at(std::string_view text, unsigned line) {
  for (; line > 1; --line) {
    const auto end = text.find('\n');
    if (end == std::string_view::npos) return {};
    text.remove_prefix(end + 1);
  }
  return text.substr(0, text.find('\n'));
}

std::string_view header_or_key(std::string_view line) {
  const auto start = line.find_first_not_of(" \t");
  if (start == std::string_view::npos) return {};
  line.remove_prefix(start);
  auto end = line.find(line[0] == '[' ? ']' : '=');
  if (end == std::string_view::npos) return {};
  line = line.substr(0, end);
  return line.substr(0, line.find_last_not_of(" \t") + 1);
}

// For a table or key that is there twice the parser names the second place only; this finds the first.
std::string first_place(std::string_view text, unsigned second_line, const File& file) {
  const auto wanted = header_or_key(line_at(text, second_line));
  if (wanted.empty()) return {};
  unsigned found = 0;
  std::string_view rest = text;
  for (unsigned line = 1; line < second_line; ++line) {
    const auto end = rest.find('\n');
    const auto here = rest.substr(0, end);
    const auto what = header_or_key(here);
    if (wanted[0] != '[' && !what.empty() && what[0] == '[') found = 0;  // a key of another table
    if (what == wanted) found = line;
    if (end == std::string_view::npos) break;
    rest.remove_prefix(end + 1);
  }
  return found ? "; it is there first at " + to_string(Position{file, found, 1}) : "";
}

// The parser's sentence as ours: it already shows control characters as \\n, so backslashes are not doubled.
std::string parser_words(std::string_view description) {
  std::string words;
  for (const char c : escape_controls(description)) {
    if (c != '\\' || !words.ends_with('\\')) words += c;
  }
  constexpr std::string_view kPrefix = "Error while parsing ";
  if (words.starts_with(kPrefix)) words = "in this " + words.substr(kPrefix.size());
  if (words.find("unescaped control characters") != std::string::npos)
    return "a text is not closed: its last quote is missing";
  if (words.find("utf-8") != std::string::npos) return "here is something that is not UTF-8 text";
  if (words.starts_with("in this inline table") && words.ends_with("'\\n'")) {
    words += "; { .. } stands on one line, a longer table is written as [name.of.table] with a line for each key";
  }
  return words;
}

void report(const ::toml::parse_error& problem, std::string_view text, const File& file, Diagnostics& to) {
  const auto at = place(file, problem.source().begin);
  std::string words = parser_words(problem.description());
  if (words.find("redefine") != std::string::npos) words += first_place(text, at.line, file);
  to.error(at, words);
}

}  // namespace

const Entry* Value::find(std::string_view key) const {
  for (const auto& entry : entries) {
    if (entry.key == key) return &entry;
  }
  return nullptr;
}

std::string_view type_name(Value::Type type) {
  switch (type) {
    case Value::Type::Text:
      return "text in quotes";
    case Value::Type::Integer:
      return "a whole number";
    case Value::Type::Boolean:
      return "true or false";
    case Value::Type::Float:
      return "a number with a fraction";
    case Value::Type::Time:
      return "a date or time";
    case Value::Type::List:
      return "a list";
    case Value::Type::Table:
      return "a table";
  }
  return "";
}

std::optional<std::string> read_config_file(const std::string& path, const std::string& shown, Diagnostics& to) {
  const auto fail_with = [&](const std::string& why) {
    to.error(position_in(shown), why);
    return std::nullopt;
  };
  const int fd = ::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK);  // a FIFO here must not hang us
  if (fd < 0) return fail_with(std::string("cannot be opened: ") + std::strerror(errno));
  struct stat status {};
  std::string text;
  std::string why;
  if (::fstat(fd, &status) < 0 || !S_ISREG(status.st_mode)) {
    why = "is not a regular file";
  } else {
    char buffer[64 * 1024];
    ssize_t n = 0;
    while (text.size() <= limits::config_file_bytes_max && (n = ::read(fd, buffer, sizeof buffer)) > 0) {
      text.append(buffer, static_cast<std::size_t>(n));
    }
    if (n < 0) why = std::string("cannot be read: ") + std::strerror(errno);
  }
  ::close(fd);
  if (!why.empty()) return fail_with(why);
  return text;  // one that is too large is refused by parse()
}

std::optional<Value> parse(std::string_view text, const std::string& shown, Diagnostics& to) {
  const File file = std::make_shared<const std::string>(shown);
  if (text.size() > limits::config_file_bytes_max) {
    to.error({file}, "is larger than " + std::to_string(limits::config_file_bytes_max / 1024 / 1024) +
                         " MB; split it into several files");
    return {};
  }
  if (const auto deep = DepthCheck(text, file).run()) {
    to.error(*deep, "nests too deep: a key has at most " + std::to_string(limits::config_key_dots_max) +
                        " dots, lists and tables stand in each other at most " +
                        std::to_string(limits::config_depth_max) + " deep");
    return {};
  }
  try {
    const ::toml::table table = ::toml::parse(text, std::string_view{});
    Value top = convert(table, file);
    top.at = {file, 1, 1};
    return top;
  } catch (const ::toml::parse_error& problem) {
    report(problem, text, file, to);
  } catch (const std::exception& problem) {
    to.error({file}, "cannot be read: " + escape_controls(problem.what()));
  }
  return {};
}

std::optional<Value> load(const std::string& path, Diagnostics& to) {
  const auto text = read_config_file(path, path, to);
  if (!text) return {};
  return parse(*text, path, to);
}

}  // namespace oob::toml_file
