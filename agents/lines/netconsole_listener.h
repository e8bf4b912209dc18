// NetconsoleListener: the UDP socket that the netconsole lines of one `listen` share; gives each datagram to the line
// of its sender's address, or to the agent's Strangers. Shared by Shard::shared, named by `listen`: it is open as long
// as one of these lines is. On the agent's shard.
#pragma once
#include <netinet/in.h>

#include <map>
#include <memory>
#include <string>

#include "agents/lines/sender_address.h"
#include "agents/lines/strangers.h"
#include "common/result.h"
#include "common/runtime/descriptor.h"

namespace oob {

// "10.9.0.1:6666", "[::]:6666", or "eth1:6666": all addresses of that interface. Nothing is looked up.
struct UdpPlace {
  std::string interface;  // empty: any
  sockaddr_in6 address{};
};
Result<UdpPlace> parse_udp_place(const std::string& listen);

class NetconsoleListener {
 public:
  class Receiver {
   public:
    virtual ~Receiver() = default;
    virtual void received(ByteView datagram, bool cut) = 0;
    virtual void received_all() = 0;                  // that there was just now
    virtual void kernel_dropped(unsigned count) = 0;  // datagrams of any sender, for lack of room
  };

  explicit NetconsoleListener(Shard& shard);
  ~NetconsoleListener();
  Result<> open(const std::string& listen);  // does nothing if it is open

  // From now on what `sender` says is `to`'s. Conflict: it is another console's. The same console's earlier receiver
  // gets no more.
  Result<> join(const SenderAddress& sender, const std::string& console, Receiver& to);
  void leave(Receiver& receiver);
  std::optional<Strangers::Stranger> adopt(const SenderAddress& sender);

 private:
  struct Joined {
    std::string console;
    Receiver* receiver;
  };
  void receive();
  void distribute(const sockaddr_storage& from, ByteView datagram, bool cut);
  void count_dropped(unsigned sum);

  Shard& shard_;
  std::string name_;
  std::unique_ptr<Descriptor> socket_;
  std::map<SenderAddress, Joined> lines_;
  std::shared_ptr<Strangers> strangers_;
  unsigned dropped_ = 0;  // as the kernel last said
};

}  // namespace oob
