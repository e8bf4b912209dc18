// See netconsole_listener.h.
#include "agents/lines/netconsole_listener.h"

#include <net/if.h>
#include <sys/socket.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <vector>

#include "agents/lines/netconsole_decoder.h"
#include "common/limits.h"
#include "common/nearest.h"
#include "common/text.h"

namespace oob {
namespace {

constexpr std::size_t kBatch = limits::read_buffer_bytes / limits::netconsole_datagram_bytes_max;
constexpr int kBatchesATurn = 8;  // then others have their turn

SenderAddress sender_of(const sockaddr_storage& from) {
  SenderAddress out{};
  if (from.ss_family == AF_INET) {
    out[10] = out[11] = 0xff;
    std::memcpy(out.data() + 12, &reinterpret_cast<const sockaddr_in&>(from).sin_addr, 4);
  } else {
    std::memcpy(out.data(), &reinterpret_cast<const sockaddr_in6&>(from).sin6_addr, out.size());
  }
  return out;
}

}  // namespace

Result<UdpPlace> parse_udp_place(const std::string& listen) {
  const auto parts = parse_host_port(listen);
  if (!parts) return tl::unexpected(parts.error());
  UdpPlace out;
  out.address.sin6_family = AF_INET6;
  out.address.sin6_port = htons(static_cast<std::uint16_t>(std::stoi(parts->port)));
  if (const auto address = parse_sender(parts->host)) {
    std::memcpy(&out.address.sin6_addr, address->data(), address->size());
    return out;
  }
  const bool name = listen[0] != '[' && parts->host.size() < IFNAMSIZ &&
                    parts->host.find_first_not_of("0123456789.") != std::string::npos;
  if (!name) return fail(ErrorCode::Usage, in_quotes(listen) + " begins with no address and no interface's name");
  out.interface = parts->host;
  return out;
}

NetconsoleListener::NetconsoleListener(Shard& shard)
    : shard_(shard), strangers_(shard.shared<Strangers>(kStrangersName)) {}
NetconsoleListener::~NetconsoleListener() = default;

Result<> NetconsoleListener::open(const std::string& listen) {
  if (socket_) return {};
  const auto cannot = [&](int error) {
    return fail(ErrorCode::Unavailable, "cannot listen on " + escape_controls(listen) + ": " + std::strerror(error));
  };
  auto place = parse_udp_place(listen);
  if (!place) return tl::unexpected(place.error());
  SenderAddress own{};
  std::memcpy(own.data(), &place->address.sin6_addr, own.size());
  const bool v4 = is_ipv4(own);  // "0.0.0.0" is IPv4 alone, "[::]" both
  const int fd = ::socket(v4 ? AF_INET : AF_INET6, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  if (fd < 0) return cannot(errno);
  auto socket = std::make_unique<Descriptor>(shard_, fd);
  const int on = 1, off = 0, room = int(limits::listener_socket_bytes);
  // By force with CAP_NET_ADMIN only, else as much as net.core.rmem_max lets.
  if (setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &room, sizeof room) != 0) {
    setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &room, sizeof room);
  }
  setsockopt(fd, SOL_SOCKET, SO_RXQ_OVFL, &on, sizeof on);
  if (!v4) setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &off, sizeof off);
  if (!place->interface.empty() &&
      setsockopt(fd, SOL_SOCKET, SO_BINDTODEVICE, place->interface.data(), socklen_t(place->interface.size())) != 0) {
    return cannot(errno);
  }
  sockaddr_in address4{};
  address4.sin_family = AF_INET;
  address4.sin_port = place->address.sin6_port;
  std::memcpy(&address4.sin_addr, place->address.sin6_addr.s6_addr + 12, 4);
  const auto* address =
      v4 ? reinterpret_cast<const sockaddr*>(&address4) : reinterpret_cast<const sockaddr*>(&place->address);
  if (::bind(fd, address, v4 ? sizeof address4 : sizeof place->address) != 0) return cannot(errno);
  name_ = "netconsole " + listen;
  socket_ = std::move(socket);
  socket_->start_reading([this] { receive(); });
  return {};
}

Result<> NetconsoleListener::join(const SenderAddress& sender, const std::string& console, Receiver& to) {
  const auto found = lines_.find(sender);
  if (found != lines_.end() && found->second.console != console) {
    return fail(ErrorCode::Conflict, "what " + sender_text(sender) + " says is already the line of console " +
                                         in_quotes(found->second.console) + "; name each source once");
  }
  lines_.insert_or_assign(sender, Joined{console, &to});
  return {};
}

void NetconsoleListener::leave(Receiver& receiver) {
  std::erase_if(lines_, [&](const auto& line) { return line.second.receiver == &receiver; });
}

std::optional<Strangers::Stranger> NetconsoleListener::adopt(const SenderAddress& sender) {
  return strangers_->adopt({name_, sender_text(sender)});
}

void NetconsoleListener::receive() {
  const MutableBytes buffer = shard_.read_buffer();
  std::array<mmsghdr, kBatch> messages;
  std::array<iovec, kBatch> pieces;
  std::array<sockaddr_storage, kBatch> from;
  alignas(cmsghdr) std::array<std::array<char, CMSG_SPACE(sizeof(unsigned))>, kBatch> control;
  for (int turn = 0; turn < kBatchesATurn; ++turn) {
    for (std::size_t i = 0; i < kBatch; ++i) {
      pieces[i] = {buffer.data() + i * limits::netconsole_datagram_bytes_max, limits::netconsole_datagram_bytes_max};
      messages[i] = {};
      messages[i].msg_hdr.msg_name = &from[i], messages[i].msg_hdr.msg_namelen = sizeof from[i];
      messages[i].msg_hdr.msg_iov = &pieces[i], messages[i].msg_hdr.msg_iovlen = 1;
      messages[i].msg_hdr.msg_control = control[i].data(), messages[i].msg_hdr.msg_controllen = control[i].size();
    }
    const int count = recvmmsg(socket_->fd(), messages.data(), kBatch, MSG_DONTWAIT, nullptr);
    for (int i = 0; i < count; ++i) {
      msghdr& header = messages[std::size_t(i)].msg_hdr;
      for (cmsghdr* extra = CMSG_FIRSTHDR(&header); extra != nullptr; extra = CMSG_NXTHDR(&header, extra)) {
        if (extra->cmsg_level != SOL_SOCKET || extra->cmsg_type != SO_RXQ_OVFL) continue;
        unsigned sum = 0;
        std::memcpy(&sum, CMSG_DATA(extra), sizeof sum);
        count_dropped(sum);
      }
      const ByteView datagram =
          buffer.subspan(std::size_t(i) * limits::netconsole_datagram_bytes_max, messages[std::size_t(i)].msg_len);
      distribute(from[std::size_t(i)], datagram, (header.msg_flags & MSG_TRUNC) != 0);
    }
    if (count < int(kBatch)) break;  // an error of one datagram (ICMP) is gone with the next call
  }
  for (const auto& [sender, line] : lines_) line.receiver->received_all();
}

void NetconsoleListener::distribute(const sockaddr_storage& from, ByteView datagram, bool cut) {
  const SenderAddress sender = sender_of(from);
  if (const auto line = lines_.find(sender); line != lines_.end())
    return line->second.receiver->received(datagram, cut);
  strangers_->heard({name_, sender_text(sender)}, datagram, as_bytes(NetconsoleDecoder::said(as_text(datagram))));
}

void NetconsoleListener::count_dropped(unsigned sum) {
  const unsigned count = sum - dropped_;  // it may wrap around
  dropped_ = sum;
  if (count == 0) return;
  for (const auto& [sender, line] : lines_) line.receiver->kernel_dropped(count);
}

}  // namespace oob
