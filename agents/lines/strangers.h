// Strangers: who speaks to this agent's listeners and is named by no line, and the last of what they said: as it came,
// which a line that names one later begins with, and as text, by which a person may know it. One for all listeners of
// an agent (Shard::shared, kStrangersName); the agent shows them to its server. On the agent's shard;
// limits::unknown_sender_* bound all of it, whoever speaks.
#pragma once
#include <cstdint>
#include <deque>
#include <map>
#include <optional>
#include <string>
#include <utility>

#include "common/bytes.h"
#include "common/clock.h"
#include "common/runtime/shard.h"

namespace oob {

inline constexpr char kStrangersName[] = "strangers";

class Strangers {
 public:
  struct Stranger {
    std::uint64_t messages = 0;  // heard in all
    std::uint64_t dropped = 0;   // of them, not kept: the oldest go first
    WallTime first{}, last{};
    std::deque<Bytes> kept;
    std::size_t kept_bytes = 0;
    std::string said;    // the end of its text, limits::unknown_sender_said_bytes_max; as it came
    std::string called;  // what it calls itself, likewise; empty: it does not say
  };
  using Name = std::pair<std::string, std::string>;  // listener ("netconsole 10.9.0.1:6666"), sender ("10.9.1.7")

  explicit Strangers(Shard& shard) : clock_(shard.clock()) {}

  // `said`: what of the message is text. The stranger is there until the next call.
  Stranger& heard(const Name& name, ByteView message, ByteView said);
  std::optional<Stranger> adopt(const Name& name);  // forgets it here
  const std::map<Name, Stranger>& all() const { return strangers_; }

 private:
  void drop_oldest_message(Stranger& of);
  void make_room_for_one();

  const Clock& clock_;
  std::map<Name, Stranger> strangers_;
};

}  // namespace oob
