// See log_span.h.
#include "cli/log_span.h"

#include "cli/when.h"

namespace oob {

Option since_option(std::string_view excludes) {
  return {.names = "--since", .text = kWhenText, .takes = "TIME", .excludes = excludes};
}
Option until_option() { return {.names = "--until", .text = "the same", .takes = "TIME"}; }

Result<LogSpanAsked> read_span(Invocation& invocation) {
  LogSpanAsked out;
  const WallTime now = SystemClock().wall();
  for (const bool late : {false, true}) {
    const char* option = late ? "--until" : "--since";
    if (!invocation.line().has(option)) continue;
    const auto when = parse_when(invocation.line().text(option), now, late);
    if (!when) return fail(when.error().code, std::string(option) + ": " + when.error().message);
    if (!when->note.empty()) invocation.note("oob: " + std::string(option) + ": " + when->note + "\n");
    (late ? out.until : out.since) = out.query[option + 2] = format_utc(when->time);
  }
  if (!out.since.empty() && !out.until.empty() && out.until < out.since) {
    return fail(ErrorCode::Usage, "--until is before --since");
  }
  return out;
}

}  // namespace oob
