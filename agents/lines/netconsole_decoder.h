// NetconsoleDecoder: the datagrams of one sender, as Linux's netconsole sends them, to a console's bytes. Basic format:
// the text as it comes, in the order it comes. Extended format (Documentation/networking/netconsole.rst and
// Documentation/ABI/testing/dev-kmsg of Linux): `level,number,microseconds,flag[,key=value..];text`. Its numbers put
// datagrams back into order, drop repeats, join fragments (ncfrag) and tell what is missing. Which format a datagram is
// of is told from itself. Lines end with CR LF, as on a serial port. Sans-IO; bounded by limits::netconsole_*.
#pragma once
#include <array>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "agents/lines/line.h"
#include "common/limits.h"
#include "common/pace.h"

namespace oob {

class NetconsoleDecoder {
 public:
  struct Counters {
    std::uint64_t basic = 0, extended = 0;  // datagrams
    std::uint64_t missing = 0;              // messages that never came
    std::uint64_t late = 0, repeated = 0;   // messages that came after their place was given up; or twice
    std::uint64_t malformed = 0;            // fragments that fit nothing; datagrams too long
    std::uint64_t restarts = 0;             // the sender's numbers began anew
  };

  // Text goes to line_output(), what is missing to line_lost(), the rest to line_note().
  explicit NetconsoleDecoder(LineEvents& events) : events_(events) {}

  // `cut`: the datagram was longer than what is given.
  void receive(ByteView datagram, bool cut, SteadyTime now);
  std::optional<SteadyTime> next_deadline() const;
  void tick(SteadyTime now);
  const Counters& counters() const { return counters_; }
  // The text of one datagram alone, of either format, with its newline and without what stands behind that.
  static std::string_view said(std::string_view datagram);

 private:
  struct Header {
    std::uint64_t number = 0, microseconds = 0;
    char flag = '-';
    std::size_t offset = 0, total = 0;  // of a fragment; total 0: a whole message
    bool sound = true;                  // false: a fragment that contradicts itself
    std::string_view body;
  };
  struct Message {
    std::uint64_t microseconds = 0;
    char flag = '-';
    std::string body;
    std::vector<bool> have;   // of a message in fragments: which bytes came
    std::size_t missing = 0;  // bytes of it
    SteadyTime arrived;       // its first datagram
  };
  struct Remembered {
    std::uint64_t number = ~0ull, microseconds = 0;
  };

  static std::optional<Header> parse(std::string_view datagram);
  void basic(std::string_view text);
  void hold(const Header& header, SteadyTime now);
  bool from_before(const Header& header, SteadyTime now);
  void begin_anew(SteadyTime now);
  void release(SteadyTime now, bool all = false);
  void say(const Message& message, SteadyTime now);
  void say_text(std::string_view body, std::uint64_t microseconds);
  void end_line();
  void put_out();
  void missing(std::uint64_t count, SteadyTime now);
  void note(const char* text, SteadyTime now);

  LineEvents& events_;
  Counters counters_;
  std::map<std::uint64_t, Message> held_;  // by number: not yet in order, or not yet whole
  std::size_t held_bytes_ = 0;
  std::optional<std::uint64_t> next_;  // the number expected; none: at the beginning
  std::uint64_t last_microseconds_ = 0;
  std::array<Remembered, 64> recent_{};  // told lately, by number modulo its size
  std::optional<SteadyTime> line_ends_;  // text without its newline was put out; the newline comes then at last
  bool after_cr_ = false;                // basic format: the last byte was a CR
  std::string out_;
  Pace marks_{limits::netconsole_marks_at_once, limits::netconsole_marks_per_second};
  std::uint64_t missing_untold_ = 0;
  std::optional<SteadyTime> tell_missing_;
};

}  // namespace oob
