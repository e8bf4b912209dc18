// The inside of a console, shared by console.cpp (the line's side) and session.cpp (the people's side): who is on, who
// has the writer's seat, the way to the line. A seat is a number, new at each change of the writer, that input names,
// so that keys typed before a change are found astray.
#pragma once
#include <list>

#include "server/console/console.h"
#include "server/console/viewer.h"

namespace oob {

// Numbers of sessions and seats are never used twice, on any console, also not by the oobd that runs after this one:
// agents know repeats by the one, keys gone astray are known by the other.
std::uint64_t never_used_before(Clock& clock);

struct Session::State {
  State(ConsoleRoom& r, std::uint64_t number, Identity who, const AttachOptions& options, SessionSink& s,
        ConsoleLog& log)
      : room(&r),
        id(number),
        identity(std::move(who)),
        tool(options.tool),
        may_write(options.may_write),
        sink(s),
        viewer(log, s) {}
  std::string shown() const { return identity.user + (tool.empty() ? "" : " (" + tool + ")"); }  // to others
  ConsoleRoom* room;  // null: the console is gone
  const std::uint64_t id;
  const Identity identity;
  const std::string tool;
  const bool may_write;
  SessionSink& sink;
  Viewer viewer;
  WallTime since{};
  std::optional<WallTime> last_input;
  std::uint64_t last_sequence = 0;  // of input and breaks, which rise
  bool closed = false;              // its Session was destroyed: the sink is not touched again
  bool lost = false;                // by its connection
  bool asked = false;               // for the seat
};

struct ConsoleRoom : std::enable_shared_from_this<ConsoleRoom> {
  using Member = std::shared_ptr<Session::State>;

  ConsoleRoom(Shard& s, std::string n, std::unique_ptr<ConsoleLog> l, Duration k)
      : shard(s), name(std::move(n)), log(std::move(l)), keeps_for(k), kept_timer(s) {}

  // The line's side.
  void gap(std::optional<std::uint64_t> bytes, const std::string& why);
  void hold_if_behind();
  void go_on_if_caught_up();                                                      // ends that
  void tell_all(const SessionEvent& event, const Session::State* but = nullptr);  // each directly
  void announce(const std::string& text, const Session::State* but = nullptr);    // to all and into the log
  void show_all(const SessionEvent& event);  // as part of the stream: a session that replays gets it from the log
  void refuse(const Member& member, std::uint64_t sequence, const std::string& why);  // later: never from inside a call
  // Keys that named `of` were refused: what follows under that number is refused as well.
  void renew_seat(std::uint64_t of);

  // The people's side.
  void leave(const Member& member);
  void end(const Member& member, const std::string& why);  // the session is over whether it likes it or not
  // Ends what is left of a session of this user, by the same token if by any, and tells whether it had the seat: over a
  // dead connection, or kept for it. One that has the seat is left alone by who does not want to write, or may not.
  bool take_back(std::uint64_t session, const Identity& who, bool to_write);
  void keep_seat(const Session::State& of);
  void forget_kept_seat();
  std::string who_writes() const;  // in a sentence, for one who wants to write
  // Gives the seat to `to` (null: nobody). Both it and the writer before are told `how`.
  void seat_to(Session::State* to, const std::string& how, const std::string& by);
  void tell(Session::State* one, SessionEvent event);
  Member find(std::uint64_t session_id) const;

  Shard& shard;
  const std::string name;
  std::unique_ptr<ConsoleLog> log;
  ConsoleState state;
  std::uint64_t bytes_in = 0;
  LinePort* port = nullptr;
  bool moving = false;                // the port leads to an agent that is to let go: nothing is typed there any more
  bool drained = false;               // the agent before has given everything
  std::unique_ptr<Timer> look_again;  // while held
  bool held = false;                  // the port was told to hold
  bool said_state = false;            // since the port came, the line's state has been told
  std::list<Member> members;
  Session::State* writer = nullptr;
  std::uint64_t seat = 0;
  std::uint64_t seat_before_refusal = 0;
  WallTime writer_since{};
  struct KeptSeat {
    SessionRow row;
    Identity identity;
    std::string shown;
    SteadyTime until;
  };
  std::optional<KeptSeat> kept;  // nobody writes then
  const Duration keeps_for;
  Timer kept_timer;
  struct Pending {
    std::uint64_t session, seat, sequence;
    std::optional<char> then_key;  // SysRq: to be sent after this break
    std::optional<char> sysrq;     // SysRq: this is its key
    std::uint64_t answer = 0;      // SysRq: under which sequence its sender hears of it
  };
  std::list<Pending> pending;  // input under way to the line, in order
  struct SentBreak {
    std::uint64_t seat, sequence;
    std::string by;
  };
  std::list<SentBreak> breaks;  // the line has not told of yet, in order
};

}  // namespace oob
