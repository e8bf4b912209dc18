// TelnetCodec: telnet (RFC 854, 855) on one connection, from either end: takes the peer's bytes apart into what is said
// and what is negotiated, answers its requests, and writes ours. Sans-IO; used by lines of kind `telnet` and by
// `oob tty --rfc2217`. It never asks for an option of its own accord, and no peer makes it answer for ever:
// limits::telnet_*.
#pragma once
#include <array>
#include <initializer_list>
#include <utility>

#include "common/bytes.h"
#include "common/clock.h"
#include "common/pace.h"

namespace oob {

namespace telnet {
// Commands, after IAC (RFC 854).
inline constexpr std::uint8_t kNop = 241, kBreak = 243, kAreYouThere = 246;
// Options: RFC 856, 857, 858, 2217.
inline constexpr std::uint8_t kBinary = 0, kEcho = 1, kSuppressGoAhead = 3, kComPort = 44;
}  // namespace telnet

// A piece of what the peer sent.
struct TelnetItem {
  enum class Kind {
    None,     // nothing more
    Stream,   // `bytes`, as the peer's user or device said them
    Command,  // `code`, with nothing more to it: a break, ..
    Option,   // option `code` is `on` or off from here on, on our side (`ours`) or the peer's; off too if we asked for
              // it and were refused
    Message,  // `bytes` of a subnegotiation of option `code`
    Torn,     // a subnegotiation did not end within limits::telnet_message_bytes_max; what follows it is taken as said
  };
  Kind kind = Kind::None;
  std::uint8_t code = 0;
  bool ours = false, on = false;
  ByteView bytes;  // valid until the next call
};

class TelnetCodec {
 public:
  // The options that we agree to, on our side and on the peer's. All others are refused.
  TelnetCodec(Clock& clock, std::initializer_list<std::uint8_t> ours, std::initializer_list<std::uint8_t> theirs);

  // Takes the next piece off the front of `input`. Not all may come in one call: call until None.
  TelnetItem next(ByteView& input);

  // Asks the peer to let us use an option (WILL), or to use it (DO), unless that is so or was asked before.
  void ask_ours(std::uint8_t option);
  void ask_theirs(std::uint8_t option);
  bool ours(std::uint8_t option) const { return ours_[option] == Use::On; }
  bool theirs(std::uint8_t option) const { return theirs_[option] == Use::On; }
  bool asked_ours(std::uint8_t option) const { return ours_[option] == Use::Asked; }  // no answer yet

  bool spoken() const { return spoken_; }           // the peer has sent a telnet command
  std::size_t ignored() const { return ignored_; }  // requests, for there were too many

  // What is to be sent before anything else.
  Bytes take_answers() { return std::exchange(answers_, {}); }

  // Appends what carries a byte of the stream; how many bytes that took (1 or 2). IAC is doubled; while our side is not
  // binary a CR is followed by NUL.
  std::size_t encode(std::byte byte, Bytes& to) const;
  static void command(std::uint8_t code, Bytes& to);
  static void message(std::uint8_t option, ByteView bytes, Bytes& to);

 private:
  // RFC 1143, without its states of wanting an option to end: we never do.
  enum class Use : std::uint8_t { Refused, Off, Asked, On };
  enum class At { Stream, Command, Option, Message, MessageCommand };
  std::size_t run_length(ByteView input) const;
  bool command_byte(std::uint8_t byte, ByteView& input, TelnetItem& out);
  bool message_byte(std::uint8_t byte, TelnetItem& out);
  bool negotiate(std::uint8_t option, TelnetItem& out);
  void answer(std::uint8_t verb, std::uint8_t option);

  Clock& clock_;
  Pace pace_;
  std::array<Use, 256> ours_{}, theirs_{};
  At at_ = At::Stream;
  std::uint8_t verb_ = 0;  // WILL .. DONT, of At::Option
  bool after_cr_ = false;  // the last byte of the stream was a CR, and the peer is not binary
  bool spoken_ = false;
  std::size_t ignored_ = 0;
  Bytes message_, answers_;
};

}  // namespace oob
