// The routes of the logs: pages by lines, offset or time, waiting for more, and searches in slices. What a caller asks
// is the whole state of it: the server keeps nothing from one page to the next.
#include <algorithm>

#include "common/limits.h"
#include "common/text.h"
#include "server/front/rest_routes.h"
#include "server/front/rows.h"
#include "server/log/log_times.h"

namespace oob {
namespace {

std::string text_asked(const Call& call, const std::string& key) {
  const auto found = call.request.query.find(key);
  return found == call.request.query.end() ? "" : found->second;
}

// Fields that both routes have, checked one after the other; the first that does not fit is remembered.
class Asked {
 public:
  explicit Asked(const Call& call) : call_(call) {}
  bool has(const std::string& key) const { return call_.request.query.contains(key); }
  std::uint64_t number(const std::string& key, std::uint64_t otherwise, std::uint64_t most = UINT64_MAX) {
    const auto number = number_asked(call_, key, otherwise);
    if (!number) wrong_ = number.error();
    return number ? std::min(*number, most) : otherwise;
  }
  bool flag(const std::string& key) { return number(key, 0) != 0; }
  WallTime time(const std::string& key, WallTime otherwise) {
    WallTime time = otherwise;
    if (has(key) && !parse_utc(text_asked(call_, key), time)) {
      wrong_ = {ErrorCode::Usage, key + " has to be a time in UTC, as 2026-11-21T02:34:39.123Z"};
    }
    return time;
  }
  const std::optional<Error>& wrong() const { return wrong_; }

 private:
  const Call& call_;
  std::optional<Error> wrong_;
};

// One request for a log. Callbacks hold it; the console is found again by name, as it may have gone.
struct Page : std::enable_shared_from_this<Page> {
  Page(Backend& b, std::string n, Respond r) : backend(b), name(std::move(n)), respond(std::move(r)) {}
  Backend& backend;
  const std::string name;
  const Respond respond;
  LogWanted wanted;
  std::optional<std::uint64_t> lines, from;
  Duration wait{};
  bool timed = false;
  LogSpans spans;

  Console* console() {
    Console* found = backend.find_console(name);
    if (!found) respond(error_response(no_console(backend, name)));
    return found;
  }

  void start() {
    Console* now = console();
    if (!now) return;
    if (!timed) {
      spans.spans.push_back({});
      return find_start();
    }
    now->log().find_times(wanted.since, wanted.until, [self = shared_from_this()](Result<LogSpans> found) {
      if (!found) return self->respond(error_response(found.error()));
      self->spans = std::move(*found);
      self->find_start();
    });
  }

  void find_start() {
    Console* now = console();
    if (!now) return;
    if (spans.spans.empty()) return nothing(*now);
    if (from || !lines) return read_from(from.value_or(spans.spans.front().from));
    const LogSpan last = spans.spans.back();
    now->log().find_last_lines(*lines, limits::log_lines_back_bytes_max, last.from, last.to,
                               [self = shared_from_this()](Result<std::uint64_t> offset) {
                                 if (!offset) return self->respond(error_response(offset.error()));
                                 self->read_from(*offset);
                               });
  }

  void read_from(std::uint64_t offset) {
    Console* now = console();
    if (!now) return;
    auto span = std::find_if(spans.spans.begin(), spans.spans.end(), [&](const LogSpan& s) { return offset < s.to; });
    if (span == spans.spans.end()) return nothing(*now);
    wanted.from = std::max(offset, span->from);
    wanted.to = span->to;
    const std::uint64_t following = span + 1 == spans.spans.end() ? span->to : (span + 1)->from;
    now->log().read(wanted, [self = shared_from_this(), following](Result<ConsoleLog::Read> read) {
      if (!read) return self->respond(error_response(read.error()));
      if (read->next >= self->wanted.to) read->next = following;
      self->answer(*read);
    });
  }

  void answer(const ConsoleLog::Read& read) {
    Console* now = console();
    if (!now) return;
    if (read.pieces.empty() && wait > Duration(0)) {
      const auto waiting = now->log().wait_for_more(wait, [self = shared_from_this()] {
        self->wait = Duration(0);
        self->read_from(self->wanted.from);
      });
      if (!waiting) respond(error_response(waiting.error()));
      return;
    }
    json::object body = log_json(read, now->log());
    put_end(body);
    respond(ok(body));
  }

  void nothing(Console& now) {
    json::object body = log_json({{}, now.log().position().log_offset, 0, {}}, now.log());
    put_end(body);
    body["next"] = body["end"];
    respond(ok(body));
  }

  // The end of what was asked for, and what times there are.
  void put_end(json::object& body) {
    if (!spans.spans.empty() && spans.spans.back().to != UINT64_MAX) body["end"] = spans.spans.back().to;
    if (spans.first) body["begins"] = format_utc(*spans.first);
    if (spans.last) body["ends"] = format_utc(*spans.last);
  }
};

struct Search {
  Backend& backend;
  const std::string name;
  const Respond respond;
  LogSearchWanted wanted;

  void run(const LogSpans& spans) {
    Console* now = backend.find_console(name);
    if (!now) return respond(error_response(no_console(backend, name)));
    const auto span =
        std::find_if(spans.spans.begin(), spans.spans.end(), [&](const LogSpan& one) { return wanted.from < one.to; });
    if (span == spans.spans.end()) return respond(ok(found_json({.lines = {}, .done = true}, now->log())));
    wanted.from = std::max(wanted.from, span->from);
    wanted.context_from = std::max(wanted.context_from, span->from);
    wanted.to = span->to;
    const bool last = span + 1 == spans.spans.end();
    const std::uint64_t following = last ? 0 : (span + 1)->from;
    now->log().search(wanted, [search = *this, last, following](Result<LogFound> found) {
      if (!found) return search.respond(error_response(found.error()));
      Console* still = search.backend.find_console(search.name);
      if (!still) return search.respond(error_response(no_console(search.backend, search.name)));
      if (found->done && !last && found->hits < search.wanted.hits_max) {
        found->done = false;
        found->next = found->context_next = following;
        found->after_next = found->skip_next = 0;
      }
      search.respond(ok(found_json(*found, still->log())));
    });
  }
};

}  // namespace

void get_log(Backend& backend, const Call& call, Respond respond) {
  const auto page = std::make_shared<Page>(backend, call.name, respond);
  Asked asked(call);
  page->timed = asked.has("since") || asked.has("until");
  page->wanted.since = second_begin(asked.time("since", WallTime::min()));
  page->wanted.until = second_end(asked.time("until", WallTime::max()));
  page->wanted.bytes_max = asked.number("max", limits::stream_message_bytes_max, limits::log_request_bytes_max);
  page->wanted.times = asked.flag("times");
  page->wanted.skip_events = asked.number("skip", 0);
  page->wait = std::min<Duration>(limits::log_follow_wait_max, Duration(asked.number("wait", 0, 3600) * 1000));
  if (asked.has("from")) page->from = asked.number("from", 0);
  if (asked.has("lines") || !asked.has("since")) page->lines = asked.number("lines", 20);
  if (asked.wrong()) return respond(error_response(*asked.wrong()));
  if (page->wanted.bytes_max == 0) return respond(error_response({ErrorCode::Usage, "max has to be at least 1"}));
  page->start();
}

void get_grep(Backend& backend, const Call& call, Respond respond) {
  Asked asked(call);
  LogSearchWanted wanted;
  wanted.pattern = text_asked(call, "pattern");
  wanted.ignore_case = asked.flag("ignore_case");
  wanted.events = asked.flag("events");
  wanted.count_only = asked.flag("count");
  wanted.hits_max = asked.number("hits", UINT32_MAX);
  wanted.before = asked.number("before", 0, limits::search_context_lines_max);
  wanted.after = asked.number("after", 0, limits::search_context_lines_max);
  wanted.since = second_begin(asked.time("since", WallTime::min()));
  wanted.until = second_end(asked.time("until", WallTime::max()));
  wanted.from = asked.number("from", 0);
  wanted.context_from = asked.number("context", wanted.from, wanted.from);
  wanted.after_left = asked.number("after_left", 0);
  wanted.skip_events = asked.number("skip", 0);
  if (asked.wrong()) return respond(error_response(*asked.wrong()));
  Console* console = backend.find_console(call.name);
  if (!console) return respond(error_response(no_console(backend, call.name)));
  Search search{backend, call.name, respond, std::move(wanted)};
  if (!asked.has("since") && !asked.has("until")) return search.run({.spans = {{}}, .first = {}, .last = {}});
  const auto since = search.wanted.since, until = search.wanted.until;
  console->log().find_times(since, until, [search = std::move(search)](const Result<LogSpans>& spans) mutable {
    if (!spans) return search.respond(error_response(spans.error()));
    search.run(*spans);
  });
}

}  // namespace oob
