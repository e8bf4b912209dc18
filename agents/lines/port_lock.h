// PortLock: keeps other programs off a serial port as they keep each other off: a UUCP lock file, LCK..ttyS0 in
// /run/lock, with our process number (FHS 3.0, 5.9). A file whose process is gone is stale and replaced. It binds only
// who looks at it, so the port itself is locked as well, by serial_port.cpp.
#pragma once
#include <string>

#include "common/result.h"

namespace oob {

class PortLock {
 public:
  // `device` with its links resolved. Conflict: another program has it, named. Where no lock file can be made (no
  // folder, no right) there is none, and why() says so.
  static Result<PortLock> claim(const std::string& device, const std::string& folder = "/run/lock");
  PortLock(PortLock&& from) noexcept;
  PortLock& operator=(PortLock&&) = delete;
  ~PortLock();  // removes what claim() made

  // The port turned out to be in use: a lock file that was there before is another line's of this process.
  void leave() {
    if (!made_) path_.clear();
  }
  const std::string& why_not() const { return why_not_; }  // no lock file could be made; empty if one was

 private:
  PortLock(std::string path, bool made) : path_(std::move(path)), made_(made) {}
  std::string path_;  // empty: nothing to remove
  bool made_;
  std::string why_not_;
};

}  // namespace oob
