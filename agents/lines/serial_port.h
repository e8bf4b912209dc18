// SerialPort: one open serial port beside its bytes: modem lines, error counters, break, what is not yet sent. An
// interface, since a pty has none of these: open_serial_port() gives the kernel's, tests give one of their own. Nothing
// here blocks. Opening, closing and being killed never send a break nor lower DTR or RTS (the kernel raises both when
// it opens a port that nobody has open). On the agent's shard.
#pragma once
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>

#include "agents/lines/serial_settings.h"

namespace oob {

// The modem lines of ITU-T V.24 as an RS-232 plug has them; on or off.
struct ModemLines {
  bool dtr = false, rts = false;                           // ours
  bool cts = false, dsr = false, dcd = false, ri = false;  // the other side's
  bool operator==(const ModemLines&) const = default;
};

// How often each has happened since the port was made; wraps around.
struct SerialCounters {
  std::uint32_t framing = 0, parity = 0, breaks = 0;
  std::uint32_t overrun = 0;         // the port's own buffer was full: a character or more was lost, each time
  std::uint32_t buffer_overrun = 0;  // the kernel's was
  bool operator==(const SerialCounters&) const = default;
};

class SerialPort {
 public:
  virtual ~SerialPort() = default;  // closes; what is not yet sent is dropped, since waiting for it would block
  virtual int fd() const = 0;       // for reading and writing, non-blocking; still the port's
  virtual std::optional<ModemLines> modem_lines() = 0;  // nothing: it has none
  virtual std::optional<SerialCounters> counters() = 0;
  virtual std::size_t unsent_bytes() = 0;  // written to the port, and not yet on the wire
  virtual bool is_idle() = 0;              // nothing unsent, and the last bit is on the wire as far as can be told
  virtual void drop_unsent() = 0;
  virtual Result<> set_break(bool on) = 0;
  virtual std::string lock_trouble() const { return {}; }  // why there is no lock file, if so
};

using OpenSerialPort = std::function<Result<std::unique_ptr<SerialPort>>(const SerialSettings&)>;

// Errors, in words: not there, not allowed, in use and by whom, no serial port, cannot be set so.
Result<std::unique_ptr<SerialPort>> open_serial_port(const SerialSettings& settings);

}  // namespace oob
