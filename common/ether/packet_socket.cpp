// See packet_socket.h.
#include "common/ether/packet_socket.h"

#include <arpa/inet.h>
#include <linux/if_packet.h>
#include <net/if.h>
#include <net/if_arp.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "common/text.h"

namespace oob {
namespace {

constexpr std::uint16_t kVlanNumber = 0xfff;  // of a tag's control word; 0: the tag has a priority only

bool is_tagged(msghdr& header) {
  for (cmsghdr* extra = CMSG_FIRSTHDR(&header); extra != nullptr; extra = CMSG_NXTHDR(&header, extra)) {
    if (extra->cmsg_level != SOL_PACKET || extra->cmsg_type != PACKET_AUXDATA) continue;
    tpacket_auxdata about{};
    std::memcpy(&about, CMSG_DATA(extra), sizeof about);
    if ((about.tp_status & TP_STATUS_VLAN_VALID) != 0 && (about.tp_vlan_tci & kVlanNumber) != 0) return true;
  }
  return false;
}

}  // namespace

bool is_interface_name(std::string_view name) {
  return !name.empty() && name.size() < IFNAMSIZ &&
         std::ranges::all_of(name,
                             [](char c) {
                               return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
                                      c == '.' || c == '-' || c == '_';
                             }) &&
         name != "." && name != "..";
}

Result<PacketSocket> open_packet_socket(const std::string& interface, std::uint16_t ether_type, int receive_bytes) {
  PacketSocket out;
  const auto cannot = [&](const std::string& why) {
    if (out.fd >= 0) ::close(out.fd);
    return fail(ErrorCode::Unavailable, "cannot listen on interface " + escape_controls(interface) + ": " + why);
  };
  // Of no type yet: nothing of another interface comes in before bind().
  out.fd = ::socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  if (out.fd < 0 && errno == EPERM) return cannot("that needs CAP_NET_RAW");
  if (out.fd < 0) return cannot(std::strerror(errno));
  ifreq request{};
  interface.copy(request.ifr_name, IFNAMSIZ - 1);
  if (ioctl(out.fd, SIOCGIFHWADDR, &request) != 0) return cannot(std::strerror(errno));
  if (request.ifr_hwaddr.sa_family != ARPHRD_ETHER) return cannot("it is no Ethernet");
  std::memcpy(out.own.data(), request.ifr_hwaddr.sa_data, out.own.size());
  const int on = 1;
  setsockopt(out.fd, SOL_PACKET, PACKET_AUXDATA, &on, sizeof on);
  if (setsockopt(out.fd, SOL_SOCKET, SO_RCVBUFFORCE, &receive_bytes, sizeof receive_bytes) != 0) {
    setsockopt(out.fd, SOL_SOCKET, SO_RCVBUF, &receive_bytes, sizeof receive_bytes);
  }
  sockaddr_ll place{};
  place.sll_family = AF_PACKET;
  place.sll_protocol = htons(ether_type);
  place.sll_ifindex = static_cast<int>(if_nametoindex(interface.c_str()));
  if (::bind(out.fd, reinterpret_cast<const sockaddr*>(&place), sizeof place) != 0) return cannot(std::strerror(errno));
  return out;
}

Result<std::size_t> receive_frame(int fd, MutableBytes into) {
  while (true) {
    sockaddr_ll from{};
    iovec piece{into.data(), into.size()};
    alignas(cmsghdr) char control[CMSG_SPACE(sizeof(tpacket_auxdata))];
    msghdr header{};
    header.msg_name = &from, header.msg_namelen = sizeof from;
    header.msg_iov = &piece, header.msg_iovlen = 1;
    header.msg_control = control, header.msg_controllen = sizeof control;
    const ssize_t size = recvmsg(fd, &header, 0);
    if (size < 0 && (errno == EAGAIN || errno == EINTR)) return 0;
    if (size < 0) return fail(ErrorCode::Unavailable, std::strerror(errno));
    const bool for_us = from.sll_pkttype == PACKET_HOST || from.sll_pkttype == PACKET_BROADCAST;
    if (for_us && !is_tagged(header) && size >= ssize_t(kEtherHeaderBytes)) return static_cast<std::size_t>(size);
  }
}

bool send_frame(int fd, ByteView frame) {
  return ::send(fd, frame.data(), frame.size(), MSG_DONTWAIT) == static_cast<ssize_t>(frame.size());
}

unsigned frames_dropped(int fd) {
  tpacket_stats stats{};
  socklen_t length = sizeof stats;
  return getsockopt(fd, SOL_PACKET, PACKET_STATISTICS, &stats, &length) == 0 ? stats.tp_drops : 0;
}

}  // namespace oob
