// bmc info, bmc doctor: what a node's BMC says of itself, what is wrong with its serial line, and the change that mends
// it.
#include <algorithm>
#include <chrono>
#include <functional>
#include <thread>

#include "cli/commands/bmc_job.h"
#include "cli/commands/commands.h"
#include "cli/invocation.h"
#include "cli/run_shell.h"
#include "cli/show.h"
#include "cli/terminal.h"
#include "common/text.h"

namespace oob {
namespace {

constexpr auto kProofTime = std::chrono::seconds(20);
constexpr auto kEchoTime = std::chrono::seconds(5);
constexpr auto kLookAgain = std::chrono::milliseconds(300);

// One finding: "  fine  login       administrator, suite 17", its meaning and proposal below.
std::string finding_text(const json::object& finding) {
  const std::string verdict = cell(finding, "verdict"), topic = cell(finding, "topic");
  const std::string mark = verdict == "fine" ? "      " : verdict == "note" ? "note  " : "FAULT ";
  const auto padded = [](std::string text) { return text.append(text.size() < 14 ? 14 - text.size() : 1, ' '); };
  std::string out = mark + padded(topic) + cell(finding, "value") + "\n";
  const std::string meaning = cell(finding, "meaning"), proposal = cell(finding, "proposal");
  const std::string indent(20, ' ');
  if (!meaning.empty()) out += indent + meaning + "\n";
  if (!proposal.empty()) out += indent + "-> " + proposal + "\n";
  return out;
}

struct Examined {
  std::size_t faults = 0;
  std::vector<std::string> mends;  // that the doctor could do
};

// Shows the one row of a job; what came of it.
Result<Examined> show(Invocation& invocation, const std::string& act, const BmcJobRows& job) {
  if (job.error) return tl::unexpected(*job.error);
  if (job.rows.empty()) return fail(ErrorCode::Internal, "the server's job has no row");
  const json::object& row = job.rows.front();
  Examined out;
  std::string text;
  const auto* findings = row.if_contains("findings");
  for (const auto& finding : findings && findings->is_array() ? findings->get_array() : json::array()) {
    if (!finding.is_object()) continue;
    const json::object& one = finding.get_object();
    out.faults += text_of(one, "verdict") == "fault";
    if (const std::string mend = text_of(one, "mend"); !mend.empty()) out.mends.push_back(mend);
    text += finding_text(one);
  }
  const Exit printed = invocation.print(invocation.json() ? json_line(job.json(act)) : text);
  if (printed != Exit::Done) return fail(ErrorCode::Conflict, "standard output cannot be written");
  if (text_of(row, "result") != "done") return fail(ErrorCode::Conflict, cell(row, "node") + ": " + cell(row, "text"));
  return out;
}

// The console's row, as often as it takes until it is as wanted or the time is over; the last one.
Result<json::object> look_until(Invocation& invocation, const std::string& name, std::chrono::seconds patience,
                                const std::function<bool(const json::object&)>& wanted) {
  const auto until = std::chrono::steady_clock::now() + patience;
  while (true) {
    const auto now = invocation.rest().wait("GET", "/v1/consoles/" + name);
    if (!now) return tl::unexpected(now.error());
    if (!now->is_object()) return fail(ErrorCode::Internal, "the server's answer is no object");
    if (wanted(now->get_object()) || std::chrono::steady_clock::now() >= until) return now->get_object();
    std::this_thread::sleep_for(kLookAgain);
  }
}

Result<RunResult> type_enter(Invocation& invocation, const std::string& name) {
  auto steps = steps_from_options({{"--send", ""}}, {});
  if (!steps) return tl::unexpected(steps.error());
  RunShell shell(invocation.shard(), {name}, std::move(*steps), false, 1);
  if (const auto gone = shell.go(*invocation.server()); !gone) return tl::unexpected(gone.error());
  if (shell.killed_by() != 0) die_by(shell.killed_by());
  return shell.run().sessions().front()->result();
}

// Whether the machine answers Enter, which is typed only after a yes. Any byte is an answer, a lone carriage return
// too.
Exit echo(Invocation& invocation, const std::string& name, std::uint64_t before) {
  if (!invocation.line().has("--yes") &&
      !invocation.ask("It has said nothing. Type Enter on it, to see it answer?").value_or(false)) {
    return Exit::Done;
  }
  const auto typed = type_enter(invocation, name);
  if (!typed) return invocation.say(typed.error());
  if (typed->status != RunResult::Status::Done) {
    invocation.note("oob: Enter was not typed: " + typed->why + "\n");
    return Exit::SomeFailed;
  }
  const auto said = [&](const json::object& row) { return count_at(row, "bytes_in").value_or(0) > before; };
  const auto row = look_until(invocation, name, kEchoTime, said);
  if (!row) return invocation.say(row.error());
  invocation.note(said(*row) ? "oob: it answers Enter\n"
                             : "oob: no answer to Enter; docs/SOL.md says what may be missing\n");
  return said(*row) ? Exit::Done : Exit::SomeFailed;
}

// After changes: the node's line of kind sol is opened anew, has to come up, and to say something.
Exit prove(Invocation& invocation, const std::string& name) {
  const auto console = invocation.rest().wait("GET", "/v1/consoles/" + name);
  if (!console || !console->is_object() || text_of(console->get_object(), "kind") != "sol") return Exit::Done;
  const std::uint64_t before = count_at(console->get_object(), "bytes_in").value_or(0);
  (void)invocation.rest().wait("POST", "/v1/consoles/" + name + "/retry");
  const auto is_up = [](const json::object& row) { return text_of(row, "state") == "up"; };
  const auto row = look_until(invocation, name, kProofTime, is_up);
  if (!row) return invocation.say(row.error());
  if (!is_up(*row)) {
    invocation.note("oob: the console is not up: " + cell(*row, "detail") + "\n");
    return Exit::SomeFailed;
  }
  const std::uint64_t said = count_at(*row, "bytes_in").value_or(0) - before;
  invocation.note("oob: the console is up" + (said > 0 ? ", and has said " + size_text(said) : "") + "\n");
  return said > 0 ? Exit::Done : echo(invocation, name, before);
}

Exit run(Invocation& invocation, const std::string& act) {
  const auto name = invocation.name();
  if (!name) return invocation.say(name.error());
  const std::string path = "/v1/nodes/" + *name + "/bmc";
  json::object body{{"act", act}};
  std::string rate = act == "doctor" ? invocation.line().text("--rate") : "";
  const auto examined = show(invocation, act, run_bmc_job(invocation, path, body));
  if (!examined) return invocation.say(examined.error());
  std::vector<std::string> mends = examined->mends;
  if (!rate.empty()) mends.push_back("rate=" + rate);
  const Exit found = examined->faults > 0 ? Exit::SomeFailed : Exit::Done;
  if (act != "doctor" || mends.empty()) return found;
  std::string list;
  for (const std::string& mend : mends) list += (list.empty() ? "" : ", ") + escape_controls(mend);
  if (!invocation.line().has("--yes")) {
    const auto agreed = invocation.ask("Change the BMC of " + *name + " now: " + list + "?");
    if (!agreed) invocation.note("oob: nothing was changed; --yes makes these changes: " + list + "\n");
    if (!agreed) return rate.empty() ? found : Exit::Usage;
    if (!*agreed) return found;
  }
  json::array words(mends.begin(), mends.end());
  body["mends"] = std::move(words);
  if (!invocation.json()) invocation.note("\n");
  const auto mended = show(invocation, act, run_bmc_job(invocation, path, body));
  if (!mended) return invocation.say(mended.error());
  const Exit proved = prove(invocation, *name);
  return mended->faults > 0 ? Exit::SomeFailed : proved;
}

}  // namespace

std::vector<Command> bmc_commands() {
  return {
      {"bmc info",
       "what a node's BMC is: answer, suites, login, firmware, power",
       {{"NAME", "the node", Value::Console}},
       {output_option()},
       [](Invocation& invocation) { return run(invocation, "info"); },
       "The exit status is 1 if something is wrong. docs/BMC.md explains what it finds.",
       {"oob bmc info web01"}},
      {"bmc doctor",
       "why serial over LAN does not work, and the change that mends it",
       {{"NAME", "the node", Value::Console}},
       {{.names = "-y,--yes",
         .text = "make the changes it proposes, and type Enter to see an answer, without asking; the right is admin"},
        {.names = "--rate",
         .text = "also set the speed of serial over LAN",
         .takes = "SPEED",
         .one_of = {"9600", "19200", "38400", "57600", "115200"}},
        output_option()},
       [](Invocation& invocation) { return run(invocation, "doctor"); },
       "Looks, step by step, from whether the BMC answers to who holds its serial line. Nothing is changed without a "
       "yes; "
       "then it looks again. The exit status is 1 if something is wrong. docs/BMC.md explains what it finds.",
       {"oob bmc doctor web01", "oob bmc doctor --rate 115200 --yes web01"}},
  };
}

}  // namespace oob
