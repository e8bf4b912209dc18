// One process at a time on an agent's state folder: the agent while it runs, or `join`.
#pragma once
#include <string>

#include "common/result.h"

namespace oob {

// Takes flock(2) on <state>/lock; the lock goes with the descriptor, which is the caller's. Conflict: names what holds
// it and what to do.
Result<int> lock_agent_state(const std::string& state_folder);

}  // namespace oob
