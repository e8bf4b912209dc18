// `oob tty`: a console as a serial port of this machine, for programs that know nothing else. An AttachConversation
// whose keys come from a TtyDevice and whose screen is one; it holds the console's writer seat meanwhile.
#pragma once
#include <optional>
#include <string>

#include "cli/attach_conversation.h"
#include "common/http/http.h"
#include "common/runtime/shard.h"

namespace oob {

struct TtyChoices {
  AttachChoices attach;
  std::string link;              // a symbolic link to the pty; empty: none
  std::optional<unsigned> port;  // RFC 2217 on 127.0.0.1 instead of a pty; 0: a free one
};

// Until a signal ends it (^C), the console is removed, or the session is. Prints where the device is, alone on the
// first line of standard output, as soon as it is there.
Exit run_tty(Shard& shard, const HttpEndpoint& server, TtyChoices choices);

}  // namespace oob
