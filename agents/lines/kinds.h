// The kinds of lines there are, each defined in the file of its name. Seen by kinds.cpp and those files only.
#pragma once
#include "agents/lines/line.h"

namespace oob {

extern const LineKind kCallhomeKind, kEtherconsoleKind, kExecKind, kNetconsoleKind, kSerialKind, kSolKind, kSshKind,
    kTcpKind, kTelnetKind, kTestKind, kUnixKind;

}  // namespace oob
