// run: a script on one or many consoles. What happens on each is in cli/run_session.cpp, the connection in
// cli/run_shell.cpp; here is what is printed at the end.
#include <unistd.h>

#include "cli/commands/commands.h"
#include "cli/invocation.h"
#include "cli/rest_names.h"
#include "cli/run_shell.h"
#include "cli/show.h"
#include "cli/terminal.h"
#include "common/limits.h"
#include "common/text.h"
#include "common/toml/table.h"

namespace oob {
namespace {

using Status = RunResult::Status;

std::string_view status_name(Status status) {
  constexpr std::string_view kNames[] = {"done", "failed", "unknown", "stopped"};
  return kNames[static_cast<std::size_t>(status)];
}

json::object run_json(const RunMany& run) {
  json::object out;
  json::array& results = out["results"].emplace_array();
  for (const auto& session : run.sessions()) {
    const RunResult& result = session->result();
    json::object one{{"console", session->console()},
                     {"status", status_name(result.status)},
                     {"steps", result.steps},
                     {"output", valid_utf8(result.output)}};
    if (result.output_cut) one["output_cut"] = true;
    if (!result.why.empty()) one["text"] = result.why;
    results.push_back(std::move(one));
  }
  return out;
}

// Standard output: what was captured, one block for all that said the same. Standard error: what went wrong.
Exit print(Invocation& invocation, const RunMany& run, bool capture) {
  if (invocation.json()) return invocation.print(json_line(run_json(run)));
  const bool one = run.sessions().size() == 1;
  const bool terminal = ::isatty(STDOUT_FILENO) != 0;
  std::string out;
  for (const auto& [names, result] : folded(run)) {
    if (result->status != Status::Done) {
      invocation.note("oob: " + names + ": " + std::string(status_name(result->status)) + ": " + result->why + "\n");
      continue;
    }
    if (!capture) {
      out += names + ": done\n";
      continue;
    }
    if (!one) out += names + ":\n";
    out += terminal ? escape_lines(result->output) : result->output;
    if (!result->output.empty() && !result->output.ends_with('\n')) out += '\n';
    if (result->output_cut) invocation.note("oob: " + names + ": some of the output is missing\n");
  }
  return invocation.print(out);
}

Exit status_of(const RunMany& run) {
  std::size_t failed = 0, denied = 0;
  for (const auto& session : run.sessions()) {
    if (session->result().status == Status::Unknown) return Exit::Unknown;
    failed += session->result().status != Status::Done;
    denied += session->result().denied;
  }
  if (failed > 0 && denied == run.sessions().size()) return Exit::NotAllowed;
  return failed > 0 ? Exit::SomeFailed : Exit::Done;
}

Result<std::vector<RunStep>> steps_of(const CommandLine& line) {
  RunOptions options{.newline = line.text("--newline")};
  const auto timeout = parse_duration(line.text("--timeout"));
  if (!timeout) return fail(ErrorCode::Usage, "--timeout: " + timeout.error().message);
  options.timeout = *timeout;
  const std::string file = line.text("--steps");
  if (!file.empty() && !line.in_order.empty()) {
    return fail(ErrorCode::Usage, "either --steps or --send and --expect, not both");
  }
  auto steps = file.empty() ? steps_from_options(line.in_order, options) : steps_from_file(file, options);
  if (!steps) return steps;
  if (steps->empty()) return fail(ErrorCode::Usage, "nothing to do: give --send, --expect or --steps");
  if (line.has("--capture") && steps->back().kind != RunStep::Kind::Expect) {
    return fail(ErrorCode::Usage, "--capture needs an --expect at the end: what comes before its match is captured");
  }
  return steps;
}

Exit run(Invocation& invocation) {
  const CommandLine& line = invocation.line();
  auto steps = steps_of(line);
  if (!steps) {
    const bool a_file = !line.text("--steps").empty() && steps.error().message.find(": error:") != std::string::npos;
    if (!a_file) return invocation.say(steps.error());
    invocation.note(steps.error().message + (steps.error().message.ends_with('\n') ? "" : "\n"));
    return Exit::Usage;
  }
  const auto answer = invocation.rest().wait("GET", "/v1/consoles", {{"names", line.text("NAMES")}});
  if (!answer) return invocation.say(answer.error());
  auto names = names_in(*answer, "consoles");
  if (names.empty()) return invocation.say({ErrorCode::NotFound, "no console is called so"});
  if (names.size() > limits::stream_channels_max) {
    return invocation.say({ErrorCode::Usage, "more than " + std::to_string(limits::stream_channels_max) +
                                                 " consoles at once; run them in parts"});
  }
  RunShell shell(invocation.shard(), std::move(names), std::move(*steps), line.has("--force"), line.number("--jobs"));
  if (const auto gone = shell.go(*invocation.server()); !gone) return invocation.say(gone.error());
  const Exit printed = print(invocation, shell.run(), line.has("--capture"));
  if (shell.killed_by() != 0) die_by(shell.killed_by());
  return printed != Exit::Done ? printed : status_of(shell.run());
}

}  // namespace

std::vector<Command> run_commands() {
  return {
      {"run",
       "send and expect on one or many consoles, from a script",
       {{"NAMES", "consoles: web[01-16], @group, db*, label=value", Value::Names}},
       {{.names = "--send", .text = "type this and a newline", .takes = "TEXT", .many = true},
        {.names = "--send-file", .text = "type what is in a file", .takes = "FILE", .value = Value::File, .many = true},
        {.names = "--send-secret-file",
         .text = "type a secret from a file of mode 0600, and a newline; it is never shown",
         .takes = "FILE",
         .value = Value::File,
         .many = true},
        {.names = "--expect", .text = "wait for a match (RE2; ^ and $ are lines)", .takes = "REGEX", .many = true},
        {.names = "--steps", .text = "all that from a TOML file", .takes = "FILE", .value = Value::File},
        {.names = "--timeout", .text = "of each --expect, default 30s", .takes = "TIME", .otherwise = "30s"},
        {.names = "--capture", .text = "print what came between the last text sent and the match after it"},
        {.names = "--newline",
         .text = "what Return types, default cr",
         .takes = "WHICH",
         .otherwise = "cr",
         .one_of = {"cr", "lf", "crlf", "none"}},
        {.names = "-f,--force", .text = "take over from whoever writes"},
        {.names = "-j,--jobs",
         .text = "consoles at once, default 64",
         .takes = "N",
         .otherwise = "64",
         .least = 1,
         .most = limits::run_jobs_max},
        output_option()},
       run,
       "Options that send and expect are taken in the order in which they are written, and may be repeated. Each "
       "console "
       "is attached for the time of the steps, as \"alice (run)\"; one on which somebody writes is refused unless -f "
       "is "
       "given. Exit status: 0 all done, 1 some failed (each named), 6 of some input it is not known whether it "
       "arrived.\n"
       "A steps file holds [[step]] tables with send, send-file or send-secret-file, expect, and timeout."},
  };
}

}  // namespace oob
