// The conversation's keys: what goes to the console, what is dropped and said so, and the commands behind the escape.
#include "cli/attach_conversation.h"
#include "cli/console_text.h"
#include "cli/rest_names.h"
#include "cli/show.h"
#include "common/limits.h"
#include "common/text.h"

namespace oob {
namespace {

constexpr std::uint8_t kInputFrame = 1;

void put_big_endian(Bytes& to, std::uint64_t value, int bytes) {
  for (int i = bytes - 1; i >= 0; --i) to.push_back(std::byte(value >> (8 * i) & 0xFF));
}

}  // namespace

bool AttachConversation::wants_input() const {
  if (stage_ == Stage::Finished || leave_by_) return false;
  if (!choices_.pipe) return true;
  return choices_.write && stage_ == Stage::Attached && seat_ != 0 && sent_.empty() && !input_ended_;
}

std::size_t AttachConversation::input_room() const {
  return choices_.pipe ? limits::client_pipe_batch_bytes : limits::input_batch_bytes_max;
}

void AttachConversation::input_ended() {
  if (stage_ == Stage::Finished) return;
  if (!choices_.pipe) return finish(Exit::Done, "");  // the terminal is gone
  input_ended_ = true;
  last_sign_ = clock_.now();
}

void AttachConversation::keys(ByteView typed) {
  if (choices_.pipe) return flush_keys(typed);
  Bytes plain;
  for (const std::byte key : typed) {
    if (stage_ == Stage::Finished || leave_by_) break;
    if (prompt_) {
      prompt_key(key);
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
    const std::string way =
        writer_.empty() ? "a for read-write" : "A asks " + writer_ + " to hand over, " + escape() + "f takes over";
    return drop_keys(keys.size(), "read-only", "; " + escape() + way);
  }
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
    sent_.push_back({sequence_, batch.size()});
    outside_.send(std::move(frame), true);
  }
}

// --- keys that go nowhere ---

void AttachConversation::drop_keys(std::size_t n, const std::string& why, const std::string& hint_text) {
  something_refused_ = true;
  if (why != dropped_.why) tell_dropped();
  dropped_.why = why;
  dropped_.keys += n;
  if (dropped_.told > 0) return;  // said once; the whole count follows when it is over
  dropped_.told = dropped_.keys;
  notice(count_of(n, "key", "keys") + " dropped: " + why + hint_text);
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
    replaying_ = true;
    send({{"type", "replay"}, {"channel", channel_}, {"lines", choices_.lines > 0 ? choices_.lines : 20}});
  } else if (command == Command::Break) {
    send_break();
  } else if (command == Command::Move) {
    prompt_.emplace();
    outside_.hold_output(true);
    outside_.echo("\r\n[move to: ");
  }
}

void AttachConversation::send_break() {
  if (seat_ == 0) return hint("read-only: no break sent");
  sent_.push_back({++sequence_, 0});
  send({{"type", "break"}, {"channel", channel_}, {"seat", seat_}, {"sequence", sequence_}});
}

// What the stream does not carry goes by the API's other half.
void AttachConversation::ask_rest(EscapeStep::Command command) {
  using Command = EscapeStep::Command;
  const std::string path = "/v1/consoles/" + console_;
  const auto said = [this](const Result<json::value>& answer) {
    if (stage_ == Stage::Finished) return;
    if (!answer) return hint(answer.error().message);
    if (answer->is_object()) hint(escape_controls(text_of(answer->get_object(), "text")));
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

void AttachConversation::help() {
  const std::string e = escape();
  hint(e + ".  leave                      " + e + "?  this list\n" + e + "a  read-write if it is free   " + e +
       "f  take over\n" + e + "s  read-only; or hand over    " + e + "A  ask the writer to hand over\n" + e +
       "w  who is on                  " + e + "i  about this console\n" + e + "r  the last lines again       " + e +
       ";  move to another console\n" + e + "l0 send a break               " + e + "o  reopen the line\n" + e +
       "d  close the line             " + e + e + " send " + e);
}

// --- moving: the name is typed on a line of its own ---

void AttachConversation::prompt_key(std::byte key) {
  const auto code = std::to_integer<unsigned char>(key);
  if (code == '\r' || code == '\n') return end_prompt(true);
  if (code == 0x03 || code == 0x07 || code == 0x1B) return end_prompt(false);  // ^C, ^G, Escape
  if (code == 0x15) {                                                          // ^U
    for (; !prompt_->empty(); prompt_->pop_back()) outside_.echo("\b \b");
  } else if (code == 0x7F || code == 0x08) {
    if (prompt_->empty()) return;
    prompt_->pop_back();
    outside_.echo("\b \b");
  } else if (code > 0x20 && code < 0x7F && prompt_->size() < limits::name_bytes_max) {
    prompt_->push_back(static_cast<char>(code));
    outside_.echo(std::string(1, static_cast<char>(code)));
  }
}

void AttachConversation::end_prompt(bool go) {
  const std::string name = *prompt_;
  prompt_.reset();
  outside_.echo("]\r\n");
  outside_.hold_output(false);
  if (go && !name.empty()) return move_to(name);
  hint("still on " + console_);
}

void AttachConversation::move_to(const std::string& name) {
  if (stage_ != Stage::Attached) return hint("not connected");
  move_ = Move{name, 0};
  const std::uint32_t channel = move_->channel = ++last_channel_;
  find(name, [this, channel](const Result<std::string>& found) {
    if (!move_ || move_->channel != channel) return;  // the connection broke meanwhile
    if (!found || *found == console_) {
      move_.reset();
      tell_dropped();
      return hint(found ? "this is " + console_ : "still on " + console_ + ": " + found.error().message);
    }
    move_->console = *found;
    attach(*found, channel, choices_.write, false);
  });
}

}  // namespace oob
