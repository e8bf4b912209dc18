// log: what a console's log holds.
#include <unistd.h>

#include <optional>

#include "cli/commands/commands.h"
#include "cli/invocation.h"
#include "cli/log_text.h"
#include "cli/show.h"
#include "common/limits.h"

namespace oob {
namespace {

Exit log(Invocation& invocation) {
  const auto name = invocation.name();
  if (!name) return invocation.say(name.error());
  const CommandLine& line = invocation.line();
  LogText text({line.has("--time"), ::isatty(STDOUT_FILENO) != 0 && !line.has("--raw")});
  Rest::Query query{{"lines", line.text("--lines")}};
  json::object whole;
  std::uint64_t reached = 0;
  std::optional<std::uint64_t> asked_at;  // the log's end then: a line that floods would never be caught up with
  while (true) {
    auto answer = invocation.rest().wait("GET", "/v1/consoles/" + *name + "/log", query);
    if (!answer) return invocation.say(answer.error());
    if (!answer->is_object()) return invocation.say({ErrorCode::Internal, "the server sent no log"});
    json::object& page = answer->get_object();
    const auto next = count_at(page, "next"), end = count_at(page, "end");
    if (!next || !end) {
      return invocation.say({ErrorCode::Internal, "the server's answer does not say where the log goes on"});
    }
    for (const auto& piece : rows_of(*answer, "pieces")) {
      if (invocation.json() || !piece.is_object()) continue;
      const Exit exit = invocation.print(text.add(piece.get_object()));
      if (exit != Exit::Done || invocation.reader_gone()) return exit;
    }
    const json::array pieces = whole.empty() ? json::array() : rows_of(*answer, "pieces");
    if (whole.empty()) {
      whole = std::move(page);
    } else if (invocation.json()) {
      auto& all = whole["pieces"].as_array();
      all.insert(all.end(), pieces.begin(), pieces.end());
      whole["next"] = *next, whole["end"] = *end;
    }
    if (!asked_at) asked_at = end;
    if (*next >= *asked_at || *next <= reached) break;
    reached = *next;
    const auto bytes = std::min<std::uint64_t>(*asked_at - *next, limits::replay_bytes_max);
    query = {{"from", std::to_string(*next)}, {"max", std::to_string(bytes)}};
  }
  return invocation.print(invocation.json() ? json_line(whole) : text.end());
}

}  // namespace

std::vector<Command> log_commands() {
  return {
      {"log",
       "the last lines of a console's log",
       {{"NAME", "the console", Value::Console}},
       {{.names = "-n,--lines",
         .text = "how many, default 100",
         .takes = "LINES",
         .otherwise = "100",
         .least = 1,
         .most = 100'000},  // the server bounds the bytes: limits::replay_bytes_max
        {.names = "--time", .text = "show times and events between the lines"},
        {.names = "--raw", .text = "pass control characters to the terminal"},
        output_option()},
       log},
  };
}

}  // namespace oob
