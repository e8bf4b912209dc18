// What the conversation asks on a line of its own: where to move, what to say, how many lines, which task. Output is
// held meanwhile, and no key of the answer reaches the console.
#include <algorithm>
#include <charconv>

#include "cli/attach_conversation.h"
#include "cli/rest_names.h"
#include "common/limits.h"
#include "common/nearest.h"
#include "common/text.h"

namespace oob {
namespace {

// Linux, Documentation/admin-guide/sysrq.rst.
struct SysRq {
  char key;
  std::string_view name;
};
constexpr SysRq kSysRqs[] = {
    {'h', "help"},          {'s', "sync"},        {'u', "remount-ro"},    {'b', "reboot"},
    {'o', "power-off"},     {'c', "crash"},       {'f', "oom"},           {'t', "show-tasks"},
    {'w', "show-blocked"},  {'m', "show-memory"}, {'l', "show-cpus"},     {'p', "show-registers"},
    {'e', "terminate-all"}, {'i', "kill-all"},    {'k', "secure-access"}, {'r', "unraw"},
};

// The key for a name, the unique beginning of one, a key itself, or a log level.
std::optional<char> sysrq_key(const std::string& text) {
  if (text.size() == 1 && text[0] >= '0' && text[0] <= '9') return text[0];
  const SysRq* begun = nullptr;
  for (const SysRq& one : kSysRqs) {
    if (one.name == text || (text.size() == 1 && one.key == text[0])) return one.key;
  }
  for (const SysRq& one : kSysRqs) {
    if (!one.name.starts_with(text)) continue;
    if (begun != nullptr) return {};
    begun = &one;
  }
  return begun == nullptr ? std::nullopt : std::optional(begun->key);
}

std::string sysrq_menu(std::size_t columns) {
  constexpr std::size_t kColumn = 18;
  const std::size_t in_a_row = std::max<std::size_t>(1, std::min<std::size_t>(4, (columns - 2) / kColumn));
  std::string out = "[SysRq by name or letter (0-9: level)";
  std::size_t i = 0;
  for (const SysRq& one : kSysRqs) {
    out += i++ % in_a_row == 0 ? "\r\n " : "";
    std::string entry = std::string(1, one.key) + " " + std::string(one.name);
    if (i % in_a_row != 0) entry.resize(kColumn, ' ');
    out += entry;
  }
  return out + "]\r\n[send SysRq: ";
}

}  // namespace

void AttachConversation::prompt(Prompt::Of of) {
  prompt_ = Prompt{of, ""};
  outside_.hold_output(true);
  const auto question = [&]() -> std::string {
    switch (of) {
      case Prompt::Of::Move:
        return "[move to: ";
      case Prompt::Of::Message:
        return "[say to all on " + console_ + ": ";
      case Prompt::Of::ReplayLines:
        return "[lines of replay, now " + std::to_string(replay_lines_) + ": ";
      case Prompt::Of::PlaybackLines:
        return "[lines of playback, now " + std::to_string(playback_lines_) + ": ";
      case Prompt::Of::LocalCommand:
        return "[local command: ";
      case Prompt::Of::SysRq:
        return sysrq_menu(outside_.columns());
    }
    return "[";
  };
  outside_.echo("\r\n" + question());
}

void AttachConversation::prompt_key(std::byte key) {
  const auto code = std::to_integer<unsigned char>(key);
  std::string& text = prompt_->text;
  const auto erase = [&] {
    while (text.size() > 1 && (static_cast<unsigned char>(text.back()) & 0xC0) == 0x80) text.pop_back();  // UTF-8
    text.pop_back();
    outside_.echo("\b \b");
  };
  const bool free_text = prompt_->of == Prompt::Of::Message || prompt_->of == Prompt::Of::LocalCommand;
  const std::size_t most = free_text ? limits::message_bytes_max : limits::name_bytes_max;
  if (code == '\r' || code == '\n') return end_prompt(true);
  if (code == 0x03 || code == 0x07 || code == 0x1B) return end_prompt(false);  // ^C, ^G, Escape
  if (code == 0x15) {                                                          // ^U
    while (!text.empty()) erase();
  } else if (code == 0x7F || code == 0x08) {
    if (!text.empty()) erase();
  } else if (text.size() < most && ((code > 0x20 && code < 0x7F) || (free_text && (code == 0x20 || code >= 0x80)))) {
    text.push_back(static_cast<char>(code));
    outside_.echo(std::string(1, static_cast<char>(code)));
  }
}

void AttachConversation::end_prompt(bool go) {
  const Prompt prompt = *prompt_;
  prompt_.reset();
  outside_.echo("]\r\n");
  outside_.hold_output(false);
  if (go && !prompt.text.empty()) return answered(prompt);
  hint("nothing done; still on " + console_);
}

void AttachConversation::answered(const Prompt& prompt) {
  if (prompt.of == Prompt::Of::ReplayLines) return set_lines(replay_lines_, prompt.text);
  if (prompt.of == Prompt::Of::PlaybackLines) return set_lines(playback_lines_, prompt.text);
  if (stage_ != Stage::Attached) return hint("not connected");
  if (prompt.of == Prompt::Of::Move) return move_to(prompt.text);
  if (prompt.of == Prompt::Of::Message) return say_to_all(prompt.text);
  if (prompt.of == Prompt::Of::SysRq) return send_sysrq(prompt.text);
  run_program(prompt.text);
}

void AttachConversation::say_to_all(const std::string& text) {
  send({{"type", "message"}, {"channel", channel_}, {"text", text}});
}

void AttachConversation::set_lines(std::size_t& lines, const std::string& text) {
  std::size_t wanted = 0;
  const auto [end, wrong] = std::from_chars(text.data(), text.data() + text.size(), wanted);
  if (wrong != std::errc() || end != text.data() + text.size() || wanted == 0 || wanted > limits::replay_lines_max) {
    return hint("lines have to be a number from 1 to " + std::to_string(limits::replay_lines_max));
  }
  lines = wanted;
  hint(count_of(lines, "line", "lines"));
}

void AttachConversation::send_sysrq(const std::string& name) {
  if (seat_ == 0) return hint("read-only: no SysRq sent");
  const auto key = sysrq_key(name);
  if (!key) {
    Nearest nearest(name);
    for (const SysRq& one : kSysRqs) nearest.consider(std::string(one.name));
    return hint("no SysRq sent: no single one is called \"" + escape_controls(name) + "\"" +
                did_you_mean(nearest.best()));
  }
  sent_.push_back({sequence_ + 1, 0, std::string("SysRq ") + *key});
  send({{"type", "sysrq"},
        {"channel", channel_},
        {"seat", seat_},
        {"sequence", sequence_ + 1},
        {"key", std::string(1, *key)}});
  sequence_ += 2;  // its break, and its key
}

// --- a local command on the console ---

void AttachConversation::run_program(const std::string& command) {
  if (seat_ == 0) return hint("read-only: a command could not type");
  program_ = outside_.start_program(command);
  said_program_has_it_ = false;
  if (program_) hint("the command has the console; ^C ends it");
}

bool AttachConversation::wants_program_output() const {
  return program_ && stage_ == Stage::Attached && seat_ != 0 && sent_.empty() && server_clock_.known();
}

void AttachConversation::program_output(ByteView typed) { flush_keys(typed); }

void AttachConversation::program_ended(const std::string& how) {
  program_ = false;
  if (stage_ != Stage::Finished) hint("the command has ended: " + how + "; you type again");
}

// --- moving ---

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
