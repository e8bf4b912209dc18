// `oob attach`: the thin shell of AttachConversation around the standard streams, the signals and one WebSocket.
// What is not yet taken by standard output is bounded: above limits::viewer_queue_bytes the socket is not read.
#pragma once
#include <string>

#include "cli/attach_conversation.h"
#include "common/http/http.h"
#include "common/runtime/shard.h"

namespace oob {

// Attaches until the person leaves; a signal that ends the program does so from here, with the terminal restored.
// `choices.pipe` is set by what standard input is.
Exit run_attach(Shard& shard, const HttpEndpoint& server, AttachChoices choices);

}  // namespace oob
