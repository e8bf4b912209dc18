// What oobd last told this agent to serve, kept in <state>/assignment so that its lines start with oobd away. Holds no
// secrets (they are sent when a driver dials). Written at each change, whole or not at all.
#pragma once
#include <string>

#include "common/result.h"

namespace oob::wire {
class Assignment;
}

namespace oob {

// An absent file is an empty assignment; a damaged one is an Error (Unavailable) that says what will happen.
Result<> load_assignment(const std::string& state_folder, wire::Assignment& into);
Result<> save_assignment(const std::string& state_folder, const wire::Assignment& assignment);

}  // namespace oob
