// The conversation's keys: what goes to the console, what is dropped and said so, and the commands behind the escape.
#include <algorithm>

#include "cli/attach_conversation.h"
#include "cli/console_text.h"
#include "cli/rest_names.h"
#include "cli/show.h"
#include "common/limits.h"
#include "common/text.h"

namespace oob {
namespace {

constexpr std::uint8_t kInputFrame = 1;
constexpr auto kDeviceQuick = std::chrono::milliseconds(400), kDeviceSlow = std::chrono::milliseconds(1000);

void put_big_endian(Bytes& to, std::uint64_t value, int bytes) {
  for (int i = bytes - 1; i >= 0; --i) to.push_back(std::byte(value >> (8 * i) & 0xFF));
}

}  // namespace

bool AttachConversation::wants_input() const {
  if (stage_ == Stage::Finished || leave_by_) return false;
  // What cannot be sent is read all the same, and dropped: it would be old when it can.
  if (choices_.device) return stage_ != Stage::Attached || seat_ == 0 || sent_.empty();
  if (!choices_.pipe) return true;
  return choices_.write && stage_ == Stage::Attached && seat_ != 0 && sent_.empty() && !input_ended_;
}

std::size_t AttachConversation::input_room() const {
  if (choices_.device) return device_room_;
  return choices_.pipe ? limits::client_pipe_batch_bytes : limits::input_batch_bytes_max;
}

void AttachConversation::input_ended() {
  if (stage_ == Stage::Finished) return;
  if (!choices_.pipe) return finish(Exit::Done, "");  // the terminal is gone
  input_ended_ = true;
  last_sign_ = clock_.now();
}

void AttachConversation::keys(ByteView typed) {
  if (choices_.pipe || choices_.device) return flush_keys(typed);
  Bytes plain;
  for (const std::byte key : typed) {
    if (stage_ == Stage::Finished || leave_by_) break;
    if (prompt_) {
      prompt_key(key);
      continue;
    }
    if (program_) {
      if (key == std::byte{0x03}) {
        outside_.stop_program();
      } else if (!std::exchange(said_program_has_it_, true)) {
        hint("not typed: a local command has the console; ^C ends it");
      }
      continue;
    }
    const EscapeStep step = escape_.next(key);
    append(plain, step.keys);
    if (step.command == EscapeStep::Command::None) continue;
    flush_keys(plain);  // what was typed before a command comes before it
    plain.clear();
    command(step);
  }
  flush_keys(plain);
  pass_held_at_.reset();
  if (escape_.holds_key()) pass_held_at_ = clock_.now() + limits::client_escape_wait;
  settle();
}

void AttachConversation::flush_keys(ByteView keys) {
  if (keys.empty() || stage_ == Stage::Finished) return;
  if (stage_ != Stage::Attached || !server_clock_.known()) return drop_keys(keys.size(), "not connected", "");
  if (move_) return drop_keys(keys.size(), "moving to " + escape_controls(move_->console), "");
  if (seat_ == 0) {
    using Command = EscapeStep::Command;
    std::string way = writer_.empty() ? offer(Command::Write, "for read-write")
                                      : offer(Command::Ask, "asks " + writer_ + " to hand over");
    if (const std::string force = offer(Command::Force, "takes over"); !writer_.empty() && !force.empty()) {
      way += (way.empty() ? "" : ", ") + force;
    }
    return drop_keys(keys.size(), "read-only", way.empty() ? "" : "; " + way);
  }
  device_sent_ = clock_.now();
  const std::int64_t deadline = server_clock_.deadline_ms(clock_.now(), limits::input_age_max);
  while (!keys.empty()) {
    const ByteView batch = keys.first(std::min(keys.size(), limits::input_batch_bytes_max));
    keys = keys.subspan(batch.size());
    Bytes frame;
    frame.reserve(29 + batch.size());
    put_big_endian(frame, kInputFrame, 1);
    put_big_endian(frame, channel_, 4);
    put_big_endian(frame, seat_, 8);
    put_big_endian(frame, ++sequence_, 8);
    put_big_endian(frame, static_cast<std::uint64_t>(deadline), 8);
    append(frame, batch);
    sent_.push_back({sequence_, batch.size(), ""});
    outside_.send(std::move(frame), true);
  }
}

// --- keys that go nowhere ---

void AttachConversation::drop_keys(std::size_t n, const std::string& why, const std::string& hint_text) {
  something_refused_ = true;
  if (why != dropped_.why) tell_dropped();
  dropped_.why = why;
  dropped_.keys += n;
  const bool again = dropped_.told > 0;
  // Not for each key; the whole count follows when it is over.
  if (again && clock_.now() < dropped_.told_at + kDroppedAgain) return;
  dropped_.told = dropped_.keys;
  dropped_.told_at = clock_.now();
  notice(count_of(dropped_.keys, "key", "keys") + (again ? " dropped in all: " : " dropped: ") + why + hint_text);
}

void AttachConversation::tell_dropped() {
  if (dropped_.keys > dropped_.told)
    notice(count_of(dropped_.keys, "key", "keys") + " dropped in all: " + dropped_.why);
  dropped_ = Dropped();
}

// A key held for an escape that did not come belongs to the console it was typed for, which is no longer there.
void AttachConversation::forget_held() {
  pass_held_at_.reset();
  const std::size_t held = escape_.take_held().size();
  if (held > 0) drop_keys(held, "typed before the change", "");
}

// --- keys of unknown fate ---

void AttachConversation::say_refused() {
  if (refused_keys_ > 0) notice(count_of(refused_keys_, "key", "keys") + " not typed: " + refused_why_);
  refused_keys_ = 0;
}

void AttachConversation::say_unknown_fate() {
  say_refused();
  std::size_t keys = 0;
  std::string what;
  for (const Sent& sent : sent_) {
    keys += sent.keys;
    if (!sent.what.empty()) what = sent.what;
  }
  if (keys == 1) notice("the last key may not have arrived");
  if (keys > 1) notice("the last " + std::to_string(keys) + " keys may not have arrived");
  if (!what.empty()) notice("the " + what + " may not have been sent");
  something_refused_ = something_refused_ || !sent_.empty();
  sent_.clear();
}

// --- commands ---

void AttachConversation::command(const EscapeStep& step) {
  using Command = EscapeStep::Command;
  switch (step.command) {
    case Command::None:
    case Command::Cancelled:
      return;
    case Command::Leave:
      tell_dropped();
      leave_by_ = clock_.now() + limits::client_leave_wait;  // the last keys' fate may be on its way
      return;
    case Command::Help:
      return help();
    case Command::ChangeEscape:
      choices_.escape = step.escape;
      return hint("the escape is " + escape() + " now");
    case Command::ListBreaks:
      return hint("l0: a break as usual for the line; l1 .. l9: 0.5 s .. 4.5 s");
    case Command::Suspend:
      outside_.suspend();
      last_heard_ = clock_.now();
      return;
    case Command::Unknown:
      return hint("no command \"" + escape_controls(as_text({&step.key, 1})) + "\"; " + escape() + "? lists them");
    case Command::Who:
    case Command::Info:
    case Command::Reopen:
    case Command::Down:
      return ask_rest(step.command);
    default:
      break;
  }
  if (stage_ != Stage::Attached) return hint("not connected");
  if (step.command == Command::Break) return send_break(step.key);
  order(step.command);
}

void AttachConversation::order(EscapeStep::Command command) {
  using Command = EscapeStep::Command;
  if (command == Command::Write || command == Command::Force) {
    if (seat_ != 0) return hint("you have it: read-write");
    send({{"type", "want-write"}, {"channel", channel_}, {"force", command == Command::Force}});
  } else if (command == Command::Spy) {
    if (seat_ == 0) return hint("read-only already");
    letting_go_ = true;
    if (asked_by_.empty()) {
      send({{"type", "give-up-write"}, {"channel", channel_}});
    } else {
      send({{"type", "hand-over"}, {"channel", channel_}, {"user", asked_by_}});
      asked_by_.clear();  // once: if it fails, the next `s` just lets go
    }
  } else if (command == Command::Ask) {
    if (seat_ != 0) return hint("you have it: read-write");
    send({{"type", "ask"}, {"channel", channel_}});
    hint("asked");
  } else if (command == Command::Replay) {
    replay(replay_lines_);
  } else if (command == Command::Playback) {
    replay(playback_lines_);
  } else if (command == Command::LastLine) {
    replay(1);
  } else if (command == Command::ReplayLines) {
    prompt(Prompt::Of::ReplayLines);
  } else if (command == Command::PlaybackLines) {
    prompt(Prompt::Of::PlaybackLines);
  } else if (command == Command::Message) {
    prompt(Prompt::Of::Message);
  } else if (command == Command::Move) {
    prompt(Prompt::Of::Move);
  } else if (command == Command::LocalCommand) {
    prompt(Prompt::Of::LocalCommand);
  } else if (command == Command::Tasks) {
    if (seat_ == 0) return hint("read-only: no SysRq can be sent");
    prompt(Prompt::Of::SysRq);
  }
}

void AttachConversation::replay(std::size_t lines) {
  replaying_ = true;
  send({{"type", "replay"}, {"channel", channel_}, {"lines", lines}});
}

// A line that is slower than its deadline allows would have the rest refused; one that is fast is asked for more.
void AttachConversation::pace_device() {
  const auto took = clock_.now() - device_sent_;
  if (took < kDeviceQuick) device_room_ = std::min(device_room_ * 2, limits::client_pipe_batch_bytes);
  if (took > kDeviceSlow) device_room_ = std::max(device_room_ / 2, limits::tty_batch_bytes_min);
}

// l0 is the usual break; 1 to 9 are half seconds.
void AttachConversation::send_break(std::byte number) {
  if (seat_ == 0) return hint("read-only: no break sent");
  send_break(Duration((std::to_integer<int>(number) - '0') * 500));
}

void AttachConversation::send_break(Duration time) {
  if (stage_ != Stage::Attached || seat_ == 0) {
    return notice(stage_ == Stage::Attached ? "read-only: no break sent" : "not connected: no break sent");
  }
  sent_.push_back({++sequence_, 0, "break"});
  json::object message{{"type", "break"}, {"channel", channel_}, {"seat", seat_}, {"sequence", sequence_}};
  if (time > Duration(0)) message["ms"] = time.count();
  send(message);
}

// What the stream does not carry goes by the API's other half.
void AttachConversation::ask_rest(EscapeStep::Command command) {
  using Command = EscapeStep::Command;
  const std::string path = "/v1/consoles/" + console_;
  const auto said = [this](const Result<json::value>& answer) {
    if (stage_ == Stage::Finished) return;
    if (!answer) return hint(answer.error().message);
    if (answer->is_object()) hint(shown(answer->get_object(), "text"));
  };
  if (command == Command::Who) {
    outside_.request("GET", "/v1/sessions", console_, [this](const Result<json::value>& answer) {
      if (stage_ == Stage::Finished) return;
      hint(answer ? who_lines(*answer, clock_.wall()) : answer.error().message);
    });
  } else if (command == Command::Info) {
    outside_.request("GET", path, "", [this](const Result<json::value>& answer) {
      if (stage_ == Stage::Finished) return;
      hint(answer ? info_lines(*answer) : answer.error().message);
    });
  } else if (command == Command::Down) {
    outside_.request("POST", path + "/down", "", said);
  } else {  // a line that was closed by order is opened by order; one that failed is tried again
    outside_.request("POST", path + "/retry", "", [this, path, said](const Result<json::value>& answer) {
      if (answer || answer.error().code != ErrorCode::Conflict) return said(answer);
      outside_.request("POST", path + "/up", "", said);
    });
  }
}

std::string AttachConversation::offer(EscapeStep::Command command, const std::string& does) const {
  if (choices_.device) return {};
  const std::string keys = keys_for(choices_.escape, command);
  return keys.empty() ? "" : keys + " " + does;
}

void AttachConversation::help() {
  using Command = EscapeStep::Command;
  static constexpr std::pair<Command, const char*> kTexts[] = {
      {Command::Leave, "leave"},
      {Command::Help, "this list"},
      {Command::Write, "read-write if it is free"},
      {Command::Force, "take over"},
      {Command::Spy, "read-only; or hand over"},
      {Command::Ask, "ask the writer to hand over"},
      {Command::Who, "who is on"},
      {Command::Info, "about this console"},
      {Command::Replay, "the last lines again"},
      {Command::ReplayLines, "how many"},
      {Command::Playback, "more of the last lines"},
      {Command::PlaybackLines, "how many"},
      {Command::LastLine, "the last line again"},
      {Command::Break, "a break"},
      {Command::Tasks, "tasks: SysRq"},
      {Command::Message, "say something to all"},
      {Command::Down, "close the line"},
      {Command::Reopen, "reopen the line"},
      {Command::Move, "another console"},
      {Command::LocalCommand, "attach a local command"},
      {Command::Suspend, "suspend this program"},
      {Command::ChangeEscape, "the escape is the next two"},
  };
  std::vector<std::string> entries;
  for (const auto& [command, text] : kTexts) {
    std::string keys = keys_for(choices_.escape, command);
    if (keys.empty()) continue;
    keys.resize(std::max(keys.size() + 1, escape().size() + 3), ' ');
    const bool longer = command == Command::Break && choices_.escape.style == EscapeStyle::Conserver;
    entries.push_back(keys + text + (longer ? " (l1..l9 longer)" : ""));
  }
  entries.push_back(escape() + escape() + " send " + escape());
  constexpr std::size_t kColumn = 36;
  std::string out;
  const bool two = outside_.columns() >= 2 * kColumn + 2;
  for (std::size_t i = 0; i < entries.size(); ++i) {
    if (i > 0 && (!two || i % 2 == 0)) out += '\n';
    out += entries[i];
    if (two && i % 2 == 0 && i + 1 < entries.size()) {
      out.append(entries[i].size() < kColumn ? kColumn - entries[i].size() : 1, ' ');
    }
  }
  hint(out);
}

}  // namespace oob
