// inventory: what is managed; checked, compared and applied by the server.
#include <filesystem>

#include "cli/commands/commands.h"
#include "cli/invocation.h"
#include "cli/show.h"
#include "common/text.h"

namespace oob {

std::string change_lines(const json::value& answer, const std::string& none) {
  std::string out;
  for (const auto& row : rows_of(answer, "changes")) {
    if (!row.is_object()) continue;
    const auto& change = row.get_object();
    const std::string kind = text_of(change, "change"), text = cell(change, "text");
    const char* sign = kind == "add" ? "+ " : kind == "remove" ? "- " : "~ ";
    const std::string attached = cell(change, "attached");
    out += sign + cell(change, "name") + (text.empty() ? "" : ": " + text);
    out += (attached.empty() ? "" : "; " + attached) + "\n";
  }
  return out.empty() ? none : out;
}

namespace {

std::string problem_lines(const json::value& report) {
  std::string out;
  for (const auto& problem : rows_of(report, "problems")) {
    if (problem.is_object()) out += escape_lines(text_of(problem.get_object(), "text")) + "\n";
  }
  return out;
}

Option yes_option() { return {.names = "-y,--yes", .text = "do not ask, also if people who write are cut off"}; }

// Problems, then changes if they are wanted and there are no errors, then the sum.
std::string report_lines(const json::value& report, bool with_changes) {
  const auto* object = report.if_object();
  if (object == nullptr) return {};
  const std::uint64_t errors = count_at(*object, "errors").value_or(0);
  const std::uint64_t warnings = count_at(*object, "warnings").value_or(0);
  std::string out = problem_lines(report);
  if (errors == 0 && with_changes) out += change_lines(report);
  out += count_of(errors, "error", "errors") + ", " + count_of(warnings, "warning", "warnings");
  return out + "; revision " + std::to_string(count_at(*object, "revision").value_or(0)) + " is running\n";
}

// A report as it was asked for; `refused`: the server said more than an error.
Exit show(Invocation& invocation, const Result<json::value>& answer, const json::value& refused, bool with_changes) {
  if (!answer && rows_of(refused, "problems").empty()) return invocation.say(answer.error());
  const json::value& shown = answer ? *answer : refused;
  const Exit printed = invocation.print(invocation.json() ? json_line(shown) : report_lines(shown, with_changes));
  if (printed != Exit::Done) return printed;
  if (!answer) return invocation.say(answer.error());
  return count_at(shown.as_object(), "errors").value_or(0) > 0 ? Exit::Usage : Exit::Done;
}

Exit report(Invocation& invocation, const std::string& what, const std::string& body, bool with_changes) {
  json::value refused;
  const auto answer = invocation.rest().wait("POST", "/v1/inventory/" + what, {}, body, &refused);
  return show(invocation, answer, refused, with_changes);
}

// Puts something in force. The server refuses, and says so by `asks`, what would cut people off who write; then it is
// for the person here to agree.
Exit put_in_force(Invocation& invocation, const std::string& what, json::object body) {
  body["yes"] = invocation.line().has("--yes");
  json::value refused;
  auto answer = invocation.rest().wait("POST", "/v1/inventory/" + what, {}, json::serialize(body), &refused);
  const auto* asked = refused.if_object();
  const std::string asks = asked != nullptr ? text_of(*asked, "asks") : "";
  if (answer || asks.empty()) return show(invocation, answer, refused, true);
  if (!invocation.json()) invocation.note(change_lines(refused));
  const auto agreed = invocation.ask(escape_controls(asks) + ". Go on?");
  if (invocation.json() && !agreed.value_or(false)) (void)invocation.print(json_line(refused));
  if (!agreed) {
    invocation.note("oob: " + escape_controls(asks) + "; nothing was changed. --yes does it all the same\n");
    return Exit::Usage;
  }
  if (!*agreed) {
    invocation.note("oob: nothing was changed\n");
    return Exit::SomeFailed;
  }
  body["yes"] = true;
  refused = nullptr;
  answer = invocation.rest().wait("POST", "/v1/inventory/" + what, {}, json::serialize(body), &refused);
  return show(invocation, answer, refused, true);
}

Exit check(Invocation& invocation) {
  const std::string dir = invocation.line().text("DIR");
  if (dir.empty()) return report(invocation, "check", "", false);
  std::error_code wrong;  // the server has another working directory
  const auto folder = std::filesystem::absolute(dir, wrong);
  if (wrong) return invocation.say({ErrorCode::Usage, "\"" + escape_controls(dir) + "\": " + wrong.message()});
  const json::object body{{"dir", folder.lexically_normal().string()}};
  return report(invocation, "check", json::serialize(body), false);
}

Exit plan(Invocation& invocation) { return report(invocation, "plan", "", true); }
Exit apply(Invocation& invocation) {
  return put_in_force(invocation, "apply", {{"replace", invocation.line().has("--replace")}});
}
Exit rollback(Invocation& invocation) {
  return put_in_force(invocation, "rollback", {{"revision", invocation.line().number("N")}});
}

}  // namespace

std::vector<Command> inventory_commands() {
  return {
      {"inventory check",
       "are the files right? changes nothing",
       {{"DIR", "a folder on the server; default: its own inventory.d", Value::Folder, false}},
       {output_option()},
       check},
      {"inventory plan", "what `apply` would change", {}, {output_option()}, plan},
      {"inventory apply",
       "make the files what is running",
       {},
       {yes_option(),
        {.names = "--replace", .text = "also if they differ from what was rolled back to"},
        output_option()},
       apply},
      {"inventory rollback",
       "make an earlier revision what is running; the files stay as they are",
       {{"N", "the revision's number", Value::Revision}},
       {yes_option(), output_option()},
       rollback},
  };
}

}  // namespace oob
