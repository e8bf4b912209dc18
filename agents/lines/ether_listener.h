// EtherListener: the raw Ethernet socket that the etherconsole lines of one interface and EtherType share; gives each
// frame to the line of its sender's hardware address, or to the agent's Strangers. Shared by Shard::shared, named by
// both. On the agent's shard.
#pragma once
#include <map>
#include <memory>
#include <string>

#include "agents/lines/strangers.h"
#include "common/ether/packet_socket.h"
#include "common/runtime/descriptor.h"

namespace oob {

class EtherListener {
 public:
  class Receiver {
   public:
    virtual ~Receiver() = default;
    virtual void received(ByteView frame) = 0;
    virtual void kernel_dropped(unsigned count) = 0;  // frames of any sender, for lack of room
    virtual void broken(const std::string& why) = 0;  // nothing more comes
  };

  explicit EtherListener(Shard& shard);
  ~EtherListener();
  Result<> open(const std::string& interface, std::uint16_t ether_type);  // does nothing if it is open

  // Conflict: the address is another console's. The same console's earlier receiver gets no more.
  Result<> join(const MacAddress& sender, const std::string& console, Receiver& to);
  void leave(Receiver& receiver);
  std::optional<Strangers::Stranger> adopt(const MacAddress& sender);
  bool send(ByteView frame) const { return socket_ && send_frame(socket_->fd(), frame); }
  const MacAddress& own() const { return own_; }
  void look_for_drops();  // now and not only every second

 private:
  struct Joined {
    std::string console;
    Receiver* receiver;
  };
  void receive();
  void heard_stranger(const MacAddress& sender, ByteView frame);

  Shard& shard_;
  std::string name_;
  std::unique_ptr<Descriptor> socket_;
  MacAddress own_{};
  std::map<MacAddress, Joined> lines_;
  std::shared_ptr<Strangers> strangers_;
  Timer look_;
  std::shared_ptr<int> alive_ = std::make_shared<int>();
};

}  // namespace oob
