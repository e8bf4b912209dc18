// Line: how one console's bytes reach an agent (exec, tcp, unix, test, ...). A driver is one attempt: start() leads to
// up() and later down(), or to down() alone; LineHost (agents/line_host.h) makes a new one after each down(), with
// backoff and jitter, and keeps ring, input and state. A driver knows nothing of offsets, tunnels or sessions.
// Lives on the agent's shard. To add a kind: one file here, one entry in kinds.cpp, one test; docs/HACKING.md shows it.
#pragma once
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "common/bytes.h"
#include "common/crypto/secret.h"
#include "common/result.h"
#include "common/runtime/shard.h"

namespace oob {

// What a console's line is to be: kind and settings as oobd assigned them (wire: LineSpec).
struct LineConfig {
  std::string name;  // the console's
  std::string kind;
  std::map<std::string, std::string> settings;  // key -> value, already checked against the kind's keys
  std::vector<std::string> argv;                // exec only
  // What the files named by the keys of type SecretFile hold, read anew for each driver. There while it is made and
  // started; a driver that needs one later copies it.
  std::map<std::string, Secret> secrets = {};
  // A folder of the line's own (mode 0700) in the agent's state, for what a driver has to know after kill -9. Goes with
  // the line. "" in tests: then nothing is remembered.
  std::string state_folder = {};
  // What was assigned, that is.
  bool operator==(const LineConfig& other) const {
    return name == other.name && kind == other.kind && settings == other.settings && argv == other.argv;
  }
};

// What a line knows of itself beside up and down, for people: ("settings", "115200 8N1"). In the order to be shown.
using LineFacts = std::vector<std::pair<std::string, std::string>>;

// What a driver reports. Output is a view that is valid during the call only.
class LineEvents {
 public:
  virtual ~LineEvents() = default;
  virtual void line_up(std::string detail, int pid) = 0;  // "127.0.0.1:7001", "/bin/bash as nobody"; pid 0 if none
  virtual void line_output(ByteView bytes) = 0;
  // Instead of line_up(), maybe several times: it cannot be up yet, for something that is no failure. "waits for .."
  virtual void line_waits(std::string) {}
  virtual void line_writable() = 0;  // after write() took less than it was given
  // Of a kind that confirms: so many more of the bytes that write() took have arrived. write() is called from within.
  virtual void line_confirmed(std::size_t) {}
  virtual void line_down(std::string reason) = 0;  // once; the driver is dead after it and does nothing more
  // Between two bytes of output, for the log. The driver bounds how often.
  virtual void line_note(std::string text) = 0;  // worth knowing: "break received"
  virtual void line_lost(std::string why) = 0;   // output is missing here; nobody knows how much to the byte
  virtual void line_facts(LineFacts facts) = 0;  // all of them, when one has changed; forgotten when the line is down
  // Before line_down(): the next try is to be no sooner, for instance since a wrong password locks the account.
  virtual void line_rest(Duration at_least) { static_cast<void>(at_least); }
};

class Line {
 public:
  virtual ~Line() = default;  // closes without a report; a program gets SIGHUP, then SIGKILL after 5 s
  virtual void start() = 0;   // reports are never made from inside start()
  // Takes what the device takes now, 0..n bytes, and never blocks.
  virtual std::size_t write(ByteView bytes) = 0;
  // Of a kind that confirms: what write() took and line_confirmed() has not named is too late, and its typist has been
  // told so. It is not to be tried any more; what write() takes next is of something else.
  virtual void withdraw() {}
  // Why this kind of line takes no input at all; null: it does.
  virtual const char* takes_no_input() const { return nullptr; }
  virtual void set_reading(bool on) = 0;  // flow control: while off, the kernel's buffers fill and the peer blocks
  // Whether the device waits while it is not read. A line that cannot wait is always read.
  virtual bool can_wait() const { return true; }
  // Sends a break condition of so long, 0: as long as is usual for this line; says how long it will be, 0: only the
  // peer knows. What write() takes afterwards comes behind it. Default: this kind of line has none.
  virtual Result<Duration> send_break(Duration) { return fail(ErrorCode::Conflict, "this kind of line has no break"); }
};

// A key of a kind, for the checker (`oobd check`) and the documentation.
struct LineKey {
  // TextList: becomes LineConfig::argv. Words: text or a list of text without commas; the setting has them joined by
  // commas. SecretFile: its value is the place of a file (secret_place_error() in settings.h), and no secret. Login:
  // the setting is a script's canonical text (login_script.h).
  enum class Type { Text, Integer, Boolean, Duration, Address, Path, TextList, Words, SecretFile, Login };
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
  // What is allowed but unwise, in words, empty if nothing; `key` as in check. Null: never.
  std::string (*advice)(const LineConfig&, std::string& key) = nullptr;
  // The key that names a path whose appearing is reason to try again at once. Empty: none.
  std::string_view awaits = {};
  // The device speaks on while the line is down: what it says then is a gap.
  bool speaks_on = false;
  // Its peer comes to it: when it is down after it was up, it is opened again at once.
  bool listens = false;
  // Keys that together name what one line of an agent alone can have: a port, a sender. Empty: lines may share.
  std::span<const std::string_view> unshared = {};
  // Its device confirms what was typed: only what line_confirmed() names has arrived. No such kind has a login script
  // yet; LoginGate would have to pass line_confirmed() and withdraw() on.
  bool confirms = false;
};

std::span<const LineKind> line_kinds();
const LineKind* find_line_kind(std::string_view name);

}  // namespace oob
