// PortHints: what is most likely wrong with a port, cable or setting, told from what an agent can see anyway: the bytes
// that come, whether any come at all, error counters, modem lines. For people, in `oob info`; each says what to do.
// Silence alone is no fault, so a quiet line gets no hint. Sans-IO; for kinds serial and telnet.
#pragma once
#include <optional>

#include "agents/lines/line.h"
#include "agents/lines/serial_port.h"

namespace oob {

class PortHints {
 public:
  void received(ByteView bytes);
  void typed(std::size_t bytes, SteadyTime now);  // that the port took
  void framing_errors(std::size_t more);
  void modem_lines(const ModemLines& lines);  // as they are now; not called: the port has none

  // Appends "wrong-speed", "no-carrier" and "nothing-received", as far as they apply.
  void put_facts(LineFacts& into, SteadyTime now) const;

 private:
  bool looks_garbled() const;
  std::string carrier_trouble(SteadyTime now) const;
  bool unanswered(SteadyTime now) const;
  void judge(unsigned byte);

  // Of the last limits::hint_bytes or so; halved from time to time, so that the old counts for less.
  std::size_t bytes_ = 0, odd_ = 0, controls_ = 0, framing_ = 0;
  unsigned more_ = 0, pending_ = 0;  // bytes that a character in UTF-8 still needs, and that it has
  bool anything_received_ = false;
  std::optional<ModemLines> lines_;
  bool was_high_ = false;                       // DSR or DCD, since the line came up
  bool heard_since_low_ = false;                // output, since both went low
  std::optional<SteadyTime> unanswered_since_;  // the first key after the last output
};

}  // namespace oob
