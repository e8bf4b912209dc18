// See expect.h.
#include "cli/expect.h"

#include <re2/re2.h>

#include <algorithm>

#include "cli/show.h"
#include "common/limits.h"
#include "common/text.h"

namespace oob {

struct Pattern::Compiled {
  explicit Compiled(const std::string& regex, const char* prefix = "(?m)") : re(prefix + regex, options()) {}
  static RE2::Options options() {
    RE2::Options out;
    out.set_log_errors(false);
    out.set_encoding(RE2::Options::EncodingLatin1);  // a console's bytes need not be UTF-8
    return out;
  }
  RE2 re;
};

Result<Pattern> Pattern::parse(std::string_view regex) {
  Pattern out;
  out.text_ = regex;
  out.compiled_ = std::make_shared<const Compiled>(out.text_);
  const std::string quoted = "\"" + escape_typed(regex) + "\"";
  // Without what we put before it, which its author has not written.
  if (const Compiled alone(out.text_, ""); !alone.re.ok()) {
    return fail(ErrorCode::Usage, quoted + " is no regular expression: " + escape_typed(alone.re.error()));
  }
  if (RE2::PartialMatch("", out.compiled_->re)) {
    return fail(ErrorCode::Usage,
                quoted + " matches an empty text too, so nothing would be waited for; write what has to come");
  }
  return out;
}

void Expect::add_plain(char c) {
  if (c == '\b' && !text_.empty() && text_.back() != '\n') return text_.pop_back();
  const auto code = static_cast<unsigned char>(c);
  if (c == '\n' || c == '\t' || (code >= 0x20 && code != 0x7F)) text_ += c;
}

void Expect::add(ByteView output) {
  for (const std::byte byte : output) {
    const auto code = std::to_integer<unsigned char>(byte);
    switch (state_) {
      case State::Text:
        if (code == 0x1B) {
          state_ = State::Escape;
        } else {
          add_plain(static_cast<char>(code));
        }
        break;
      case State::Escape:
        state_ = code == '['                                                               ? State::Csi
                 : code == ']' || code == 'P' || code == 'X' || code == '^' || code == '_' ? State::String
                 : code >= 0x20 && code < 0x30                                             ? State::Escape
                                                                                           : State::Text;
        break;
      case State::Csi:
        if (code >= 0x40 && code < 0x7F) state_ = State::Text;
        if (code == 0x1B) state_ = State::Escape;
        break;
      case State::String:
        if (code == 0x07 || code == '\n') state_ = State::Text;
        if (code == 0x1B) state_ = State::StringEscape;
        break;
      case State::StringEscape:
        state_ = State::Text;
        break;
    }
  }
  if (text_.size() > limits::run_capture_bytes) {
    text_.erase(0, text_.size() - limits::run_capture_bytes / 2);
    cut_ = true;
  }
}

std::optional<std::string> Expect::find(const Pattern& pattern) {
  const std::size_t from = text_.size() - std::min(text_.size(), limits::run_window_bytes);
  re2::StringPiece match;
  const re2::StringPiece all(text_);
  if (!pattern.compiled_->re.Match(all, from, all.size(), RE2::UNANCHORED, &match, 1)) return {};
  const auto begin = static_cast<std::size_t>(match.data() - all.data());
  const std::size_t newline = begin == 0 ? std::string::npos : text_.rfind('\n', begin - 1);
  std::string before = text_.substr(0, newline == std::string::npos ? 0 : newline + 1);
  text_.erase(0, begin + match.size());
  return before;
}

void Expect::forget() {
  text_.clear();
  cut_ = false;
}

std::string Expect::last_line() const {
  const auto end = text_.find_last_not_of(" \t\n");
  if (end == std::string::npos) return {};
  const auto newline = text_.rfind('\n', end);
  const std::size_t begin = newline == std::string::npos ? 0 : newline + 1;
  return text_.substr(begin, end + 1 - begin);
}

}  // namespace oob
