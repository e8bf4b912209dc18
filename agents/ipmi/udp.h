// Udp: the way to one BMC, on a shard: looks up its address without blocking, hands each datagram and each due deadline
// to a sans-IO conversation. Of a name with several addresses the first that answers is taken. Who answers from another
// address or port is not heard (the sockets are connected).
#pragma once
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "common/runtime/descriptor.h"

namespace oob::ipmi {

// What a Udp drives. Either call may destroy the Udp.
class Conversation {
 public:
  virtual ~Conversation() = default;
  virtual void receive(ByteView datagram) = 0;
  virtual void tick() = 0;  // a deadline has come
  virtual std::optional<SteadyTime> next_deadline() const = 0;
};

class Udp {
 public:
  Udp(Shard& shard, Conversation& conversation);
  ~Udp();
  // `done` is called once, not from inside open(); not if the Udp is destroyed before.
  void open(const std::string& address, std::function<void(Result<>)> done);
  void send(ByteView datagram);  // what the kernel does not take is lost, as on the way
  void rearm();                  // to be called when next_deadline() may have come nearer
  bool is_open() const { return !sockets_.empty(); }

 private:
  void read_some(Descriptor* socket);

  Shard& shard_;
  Conversation& conversation_;
  Connector connector_;
  std::vector<std::unique_ptr<Descriptor>> sockets_;  // one, as soon as it has answered
  Timer timer_;
  SteadyTime armed_for_{};
  std::shared_ptr<void> alive_ = std::make_shared<int>();
};

}  // namespace oob::ipmi
