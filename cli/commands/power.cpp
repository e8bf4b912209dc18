// power: acts on nodes by their BMCs, as jobs of the server whose rows come as they end.
#include <unistd.h>

#include <algorithm>
#include <csignal>
#include <map>
#include <memory>

#include "cli/commands/bmc_job.h"
#include "cli/commands/commands.h"
#include "cli/invocation.h"
#include "cli/show.h"
#include "common/names.h"
#include "common/text.h"

namespace oob {
namespace {

std::string names_given(Invocation& invocation) {
  std::string names;
  for (const std::string& part : invocation.line().list("NAMES")) names += (names.empty() ? "" : ",") + part;
  return names;
}

// Rows of the same outcome as one line: "on  web[01-14]".
Exit show(Invocation& invocation, const std::string& act, const BmcJobRows& job) {
  const bool status = act == "status";
  using Key = std::tuple<std::string, std::string, std::string>;  // result, power, text
  std::map<Key, std::vector<std::string>> groups;
  std::map<std::string, std::size_t> counts;
  std::size_t failed = 0, unknown = 0;
  for (const json::object& row : job.rows) {
    const std::string result = cell(row, "result"), power = cell(row, "power");
    groups[{result, power, cell(row, "text")}].push_back(text_of(row, "node"));
    ++counts[status ? power : result];
    failed += result == "failed", unknown += result != "failed" && result != "done";
  }
  if (invocation.json()) {
    const Exit printed = invocation.print(json_line(job.json(act)));
    if (printed != Exit::Done) return printed;
  } else {
    Table table(status ? std::vector<std::string>{"POWER", "NODES", "DETAIL"}
                       : std::vector<std::string>{"RESULT", "NODES", "POWER", "DETAIL"});
    table.keep_remarks();  // a reason is of use whole only
    for (auto& [key, names] : groups) {
      const auto& [result, power, text] = key;
      std::ranges::sort(names);
      const std::string folded = escape_controls(fold_names(names));
      const auto tone = result == "done" ? Table::Tone::Plain : Table::Tone::Bad;
      status ? table.add({power, folded, text}, tone) : table.add({result, folded, power, text}, tone);
    }
    const Exit printed = invocation.print(shown(table));
    if (printed != Exit::Done) return printed;
    std::string sum = count_of(job.rows.size(), "node", "nodes") + ":";
    for (const auto& [word, count] : counts)
      sum += (sum.ends_with(':') ? " " : ", ") + std::to_string(count) + " " + word;
    invocation.note(sum + "\n");
  }
  return failed > 0 ? Exit::SomeFailed : unknown > 0 ? Exit::Unknown : Exit::Done;
}

// Shows what is about to be done, and to whom; wants the count typed if it is more than one node.
Result<> agree(Invocation& invocation, const std::string& act, const json::array& nodes) {
  std::vector<std::string> names;
  std::string writers;
  for (const auto& node : nodes) {
    if (!node.is_object()) continue;
    names.push_back(text_of(node.get_object(), "node"));
    const std::string writer = cell(node.get_object(), "writer");
    if (!writer.empty()) writers += (writers.empty() ? "" : ", ") + writer + " on " + escape_controls(names.back());
  }
  const std::string what = "power " + act + " " + escape_controls(fold_names(names)) + " (" +
                           count_of(names.size(), "node", "nodes") + ", by " +
                           (names.size() == 1 ? "its BMC" : "their BMCs") + ")" +
                           (writers.empty() ? "" : "; attached: " + writers);
  const auto agreed = names.size() == 1
                          ? invocation.ask(what + ". Go on?")
                          : invocation.ask_for(what + ". To go on, type how many: ", std::to_string(names.size()));
  if (!agreed) {
    return fail(ErrorCode::Usage,
                what + ": nothing was done; there is no terminal to ask on, --yes does it all the same");
  }
  return *agreed ? Result<>{} : fail(ErrorCode::Conflict, "nothing was done");
}

// While it lives, ^C says what it does not end.
class GoesOn {
 public:
  GoesOn() : before_(::signal(SIGINT, told)) {
    if (before_ == SIG_IGN) ::signal(SIGINT, SIG_IGN);
  }
  ~GoesOn() { ::signal(SIGINT, before_); }

 private:
  static void told(int) {
    constexpr std::string_view text =
        "\r\noob: what was asked goes on; `oob power status` and the consoles' logs say what comes of it\n";
    (void)!::write(STDERR_FILENO, text.data(), text.size());
    ::signal(SIGINT, SIG_DFL);
    ::raise(SIGINT);
  }

  const sighandler_t before_;
};

Exit power(Invocation& invocation, const std::string& act, bool asks) {
  const std::string names = names_given(invocation);
  json::object body{{"names", names}, {"act", act}};
  if (const std::uint64_t seconds = invocation.line().number("--wait"); seconds > 0) body["seconds"] = seconds;
  const bool dry_run = invocation.line().has("--dry-run");
  const std::uint64_t count = invocation.line().number("--count");
  if (dry_run || count > 0 || (asks && !invocation.line().has("--yes"))) {
    json::object dry = body;
    dry["dry_run"] = true;
    const auto nodes = invocation.rest().wait("POST", "/v1/power", {}, json::serialize(dry));
    if (!nodes) return invocation.say(nodes.error());
    const json::array& rows = rows_of(*nodes, "nodes");
    if (count > 0 && rows.size() != count) {
      return invocation.say({ErrorCode::Usage, "these are " + count_of(rows.size(), "node", "nodes") + ", not " +
                                                   std::to_string(count) + "; nothing was done"});
    }
    if (dry_run) {
      return invocation.listing(nodes, [&](const json::value&) {
        std::string out;
        for (const auto& row : rows) {
          if (row.is_object()) out += cell(row.get_object(), "node") + "\n";
        }
        return out;
      });
    }
    if (asks && !invocation.line().has("--yes")) {
      if (const auto agreed = agree(invocation, act, rows); !agreed) return invocation.say(agreed.error());
    }
  }
  const auto job = [&] {
    const auto changes = act == "status" ? nullptr : std::make_unique<GoesOn>();
    return run_bmc_job(invocation, "/v1/power", body);
  }();
  if (!job.error) return show(invocation, act, job);
  if (!job.started) return invocation.say(*job.error);
  invocation.note("oob: " + job.error->message + "; " + (act == "status" ? "" : "what was asked goes on. ") +
                  std::to_string(job.rows.size()) + " of " + count_of(job.nodes, "node", "nodes") + " had ended:\n");
  if (show(invocation, act, job) == Exit::SomeFailed) return Exit::SomeFailed;
  return act == "status" ? exit_of(job.error->code) : Exit::Unknown;
}

constexpr std::string_view kNodes = "nodes that have a bmc: web[01-16], @group, rack=3";

Option wait_option(std::string_view text) {
  return {.names = "--wait", .text = text, .takes = "SECONDS", .least = 1, .most = 600};
}

template <bool asks>
Command act_command(std::string_view name, std::string_view text, Exit (*run)(Invocation&), std::string_view wait_text,
                    std::string_view more) {
  Command command{name, text, {{"NAMES", kNodes, Value::Names, true, true}}, {}, run, more};
  command.options.push_back(
      {.names = "-y,--yes", .text = asks ? "do not ask" : "as for the other acts; this one does not ask"});
  command.options.push_back(
      {.names = "--count", .text = "only if it is just so many nodes", .takes = "N", .least = 1, .most = 65'536});
  command.options.push_back({.names = "--dry-run", .text = "only say which nodes these are"});
  command.options.push_back(wait_option(wait_text));
  command.options.push_back(output_option());
  return command;
}

constexpr std::string_view kWait = "how long it may take until it is so; default 30";

}  // namespace

std::vector<Command> power_commands() {
  const std::string_view loop =
      "The BMC is asked for it once, and then how the power is until it is so. \"unknown\" is what the BMC has not "
      "said; "
      "exit status 6 says that it was asked for and may have been done or not. Who is on the nodes' consoles is told, "
      "and "
      "their logs are marked. ^C ends the waiting, not what was asked.";
  return {
      {"power status",
       "is the power on? asks the BMCs, all at once",
       {{"NAMES", kNodes, Value::Names, true, true}},
       {wait_option("what a BMC has to answer; default 5"), output_option()},
       [](Invocation& invocation) { return power(invocation, "status", false); },
       "A BMC that does not answer, or not in time, is shown as unknown with the reason, and the exit status is 1.",
       {"oob power status 'web[01-16]'", "oob power status @rack3 -o json"}},
      act_command<false>(
          "power on", "switch on", [](Invocation& invocation) { return power(invocation, "on", false); }, kWait, loop),
      act_command<true>(
          "power off", "switch off at once, without shutting down",
          [](Invocation& invocation) { return power(invocation, "off", true); }, kWait, loop),
      act_command<true>(
          "power cycle", "off and on again", [](Invocation& invocation) { return power(invocation, "cycle", true); },
          kWait, loop),
      act_command<true>(
          "power reset", "reset without switching off",
          [](Invocation& invocation) { return power(invocation, "reset", true); }, kWait, loop),
      act_command<true>(
          "power soft", "ask the operating system to shut down",
          [](Invocation& invocation) { return power(invocation, "soft", true); },
          "how long it may take until it is off; default 120", loop),
      act_command<true>(
          "power nmi", "a diagnostic interrupt: the operating system dumps, or panics",
          [](Invocation& invocation) { return power(invocation, "nmi", true); }, kWait, loop),
  };
}

}  // namespace oob
