// ConsoleLog's readers: replay, pages, the last lines, times, searches. The file is read on threads of their own, up to
// where the writer has told it to be; what is behind that is in memory on the shard. So file and memory meet without a
// gap or a repeat, and reading never waits in the writer's queue, nor it in theirs.
#include "common/limits.h"
#include "server/log/log_search.h"
#include "server/log/log_state.h"
#include "server/log/log_times.h"

namespace oob {
namespace {

// The offset where the last `lines` lines of these pieces begin, if it is in them.
std::optional<std::uint64_t> line_start(const std::vector<LogPiece>& pieces, std::uint64_t end, std::size_t lines) {
  for (auto piece = pieces.rbegin(); piece != pieces.rend(); ++piece) {
    if (!piece->bytes) continue;
    for (std::size_t i = piece->bytes->size(); i-- > 0;) {
      if ((*piece->bytes)[i] != std::byte{'\n'}) continue;
      const std::uint64_t next = piece->log_offset + i + 1;
      if (next < end && --lines == 0) return next;  // a newline at the very end ends the last line
    }
  }
  return {};
}

bool feed(LogSink& sink, const LogItem& item) {
  if (!item.bytes) return sink.marker(*item.marker);
  if (item.log_offset + item.bytes->size() > sink.next()) sink.read_at(item.read_at);
  return sink.output(item.log_offset, *item.bytes);
}

tl::unexpected<Error> too_many() { return fail(ErrorCode::Unavailable, "too many read the logs just now; try again"); }

tl::unexpected<Error> removed() { return fail(ErrorCode::NotFound, "the console was removed while its log was read"); }

}  // namespace

void ConsoleLog::read(std::uint64_t log_offset, std::size_t bytes_max, std::function<void(Result<Read>)> done) {
  state_->read({.from = log_offset, .bytes_max = bytes_max}, std::move(done));
}

void ConsoleLog::read(const LogWanted& wanted, std::function<void(Result<Read>)> done) {
  state_->read(wanted, std::move(done));
}

void ConsoleLog::find_last_lines(std::size_t lines, std::size_t bytes_max,
                                 std::function<void(Result<std::uint64_t>)> done) {
  find_last_lines(lines, bytes_max, 0, position().log_offset, std::move(done));
}

void ConsoleLog::find_last_lines(std::size_t lines, std::size_t bytes_max, std::uint64_t from, std::uint64_t to,
                                 std::function<void(Result<std::uint64_t>)> done) {
  const std::uint64_t end = std::min(to, position().log_offset);
  const std::uint64_t begin = std::min(std::max(from, oldest()), end);
  state_->find_lines({lines, std::min(bytes_max, 4096 + 128 * lines), bytes_max, begin, end}, std::move(done));
}

void ConsoleLog::State::each_in_memory(const std::function<bool(const LogItem&)>& call) const {
  for (const InFlight& given : in_flight) {
    for (const LogItem& item : *given.batch) {
      if (!call(item)) return;
    }
  }
  for (const LogItem& item : pending) {
    if (!call(item)) return;
  }
}

// --- pages ---

struct ConsoleLog::State::ReadJob {
  LogReader reader;
  LogPieces pieces;
  LogView view;
  Result<bool> all = false;
  ReadDone done;
};

void ConsoleLog::State::read(const LogWanted& wanted, ReadDone done) {
  if (folder->reads >= limits::log_reads_waiting_max) {
    return folder->shard.post([done = std::move(done)] { done(too_many()); });
  }
  ++folder->reads;
  go_on(std::make_shared<ReadJob>(
      ReadJob{LogReader(folder->shard.clock()), LogPieces(wanted), outcome.view, false, std::move(done)}));
}

void ConsoleLog::State::go_on(std::shared_ptr<ReadJob> job) {
  folder->reader.run([job] { job->all = job->reader.read(job->view, job->pieces); },
                     [job, weak = weak_from_this(), home = folder] {
                       const auto self = weak.lock();
                       const bool there = self && self->owner;
                       const bool more =
                           there && job->all && *job->all &&
                           (self->outcome.view.file_bytes != job->view.file_bytes ||
                            self->outcome.view.file != job->view.file || self->outcome.end != job->view.end);
                       if (more) {  // written meanwhile: no longer in memory
                         job->view = self->outcome.view;
                         return self->go_on(job);
                       }
                       --home->reads;
                       if (!there) return job->done(removed());
                       if (!job->all) return job->done(tl::unexpected(job->all.error()));
                       if (*job->all) {
                         self->each_in_memory([&](const LogItem& item) { return feed(job->pieces, item); });
                       }
                       Read read = job->pieces.take();
                       read.next = std::min(read.next, self->position.log_offset);
                       job->done(std::move(read));
                     });
}

// Looks in the last `window` bytes first, as most lines are short; then in more.
void ConsoleLog::State::find_lines(const LinesWanted& wanted, FoundLines done) {
  const std::uint64_t end = wanted.end;
  const std::uint64_t from = end - std::min<std::uint64_t>(wanted.window, end - wanted.oldest);
  if (wanted.lines == 0 || from == end) return folder->shard.post([end, done = std::move(done)] { done(end); });
  read({.from = from, .to = end, .bytes_max = end - from}, [=, weak = weak_from_this()](Result<Read> read) {
    if (!read) return done(tl::unexpected(read.error()));
    if (const auto start = line_start(read->pieces, end, wanted.lines)) return done(*start);
    if (from == wanted.oldest || wanted.window >= wanted.bytes_max) return done(from);
    const auto self = weak.lock();  // alive, as the read was done
    LinesWanted wider = wanted;
    wider.window = std::min(wanted.bytes_max, wanted.window * 8);
    self->find_lines(wider, done);
  });
}

void ConsoleLog::find_times(WallTime since, WallTime until, std::function<void(Result<LogSpans>)> done) {
  LogFolder::State& folder = *state_->folder;
  if (folder.reads >= limits::log_reads_waiting_max) {
    return folder.shard.post([done = std::move(done)] { done(too_many()); });
  }
  ++folder.reads;
  auto spans = std::make_shared<LogSpans>();
  folder.reader.run([spans, view = state_->outcome.view, since, until,
                     now = folder.shard.clock().wall()] { *spans = find_spans(view, since, until, now); },
                    [spans, weak = std::weak_ptr(state_), home = state_->folder, done = std::move(done)] {
                      --home->reads;
                      const auto self = weak.lock();
                      if (!self || !self->owner) return done(removed());
                      done(std::move(*spans));
                    });
}

// --- following ---

Result<> ConsoleLog::wait_for_more(Duration wait, std::function<void()> done) {
  State& state = *state_;
  if (state.followers.size() >= limits::log_followers_max) {
    return fail(ErrorCode::Unavailable, "too many follow this log just now; try again");
  }
  if (!state.follow_gather) state.follow_gather = std::make_unique<Timer>(state.folder->shard);
  state.followers.push_back({std::make_unique<Timer>(state.folder->shard), std::move(done)});
  const auto here = std::prev(state.followers.end());
  here->timer->once(wait, [&state, here] {
    state.folder->shard.post(std::move(here->done));
    state.followers.erase(here);
  });
  return {};
}

void ConsoleLog::State::wake_followers() {
  for (Follower& follower : followers) folder->shard.post(std::move(follower.done));
  followers.clear();
}

// --- searching ---

struct ConsoleLog::State::SearchJob {
  LogReader reader;
  LogSearchWanted wanted;
  std::unique_ptr<LogSearch> search;
  LogView view;
  std::vector<LogItem> memory;
  bool in_memory = false;
  Result<bool> all = false;
  LogFound found;
  std::function<void(Result<LogFound>)> done;

  void run() {
    if (!search) {
      auto started = LogSearch::start(wanted);
      if (!started) {
        all = tl::unexpected(started.error());
        return;
      }
      search = std::move(*started);
    }
    if (!in_memory) all = reader.read(view, *search);
    for (std::size_t i = 0; in_memory && *all && i < memory.size(); ++i) all = feed(*search, memory[i]);
    if (all && (in_memory || !*all)) found = search->finish(*all);
  }
};

void ConsoleLog::search(LogSearchWanted wanted, std::function<void(Result<LogFound>)> done) {
  LogFolder::State& folder = *state_->folder;
  if (folder.searches >= limits::searches_waiting_max) {
    return folder.shard.post(
        [done = std::move(done)] { done(fail(ErrorCode::Unavailable, "too many searches are under way; try again")); });
  }
  ++folder.searches;
  auto job = std::make_shared<State::SearchJob>(State::SearchJob{.reader = LogReader(folder.shard.clock()),
                                                                 .wanted = std::move(wanted),
                                                                 .search = {},
                                                                 .view = state_->outcome.view,
                                                                 .memory = {},
                                                                 .found = {},
                                                                 .done = std::move(done)});
  state_->search_on(std::move(job));
}

// The file first; then, on the same thread, what was only in memory when that was done.
void ConsoleLog::State::search_on(std::shared_ptr<SearchJob> job) {
  folder->searcher.run([job] { job->run(); },
                       [job, weak = weak_from_this(), home = folder] {
                         const auto self = weak.lock();
                         const bool there = self && self->owner;
                         if (there && job->all && *job->all && !job->in_memory) {
                           const LogView& now = self->outcome.view;
                           const bool written = now.file_bytes != job->view.file_bytes || now.file != job->view.file;
                           job->view = now;
                           job->in_memory = !written;
                           if (job->in_memory) {
                             self->each_in_memory([&](const LogItem& item) {
                               auto marker = item.marker ? std::make_unique<LogMarker>(*item.marker) : nullptr;
                               job->memory.push_back({item.log_offset, item.bytes, std::move(marker), item.read_at});
                               return true;
                             });
                           }
                           return self->search_on(job);
                         }
                         --home->searches;
                         if (!there) return job->done(removed());
                         if (!job->all) return job->done(tl::unexpected(job->all.error()));
                         job->done(std::move(job->found));
                       });
}

}  // namespace oob
