// Console: a named stream of text with a log, and the people on it. Bytes come in from an agent's line, go to the log,
// then to every session; keystrokes come from the one writer and go to the line. On the shard, no I/O of its own.
// Arbiter rules: one writer, many readers; a reader is never promoted silently; whoever loses or gains the seat is
// told.
#pragma once
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "common/limits.h"
#include "server/access/access.h"
#include "server/console/session.h"
#include "server/log/console_log.h"

namespace oob {

// The way to the line; an agent's link gives one to the console while it is connected.
class LinePort {
 public:
  virtual ~LinePort() = default;
  // The line knows a typing session by its seat, which is a new number after every refusal as well: it refuses all
  // that comes after a refused batch of the same seat, until who types knows of it.
  virtual void input(std::uint64_t seat, std::uint64_t sequence, SteadyTime deadline, ByteView bytes) = 0;
  virtual void flush_input(std::uint64_t keep_seat) = 0;
  virtual void send_break(std::uint64_t seat, std::uint64_t sequence, Duration duration) = 0;
  virtual void acknowledge(const LogPosition& written) = 0;  // may be gathered
  virtual void hold(bool held) = 0;  // the log is behind: no more output for now; held lines stall alone
};

struct ConsoleState {
  using Facts = std::vector<std::pair<std::string, std::string>>;
  enum class Line { NoAgent, Down, Up };
  Line line = Line::NoAgent;
  std::string detail;  // "/bin/bash as nobody"; or why it is down, in words: "agent rack1 is not connected"
  std::uint64_t pid = 0;
  std::optional<WallTime> since;
  Facts
      facts;  // of a line that is up, what its driver knows of it: ("settings", "115200 8N1"); in the order to be shown
};

struct ConsoleRoom;

class Console {
 public:
  Console(Shard& shard, std::string name, std::unique_ptr<ConsoleLog> log, Duration seat_kept = limits::seat_kept);
  ~Console();  // tells its sessions Removed

  const std::string& name() const;
  ConsoleLog& log();
  const ConsoleState& state() const;
  std::vector<SessionRow> sessions() const;
  std::uint64_t bytes_in() const;  // from the line, since oobd started

  // Sessions. The front has checked the rights. `sink` outlives the Session.
  std::unique_ptr<Session> attach(const Identity& who, const AttachOptions& options, SessionSink& sink);
  // The seat: what attach decided is in the session's mode(); if another writes, this names them.
  std::string writer() const;  // "alice", "alice (run)"; "" if nobody. Also one whose seat is kept
  std::optional<WallTime> writer_since() const;
  // How long the seat is still kept for a writer that lost its connection; zero: it is not.
  Duration seat_kept() const;

  // What a person did that others feel: told to all, marked in the log ("alice closed the line").
  void announce(const std::string& text);
  void say(const std::string& user, const std::string& text);  // a message of a user who need not be attached
  // Ends all sessions of `user` (empty: of everybody), and tells all. How many there were.
  std::size_t kick(const std::optional<std::string>& user, const std::string& by);

  // --- the agent's side (server/agents) ---
  void expect(const std::string& agent);  // who is to serve it, for what state() says until then
  bool is_connected() const;
  void connect(LinePort& port);  // the tunnel to the line stands; one at a time
  // `drained`: the agent let go after all it had was acknowledged, so another agent's line goes on without a gap.
  void disconnect(const std::string& reason, bool drained = false);
  void line_opened(std::uint64_t incarnation, std::uint64_t offset);
  void line_output(std::uint64_t offset, WallTime read_at, ByteView bytes);
  // Output that the agent could not keep: `bytes` from `offset` on, or (empty) nobody knows how much.
  void line_lost(std::uint64_t offset, std::optional<std::uint64_t> bytes, const std::string& why);
  void line_event(LogEvent::Kind kind, const std::string& text);
  // To be asked before line_lost() and line_event(): false for one that was told before (after a reconnect the agent
  // sends again what is not acknowledged). `sequence` 0: what is missing, told as often as it is read.
  bool line_event_is_new(std::uint64_t offset, std::uint64_t sequence);
  void line_state(bool up, const std::string& detail, WallTime since, std::uint64_t pid);
  void line_facts(ConsoleState::Facts facts);
  void input_done(std::uint64_t seat, std::uint64_t sequence, std::size_t written, const std::string& refused);
  // Removed from the inventory, and come back: what its line said in between was nobody's, and is no gap.
  void retire();
  void return_from_retirement();
  void moved(const std::string& where);  // to another agent: a marker is written

 private:
  std::shared_ptr<ConsoleRoom> room_;
};

}  // namespace oob
