// Socket addresses as the system calls want them, shared by connector.cpp and listener.cpp; nothing here does I/O.
#pragma once
#include <sys/socket.h>

#include <string>
#include <string_view>

#include "common/result.h"

namespace oob {

struct SocketAddress {
  sockaddr_storage storage{};
  socklen_t length = 0;
  const sockaddr* get() const { return reinterpret_cast<const sockaddr*>(&storage); }
};

inline constexpr std::string_view kUnixPrefix = "unix:";

// The address of a socket file, unix(7). Error: the path is empty or longer than 107 bytes.
Result<SocketAddress> unix_address(std::string_view path);

// "127.0.0.1:4711", "[::1]:4711" or "unix"; an IPv4 address mapped into IPv6 is shown as IPv4.
std::string address_text(const SocketAddress& address);

}  // namespace oob
