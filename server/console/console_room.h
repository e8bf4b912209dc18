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
  State(ConsoleRoom& r, std::uint64_t number, Identity who, SessionSink& s, ConsoleLog& log)
      : room(&r), id(number), identity(std::move(who)), sink(s), viewer(log, s) {}
  ConsoleRoom* room;  // null: the console is gone
  const std::uint64_t id;
  const Identity identity;
  SessionSink& sink;
  Viewer viewer;
  WallTime since{};
  std::optional<WallTime> last_input;
  std::uint64_t last_sequence = 0;  // of input and breaks, which rise
  bool closed = false;              // its Session was destroyed: the sink is not touched again
};

struct ConsoleRoom : std::enable_shared_from_this<ConsoleRoom> {
  using Member = std::shared_ptr<Session::State>;

  ConsoleRoom(Shard& s, std::string n, std::unique_ptr<ConsoleLog> l)
      : shard(s), name(std::move(n)), log(std::move(l)) {}

  // The line's side.
  void gap(std::optional<std::uint64_t> bytes, const std::string& why);
  void hold_if_behind();
  void tell_all(const SessionEvent& event, const Session::State* but = nullptr);  // each directly
  void show_all(const SessionEvent& event);  // as part of the stream: a session that replays gets it from the log
  void refuse(const Member& member, std::uint64_t sequence, const std::string& why);  // later: never from inside a call

  // The people's side.
  void leave(const Member& member);
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
  struct Pending {
    std::uint64_t session, sequence;
  };
  std::list<Pending> pending;  // input under way to the line, in order
};

}  // namespace oob
