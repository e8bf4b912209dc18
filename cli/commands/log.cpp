// log: what a console's log holds, and what comes to it.
#include <unistd.h>

#include <optional>
#include <thread>

#include "cli/commands/commands.h"
#include "cli/invocation.h"
#include "cli/log_span.h"
#include "cli/log_text.h"
#include "cli/show.h"
#include "common/backoff.h"
#include "common/limits.h"

namespace oob {
namespace {

// One run of `oob log`: pages until the log's end as it was at first, then, with -f, what comes.
class LogRun {
 public:
  LogRun(Invocation& invocation, std::string name)
      : invocation_(invocation),
        name_(std::move(name)),
        follow_(invocation.line().has("--follow")),
        text_({invocation.line().has("--time"), ::isatty(STDOUT_FILENO) != 0 && !invocation.line().has("--raw")}) {}

  Exit run() {
    const CommandLine& line = invocation_.line();
    const auto span = read_span(invocation_);
    if (!span) return invocation_.say(span.error());
    query_ = span->query;
    if (line.has("--time") || invocation_.json()) query_["times"] = "1";
    if (line.has("--lines") || span->since.empty()) query_["lines"] = line.text("--lines");
    std::optional<std::uint64_t> asked_at;  // the log's end then: a line that floods would never be caught up with
    while (true) {
      const Exit exit = page();
      if (exit != Exit::Done || invocation_.reader_gone()) return exit;
      if (!asked_at) asked_at = end_;
      if (!follow_ && (next_ >= *asked_at || !moved_)) break;
      query_.erase("lines");
      if (follow_) query_.erase("since");  // from here on by offset
      query_["from"] = std::to_string(next_);
      query_["skip"] = std::to_string(skip_);
      if (!follow_) {
        query_["max"] = std::to_string(std::min<std::uint64_t>(*asked_at - next_, limits::replay_bytes_max));
        continue;
      }
      const Exit shown = show(invocation_.json() ? "" : text_.flush());
      if (shown != Exit::Done || invocation_.reader_gone()) return shown;
      query_["wait"] = std::to_string(limits::log_follow_wait_max / std::chrono::seconds(1));
    }
    if (invocation_.json()) return invocation_.print(json_line(whole_));
    if (!something_) invocation_.note(nothing(*span));
    return invocation_.print(text_.end());
  }

 private:
  Exit show(const std::string& text) {
    if (!text.empty()) mid_line_ = !text.ends_with('\n');
    return invocation_.print(text);
  }

  // Between what is shown, on a line of its own.
  void remark(const std::string& text) {
    const bool beside = mid_line_ && ::isatty(STDOUT_FILENO) != 0 && ::isatty(STDERR_FILENO) != 0;
    invocation_.note((beside ? "\n[" : "[") + text + "]\n");
    if (beside) mid_line_ = false;
  }

  Exit page() {
    auto answer = ask();
    if (!answer) return invocation_.say(answer.error());
    if (!answer->is_object()) return invocation_.say({ErrorCode::Internal, "the server sent no log"});
    json::object& page = answer->get_object();
    const auto next = count_at(page, "next"), end = count_at(page, "end");
    if (!next || !end) {
      return invocation_.say({ErrorCode::Internal, "the server's answer does not say where the log goes on"});
    }
    moved_ = *next > next_;
    next_ = *next, end_ = *end, skip_ = count_at(page, "skip").value_or(0);
    text_.begins_at(text_of(page, "time"));
    for (const auto& piece : rows_of(*answer, "pieces")) {
      if (!piece.is_object()) continue;
      something_ |= piece.get_object().contains("data");
      if (invocation_.json()) continue;
      const std::string text = text_.add(piece.get_object());
      something_ |= !text.empty();  // an event may be shown, or not
      const Exit exit = show(text);
      if (exit != Exit::Done || invocation_.reader_gone()) return exit;
    }
    begins_ = text_of(page, "begins"), ends_ = text_of(page, "ends");
    return invocation_.json() ? keep(*answer) : Exit::Done;
  }

  // A page as JSON: followed, a line each; else all in one.
  Exit keep(json::value& answer) {
    if (follow_) return rows_of(answer, "pieces").empty() ? Exit::Done : invocation_.print(json_line(answer));
    if (whole_.empty()) {
      whole_ = std::move(answer.get_object());
      return Exit::Done;
    }
    auto& all = whole_["pieces"].as_array();
    const json::array& more = rows_of(answer, "pieces");
    all.insert(all.end(), more.begin(), more.end());
    whole_["next"] = next_, whole_["end"] = end_;
    return Exit::Done;
  }

  // Once there was an answer, a server that is away is waited for: what comes next is after what was shown.
  Result<json::value> ask() {
    while (true) {
      auto answer = invocation_.rest().wait("GET", "/v1/consoles/" + name_ + "/log", query_);
      const bool away = !answer && answer.error().code == ErrorCode::Unavailable;
      if (!away || !follow_ || !answered_) {
        if (answer && said_away_) remark("the server is back");
        answered_ |= answer.has_value();
        said_away_ = false;
        backoff_.reset();
        return answer;
      }
      if (!said_away_) remark(answer.error().message + "; trying again");
      said_away_ = true;
      std::this_thread::sleep_for(backoff_.next());
    }
  }

  std::string nothing(const LogSpanAsked& span) const {
    if (span.since.empty() && span.until.empty()) return "oob: the log of " + name_ + " is empty\n";
    std::string out = "oob: nothing in the log of " + name_;
    if (!span.since.empty()) out += " since " + local_time_full(span.since);
    if (!span.until.empty()) out += " until " + local_time_full(span.until);
    if (begins_.empty()) return out + "; it holds no output\n";
    return out + "; it goes from " + local_time_full(begins_) + " to " + local_time_full(ends_) + "\n";
  }

  Invocation& invocation_;
  const std::string name_;
  const bool follow_;
  LogText text_;
  Rest::Query query_;
  json::object whole_;
  std::uint64_t next_ = 0, end_ = 0, skip_ = 0;
  bool moved_ = false, something_ = false, answered_ = false, said_away_ = false, mid_line_ = false;
  std::string begins_, ends_;
  Backoff backoff_{limits::reconnect_delay_min, limits::client_reconnect_delay_max, unsigned(::getpid())};
};

Exit log(Invocation& invocation) {
  const auto name = invocation.name();
  if (!name) return invocation.say(name.error());
  return LogRun(invocation, *name).run();
}

}  // namespace

std::vector<Command> log_commands() {
  return {
      {"log",
       "a console's log: its last lines, a span of time, or what comes",
       {{"NAME", "the console", Value::Console}},
       {{.names = "-n,--lines",
         .text = "the last so many; default 100, with --since all",
         .takes = "LINES",
         .otherwise = "100",
         .least = 1,
         .most = 100'000},  // the server bounds the bytes: limits::log_lines_back_bytes_max
        since_option(),
        until_option(),
        {.names = "-f,--follow", .text = "go on with what comes, until ^C", .excludes = "--until"},
        {.names = "--time", .text = "show when each line began, and events between the lines"},
        {.names = "--raw", .text = "pass control characters to the terminal"},
        output_option()},
       log},
  };
}

}  // namespace oob
