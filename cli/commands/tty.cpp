// tty: a console as a serial port of this machine. The work is in cli/tty.cpp.
#include <unistd.h>

#include "cli/commands/commands.h"
#include "cli/invocation.h"
#include "cli/tty.h"

namespace oob {
namespace {

Exit tty(Invocation& invocation) {
  const CommandLine& line = invocation.line();
  if (!invocation.server()) return invocation.say(invocation.server().error());
  TtyChoices choices;
  choices.attach.console = line.text("NAME");
  choices.attach.write = !line.has("--read-only");
  choices.attach.force = line.has("--force");
  choices.attach.seed = static_cast<unsigned>(::getpid());
  choices.link = line.text("--link");
  if (line.has("--rfc2217")) choices.port = static_cast<unsigned>(line.number("--rfc2217"));
  return run_tty(invocation.shard(), *invocation.server(), std::move(choices));
}

}  // namespace

std::vector<Command> tty_commands() {
  return {
      {.name = "tty",
       .text = "a console as a serial port of this machine, for minicom, kermit or gdb",
       .arguments = {{"NAME", "the console; a unique beginning is enough", Value::Console}},
       .options = {{.names = "--link",
                    .text = "a symbolic link to the pty, for programs that want a fixed name",
                    .takes = "PATH",
                    .value = Value::File},
                   {.names = "--rfc2217",
                    .text = "a TCP port of 127.0.0.1 that speaks RFC 2217 instead of a pty; 0: a free one",
                    .takes = "PORT",
                    .least = 0,
                    .most = 65535,
                    .excludes = "--link"},
                   {.names = "-r,-s,-m,--read-only", .text = "only look on: what is written there is dropped"},
                   {.names = "-f,--force", .text = "take over from whoever writes", .excludes = "--read-only"}},
       .run = tty,
       .more =
           "Prints the pty's path, or the port's URL, and serves it until ^C. You are the console's writer meanwhile; "
           "if somebody else is, it says who and ends, unless -f is given. Speed and framing that a program sets "
           "are agreed to and change nothing. A break goes through with --rfc2217 only; a pty has none.",
       .examples = {"oob tty --link /tmp/web01 web01 & gdb -ex 'target remote /tmp/web01'",
                    "oob tty --rfc2217 4001 web01   # python: serial.serial_for_url(\"rfc2217://127.0.0.1:4001\")"}},
  };
}

}  // namespace oob
