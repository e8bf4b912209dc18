// Line: how one console's bytes reach an agent (exec, tcp, unix, test, ...). A driver is one attempt: start() leads to
// up() and later down(), or to down() alone; LineHost (agents/line_host.h) makes a new one after each down(), with
// backoff and jitter, and keeps ring, input and state. A driver knows nothing of offsets, tunnels or sessions.
// Lives on the agent's shard. To add a kind: one file here, one entry in kinds.cpp, one test; docs/HACKING.md shows it.
#pragma once
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "common/bytes.h"
#include "common/result.h"
#include "common/runtime/shard.h"

namespace oob {

// What a console's line is to be: kind and settings as oobd assigned them (wire: LineSpec).
struct LineConfig {
  std::string name;  // the console's
  std::string kind;
  std::map<std::string, std::string> settings;  // key -> value, already checked against the kind's keys
  std::vector<std::string> argv;                // exec only
  bool operator==(const LineConfig&) const = default;
};

// What a driver reports. Output is a view that is valid during the call only.
class LineEvents {
 public:
  virtual ~LineEvents() = default;
  virtual void line_up(std::string detail, int pid) = 0;  // "127.0.0.1:7001", "/bin/bash as nobody"; pid 0 if none
  virtual void line_output(ByteView bytes) = 0;
  virtual void line_writable() = 0;                // after write() took less than it was given
  virtual void line_down(std::string reason) = 0;  // once; the driver is dead after it and does nothing more
};

class Line {
 public:
  virtual ~Line() = default;  // closes without a report; a program gets SIGHUP, then SIGKILL after 5 s
  virtual void start() = 0;   // reports are never made from inside start()
  // Takes what the device takes now, 0..n bytes, and never blocks.
  virtual std::size_t write(ByteView bytes) = 0;
  virtual void set_reading(bool on) = 0;  // flow control: while off, the kernel's buffers fill and the peer blocks
  // Sends a break condition. Default: this kind of line has none.
  virtual Result<> send_break(Duration) { return fail(ErrorCode::Conflict, "this kind of line has no break"); }
};

// A key of a kind, for the checker (`oobd check`) and the documentation.
struct LineKey {
  enum class Type { Text, Integer, Boolean, Duration, Address, Path, TextList };
  std::string_view name;
  Type type;
  bool required;
  std::string_view doc;           // one line
  std::int64_t min = 0, max = 0;  // Integer only
};

struct LineKind {
  std::string_view name;
  std::string_view doc;
  std::span<const LineKey> keys;
  // Checks what one key's type cannot say (combinations, address syntax). Error message without position;
  // `key` names the offending one. Used by the server; no access to the machine.
  Result<> (*check)(const LineConfig&, std::string& key);
  std::unique_ptr<Line> (*make)(Shard&, const LineConfig&, LineEvents&);
};

std::span<const LineKind> line_kinds();
const LineKind* find_line_kind(std::string_view name);

}  // namespace oob
