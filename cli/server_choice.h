// Which server a command talks to: --server, else OOB_SERVER, else OOB_SOCKET, else the configuration's default, else
// the socket of this machine. A server is named as in config.toml, by its URL, or by the path of its socket.
#pragma once
#include <string>

#include "common/http/http.h"

namespace oob {

// `asked`: the value of --server, "" if it was not given. Errors: Usage (the configuration is wrong, the URL
// malformed), NotFound (no such server, or not logged in there; says what to do), Denied (its token is open to others).
Result<HttpEndpoint> choose_server(const std::string& asked);

}  // namespace oob
