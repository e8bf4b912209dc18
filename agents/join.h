// `oob-agent join`: enrols this machine at a server with a one-time token, and what that leaves in the agent's state
// folder is told by identity.h. The key is made here and never leaves. Blocking; a program of its
// own.
#pragma once
#include <string>

#include "common/crypto/secret.h"
#include "common/result.h"

namespace oob {

struct JoinRequestFile {
  std::string server;      // "host:port"
  std::string state;       // folder; made if missing
  std::string token_file;  // empty: one line of standard input
};

// Reads the token, joins, and says on standard output what became of it. Returns the exit status.
int join_main(const JoinRequestFile& arguments);

// The part without a terminal: returns the agent's name. Takes at most limits::join_time_max. All or nothing: on any
// error the folder holds what it held before. Errors: Usage (token, address), Denied (by either side), Unavailable.
Result<std::string> join_server(const std::string& server, const std::string& state, const Secret& token);

}  // namespace oob
