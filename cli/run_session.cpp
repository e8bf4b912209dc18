// See run_session.h.
#include "cli/run_session.h"

#include <algorithm>

#include "cli/show.h"
#include "common/limits.h"
#include "common/text.h"

namespace oob {
namespace {

constexpr std::string_view kMask = "********";
constexpr std::size_t kSecretShortest = 1;

void put_big_endian(Bytes& to, std::uint64_t value, int bytes) {
  for (int i = bytes - 1; i >= 0; --i) to.push_back(std::byte(value >> (8 * i) & 0xFF));
}

std::string seconds(Duration time) {
  const auto ms = time.count();
  return ms % 1000 == 0 ? std::to_string(ms / 1000) + " s" : std::to_string(ms) + " ms";
}

std::string_view without_newline(std::string_view text) {
  while (text.ends_with('\n') || text.ends_with('\r')) text.remove_suffix(1);
  return text;
}

}  // namespace

RunSession::RunSession(std::string console, std::uint32_t channel, const std::vector<RunStep>& steps, bool force,
                       Outside outside, Clock& clock, const PeerClock& server_clock)
    : console_(std::move(console)),
      channel_(channel),
      steps_(steps),
      force_(force),
      outside_(std::move(outside)),
      clock_(clock),
      server_clock_(server_clock) {}

void RunSession::start() {
  started_ = true;
  outside_.send({{"type", "attach"},
                 {"channel", channel_},
                 {"console", console_},
                 {"write", true},
                 {"force", force_},
                 {"lines", 0},
                 {"tool", "run"}});
  deadline_ = clock_.now() + limits::client_time_out;
}

void RunSession::control(const std::string& type, const json::object& event) {
  if (over_) return;
  const std::string text = shown(event, "text"), user = shown(event, "user");
  if (type == "attached") {
    attached_ = true;
    seat_ = text_of(event, "mode") == "writer" ? count_at(event, "seat").value_or(0) : 0;
    if (seat_ != 0) return next_step();
    const std::string writer = shown(event, "writer");
    if (writer.empty()) result_.denied = true;
    fail(RunResult::Status::Failed, writer.empty() ? (text.empty() ? "you may not write" : text)
                                    : event.contains("seat_kept_ms")
                                        ? writer + " lost the connection and may come back; --force takes over"
                                        : writer + " is writing; --force takes over");
  } else if (type == "input") {
    sent_fate(event);
  } else if (type == "reader") {
    fail(RunResult::Status::Failed, text.empty() ? user + " took over" : text);
  } else if (type == "detached") {
    attached_ = false;
    fail(RunResult::Status::Failed, text.empty() ? "the session is over" : text);
  } else if (type == "error") {
    result_.denied = text_of(event, "code") == "denied";
    fail(RunResult::Status::Failed, text);
  } else if (type == "gap" || type == "lagged") {
    missing_ = "some output is missing" + (text.empty() ? "" : ": " + text);
  }
}

// --- steps ---

void RunSession::next_step() {
  while (!over_ && at_ < steps_.size()) {
    const RunStep& step = steps_[at_];
    if (step.kind != RunStep::Kind::Expect) {
      typed_ = under_way_ = 0;
      expect_.forget();  // what came before is no answer to this
      last_text_ = step.kind == RunStep::Kind::Send ? without_newline(step.keys.reveal()) : "";
      deadline_ = clock_.now() + limits::client_time_out;
      return send_more();
    }
    deadline_ = clock_.now() + step.timeout;
    return look();
  }
  if (!over_) finish();
}

void RunSession::send_more() {
  const std::string_view keys = steps_[at_].keys.reveal();
  if (typed_ == keys.size()) {
    result_.steps = ++at_;
    return next_step();
  }
  const std::string_view part = keys.substr(typed_, limits::client_pipe_batch_bytes);
  if (!server_clock_.known()) return;  // the first tick is on its way
  Bytes frame;
  put_big_endian(frame, 1, 1);
  put_big_endian(frame, channel_, 4);
  put_big_endian(frame, seat_, 8);
  put_big_endian(frame, ++sequence_, 8);
  put_big_endian(frame, static_cast<std::uint64_t>(server_clock_.deadline_ms(clock_.now(), limits::input_age_max)), 8);
  append(frame, part);
  under_way_ = part.size();
  outside_.send_input(std::move(frame));
}

void RunSession::sent_fate(const json::object& event) {
  if (count_at(event, "sequence") != sequence_ || under_way_ == 0) return;
  const std::string refused = shown(event, "refused");
  const auto written = std::min<std::size_t>(under_way_, count_at(event, "written").value_or(0));
  if (refused.empty()) {
    typed_ += std::exchange(under_way_, 0);
    return send_more();
  }
  typed_ += written;
  under_way_ = refused.starts_with("unknown") ? under_way_ : 0;
  fail(RunResult::Status::Failed, "not typed: " + refused);
}

void RunSession::output(ByteView bytes) {
  if (over_ || !attached_) return;
  expect_.add(bytes);
  look();
}

void RunSession::look() {
  if (over_ || at_ >= steps_.size() || steps_[at_].kind != RunStep::Kind::Expect) return;
  const bool cut = expect_.cut();
  const auto before = expect_.find(steps_[at_].pattern);
  if (!before) return;
  if (last_text_) {
    std::string_view text = *before;
    const std::size_t line = text.find('\n');
    if (!last_text_->empty() && line != std::string_view::npos && text.substr(0, line).ends_with(*last_text_)) {
      text.remove_prefix(line + 1);  // the echo, perhaps behind a prompt
    }
    result_.output = mask(std::string(text));
    result_.output_cut = cut || !missing_.empty();
    last_text_.reset();
  }
  result_.steps = ++at_;
  next_step();
}

// --- the end ---

void RunSession::fail(RunResult::Status status, const std::string& why) {
  if (over_) return;
  const RunStep* step = at_ < steps_.size() ? &steps_[at_] : nullptr;
  const bool sending = step != nullptr && step->kind != RunStep::Kind::Expect;
  std::string more;
  if (sending && attached_ && under_way_ > 0) {
    status = RunResult::Status::Unknown;
    more = "; " + step->shown + " may have arrived or not";
  } else if (sending && typed_ > 0) {
    status = RunResult::Status::Unknown;
    more = "; of " + step->shown + " only the first " + count_of(typed_, "byte", "bytes") + " arrived";
  }
  std::string where;
  if (attached_ || at_ > 0) {
    where = "step " + std::to_string(at_ + 1) + " of " + std::to_string(steps_.size());
    std::size_t last = at_;
    while (last > 0 && steps_[last - 1].kind == RunStep::Kind::Expect) --last;
    if (!sending && last > 0) where += " (sent " + steps_[last - 1].shown + ")";
    where += ": ";
  }
  result_.status = status;
  result_.why = where + why + more + (missing_.empty() ? "" : "; " + missing_);
  finish();
}

void RunSession::finish() {
  over_ = true;
  if (attached_) outside_.send({{"type", "detach"}, {"channel", channel_}});
}

void RunSession::disconnected(const std::string& why) {
  fail(RunResult::Status::Failed, "the connection broke: " + why);
}
void RunSession::stop() { fail(RunResult::Status::Stopped, started_ ? "while " + doing() : "not begun"); }

std::optional<SteadyTime> RunSession::next_deadline() const {
  if (over_) return {};
  return deadline_;
}

void RunSession::tick() {
  if (over_) return;
  const bool sending = attached_ && at_ < steps_.size() && steps_[at_].kind != RunStep::Kind::Expect;
  if (sending && under_way_ == 0) send_more();
  if (over_ || clock_.now() < deadline_) return;
  if (!attached_) return fail(RunResult::Status::Failed, "the server does not answer");
  if (sending) return fail(RunResult::Status::Failed, "nothing was heard of what was typed");
  const std::string last = expect_.last_line();
  fail(RunResult::Status::Failed,
       "no " + steps_[at_].shown + " within " + seconds(steps_[at_].timeout) +
           (last.empty() ? "; nothing was said" : "; the last line is \"" + escape_controls(mask(last)) + "\""));
}

std::string RunSession::doing() const {
  if (!attached_) return "attaching";
  if (at_ >= steps_.size()) return "leaving";
  return (steps_[at_].kind == RunStep::Kind::Expect ? "waiting for " : "sending ") + steps_[at_].shown;
}

// Whatever the console echoes of a secret.
std::string RunSession::mask(std::string text) const {
  for (const RunStep& step : steps_) {
    if (step.kind != RunStep::Kind::SendSecret) continue;
    const std::string_view secret = without_newline(step.keys.reveal());
    if (secret.size() < kSecretShortest) continue;
    for (std::size_t at = text.find(secret); at != std::string::npos; at = text.find(secret, at + kMask.size())) {
      text.replace(at, secret.size(), kMask);
    }
  }
  return text;
}

}  // namespace oob
