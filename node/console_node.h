// ConsoleNode: the node's end of the etherconsole (docs/etherconsole.md): console text out as frames, frames in as
// input. Sans-IO. All its room is taken when it is made: a machine without memory still speaks. What comes too fast or
// waits too long is dropped and counted in the output itself.
#pragma once
#include <optional>
#include <string>

#include "common/ether/console_frame.h"
#include "common/pace.h"

namespace oob {

class ConsoleNode {
 public:
  struct Settings {
    MacAddress own{}, to = kBroadcastMac;  // `to`, if it is one machine, is the only one that is listened to as well
    std::uint16_t ether_type = kEtherTypeConsole;
    std::optional<Secret> key;
    std::string name;           // said in each hello
    std::uint64_t session = 0;  // rises with each start: microseconds since 1970
  };
  class Events {
   public:
    virtual ~Events() = default;
    virtual bool send(ByteView frame) = 0;          // false: there is no room now
    virtual std::size_t input(ByteView bytes) = 0;  // takes 0..n of them; the rest comes again
    virtual void sysrq(char letter) = 0;
    virtual void ctrl_alt_del() = 0;
  };

  ConsoleNode(Settings settings, Events& events);

  // What the console says. `early`: it was said before this program ran; all of that comes before the rest.
  void output(ByteView text, bool early, SteadyTime now);
  void received(ByteView frame, SteadyTime now);
  void tick(SteadyTime now);  // sends what may be sent, and a hello when it is due
  SteadyTime next_deadline(SteadyTime now) const;
  std::size_t waiting_bytes() const { return used_; }

 private:
  void flush(SteadyTime now);
  bool send(ConsoleFrame frame);
  void obey(const ConsoleFrame& frame, SteadyTime now);
  bool typed(const ConsoleFrame& frame, bool repeated, SteadyTime now);

  const Settings settings_;
  Events& events_;
  Bytes ring_;                                    // circular
  std::size_t begin_ = 0, used_ = 0, early_ = 0;  // early_: of the oldest bytes
  std::uint64_t dropped_ = 0;
  Bytes piece_, frame_;  // room for one frame's text, and for the frame
  std::uint32_t sequence_ = 0;
  Pace frames_, inputs_;
  std::optional<SteadyTime> hello_at_, break_at_;
  std::uint64_t agent_ = 0;    // the session of whoever typed last
  std::uint32_t applied_ = 0;  // the last frame of it that was obeyed
  Bytes untyped_;              // what the terminal did not take of it yet
  SteadyTime untyped_until_{};
};

}  // namespace oob
