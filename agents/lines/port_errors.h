// PortErrors: what a port of a line counts beside its bytes (framing and parity errors, overruns, breaks), told in the
// output where it happens, but at most every limits::serial_note_every with the sum; and all of it as facts. Sans-IO;
// for kinds serial and telnet.
#pragma once
#include "agents/lines/line.h"
#include "agents/lines/serial_port.h"

namespace oob {

class PortErrors {
 public:
  void add(const SerialCounters& more);
  const SerialCounters& total() const { return total_; }  // since the line came up
  // Tells what is not told yet, if it is time for that; `last`: whatever the time.
  void tell(LineEvents& to, SteadyTime now, bool last = false);
  void put_facts(LineFacts& into) const;

 private:
  SerialCounters untold_, total_;
  SteadyTime tell_from_{};  // not earlier
};

// How much has been counted since `before`; counters wrap around.
SerialCounters counted_since(const SerialCounters& before, const SerialCounters& now);

}  // namespace oob
