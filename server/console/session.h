// Session: one person attached to one console, and what the front that carries it must provide (SessionSink).
// On the shard. Rights were checked by the front before each call.
#pragma once
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "common/bytes.h"
#include "common/clock.h"
#include "common/result.h"

namespace oob {

// What a session is told besides output; fronts turn these into the stream protocol's events (schema/stream.md).
struct SessionEvent {
  enum class Kind {
    Gap,     // bytes missing: text says why, gap_bytes how many (empty: unknown)
    Lagged,  // this viewer was too slow: gap_bytes skipped for it alone (the log has them)
    Up,
    Down,    // the line; text: detail or reason
    Writer,  // you are the writer now (text: how: "granted", "handed over by bob")
    Reader,  // you are a reader now (text: why: "bob took over")
    Joined,
    Left,     // another session (text: user)
    Asked,    // text asks you, the writer, to hand over
    Note,     // text, said by the console to all (break sent, moved)
    Message,  // text, said by user to all
    Removed,  // the session is over, text says why (console removed, kicked); no more will come
  };
  Kind kind;
  std::string user;  // who caused it, if a person
  std::string text;
  std::optional<std::uint64_t> gap_bytes;
  std::uint64_t log_offset = 0;
};

// The front's side of a session. Calls come on the shard, never from inside a Session call.
class SessionSink {
 public:
  virtual ~SessionSink() = default;
  // Output, in order, without gap or repeat. Never called while !ready().
  virtual void output(std::uint64_t log_offset, const Chunk& bytes, std::size_t skip) = 0;  // bytes from `skip` on
  virtual void event(const SessionEvent& event) = 0;
  // The fate of input: written bytes; `refused` in words, empty if all was written.
  virtual void input_done(std::uint64_t sequence, std::size_t written, const std::string& refused) = 0;
  // False while the client does not take what it was sent (limits::viewer_queue_bytes). The front calls
  // Session::drained() once it does again.
  virtual bool ready() const = 0;
};

enum class SessionMode { Reader, Writer };

struct AttachOptions {
  bool want_write = false;
  bool force = false;                        // take over
  bool may_write = true;                     // has the right: the seat may be handed over to it
  std::uint64_t returns_as = 0;              // id() of a session of the same user and token that was lost
  std::string tool;                          // what types for the user, "" for a person: "run"
  std::size_t replay_lines = 20;             // from the log, before live; used if the next two are empty
  std::optional<WallTime> since;             // all that was said since then, of limits::replay_bytes_max at most
  std::optional<std::uint64_t> from_offset;  // resume exactly here
  bool may_log = true;                       // else not from further back than limits::replay_bytes_max
};

struct SessionRow {  // who is on
  std::uint64_t id = 0;
  std::string user, tool, from;
  SessionMode mode = SessionMode::Reader;
  WallTime since{};
  std::optional<WallTime> last_input;
  std::optional<WallTime> kept_until;  // it lost its connection, and the writer's seat is kept for it
};

class Console;
struct ConsoleRoom;  // console_room.h

// One person attached to one console. Destroying it detaches.
class Session {
 public:
  ~Session();
  // Before it is destroyed: it did not leave, its connection broke. A writer's seat is kept limits::seat_kept for it;
  // attach() with `returns_as` has it back, unless somebody took over.
  void lose();
  std::uint64_t id() const;
  SessionMode mode() const;
  // Which writer's seat this session holds; 0 for a reader. Input must name it: keys typed before a take-over or a
  // change are refused, not delivered.
  std::uint64_t seat() const;

  // `deadline`: later than this it is refused. Never more than limits::input_batch_bytes_max. The result comes by
  // SessionSink::input_done with the same sequence (1, 2, ...).
  // After a refusal seat() is another number, and what was typed under the old one is refused: no command is typed
  // without its middle.
  void input(std::uint64_t seat, std::uint64_t sequence, SteadyTime deadline, ByteView bytes);
  void refused_input(std::uint64_t seat);  // the front refused some by itself
  void send_break(std::uint64_t seat, std::uint64_t sequence, Duration duration);
  // A break and, only after it was sent, the key: magic SysRq on a serial console. Takes `sequence` and the next one;
  // one input_done with `sequence` tells of both. Refused while keys are under way, which would be taken for its key.
  void send_sysrq(std::uint64_t seat, std::uint64_t sequence, char key);
  // a: the seat if it is free; force: take over. Error (Conflict) says who writes. Rights were checked by the front.
  Result<> want_write(bool force);
  void give_up_write();   // s: spy
  Result<> ask_writer();  // A: the writer is told
  // The writer gives the seat to a session of that user: the one that asked, if one did. Denied: it may not write.
  Result<> hand_over(const std::string& to_user);
  void say(const std::string& text);  // b: to all, and into the log
  void replay(std::size_t lines);     // r: show the last lines again (repeats on purpose), then go on
  void drained();

 private:
  friend class Console;
  friend struct ConsoleRoom;
  struct State;
  explicit Session(std::shared_ptr<State> state);
  std::shared_ptr<State> state_;
};

}  // namespace oob
