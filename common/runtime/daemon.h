// What every daemon of ours does first.
#pragma once

namespace oob {

// As many descriptors as the system lets us have: each console keeps its log or line open, each peer a socket.
void raise_descriptor_limit();

}  // namespace oob
