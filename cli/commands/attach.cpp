// attach: this terminal, or a pipe, on a console. The work is in cli/attach.cpp.
#include <unistd.h>

#include "cli/attach.h"
#include "cli/client_config.h"
#include "cli/commands/commands.h"
#include "cli/invocation.h"
#include "cli/log_span.h"

namespace oob {
namespace {

Exit attach(Invocation& invocation) {
  const CommandLine& line = invocation.line();
  if (!invocation.server()) return invocation.say(invocation.server().error());
  // What was given, else what the person's configuration says, else conserver's.
  AttachSettings settings;
  if (const auto folder = ClientFolder::own()) {
    const auto config = folder->read();
    if (!config) return invocation.say(config.error());
    settings = config->attach;
  }
  const auto chosen = [&](std::string_view option, const std::optional<std::string>& setting) {
    const std::string given = line.text(option);
    return given.empty() ? setting.value_or("") : given;
  };
  const std::string style_name = chosen("--escape-style", settings.escape_style);
  const auto style = style_name.empty() ? EscapeStyle::Conserver : parse_escape_style(style_name);
  if (!style) return invocation.say(style.error());
  const std::string keys = chosen("--escape", line.text("--escape-style").empty() ? settings.escape : std::nullopt);
  const auto escape = keys.empty() ? Result<EscapeSequence>(usual_escape(*style)) : parse_escape(keys, *style);
  if (!escape) return invocation.say({ErrorCode::Usage, "-e: " + escape.error().message});
  AttachChoices choices;
  choices.console = line.text("NAME");
  choices.write = !line.has("--read-only");
  choices.force = line.has("--force");
  choices.lines = line.has("--lines") ? line.number("--lines") : settings.lines.value_or(line.number("--lines"));
  choices.escape = *escape;
  const auto span = read_span(invocation);
  if (!span) return invocation.say(span.error());
  choices.since = span->since;
  if (line.named_plainly) choices.also_meant = verbs();
  choices.seed = static_cast<unsigned>(::getpid());
  return run_attach(invocation.shard(), *invocation.server(), std::move(choices));
}

}  // namespace

std::vector<Command> attach_commands() {
  return {
      {"attach",
       "attach this terminal to a console; `oob NAME` is short",
       {{"NAME", "the console; a unique beginning is enough", Value::Console}},
       {{.names = "-r,-s,-m,--read-only", .text = "only look on"},
        {.names = "-f,--force", .text = "take over from whoever writes", .excludes = "--read-only"},
        {.names = "-n,--lines",
         .text = "lines of replay, default 20",
         .takes = "LINES",
         .otherwise = "20",
         .most = 100'000},
        since_option("--lines"),
        {.names = "-e,--escape", .text = "escape keys; default ^Ec, & or ~, by the style", .takes = "KEYS"},
        {.names = "--escape-style",
         .text = "whose keys: conserver (default), conman or ssh",
         .takes = "STYLE",
         .one_of = {"conserver", "conman", "ssh"}}},
       attach},
  };
}

}  // namespace oob
