// LoginGate: puts a login script between a driver and the line's host. The line is up when the script is through; what
// the device said before that is no output of the console. Works with every driver: to it the gate is its LineEvents.
#pragma once
#include <memory>

#include "agents/lines/line.h"

namespace oob {

// For the table of a kind whose lines may have a login script. Secrets that it sends are keys of the same table.
inline constexpr LineKey kLoginKey{"login", LineKey::Type::Login, false,
                                   "steps that lead from the connection to the console"};

using MakeLine = std::unique_ptr<Line> (*)(Shard&, const LineConfig&, LineEvents&);

// What `make` makes, behind a gate if the line has a login script.
std::unique_ptr<Line> behind_login(Shard& shard, const LineConfig& config, LineEvents& events, MakeLine make);

}  // namespace oob
