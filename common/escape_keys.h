// EscapeKeys: tells what a person types for the console from what is meant for the client (conserver's `^Ec` and a
// letter). Sans-IO, one key at a time; holds at most one key back: the first of the escape, until the next one tells
// what it was, or the caller has waited long enough (limits::client_escape_wait) and takes it out.
#pragma once
#include <optional>
#include <string>
#include <string_view>

#include "common/bytes.h"
#include "common/result.h"

namespace oob {

// The two keys of an escape sequence. Both may be the same key.
struct EscapeSequence {
  std::byte first{0x05};  // ^E
  std::byte second{'c'};
};

// "^Ec": two keys, each a character or ^X for a control key (^? is DEL, ^^ is control-^). Error: Usage.
Result<EscapeSequence> parse_escape(std::string_view text);
std::string escape_text(const EscapeSequence& sequence);  // as parse_escape reads it

// What one key led to.
struct EscapeStep {
  ByteView keys;  // for the console, often empty; valid until the next call of next()
  enum class Command {
    None,
    Leave,      // .
    Help,       // ?
    Write,      // a
    Force,      // f
    Spy,        // s
    Who,        // w
    Replay,     // r
    Ask,        // A
    Info,       // i
    Break,      // l0
    Reopen,     // o
    Down,       // d
    Move,       // ;
    Cancelled,  // escape, then Return: nothing meant
    Unknown,    // anything else; `key` says which
  };
  Command command = Command::None;
  std::byte key{};  // what followed the escape (of `l0`: the second)
};

class EscapeKeys {
 public:
  explicit EscapeKeys(EscapeSequence sequence = {}) : sequence_(sequence) {}
  // The escape typed twice gives its two keys once. A first key that is not followed by the second is passed on.
  EscapeStep next(std::byte key);
  bool holds_key() const { return state_ == State::First; }
  // Ends the wait for the rest of an escape: gives back the key held, if one is; valid until the next call of next().
  ByteView take_held();

 private:
  enum class State { Plain, First, Escaped, EscapedFirst, Break };
  EscapeStep plain(std::byte key);
  EscapeStep keys(std::size_t n);
  EscapeStep letter(std::byte key);

  EscapeSequence sequence_;
  State state_ = State::Plain;
  std::byte out_[2]{};
};

}  // namespace oob
