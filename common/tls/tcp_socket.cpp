// See tcp_socket.h. The kernel's own header: the C library's tcp_info ends before what is wanted here.
#include "common/tls/tcp_socket.h"

#include <linux/sockios.h>
#include <linux/tcp.h>
#include <netinet/in.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#include "common/limits.h"

namespace oob {
namespace {

void set_option(int fd, int level, int option, int value) { setsockopt(fd, level, option, &value, sizeof value); }

}  // namespace

bool is_tcp(int fd) {
  int domain = 0;
  socklen_t size = sizeof domain;
  return getsockopt(fd, SOL_SOCKET, SO_DOMAIN, &domain, &size) == 0 && (domain == AF_INET || domain == AF_INET6);
}

void tune_tcp(int fd) {
  constexpr std::chrono::milliseconds kSilence = limits::tunnel_silence_max;
  set_option(fd, IPPROTO_TCP, TCP_NODELAY, 1);
  set_option(fd, IPPROTO_TCP, TCP_USER_TIMEOUT, static_cast<int>(kSilence.count()));
  set_option(fd, IPPROTO_TCP, TCP_NOTSENT_LOWAT, static_cast<int>(limits::tunnel_send_buffer_bytes));
}

std::optional<SendPace::Reading> read_pace(int fd) {
  SendPace::Reading reading;
  int queued = 0;
  if (ioctl(fd, SIOCOUTQ, &queued) != 0) return std::nullopt;
  reading.queued_bytes = static_cast<std::uint64_t>(queued);
  tcp_info info{};
  socklen_t size = sizeof info;
  if (getsockopt(fd, IPPROTO_TCP, TCP_INFO, &info, &size) != 0) return std::nullopt;
  reading.round_trip_us = info.tcpi_min_rtt;
  return reading;
}

}  // namespace oob
