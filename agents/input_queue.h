// InputQueue: keys on their way into one line, in batches that carry session, sequence and deadline. A batch is written
// whole, or refused with how much of it was written and why; nothing waits past its deadline. Repeats are dropped.
// After a refusal all later batches of that session are refused too, or a command could arrive without its middle: who
// knows of the refusal types on in a new session (to oobd: a new seat). For a line that confirms what was typed, bytes
// are written when it has; a batch that is refused before says how many may have been typed nevertheless.
// Sans-IO; on the agent's shard. Holds limits::input_pending_bytes_max.
#pragma once
#include <functional>
#include <list>
#include <map>
#include <optional>
#include <string>

#include "common/bytes.h"
#include "common/clock.h"

namespace oob {

class InputQueue {
 public:
  struct Fate {
    std::uint64_t session = 0, sequence = 0;
    std::size_t written = 0;
    std::string refused;        // empty: all written
    std::size_t under_way = 0;  // of a refused one: taken by the line behind `written`, and not confirmed
  };
  // `write` gives bytes to the line, which takes 0..n of them; `told` hears of each batch's fate once.
  InputQueue(std::function<std::size_t(ByteView)> write, std::function<void(const Fate&)> told)
      : write_(std::move(write)), told_(std::move(told)) {}

  // Takes a batch and writes what the line takes now. `down`: why the line takes nothing, empty if it is up.
  void add(std::uint64_t session, std::uint64_t sequence, SteadyTime deadline, ByteView bytes, SteadyTime now,
           const std::string& down);
  void pump(SteadyTime now);  // the line takes more, or a deadline has come
  // Whether the line confirms: then what it took is written by confirmed() only, and it takes no more before.
  void set_confirms(bool confirms) { confirms_ = confirms; }
  void confirmed(std::size_t bytes, SteadyTime now);
  void refuse_all(const std::string& why);
  void refuse_waiting(const std::string& why);  // all but a batch that the line has
  void refuse_others(std::uint64_t keep_session, const std::string& why);
  std::optional<SteadyTime> next_deadline() const;  // of the batches that wait
  // Whether (session, sequence) is new; remembers it. Used for breaks too, which share the count.
  bool is_new(std::uint64_t session, std::uint64_t sequence);

 private:
  struct Batch {
    std::uint64_t session, sequence;
    SteadyTime deadline;
    Bytes bytes;
    std::size_t written = 0, under_way = 0;
  };
  void finish_first();
  void refuse(const Batch& batch, const std::string& why);
  bool was_refused(std::uint64_t session) const;

  std::function<std::size_t(ByteView)> write_;
  std::function<void(const Fate&)> told_;
  std::list<Batch> waiting_;  // an empty deque takes half a kilobyte a line
  std::size_t waiting_bytes_ = 0;
  bool confirms_ = false;
  struct Known {
    std::uint64_t last_sequence = 0;
    bool refused = false;
  };
  std::map<std::uint64_t, Known> known_;  // by session; the oldest are forgotten
};

}  // namespace oob
