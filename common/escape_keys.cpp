// The escape sequence's state machine and its notation.
#include "common/escape_keys.h"

#include "common/text.h"

namespace oob {
namespace {

using Command = EscapeStep::Command;
constexpr std::size_t kLettersMax = 26;
struct Letter {
  char key = 0;  // 0: the end
  Command command = Command::None;
};

// conserver(8) and, beyond it, A.
constexpr Letter kConserver[kLettersMax] = {
    {'.', Command::Leave},         {'?', Command::Help},        {'a', Command::Write},
    {'f', Command::Force},         {'s', Command::Spy},         {'w', Command::Who},
    {'r', Command::Replay},        {'R', Command::ReplayLines}, {'p', Command::Playback},
    {'P', Command::PlaybackLines}, {0x12, Command::LastLine},   {'A', Command::Ask},
    {'i', Command::Info},          {'o', Command::Reopen},      {'d', Command::Down},
    {'b', Command::Message},       {';', Command::Move},        {'z', Command::Suspend},
    {'|', Command::LocalCommand},  {'!', Command::Tasks},       {'\r', Command::Cancelled},
    {'\n', Command::Cancelled},
};
// conman(1) and, beyond it, A, W and !.
constexpr Letter kConMan[kLettersMax] = {
    {'.', Command::Leave}, {'?', Command::Help},  {'B', Command::Break},   {'F', Command::Force},
    {'I', Command::Info},  {'J', Command::Write}, {'L', Command::Replay},  {'M', Command::Spy},
    {'A', Command::Ask},   {'W', Command::Who},   {'Z', Command::Suspend}, {'!', Command::Tasks},
};
// ssh(1), ESCAPE CHARACTERS.
constexpr Letter kSsh[kLettersMax] = {
    {'.', Command::Leave},
    {'?', Command::Help},
    {'B', Command::Break},
    {0x1A, Command::Suspend},
};

const Letter (&letters_of(EscapeStyle style))[kLettersMax] {
  return style == EscapeStyle::Conserver ? kConserver : style == EscapeStyle::ConMan ? kConMan : kSsh;
}

Result<std::byte> take_key(std::string_view& text) {
  const auto wrong = [] {
    return fail(
        ErrorCode::Usage,
        "an escape is two keys, like ^Ec (one in the styles conman and ssh, like ~): each a character, or ^ and a "
        "letter for a control key");
  };
  if (text.empty()) return wrong();
  const char head = text[0];
  text.remove_prefix(1);
  if (static_cast<unsigned char>(head) < 0x20 || static_cast<unsigned char>(head) >= 0x7F) return wrong();
  if (head != '^') return std::byte(head);
  if (text.empty()) return wrong();
  char control = text[0];
  text.remove_prefix(1);
  if (control >= 'a' && control <= 'z') control = static_cast<char>(control - 'a' + 'A');
  if (control == '?') return std::byte{0x7F};
  if (control < '@' || control > '_') return wrong();
  return std::byte(control & 0x1F);
}

std::string key_text(std::byte key) {
  const auto value = std::to_integer<unsigned>(key);
  if (value == 0x7F) return "^?";
  if (value < 0x20) return {'^', static_cast<char>(value + '@')};
  return {static_cast<char>(value)};
}

}  // namespace

Result<EscapeStyle> parse_escape_style(std::string_view text) {
  if (text == "conserver") return EscapeStyle::Conserver;
  if (text == "conman") return EscapeStyle::ConMan;
  if (text == "ssh") return EscapeStyle::Ssh;
  return fail(ErrorCode::Usage, "an escape style is conserver, conman or ssh, not \"" + escape_controls(text) + "\"");
}

EscapeSequence usual_escape(EscapeStyle style) {
  if (style == EscapeStyle::ConMan) return {std::byte{'&'}, {}, style};
  if (style == EscapeStyle::Ssh) return {std::byte{'~'}, {}, style};
  return {};
}

Result<EscapeSequence> parse_escape(std::string_view text, EscapeStyle style) {
  EscapeSequence out{.style = style};
  const auto first = take_key(text);
  if (!first) return tl::unexpected(first.error());
  out.first = *first;
  if (style == EscapeStyle::Conserver) {
    const auto second = take_key(text);
    if (!second) return tl::unexpected(second.error());
    out.second = *second;
  }
  if (text.empty()) return out;
  return fail(ErrorCode::Usage, (style == EscapeStyle::Conserver ? "an escape is two keys, like ^Ec"
                                                                 : "in this style an escape is one key, like ~") +
                                    std::string("; \"") + escape_controls(text) + "\" is too much");
}

std::string escape_text(const EscapeSequence& sequence) {
  const bool two = sequence.style == EscapeStyle::Conserver;
  return key_text(sequence.first) + (two ? key_text(sequence.second) : "");
}

std::string keys_for(const EscapeSequence& sequence, EscapeStep::Command command) {
  for (const Letter& letter : letters_of(sequence.style)) {
    if (letter.key != 0 && letter.command == command) return escape_text(sequence) + key_text(std::byte(letter.key));
  }
  if (sequence.style != EscapeStyle::Conserver) return {};
  if (command == Command::Break) return escape_text(sequence) + "l0";
  return command == Command::ChangeEscape ? escape_text(sequence) + "e" : "";
}

EscapeStep EscapeKeys::keys(std::size_t n) {
  state_ = State::Plain;
  line_begins_ = out_[n - 1] == std::byte{'\r'} || out_[n - 1] == std::byte{'\n'};
  return {.keys = ByteView(out_, n)};
}

EscapeStep EscapeKeys::plain(std::byte key) {
  if (key == sequence_.first && (sequence_.style != EscapeStyle::Ssh || line_begins_)) {
    state_ = sequence_.style == EscapeStyle::Conserver ? State::First : State::Escaped;
    return {};
  }
  out_[0] = key;
  return keys(1);
}

EscapeStep EscapeKeys::next(std::byte key) {
  switch (state_) {
    case State::Plain:
      return plain(key);
    case State::First:
      if (key == sequence_.second) {
        state_ = State::Escaped;
        return {};
      }
      out_[0] = sequence_.first;
      if (key == sequence_.first) return {.keys = ByteView(out_, 1)};  // this one is held now
      out_[1] = key;
      return keys(2);
    case State::Escaped:
      if (sequence_.style != EscapeStyle::Conserver) return one_key_letter(key);
      if (key == sequence_.first) {
        state_ = State::EscapedFirst;
        return {};
      }
      return letter(key);
    case State::EscapedFirst:
      if (key != sequence_.second) return letter(key);
      out_[0] = sequence_.first, out_[1] = sequence_.second;
      return keys(2);
    case State::Break:
      state_ = State::Plain;
      if (key == std::byte{'?'}) return {.command = Command::ListBreaks};
      return {.command = key >= std::byte{'0'} && key <= std::byte{'9'} ? Command::Break : Command::Unknown,
              .key = key};
    case State::NewFirst:
      new_first_ = key;
      state_ = State::NewSecond;
      return {};
    case State::NewSecond:
      state_ = State::Plain;
      sequence_ = {new_first_, key, EscapeStyle::Conserver};
      return {.command = Command::ChangeEscape, .escape = sequence_};
  }
  return {};
}

ByteView EscapeKeys::take_held() {
  const bool one_key = sequence_.style != EscapeStyle::Conserver && state_ == State::Escaped;
  if (!holds_key() && !one_key) return {};
  state_ = State::Plain;
  out_[0] = sequence_.first;
  return {out_, 1};
}

EscapeStep EscapeKeys::letter(std::byte key) {
  const bool after_first = state_ == State::EscapedFirst;
  state_ = State::Plain;
  if (after_first) return {.command = Command::Unknown, .key = key};
  for (const auto& [name, command] : kConserver) {
    if (name != 0 && key == std::byte(name)) return {.command = command, .key = key};
  }
  if (key == std::byte{'l'}) {
    state_ = State::Break;
  } else if (key == std::byte{'e'}) {
    state_ = State::NewFirst;
  } else {
    return {.command = Command::Unknown, .key = key};
  }
  return {};
}

EscapeStep EscapeKeys::one_key_letter(std::byte key) {
  state_ = State::Plain;
  out_[0] = sequence_.first;
  if (key == sequence_.first) return keys(1);
  for (const auto& [name, command] : letters_of(sequence_.style)) {
    if (name == 0 || key != std::byte(name)) continue;
    line_begins_ = true;
    return {.command = command, .key = command == Command::Break ? std::byte{'0'} : key};
  }
  out_[1] = key;
  return keys(2);
}

}  // namespace oob
