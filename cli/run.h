// The whole program but main().
#pragma once
#include <string>
#include <vector>

namespace oob {

// Runs one command line (without the program's name); the exit status (exit_status.h, docs/COMMANDS.md).
int run_oob(std::vector<std::string> arguments);

}  // namespace oob
