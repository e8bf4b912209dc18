// The escape sequence's state machine and its notation.
#include "common/escape_keys.h"

#include "common/text.h"

namespace oob {
namespace {

Result<std::byte> take_key(std::string_view& text) {
  const auto wrong = [] {
    return fail(ErrorCode::Usage,
                "an escape is two keys, like ^Ec: each a character, or ^ and a letter for a control key");
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

Result<EscapeSequence> parse_escape(std::string_view text) {
  const auto first = take_key(text);
  if (!first) return tl::unexpected(first.error());
  const auto second = take_key(text);
  if (!second) return tl::unexpected(second.error());
  if (!text.empty())
    return fail(ErrorCode::Usage, "an escape is two keys, like ^Ec; \"" + escape_controls(text) + "\" is too much");
  return EscapeSequence{*first, *second};
}

std::string escape_text(const EscapeSequence& sequence) { return key_text(sequence.first) + key_text(sequence.second); }

EscapeStep EscapeKeys::keys(std::size_t n) {
  state_ = State::Plain;
  return {ByteView(out_, n), EscapeStep::Command::None, {}};
}

EscapeStep EscapeKeys::plain(std::byte key) {
  if (key == sequence_.first) {
    state_ = State::First;
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
      if (key == sequence_.first) return {ByteView(out_, 1), EscapeStep::Command::None, {}};  // this one is held now
      out_[1] = key;
      return keys(2);
    case State::Escaped:
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
      return {{}, key == std::byte{'0'} ? EscapeStep::Command::Break : EscapeStep::Command::Unknown, key};
  }
  return {};
}

ByteView EscapeKeys::take_held() {
  if (!holds_key()) return {};
  state_ = State::Plain;
  out_[0] = sequence_.first;
  return {out_, 1};
}

EscapeStep EscapeKeys::letter(std::byte key) {
  using Command = EscapeStep::Command;
  static constexpr std::pair<char, Command> letters[] = {
      {'.', Command::Leave},      {'?', Command::Help},       {'a', Command::Write},  {'f', Command::Force},
      {'s', Command::Spy},        {'w', Command::Who},        {'r', Command::Replay}, {'A', Command::Ask},
      {'i', Command::Info},       {'o', Command::Reopen},     {'d', Command::Down},   {';', Command::Move},
      {'\r', Command::Cancelled}, {'\n', Command::Cancelled},
  };
  const bool after_first = state_ == State::EscapedFirst;
  state_ = State::Plain;
  for (const auto& [name, command] : letters) {
    if (!after_first && key == std::byte(name)) return {{}, command, key};
  }
  if (!after_first && key == std::byte{'l'}) {
    state_ = State::Break;
    return {};
  }
  return {{}, Command::Unknown, key};
}

}  // namespace oob
