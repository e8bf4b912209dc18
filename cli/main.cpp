// oob: the command line of Outband.
#include <clocale>
#include <csignal>

#include "cli/run.h"

int main(int argc, char** argv) {
  std::setlocale(LC_CTYPE, "");   // for the width of characters
  std::signal(SIGPIPE, SIG_IGN);  // a reader that has gone is an error of write(2)
  return oob::run_oob({argv + 1, argv + argc});
}
