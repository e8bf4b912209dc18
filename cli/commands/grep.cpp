// grep: a pattern in the logs of consoles, one after the other. The server searches a slice at each request, so that
// hits show as they are found and nothing goes on there when this program has ended.
#include <unistd.h>

#include "cli/commands/commands.h"
#include "cli/invocation.h"
#include "cli/log_span.h"
#include "cli/log_text.h"
#include "cli/rest_names.h"
#include "cli/show.h"
#include "common/text.h"

namespace oob {
namespace {

class GrepRun {
 public:
  explicit GrepRun(Invocation& invocation)
      : invocation_(invocation),
        line_(invocation.line()),
        escape_(::isatty(STDOUT_FILENO) != 0),
        colour_(screen_of(STDOUT_FILENO).colour) {}

  Exit run() {
    const auto span = read_span(invocation_);
    if (!span) return invocation_.say(span.error());
    query_ = span->query;
    query_["pattern"] = line_.text("PATTERN");
    const auto flag = [&](const char* option, const char* key) {
      if (line_.has(option)) query_[key] = "1";
    };
    flag("--ignore-case", "ignore_case");
    flag("--events", "events");
    flag("--count", "count");
    if (line_.has("--names-only")) query_["count"] = query_["hits"] = "1";
    const std::string around = line_.text("--context");
    for (const auto& [option, key] : {std::pair("--before", "before"), std::pair("--after", "after")}) {
      const std::string lines = line_.has(option) ? line_.text(option) : around;
      if (!lines.empty()) query_[key] = lines;
    }
    gaps_ = query_.contains("before") || query_.contains("after");
    const auto listed = invocation_.rest().wait("GET", "/v1/consoles", invocation_.names_query());
    if (!listed) return invocation_.say(listed.error());
    const std::vector<std::string> names = names_in(*listed, "consoles");
    const std::vector<std::string> given = line_.list("NAMES");
    name_lines_ = names.size() != 1 || given.size() != 1 || given[0] != names[0];
    Exit worst = Exit::Done;
    for (const std::string& name : names) {
      const Exit exit = search(name);
      if (exit == Exit::Usage || invocation_.reader_gone()) return exit;  // the pattern is no better elsewhere
      if (exit != Exit::Done) worst = exit;
    }
    if (worst != Exit::Done) return worst;
    return found_ ? Exit::Done : Exit::SomeFailed;
  }

 private:
  Exit search(const std::string& name) {
    Rest::Query query = query_;
    std::uint64_t hits = 0;
    last_shown_ = 0, shown_any_ = false;
    while (true) {
      const auto answer = invocation_.rest().wait("GET", "/v1/consoles/" + name + "/grep", query);
      clear_progress();
      if (!answer) {
        return invocation_.say({answer.error().code, (name_lines_ ? name + ": " : "") + answer.error().message});
      }
      const auto* page = answer->if_object();
      const auto next = page != nullptr ? count_at(*page, "next") : std::nullopt;
      if (!next) return invocation_.say({ErrorCode::Internal, "the server's answer does not say where it goes on"});
      hits += count_at(*page, "hits").value_or(0);
      for (const auto& row : rows_of(*answer, "lines")) {
        if (!row.is_object()) continue;
        const Exit printed = invocation_.print(shown(name, row.get_object()));
        if (printed != Exit::Done || invocation_.reader_gone()) return printed;
      }
      if (flag_of(*page, "done")) break;
      query["from"] = std::to_string(*next);
      query["context"] = std::to_string(count_at(*page, "context").value_or(*next));
      query["after_left"] = std::to_string(count_at(*page, "after").value_or(0));
      query["skip"] = std::to_string(count_at(*page, "skip").value_or(0));
      show_progress(name, *next, count_at(*page, "end").value_or(0));
    }
    found_ |= hits > 0;
    if (line_.has("--names-only")) return invocation_.print(hits > 0 ? name + "\n" : "");
    if (!line_.has("--count")) return Exit::Done;
    if (invocation_.json()) return invocation_.print(json_line(json::object{{"console", name}, {"hits", hits}}));
    return invocation_.print((name_lines_ ? name + ": " : "") + std::to_string(hits) + "\n");
  }

  std::string shown(const std::string& name, const json::object& row) {
    const std::string text = decode_base64(text_of(row, "data")).value_or("");
    if (invocation_.json()) {
      json::object out{{"console", name}};
      for (const auto& entry : row) out[entry.key()] = entry.value();
      out["text"] = escape_controls(text);
      return json_line(out);
    }
    std::string out;
    const std::uint64_t offset = count_at(row, "offset").value_or(0);
    if (gaps_ && shown_any_ && offset != last_shown_) out += "--\n";
    last_shown_ = count_at(row, "next").value_or(offset + text.size() + 1);
    shown_any_ = true;
    if (name_lines_) out += name + (flag_of(row, "hit") ? ": " : "- ");
    if (line_.has("--time")) {
      const std::string time = text_of(row, "time");
      out += (time.empty() ? "(time not known)" : local_time_full(time)) + " ";
    }
    // The line's end is not in the text; nor, on a terminal, what is left of CR CR LF.
    const std::size_t shown = escape_ && !flag_of(row, "cut") ? text.find_last_not_of('\r') + 1 : text.size();
    return out + text_with_matches(text.substr(0, shown), row) + (flag_of(row, "cut") ? "\\\n" : "\n");
  }

  std::string text_with_matches(const std::string& text, const json::object& row) const {
    const auto plain = [this](std::string_view part) { return escape_ ? escape_output(part) : std::string(part); };
    const auto* matches = row.if_contains("matches");
    if (!colour_ || matches == nullptr || !matches->is_array()) return plain(text);
    std::string out;
    std::size_t at = 0;
    for (const auto& match : matches->get_array()) {
      const auto* pair = match.if_array();
      if (pair == nullptr || pair->size() != 2 || !(*pair)[0].is_number() || !(*pair)[1].is_number()) continue;
      boost::system::error_code bad;
      const auto begin = (*pair)[0].to_number<std::size_t>(bad);
      const auto end = bad ? 0 : std::min((*pair)[1].to_number<std::size_t>(bad), text.size());
      if (bad || begin < at || end < begin) continue;
      out += plain(std::string_view(text).substr(at, begin - at)) + "\x1b[1;31m" +
             plain(std::string_view(text).substr(begin, end - begin)) + "\x1b[0m";
      at = end;
    }
    return out + plain(std::string_view(text).substr(at));
  }

  // What takes longer than one slice says how far it is, if that disturbs nothing.
  void show_progress(const std::string& name, std::uint64_t at, std::uint64_t end) {
    if (end == 0 || ::isatty(STDERR_FILENO) == 0) return;
    invocation_.note("\r[" + name + ": " + std::to_string(at * 100 / std::max(at, end)) + " %]\x1b[K");
    progress_ = true;
  }
  void clear_progress() {
    if (progress_) invocation_.note("\r\x1b[K");
    progress_ = false;
  }

  Invocation& invocation_;
  const CommandLine& line_;
  const bool escape_, colour_;
  Rest::Query query_;
  bool name_lines_ = false, gaps_ = false, found_ = false, shown_any_ = false, progress_ = false;
  std::uint64_t last_shown_ = 0;
};

Exit grep(Invocation& invocation) { return GrepRun(invocation).run(); }

Option context_option(std::string_view names, std::string_view text) {
  return {.names = names, .text = text, .takes = "LINES", .most = 200};
}

}  // namespace

std::vector<Command> grep_commands() {
  return {
      {"grep",
       "look for a pattern in logs; exit 0 found, 1 nothing found",
       {{"PATTERN", "a regular expression, in RE2's syntax"}, {"NAMES", kNamesText, Value::Names, false, true}},
       {since_option(),
        until_option(),
        {.names = "-i,--ignore-case", .text = "upper and lower case are the same"},
        {.names = "-c,--count", .text = "only how many lines there are"},
        {.names = "-l,--names-only", .text = "only the consoles that have one", .excludes = "--count"},
        context_option("-A,--after", "lines after each hit"),
        context_option("-B,--before", "lines before each hit"),
        context_option("-C,--context", "both"),
        {.names = "--events", .text = "look in what happened: attach, break, up, down, gap, .."},
        {.names = "--time", .text = "show when each line began"},
        output_option()},
       grep},
  };
}

}  // namespace oob
