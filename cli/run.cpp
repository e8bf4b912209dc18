// A command line in, an exit status out.
#include "cli/run.h"

#include <unistd.h>

#include "cli/complete.h"
#include "cli/invocation.h"
#include "cli/terminal.h"
#include "common/text.h"

namespace oob {

int run_oob(std::vector<std::string> arguments) {
  if (!arguments.empty() && arguments[0] == "--complete") {
    arguments.erase(arguments.begin());
    try {
      return run_complete(arguments);
    } catch (const std::exception&) {
      return static_cast<int>(Exit::SomeFailed);  // silently: a prompt is on the terminal
    }
  }
  auto line = parse_command_line(std::move(arguments));
  if (!line) {
    write_all(STDERR_FILENO, line.error().text);
    return static_cast<int>(line.error().status);
  }
  try {
    const std::string say = line->say;
    const bool only_says = line->command == nullptr;
    Invocation invocation(std::move(*line));
    return static_cast<int>(only_says ? invocation.print(say) : invocation.run());
  } catch (const std::exception& error) {
    write_all(STDERR_FILENO, "oob: " + escape_controls(error.what()) + "\n");
    return static_cast<int>(Exit::SomeFailed);
  }
}

}  // namespace oob
