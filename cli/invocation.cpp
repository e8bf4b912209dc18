// How a command answers: standard output for what was asked, standard error for all else.
#include "cli/invocation.h"

#include <unistd.h>

#include <cerrno>
#include <iostream>

#include "cli/show.h"
#include "cli/terminal.h"
#include "common/names.h"
#include "common/text.h"

namespace oob {

Exit Invocation::print(const std::string& text) {
  if (write_all(STDOUT_FILENO, text)) return Exit::Done;
  reader_gone_ = errno == EPIPE;
  if (reader_gone_) return Exit::Done;
  note("oob: standard output cannot be written\n");
  return Exit::SomeFailed;
}

void Invocation::note(const std::string& text) { write_all(STDERR_FILENO, text); }

void Invocation::hint(const std::string& text) {
  if (::isatty(STDERR_FILENO) != 0) note(text);
}

Exit Invocation::say(const Error& error) {
  note("oob: " + error.message + "\n");
  return exit_of(error.code);
}

namespace {

// A line from the terminal; empty: there is none.
std::optional<std::string> answer_to(Invocation& invocation, const std::string& question) {
  if (::isatty(STDIN_FILENO) == 0 || ::isatty(STDERR_FILENO) == 0) return {};
  invocation.note(question);
  std::string answer;
  std::getline(std::cin, answer);
  if (!std::cin) invocation.note("\n");
  return answer;
}

}  // namespace

std::optional<bool> Invocation::ask(const std::string& question) {
  const auto answer = answer_to(*this, question + " [y/N] ");
  if (!answer) return {};
  return *answer == "y" || *answer == "Y" || *answer == "yes";
}

std::optional<bool> Invocation::ask_for(const std::string& question, const std::string& answer) {
  const auto given = answer_to(*this, question);
  if (!given) return {};
  return *given == answer;
}

std::string Invocation::json_line(const json::value& value) { return oob::json_line(value); }

Result<std::string> Invocation::name() {
  const std::string name = line_.text("NAME");
  if (check_name_letters(name)) return name;
  return fail(ErrorCode::NotFound, "\"" + escape_controls(name) + "\" cannot be a name; `oob ls` lists the consoles");
}

Rest::Query Invocation::names_query() const {
  std::string names;
  for (const std::string& part : line_.list("NAMES")) names += (names.empty() ? "" : ",") + part;
  return names.empty() ? Rest::Query{} : Rest::Query{{"names", names}};
}

std::string cell(const json::object& row, std::string_view key) { return shown(row, key); }

std::string time_cell(const json::object& row, std::string_view key) {
  const std::string utc = text_of(row, key);
  return utc.empty() ? utc : local_time(utc, SystemClock().wall());
}

std::string shown(const Table& table) { return table.text(screen_of(STDOUT_FILENO)); }

}  // namespace oob
