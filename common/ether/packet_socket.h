// A raw Ethernet socket (packet(7)) for one EtherType on one interface: frames from their Ethernet header on. For a
// VLAN name its own interface ("eth1.100"); what is tagged for one is not seen on the interface below it. Needs
// CAP_NET_RAW when it is opened, and nothing afterwards. Non-blocking, close-on-exec.
#pragma once
#include <string>

#include "common/bytes.h"
#include "common/ether/console_frame.h"

namespace oob {

struct PacketSocket {
  int fd = -1;     // the caller's to close
  MacAddress own;  // the interface's address
};
// Unavailable: no such interface, or not allowed; in words.
Result<PacketSocket> open_packet_socket(const std::string& interface, std::uint16_t ether_type, int receive_bytes);

// One frame that another sent to us or to all. 0: none is there. Error: the interface is gone or down, in words.
Result<std::size_t> receive_frame(int fd, MutableBytes into);
// False: there is no room now, or the interface is down; the frame was not sent.
bool send_frame(int fd, ByteView frame);
unsigned frames_dropped(int fd);  // by the kernel, for lack of room, since the last call

// At most 15 letters that an interface's name can have.
bool is_interface_name(std::string_view name);

}  // namespace oob
