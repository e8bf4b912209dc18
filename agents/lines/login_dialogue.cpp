// See login_dialogue.h. The one place of this folder where RE2 is seen.
#include "agents/lines/login_dialogue.h"

#include <re2/re2.h>

#include <algorithm>
#include <utility>

#include "common/nearest.h"
#include "common/text.h"

namespace oob {
namespace {

constexpr std::size_t kShownBytes = 240;  // of what the device said last
// Less of a secret at a cut tells nobody anything; and masking what only looks like it would tell how it begins or
// ends.
constexpr std::size_t kPartBytes = 3;

RE2::Options pattern_options() {
  RE2::Options out;
  out.set_log_errors(false);
  out.set_encoding(RE2::Options::EncodingLatin1);  // a device's bytes need not be UTF-8
  out.set_max_mem(limits::login_pattern_memory);
  return out;
}

struct Compiled {
  explicit Compiled(const std::string& pattern, const char* prefix = "(?m)")
      : re(prefix + pattern, pattern_options()) {}
  bool in(std::string_view text) const { return RE2::PartialMatch(re2::StringPiece(text.data(), text.size()), re); }
  RE2 re;
};

// Ends of lines as " | ", so that the words of several fit one.
std::string on_one_line(std::string_view text) {
  std::string out;
  for (const char c : text) {
    if (c != '\r' && c != '\n') {
      out += c;
    } else if (!out.empty() && !out.ends_with(" | ")) {
      out += " | ";
    }
  }
  if (out.ends_with(" | ")) out.resize(out.size() - 3);
  return out;
}

// How many bytes at the beginning of `text` a terminal shows no letter of: a control character, an escape sequence
// (ECMA-48), or what a shell prints to wrap a line or to erase, a space and back.
std::size_t unseen_bytes(std::string_view text) {
  const auto is = [&](std::size_t at, unsigned least, unsigned most) {
    const unsigned code = at < text.size() ? static_cast<unsigned char>(text[at]) : 256;
    return code >= least && code <= most;
  };
  if (is(0, ' ', ' ')) return is(1, '\b', '\b') || is(1, '\r', '\r') ? 2 : 0;
  if (!is(0, 0, 0x1f) && !is(0, 0x7f, 0x7f)) return 0;
  if (!is(0, 0x1b, 0x1b)) return 1;
  const bool csi = is(1, '[', '[');
  std::size_t end = csi ? 2 : 1;
  while (is(end, 0x20, csi ? 0x3f : 0x2f)) ++end;
  return std::min(text.size(), end + 1);
}

// The bytes of a text, or those that a terminal shows as letters, and where each stands.
struct Letters {
  Letters(std::string_view of, bool shown) {
    for (std::size_t here = 0; here < of.size();) {
      const std::size_t unseen = shown ? unseen_bytes(of.substr(here)) : 0;
      if (unseen == 0) text += of[here], at.push_back(here);
      here += std::max<std::size_t>(unseen, 1);
    }
  }
  ~Letters() { wipe(text); }
  std::string text;
  std::vector<std::size_t> at;
};

std::string mask_letters(const std::string& text, std::string_view secret, bool shown) {
  static constexpr std::string_view kMask = "***";
  const Letters all(text, shown), wanted(secret, shown);
  const std::string_view word = wanted.text, letters = all.text;
  if (word.empty()) return text;
  std::string out;
  std::size_t copied = 0, from = 0;  // of the text; of its letters
  const auto mask = [&](std::size_t begin, std::size_t end) {
    out += text.substr(copied, all.at[begin] - copied);
    out += kMask;
    copied = all.at[end - 1] + 1;
    from = end;
  };
  for (std::size_t n = std::min(letters.size(), word.size() - 1); n >= kPartBytes; --n) {  // its end at the beginning
    if (!letters.starts_with(word.substr(word.size() - n))) continue;
    mask(0, n);
    break;
  }
  for (auto at = letters.find(word, from); at != std::string_view::npos; at = letters.find(word, from)) {
    mask(at, at + word.size());
  }
  for (std::size_t n = std::min(letters.size() - from, word.size() - 1); n >= kPartBytes;
       --n) {  // its beginning at the end
    if (!letters.ends_with(word.substr(0, n))) continue;
    mask(letters.size() - n, letters.size());
    break;
  }
  return out + text.substr(copied);
}

std::string seconds(Duration time) {
  return time.count() % 1000 == 0 ? std::to_string(time.count() / 1000) + " s" : std::to_string(time.count()) + " ms";
}

}  // namespace

struct LoginDialogue::Patterns {
  explicit Patterns(const LoginScript& script) {
    for (const auto& step : script) {
      expect.push_back(step.expect.empty() ? nullptr : std::make_unique<Compiled>(step.expect));
      fail.push_back(step.fail.empty() ? nullptr : std::make_unique<Compiled>(step.fail));
    }
  }
  std::vector<std::unique_ptr<Compiled>> expect, fail;  // by step; null for none
};

LoginDialogue::LoginDialogue(LoginScript script, std::map<std::string, Secret> secrets, SteadyTime now)
    : script_(std::move(script)),
      patterns_(std::make_unique<Patterns>(script_)),
      secrets_(std::move(secrets)),
      now_(now),
      deadline_(now) {
  std::size_t bytes = 0;  // all at once: growing would leave copies of secrets behind
  for (const auto& step : script_) {
    const auto secret = secrets_.find(step.secret);
    bytes += step.send.size() + (secret == secrets_.end() ? 0 : secret->second.reveal().size() + 1);
  }
  unsent_.reserve(bytes);
  begin_step(0);
  go_on();
}

LoginDialogue::~LoginDialogue() {
  wipe(unsent_);
  wipe(window_);
  wipe(transcript_);
}

void LoginDialogue::received(ByteView bytes, SteadyTime now) {
  now_ = now;
  heard_ += bytes.size();
  const std::string_view text = as_text(bytes);
  const auto kept = text.substr(text.size() - std::min(text.size(), limits::login_transcript_bytes));
  transcript_ += kept;
  if (transcript_.size() > limits::login_transcript_bytes)
    transcript_.erase(0, transcript_.size() - limits::login_transcript_bytes);
  std::string_view left = text;
  while (!left.empty() && state_ == State::Going) {
    const std::size_t take = std::min(left.size(), limits::login_window_bytes - window_.size());
    window_ += left.substr(0, take);
    left.remove_prefix(take);
    go_on();
    if (state_ == State::Going && window_.size() == limits::login_window_bytes)
      window_.erase(0, limits::login_window_bytes / 2);
  }
  if (state_ == State::Done) window_ += left;
}

void LoginDialogue::tick(SteadyTime now) {
  now_ = now;
  if (state_ != State::Going || now < deadline_) return;
  if (phase_ == Phase::Pause) {
    phase_ = Phase::Send;
  } else if (const LoginStep& step = script_[step_]; step.optional) {
    begin_step(step_ + 1);
  } else {
    return fail_with("waited " + seconds(step.timeout) + " for " + in_quotes(step.expect));
  }
  go_on();
}

std::optional<SteadyTime> LoginDialogue::next_deadline() const {
  return state_ == State::Going ? std::optional(deadline_) : std::nullopt;
}

void LoginDialogue::sent(std::size_t n) {
  sent_ += n;
  if (sent_ < unsent_.size()) return;
  wipe(unsent_);
  unsent_.clear();
  sent_ = 0;
}

Bytes LoginDialogue::take_rest() {
  Bytes out;
  append(out, window_);
  window_.clear();
  return out;
}

void LoginDialogue::begin_step(std::size_t step) {
  step_ = step;
  phase_ = Phase::Expect;
  if (step_ < script_.size()) deadline_ = now_ + script_[step_].timeout;
}

// What is found first in the order of steps: the one waited for, or while optional ones are waited for, one behind
// them.
std::optional<LoginDialogue::Found> LoginDialogue::find_in(std::string_view text) const {
  for (std::size_t step = step_; step < script_.size() && patterns_->expect[step]; ++step) {
    if (patterns_->expect[step]->in(text)) return Found{step, false};
    if (patterns_->fail[step] && patterns_->fail[step]->in(text)) return Found{step, true};
    if (!script_[step].optional) break;
  }
  return {};
}

// False: nothing found yet.
bool LoginDialogue::look() {
  auto found = find_in(window_);
  if (!found) return false;
  std::size_t without = 0, with = window_.size();  // lengths
  while (with - without > 1) {
    const std::size_t middle = without + (with - without) / 2;
    if (const auto earlier = find_in(std::string_view(window_).substr(0, middle))) {
      with = middle;
      found = earlier;
    } else {
      without = middle;
    }
  }
  window_.erase(0, with);
  step_ = found->step;
  if (found->failed) {
    fail_with("the device said what means failure, " + in_quotes(script_[step_].fail));
  } else {
    secret_unproven_ = false;
  }
  return true;
}

void LoginDialogue::go_on() {
  while (state_ == State::Going) {
    if (step_ == script_.size()) {
      state_ = State::Done;
      return;
    }
    const bool waits = phase_ == Phase::Expect && !script_[step_].expect.empty();
    if (waits && !look()) return;
    if (state_ != State::Going) return;
    const LoginStep& step = script_[step_];  // which look() may have changed
    if (phase_ == Phase::Expect && step.pause.count() > 0) {
      phase_ = Phase::Pause;
      deadline_ = now_ + step.pause;
      return;
    }
    if (phase_ == Phase::Pause) return;
    send_of(step);
    begin_step(step_ + 1);
  }
}

void LoginDialogue::send_of(const LoginStep& step) {
  append(unsent_, step.send);
  if (step.secret.empty()) return;
  const auto secret = secrets_.find(step.secret);
  if (secret == secrets_.end()) return fail_with("there is no " + in_quotes(step.secret) + " to send");
  append(unsent_, secret->second.reveal());
  append(unsent_, "\r");
  secret_unproven_ = true;
}

void LoginDialogue::fail_with(const std::string& why) {
  failure_ = "login step " + std::to_string(step_ + 1) + " of " + std::to_string(script_.size()) + ": " + why + "; " +
             last_words();
  state_ = State::Failed;
}

std::string LoginDialogue::standing() const {
  const std::size_t step = std::min(step_ + 1, script_.size());
  return "login step " + std::to_string(step) + " of " + std::to_string(script_.size()) + "; " + last_words();
}

std::string LoginDialogue::last_words() const {
  std::string text = transcript_;
  for (const auto& [key, secret] : secrets_) text = mask_secret(text, secret.reveal());
  text = on_one_line(text);
  if (text.empty()) return "the device said nothing";
  const bool cut = text.size() > kShownBytes;
  return std::string("the device said last ") + (cut ? ".." : "") + "\"" +
         escape_controls(std::string_view(text).substr(cut ? text.size() - kShownBytes : 0)) + "\"";
}

Result<> check_pattern(const std::string& pattern) {
  if (pattern.size() > limits::login_pattern_bytes_max)
    return oob::fail(ErrorCode::Usage, "the regular expression is longer than " +
                                           std::to_string(limits::login_pattern_bytes_max) + " bytes");
  // Without what we put before it, which its author has not written.
  if (const Compiled alone(pattern, ""); !alone.re.ok())
    return oob::fail(ErrorCode::Usage,
                     in_quotes(pattern) + " is no regular expression: " + escape_controls(alone.re.error()));
  const Compiled compiled(pattern);
  if (compiled.in(""))
    return oob::fail(ErrorCode::Usage,
                     in_quotes(pattern) + " is found in any text, even in none; write what is really waited for");
  return {};
}

std::string mask_secret(const std::string& text, std::string_view secret) {
  return mask_letters(mask_letters(text, secret, false), secret, true);
}

}  // namespace oob
