// TtyDevice: what `oob tty` puts a console behind on this machine, for programs that know serial ports only: a pty
// (tty_pty.cpp) or a TCP port that speaks RFC 2217 (tty_port.cpp). Output that no program takes is not kept. On the
// shard; a callback must not destroy its device.
#pragma once
#include <functional>
#include <memory>
#include <string>

#include "common/bytes.h"
#include "common/clock.h"
#include "common/result.h"
#include "common/runtime/shard.h"

namespace oob {

class TtyDevice {
 public:
  struct Events {
    std::function<void(ByteView)> typed;             // for the console, as it is
    std::function<void(Duration)> broke;             // a break of so long, 0: of the usual length
    std::function<void()> taken;                     // queued() has become less
    std::function<void(const std::string&)> notice;  // worth saying
  };
  virtual ~TtyDevice() = default;                  // and everything that showed where it was
  virtual std::string name() const = 0;            // what a program is to open: a path, an URL
  virtual void output(ByteView bytes) = 0;         // of the console
  virtual std::size_t queued() const = 0;          // bytes that a program there has not taken yet
  virtual void set_reading(std::size_t room) = 0;  // so many bytes at a time; 0: none for now
  virtual void console_is_up(bool) {}              // seen as DSR and DCD where there are any
};

// A pty, raw, that only we and root may open, and `link` (if not empty) a symbolic link to it. A link that a killed
// process left behind is replaced, nothing else is. Errors: Usage (the link cannot be), Internal.
Result<std::unique_ptr<TtyDevice>> open_tty_pty(Shard& shard, const std::string& link, TtyDevice::Events events);

// A port of 127.0.0.1 (0: a free one), for one program at a time, of our own user or root. `console` is named in its
// signature. Error: Unavailable.
Result<std::unique_ptr<TtyDevice>> open_tty_port(Shard& shard, unsigned port, const std::string& console,
                                                 TtyDevice::Events events);

}  // namespace oob
