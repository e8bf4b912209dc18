// inventory: what is managed; checked, compared and applied by the server.
#include <filesystem>

#include "cli/commands/commands.h"
#include "cli/invocation.h"
#include "cli/show.h"
#include "common/text.h"

namespace oob {
namespace {

std::string problem_lines(const json::value& report) {
  std::string out;
  for (const auto& problem : rows_of(report, "problems")) {
    if (problem.is_object()) out += escape_lines(text_of(problem.get_object(), "text")) + "\n";
  }
  return out;
}

std::string change_lines(const json::value& report) {
  std::string out;
  for (const auto& row : rows_of(report, "changes")) {
    if (!row.is_object()) continue;
    const auto& change = row.get_object();
    const std::string kind = text_of(change, "change"), text = cell(change, "text");
    const char* sign = kind == "add" ? "+ " : kind == "remove" ? "- " : "~ ";
    out += sign + cell(change, "name") + (text.empty() ? "" : ": " + text) + "\n";
  }
  return out.empty() ? "nothing to change\n" : out;
}

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

// One request that answers with a report; the server may refuse and still say more than an error.
Exit report(Invocation& invocation, const std::string& what, const std::string& body, bool with_changes) {
  json::value refused;
  auto answer = invocation.rest().wait("POST", "/v1/inventory/" + what, {}, body, &refused);
  if (!answer && rows_of(refused, "problems").empty()) return invocation.say(answer.error());
  const json::value& shown = answer ? *answer : refused;
  const Exit printed = invocation.print(invocation.json() ? json_line(shown) : report_lines(shown, with_changes));
  if (printed != Exit::Done) return printed;
  if (!answer) return invocation.say(answer.error());
  return count_at(shown.as_object(), "errors").value_or(0) > 0 ? Exit::Usage : Exit::Done;
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
Exit apply(Invocation& invocation) { return report(invocation, "apply", "", true); }

}  // namespace

std::vector<Command> inventory_commands() {
  return {
      {"inventory check",
       "are the files right? changes nothing",
       {{"DIR", "a folder on the server; default: its own inventory.d", Value::Folder, false}},
       {output_option()},
       check},
      {"inventory plan", "what `apply` would change", {}, {output_option()}, plan},
      {"inventory apply", "make the files what is running", {}, {output_option()}, apply},
  };
}

}  // namespace oob
