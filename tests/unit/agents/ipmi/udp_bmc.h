// UdpBmc: the FakeBmc on a UDP port of loopback, for tests of what has a socket.
#pragma once
#include <arpa/inet.h>
#include <sys/socket.h>
#include <unistd.h>

#include "tests/unit/agents/ipmi/fake_bmc.h"

namespace oob::ipmi {

// A BMC on a UDP port of 127.0.0.1.
struct UdpBmc {
  UdpBmc() : fd(::socket(AF_INET, SOCK_DGRAM, 0)) {
    sockaddr_in where{};
    where.sin_family = AF_INET;
    where.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t length = sizeof where;
    EXPECT_EQ(::bind(fd, reinterpret_cast<sockaddr*>(&where), length), 0);
    EXPECT_EQ(::getsockname(fd, reinterpret_cast<sockaddr*>(&where), &length), 0);
    port = std::to_string(ntohs(where.sin_port));
    bmc.send = [this](ByteView datagram) {
      ::sendto(fd, datagram.data(), datagram.size(), 0, reinterpret_cast<sockaddr*>(&peer), sizeof peer);
    };
  }
  ~UdpBmc() { ::close(fd); }
  // Takes what has come; to be called until something has happened.
  void serve() {
    std::array<std::byte, 2000> room{};
    while (true) {
      socklen_t length = sizeof peer;
      const ssize_t n =
          ::recvfrom(fd, room.data(), room.size(), MSG_DONTWAIT, reinterpret_cast<sockaddr*>(&peer), &length);
      if (n < 0) break;
      ++datagrams;
      bmc.receive(MutableBytes(room).first(static_cast<std::size_t>(n)));
    }
    bmc.tick();
  }
  SystemClock clock;
  FakeBmc bmc{clock};
  int fd, datagrams = 0;
  sockaddr_in peer{};
  std::string port;
};

}  // namespace oob::ipmi
