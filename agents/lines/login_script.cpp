// The canonical text of a login script, written and read.
#include "agents/lines/login_script.h"

#include <charconv>
#include <optional>

#include "agents/lines/login_dialogue.h"
#include "common/names.h"
#include "common/nearest.h"

namespace oob {
namespace {

bool is_plain(char c) { return static_cast<unsigned char>(c) >= 0x20 && c != 0x7F && c != '"' && c != '\\'; }

std::string quoted(std::string_view text) {
  static constexpr char kDigits[] = "0123456789abcdef";
  std::string out = "\"";
  for (const char c : text) {
    if (is_plain(c)) {
      out += c;
    } else {
      const auto code = static_cast<unsigned char>(c);
      out += {'\\', 'x', kDigits[code >> 4], kDigits[code & 15]};
    }
  }
  return out + "\"";
}

std::string ms(Duration time) { return std::to_string(time.count()); }

// The words of one line, taken from its front.
class Words {
 public:
  explicit Words(std::string_view line) : rest_(line) {}
  bool empty() const { return rest_.empty(); }

  bool word(std::string_view wanted) {
    if (!rest_.starts_with(wanted)) return false;
    const auto after = rest_.substr(wanted.size());
    if (!after.empty() && after[0] != ' ') return false;
    rest_ = after;
    space();
    return true;
  }

  std::optional<std::string> quoted_text() {
    if (!rest_.starts_with('"')) return {};
    std::string out;
    for (std::size_t at = 1; at < rest_.size(); ++at) {
      if (rest_[at] == '"') {
        rest_.remove_prefix(at + 1);
        return space() ? std::optional(out) : std::nullopt;
      }
      if (is_plain(rest_[at])) {
        out += rest_[at];
        continue;
      }
      unsigned code = 0;
      const char* digits = rest_.data() + at + 2;
      if (rest_[at] != '\\' || at + 3 >= rest_.size() || rest_[at + 1] != 'x' ||
          std::from_chars(digits, digits + 2, code, 16).ptr != digits + 2) {
        return {};
      }
      out += static_cast<char>(code);
      at += 3;
    }
    return {};
  }

  std::optional<Duration> time() {
    std::int64_t number = -1;
    const auto [end, error] = std::from_chars(rest_.data(), rest_.data() + rest_.size(), number);
    if (error != std::errc() || number < 0) return {};
    rest_.remove_prefix(static_cast<std::size_t>(end - rest_.data()));
    return space() ? std::optional(Duration(number)) : std::nullopt;
  }

  std::string name() {
    const std::string out(rest_.substr(0, rest_.find(' ')));
    rest_.remove_prefix(out.size());
    space();
    return out;
  }

 private:
  // One space, or the end.
  bool space() {
    if (rest_.empty()) return true;
    if (rest_[0] != ' ' || rest_.size() == 1) return false;
    rest_.remove_prefix(1);
    return true;
  }
  std::string_view rest_;
};

std::string step_text(const LoginStep& step) {
  std::string out;
  if (step.optional) out += " optional";
  if (!step.expect.empty()) out += " expect " + quoted(step.expect) + " " + ms(step.timeout);
  if (!step.fail.empty()) out += " fail " + quoted(step.fail);
  if (step.pause.count() > 0) out += " pause " + ms(step.pause);
  if (!step.send.empty()) out += " send " + quoted(step.send);
  if (!step.secret.empty()) out += " secret " + step.secret;
  return out.substr(out.empty() ? 0 : 1);
}

std::optional<LoginStep> parse_step(std::string_view line) {
  LoginStep out;
  Words words(line);
  const auto text = [&](std::string_view word, std::string& into) {
    if (!words.word(word)) return true;
    auto given = words.quoted_text();
    if (given) into = std::move(*given);
    return given.has_value();
  };
  const auto time = [&](Duration& into) {
    const auto given = words.time();
    if (given) into = *given;
    return given.has_value();
  };
  out.optional = words.word("optional");
  if (!text("expect", out.expect) || (!out.expect.empty() && !time(out.timeout))) return {};
  if (!text("fail", out.fail)) return {};
  if (words.word("pause") && !time(out.pause)) return {};
  if (!text("send", out.send)) return {};
  if (words.word("secret")) out.secret = words.name();
  // Whatever else might be written in more than one way has one way here.
  return words.empty() && step_text(out) == line ? std::optional(out) : std::nullopt;
}

}  // namespace

Result<> check_step(const LoginStep& step) {
  const auto wrong = [](std::string_view what) { return fail(ErrorCode::Usage, std::string(what)); };
  for (const std::string* pattern : {&step.expect, &step.fail}) {
    if (pattern->empty()) continue;
    if (const auto good = check_pattern(*pattern); !good) return good;
  }
  if (step.expect.empty() && (step.optional || !step.fail.empty()))
    return wrong("\"optional\" and \"fail\" are for a step that has \"expect\"");
  if (!step.send.empty() && !step.secret.empty()) return wrong("a step has \"send\" or \"send-secret\", not both");
  if (step.send.size() > limits::login_send_bytes_max)
    return wrong("the text to send is longer than " + std::to_string(limits::login_send_bytes_max) + " bytes");
  if (!step.secret.empty() && !check_name_letters(step.secret)) return wrong("the key of a secret is malformed");
  if (step.expect.empty() && step.pause.count() == 0 && step.send.empty() && step.secret.empty())
    return wrong("the step does nothing; it wants \"expect\", \"send\", \"send-secret\" or \"pause\"");
  for (const Duration time : {step.timeout, step.pause}) {
    if (time.count() < 0 || time > limits::login_step_time_max) return wrong("a step waits for 10 minutes at most");
  }
  if (step.timeout.count() == 0) return wrong("a step without any time can only fail");
  return {};
}

std::string login_text(const LoginScript& script) {
  std::string out;
  for (const auto& step : script) out += (out.empty() ? "" : "\n") + step_text(step);
  return out;
}

Result<LoginScript> parse_login(std::string_view text) {
  LoginScript out;
  if (text.size() > limits::login_text_bytes_max) return fail(ErrorCode::Usage, "the login script is too long");
  while (true) {
    const auto end = text.find('\n');
    const auto line = text.substr(0, end);
    const std::string which = "step " + std::to_string(out.size() + 1) + " of the login script: ";
    auto step = parse_step(line);
    if (!step) return fail(ErrorCode::Usage, which + "cannot be read: " + in_quotes(line));
    if (const auto good = check_step(*step); !good) return fail(ErrorCode::Usage, which + good.error().message);
    if (out.size() == limits::login_steps_max) return fail(ErrorCode::Usage, "the login script has too many steps");
    out.push_back(std::move(*step));
    if (end == std::string_view::npos) return out;
    text.remove_prefix(end + 1);
  }
}

}  // namespace oob
