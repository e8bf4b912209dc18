// EscapeKeys: tells what a person types for the console from what is meant for the client. Three styles: conserver's
// (two keys and a letter, anywhere), ConMan's (one key and a letter, anywhere) and ssh's (one key and a letter, after a
// newline only). Sans-IO, one key at a time; holds at most one key back: the first of the escape, until the next one
// tells what it was. In conserver's style the caller takes it out after limits::client_escape_wait.
#pragma once
#include <optional>
#include <string>
#include <string_view>

#include "common/bytes.h"
#include "common/result.h"

namespace oob {

enum class EscapeStyle { Conserver, ConMan, Ssh };
Result<EscapeStyle> parse_escape_style(std::string_view text);  // "conserver", "conman", "ssh"; error: Usage

// The keys before a command's letter. Both may be the same key; ConMan's and ssh's styles have the first only.
struct EscapeSequence {
  std::byte first{0x05};  // ^E
  std::byte second{'c'};
  EscapeStyle style = EscapeStyle::Conserver;
};

EscapeSequence usual_escape(EscapeStyle style);  // ^Ec, &, ~
// "^Ec": two keys (one in the other styles), each a character or ^X for a control key (^? is DEL, ^^ is control-^).
// Error: Usage.
Result<EscapeSequence> parse_escape(std::string_view text, EscapeStyle style = EscapeStyle::Conserver);
std::string escape_text(const EscapeSequence& sequence);  // as parse_escape reads it

// What one key led to.
struct EscapeStep {
  ByteView keys;  // for the console, often empty; valid until the next call of next()
  enum class Command {
    None,
    Leave,          // .
    Help,           // ?
    Write,          // a
    Force,          // f
    Spy,            // s
    Who,            // w
    Replay,         // r
    ReplayLines,    // R: how many
    Playback,       // p: more of them
    PlaybackLines,  // P: how many
    LastLine,       // ^R
    Ask,            // A
    Info,           // i
    Break,          // l0 .. l9: `key`
    ListBreaks,     // l?
    Reopen,         // o
    Down,           // d
    Message,        // b
    Move,           // ;
    Suspend,        // z
    ChangeEscape,   // e and two keys: `escape`
    LocalCommand,   // |
    Tasks,          // !
    Cancelled,      // escape, then Return: nothing meant
    Unknown,        // anything else; `key` says which
  };
  Command command = Command::None;
  std::byte key{};  // what followed the escape (of `l0`: the second)
  EscapeSequence escape{};
};

// What a person types for it, as "^Ecf"; "" if the style has no key for it.
std::string keys_for(const EscapeSequence& sequence, EscapeStep::Command command);

class EscapeKeys {
 public:
  explicit EscapeKeys(EscapeSequence sequence = {}) : sequence_(sequence) {}
  // The escape typed twice gives its keys once. In ssh's and ConMan's styles a letter that means nothing is passed on
  // with the escape before it.
  EscapeStep next(std::byte key);
  bool holds_key() const { return state_ == State::First; }  // for a while only
  // Ends the wait for the rest of an escape: gives back the key held, if one is; valid until the next call of next().
  // In the styles of one key that is all there is of an escape, and nothing asks for it but a change of console.
  ByteView take_held();

 private:
  enum class State { Plain, First, Escaped, EscapedFirst, Break, NewFirst, NewSecond };
  EscapeStep plain(std::byte key);
  EscapeStep keys(std::size_t n);
  EscapeStep letter(std::byte key);
  EscapeStep one_key_letter(std::byte key);

  EscapeSequence sequence_;
  State state_ = State::Plain;
  bool line_begins_ = true;  // for ssh's style
  std::byte out_[2]{};
  std::byte new_first_{};
};

}  // namespace oob
