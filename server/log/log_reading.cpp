// ConsoleLog's readers: replay, pages, the last lines, times, searches. The file is read on threads of their own, up to
// where the writer has told it to be; what is behind that is in memory on the shard. So file and memory meet without a
// gap or a repeat, and reading never waits in the writer's queue, nor it in theirs.
#include "common/limits.h"
#include "server/log/log_search.h"
#include "server/log/log_state.h"
#include "server/log/log_times.h"

namespace oob {
namespace {

// Counts the line ends in [from, end) and keeps nothing; remembers where the line after the first `passed` + 1 begins.
class LineEnds final : public LogSink {
 public:
  LineEnds(std::uint64_t from, std::uint64_t end, std::size_t passed) : next_(from), end_(end), passed_(passed) {}
  std::size_t count() const { return count_; }
  std::optional<std::uint64_t> start() const { return start_; }

  std::uint64_t next() const override { return next_; }
  bool output(std::uint64_t log_offset, ByteView bytes) override {
    for (std::size_t i = next_ > log_offset ? next_ - log_offset : 0; i < bytes.size(); ++i) {
      const std::uint64_t after = log_offset + i + 1;
      if (after >= end_ || start_) return false;  // a newline at the very end ends the last line
      if (bytes[i] == std::byte{'\n'} && count_++ == passed_) start_ = after;
    }
    next_ = std::max<std::uint64_t>(next_, log_offset + bytes.size());
    return true;
  }
  bool marker(const LogMarker& marker) override {
    if (marker.gap_bytes) next_ = std::max(next_, position_after(marker).log_offset);
    return next_ < end_;
  }
  void read_at(WallTime) override {}

 private:
  std::uint64_t next_;
  const std::uint64_t end_;
  const std::size_t passed_;
  std::size_t count_ = 0;
  std::optional<std::uint64_t> start_;
};

constexpr std::size_t kCountOnly = std::size_t(-1);

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
  std::shared_ptr<LogSink> sink;
  LogView view;
  bool far = false;
  std::function<void(Result<>)> done;
  Result<bool> all = false;
};

void ConsoleLog::State::read(const LogWanted& wanted, ReadDone done) {
  const auto pieces = std::make_shared<LogPieces>(wanted);
  read(pieces, false, [this, pieces, done = std::move(done)](const Result<>& all) {
    if (!all) return done(tl::unexpected(all.error()));
    Read read = pieces->take();
    read.next = std::min(read.next, position.log_offset);
    done(std::move(read));
  });
}

void ConsoleLog::State::read(std::shared_ptr<LogSink> sink, bool far, std::function<void(Result<>)> done) {
  std::size_t& under_way = far ? folder->searches : folder->reads;
  if (under_way >= (far ? limits::searches_waiting_max : limits::log_reads_waiting_max)) {
    return folder->shard.post([done = std::move(done)] { done(too_many()); });
  }
  ++under_way;
  go_on(std::make_shared<ReadJob>(
      ReadJob{LogReader(folder->shard.clock()), std::move(sink), outcome.view, far, std::move(done)}));
}

void ConsoleLog::State::go_on(std::shared_ptr<ReadJob> job) {
  Worker& thread = job->far ? folder->searcher : folder->reader;
  thread.run([job] { job->all = job->reader.read(job->view, *job->sink); },
             [job, weak = weak_from_this(), home = folder] {
               const auto self = weak.lock();
               const bool there = self && self->owner;
               const bool more = there && job->all && *job->all &&
                                 (self->outcome.view.file_bytes != job->view.file_bytes ||
                                  self->outcome.view.file != job->view.file || self->outcome.end != job->view.end);
               if (more) {  // written meanwhile: no longer in memory
                 job->view = self->outcome.view;
                 return self->go_on(job);
               }
               --(job->far ? home->searches : home->reads);
               if (!there) return job->done(removed());
               if (!job->all) return job->done(tl::unexpected(job->all.error()));
               if (*job->all) {
                 self->each_in_memory([&](const LogItem& item) { return feed(*job->sink, item); });
               }
               job->done({});
             });
}

// Looks in the last `window` bytes first, as most lines are short; then in more. The first pass counts, the second goes
// to the line: so however many are wanted, nothing of them is held, and all but what is in memory is done by the
// reader.
void ConsoleLog::State::find_lines(const LinesWanted& wanted, FoundLines done) {
  const std::uint64_t end = wanted.end;
  const std::uint64_t from = end - std::min<std::uint64_t>(wanted.window, end - wanted.oldest);
  if (wanted.lines == 0 || from == end) return folder->shard.post([end, done = std::move(done)] { done(end); });
  const bool far = wanted.window > limits::replay_bytes_max;
  const auto counted = std::make_shared<LineEnds>(from, end, kCountOnly);
  read(counted, far, [=, this](const Result<>& all) {  // alive, if the read was done
    if (!all) return done(tl::unexpected(all.error()));
    if (counted->count() >= wanted.lines) {
      const auto found = std::make_shared<LineEnds>(from, end, counted->count() - wanted.lines);
      return read(found, far, [=](const Result<>& read) {
        if (!read) return done(tl::unexpected(read.error()));
        done(found->start().value_or(from));
      });
    }
    if (from == wanted.oldest || wanted.window >= wanted.bytes_max) return done(from);
    LinesWanted wider = wanted;
    wider.window = std::min(wanted.bytes_max, wanted.window * 8);
    find_lines(wider, done);
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
