// inventory history, diff, export: what was applied, what differs, and the files of any revision.
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <filesystem>

#include "cli/commands/commands.h"
#include "cli/invocation.h"
#include "cli/show.h"
#include "cli/terminal.h"
#include "common/text.h"

namespace oob {
namespace {
namespace fs = std::filesystem;

Exit history(Invocation& invocation) {
  return invocation.listing(
      invocation.rest().wait("GET", "/v1/inventory/history", {{"max", invocation.line().text("--max")}}),
      [](const json::value& answer) {
        Table table({"REVISION", "APPLIED", "BY", "WHY", "CHANGED"});
        for (const auto& row : rows_of(answer, "revisions")) {
          if (!row.is_object()) continue;
          const auto& revision = row.get_object();
          table.add({std::to_string(count_at(revision, "revision").value_or(0)), time_cell(revision, "applied"),
                     cell(revision, "user"), cell(revision, "why"), cell(revision, "changes")});
        }
        return shown(table);
      });
}

bool is_number(const std::string& text) {
  return !text.empty() && text.size() < 19 && text.find_first_not_of("0123456789") == std::string::npos;
}

Error no_number(const std::string& text) {
  return {ErrorCode::Usage,
          "\"" + escape_controls(text) + "\" is no revision's number; `oob inventory history` lists them"};
}

std::string coloured(const std::string& text, bool colour) {
  std::string out;
  for (std::size_t at = 0; at < text.size();) {
    const std::size_t end = std::min(text.find('\n', at), text.size());
    const std::string line = escape_text_lines(std::string_view(text).substr(at, end - at));
    const char* sgr = !colour ? "" : line[0] == '+' ? "32" : line[0] == '-' ? "31" : line[0] == '@' ? "36" : "";
    out += *sgr != '\0' ? std::string("\x1b[") + sgr + "m" + line + "\x1b[0m\n" : line + "\n";
    at = end + 1;
  }
  return out;
}

Exit diff(Invocation& invocation) {
  Rest::Query query;
  const std::vector<std::string> given = invocation.line().list("N");
  for (const std::string& number : given) {
    if (!is_number(number)) return invocation.say(no_number(number));
  }
  if (given.size() > 2) return invocation.say({ErrorCode::Usage, "two revisions differ from each other, not more"});
  if (!given.empty()) {
    query["from"] = given[0];
    if (given.size() == 1) {
      const auto running = invocation.rest().wait("GET", "/v1/inventory");
      if (!running) return invocation.say(running.error());
      query["to"] = std::to_string(running->is_object() ? count_at(running->get_object(), "revision").value_or(0) : 0);
    } else {
      query["to"] = given[1];
    }
  }
  const auto answer = invocation.rest().wait("GET", "/v1/inventory/diff", query);
  if (!answer) return invocation.say(answer.error());
  if (invocation.json()) return invocation.print(json_line(*answer));
  const auto* sides = answer->if_object();
  if (sides == nullptr) return invocation.say({ErrorCode::Internal, "the server's answer is no object"});
  const std::string text = text_of(*sides, "text");
  if (invocation.line().has("--text")) return invocation.print(coloured(text, screen_of(STDOUT_FILENO).colour));
  invocation.hint("from " + cell(*sides, "from") + " to " + cell(*sides, "to") + ":\n");
  const bool broken = !rows_of(*answer, "problems").empty();
  std::string out;
  for (const auto& problem : rows_of(*answer, "problems")) {
    if (problem.is_object()) out += escape_lines(text_of(problem.get_object(), "text")) + "\n";
  }
  if (!broken)
    out += change_lines(*answer, text.empty() ? "no difference\n" : "the texts differ, nothing managed does\n");
  const Exit printed = invocation.print(out);
  return printed == Exit::Done && broken ? Exit::Usage : printed;
}

tl::unexpected<Error> failed(const std::string& doing, const fs::path& path) {
  return fail(ErrorCode::Usage, doing + " \"" + escape_controls(path.string()) + "\": " + std::strerror(errno));
}

// The folder has to be new or empty: nothing of the admin's is written over.
Result<> make_folder(const fs::path& folder) {
  if (::mkdir(folder.c_str(), 0700) == 0) return {};
  if (errno != EEXIST) return failed("cannot make", folder);
  std::error_code wrong;
  const bool empty = fs::is_empty(folder, wrong);
  if (!wrong && fs::is_directory(folder) && empty) return {};
  return fail(ErrorCode::Usage, "\"" + escape_controls(folder.string()) + "\" has to be a new or an empty folder");
}

Result<> write_file(const fs::path& path, const std::string& text) {
  const int fd = ::open(path.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
  if (fd < 0) return failed("cannot make", path);
  const bool written = write_all(fd, text);
  if (::close(fd) != 0 || !written) return failed("cannot write", path);
  return {};
}

Exit export_files(Invocation& invocation) {
  const std::vector<std::string> given = invocation.line().list("DIR");
  const bool numbered = !given.empty() && is_number(given[0]);  // a folder called 7 is ./7
  const std::string number = numbered ? given[0] : "", folder = given.size() > numbered ? given.back() : "";
  if (given.size() > 1U + numbered) return invocation.say(no_number(given[0]));
  if (folder.empty() && !invocation.json()) {
    return invocation.say({ErrorCode::Usage, "where to? `oob inventory export [N] DIR`, or -o json"});
  }
  const auto answer = invocation.rest().wait("GET", "/v1/inventory",
                                             number.empty() ? Rest::Query{} : Rest::Query{{"revision", number}});
  if (!answer) return invocation.say(answer.error());
  if (folder.empty()) return invocation.print(json_line(*answer));
  if (const auto made = make_folder(folder); !made) return invocation.say(made.error());
  std::size_t files = 0;
  for (const auto& row : rows_of(*answer, "files")) {
    const std::string name = row.is_object() ? text_of(row.get_object(), "path") : "";
    // Names come from a server: none may lead out of the folder.
    if (name.empty() || name.find('/') != std::string::npos || name.starts_with('.')) {
      return invocation.say(
          {ErrorCode::Internal, "the server gave \"" + escape_controls(name) + "\" as a file's name"});
    }
    if (const auto written = write_file(fs::path(folder) / name, text_of(row.get_object(), "text")); !written) {
      return invocation.say(written.error());
    }
    ++files;
  }
  const auto revision = answer->is_object() ? count_at(answer->get_object(), "revision").value_or(0) : 0;
  invocation.hint("revision " + std::to_string(revision) + ": " + count_of(files, "file", "files") + " written to " +
                  escape_controls(folder) + "; secrets are not among them, the files only name theirs\n");
  return invocation.json() ? invocation.print(json_line(*answer)) : Exit::Done;
}

}  // namespace

std::vector<Command> revision_commands() {
  return {
      {"inventory history",
       "what was applied, when, by whom",
       {},
       {{.names = "-n,--max",
         .text = "how many, default 20",
         .takes = "N",
         .otherwise = "20",
         .least = 1,
         .most = 1000},
        output_option()},
       history},
      {"inventory diff",
       "what differs: running and files; revision N and running; N and M",
       {{"N", "one revision's number: against what is running; two: against each other", Value::Revision, false, true}},
       {{.names = "--text", .text = "the files' texts, as diff -u shows them"}, output_option()},
       diff},
      {"inventory export",
       "write the files of what is running, or of revision N, to a new folder",
       {{"DIR", "a folder that is new or empty; before it, perhaps, a revision's number", Value::Folder, false, true}},
       {output_option()},
       export_files},
  };
}

}  // namespace oob
