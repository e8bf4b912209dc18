// The commands of `oob`, a file a group; all.cpp puts them in order.
#pragma once
#include <vector>

#include "cli/command.h"
#include "common/json/json.h"

namespace oob {

std::vector<Command> console_commands();    // consoles.cpp
std::vector<Command> attach_commands();     // attach.cpp
std::vector<Command> tty_commands();        // tty.cpp
std::vector<Command> run_commands();        // run.cpp
std::vector<Command> log_commands();        // log.cpp
std::vector<Command> grep_commands();       // grep.cpp
std::vector<Command> power_commands();      // power.cpp
std::vector<Command> bmc_commands();        // bmc.cpp
std::vector<Command> inventory_commands();  // inventory.cpp
std::vector<Command> revision_commands();   // revisions.cpp
std::vector<Command> agent_commands();      // agents.cpp
std::vector<Command> ether_commands();      // ether.cpp
std::vector<Command> access_commands();     // access.cpp
std::vector<Command> version_commands();    // version.cpp

// Rows of `changes`, one a line; `none` if there are none.
std::string change_lines(const json::value& answer, const std::string& none = "nothing to change\n");

}  // namespace oob
