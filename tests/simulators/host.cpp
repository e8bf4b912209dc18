// The far end of a simulated BMC's serial line.
#include "tests/simulators/host.h"

#include <arpa/inet.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <sstream>
#include <utility>

namespace rude {
namespace {

constexpr std::size_t kLineBytes = 80, kTailBytes = 4096;
constexpr auto kTurn = std::chrono::milliseconds(10);  // lines are said in bursts this far apart

}  // namespace

std::string Host::become(const std::string& what, Time now) {
  std::istringstream words(what);
  std::string kind;
  words >> kind;
  hang_up();
  if (kind == "echo" || kind == "silent") {
    kind_ = kind == "echo" ? Kind::Echo : Kind::Silent;
    return {};
  }
  if (kind == "lines") {
    std::uint64_t count = 0;
    if (!(words >> rate_) || rate_ < 0) return "usage: host lines RATE [COUNT]";
    words >> count;
    kind_ = Kind::Lines;
    goal_ = count == 0 ? 0 : lines + count;
    began_ = next_look_ = now;
    lines_before_ = lines;
    return {};
  }
  if (kind == "tcp") {
    std::string where;
    words >> where;
    const auto colon = where.rfind(':');
    if (colon == std::string::npos || !dial(where.substr(0, colon), where.substr(colon + 1))) {
      return "cannot connect to " + where;
    }
    kind_ = Kind::Tcp;
    return {};
  }
  return "a host is echo, silent, lines or tcp";
}

bool Host::dial(const std::string& address, const std::string& port) {
  sockaddr_in to{};
  to.sin_family = AF_INET;
  to.sin_port = htons(static_cast<std::uint16_t>(std::atoi(port.c_str())));
  if (inet_pton(AF_INET, address.c_str(), &to.sin_addr) != 1) return false;
  connection_ = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (connection_ < 0 || connect(connection_, reinterpret_cast<sockaddr*>(&to), sizeof to) < 0) {
    hang_up();
    return false;
  }
  const int on = 1;
  setsockopt(connection_, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  return true;
}

void Host::hang_up() {
  if (connection_ >= 0) close(std::exchange(connection_, -1));
}

std::size_t Host::input(const Bytes& bytes) {
  std::size_t taken = bytes.size();
  if (kind_ == Kind::Tcp) {
    const auto n = connection_ < 0 ? -1 : send(connection_, bytes.data(), bytes.size(), MSG_DONTWAIT | MSG_NOSIGNAL);
    taken = n < 0 ? 0 : static_cast<std::size_t>(n);
  }
  input_bytes += taken;
  input_tail.append(bytes.begin(), bytes.begin() + static_cast<std::ptrdiff_t>(taken));
  if (input_tail.size() > kTailBytes) input_tail.erase(0, input_tail.size() - kTailBytes);
  if (kind_ == Kind::Echo) wiring_.say(bytes);
  return taken;
}

void Host::break_received() {
  ++breaks;
  if (kind_ == Kind::Echo) say("<break>");
  const unsigned char telnet_break[] = {255, 243};
  if (kind_ == Kind::Tcp && connection_ >= 0) (void)send(connection_, telnet_break, 2, MSG_DONTWAIT | MSG_NOSIGNAL);
}

void Host::readable() {
  if (connection_ < 0) return;
  Bytes buffer(std::min<std::size_t>(wiring_.room(), 4096));
  if (buffer.empty()) return;
  const auto n = recv(connection_, buffer.data(), buffer.size(), MSG_DONTWAIT);
  if (n < 0 && (errno == EAGAIN || errno == EINTR)) return;
  if (n <= 0) return hang_up();
  buffer.resize(static_cast<std::size_t>(n));
  wiring_.say(buffer);
}

void Host::tick(Time now) {
  if (kind_ != Kind::Lines || now < deadline()) return;
  const auto seconds = std::chrono::duration<double>(now - began_).count();
  const auto due = rate_ > 0 ? lines_before_ + static_cast<std::uint64_t>(seconds * rate_) : lines + 100;
  std::string text;
  while (lines < due && (goal_ == 0 || lines < goal_) && text.size() + kLineBytes <= wiring_.room()) {
    char line[kLineBytes + 1];
    const int n =
        std::snprintf(line, sizeof line, "%s %012llu ", name_.c_str(), static_cast<unsigned long long>(++lines));
    std::memset(line + n, '.', kLineBytes - 2 - static_cast<std::size_t>(n));
    std::memcpy(line + kLineBytes - 2, "\r\n", 2);
    text.append(line, kLineBytes);
  }
  next_look_ = now + kTurn;
  if (!text.empty()) say(text);
}

Time Host::deadline() const {
  if (kind_ != Kind::Lines || (goal_ != 0 && lines >= goal_)) return kNever;
  if (rate_ <= 0) return next_look_;
  const auto next = static_cast<double>(lines + 1 - lines_before_) / rate_;
  return std::max(next_look_, began_ + std::chrono::duration_cast<Time::duration>(std::chrono::duration<double>(next)));
}

}  // namespace rude
