// A TCP connection's options, and what the kernel tells of its path (tcp(7)).
#pragma once
#include <optional>

#include "common/tls/send_pace.h"

namespace oob {

bool is_tcp(int fd);
// TCP_NODELAY, TCP_USER_TIMEOUT (limits::tunnel_silence_max), TCP_NOTSENT_LOWAT. Failing to set one makes a connection
// slower to notice or to answer, not wrong.
void tune_tcp(int fd);
std::optional<SendPace::Reading> read_pace(int fd);  // nothing if the kernel does not tell

}  // namespace oob
