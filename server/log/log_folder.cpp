// LogFolder: gathers what all logs of a server have pending and gives it to the one worker, many logs in one job, so
// that a thousand consoles cost ten jobs a second and not ten thousand.
#include <sys/stat.h>

#include <cerrno>
#include <system_error>

#include "common/limits.h"
#include "common/log.h"
#include "common/text.h"
#include "server/log/log_state.h"

namespace oob {

LogFolder::LogFolder(Shard& shard, std::string path) : state_(std::make_shared<State>(shard, std::move(path))) {
  if (::mkdir(state_->path.c_str(), 0750) != 0 && errno != EEXIST) {
    log_error("log", "the folder of the consoles' logs cannot be made",
              {{"folder", state_->path}, {"reason", std::generic_category().message(errno)}});
  }
}

LogFolder::~LogFolder() {
  state_->gather.cancel();
  state_->retry.cancel();
  state_->submit_dirty(true);
}

const std::string& LogFolder::path() const { return state_->path; }
std::size_t LogFolder::pending_bytes() const { return state_->waiting_cost; }

void LogFolder::flush(std::function<void()> done) {
  state_->submit_dirty(true);
  state_->worker.run([] {}, std::move(done));
}

void LogFolder::come_round(std::function<void()> done) {
  state_->worker.run([] {}, std::move(done));
}

void LogFolder::reopen() {
  state_->submit_dirty(true);
  for (ConsoleLog::State* log : state_->logs) {
    const auto outcome = std::make_shared<LogOutcome>();
    state_->worker.run(
        [outcome, file = log->file] {
          file->reopen();
          *outcome = LogOutcome::of(*file);
        },
        [outcome, weak = log->weak_from_this()] {
          if (const auto self = weak.lock()) self->reported(std::move(*outcome));
        });
  }
}

void LogFolder::State::mark_dirty(ConsoleLog::State& log) {
  log.dirty = true;
  dirty.push_back(log.shared_from_this());
  if (!gather.armed()) gather.once(limits::log_gather_time, [this] { submit_dirty(false); });
}

void LogFolder::State::submit_dirty(bool all) {
  const auto logs_now = std::move(dirty);
  dirty.clear();
  std::vector<std::shared_ptr<ConsoleLog::State>> ready;
  ready.reserve(logs_now.size());
  for (const auto& log : logs_now) {
    log->dirty = false;
    const bool enough = log->in_flight.size() >= 2;  // the disk hangs: what waits in memory is bounded elsewhere
    if (log->pending.empty()) continue;
    if (all || !enough) {
      ready.push_back(log);
    } else {
      mark_dirty(*log);
    }
  }
  submit(ready);
}

void LogFolder::State::submit(std::span<const std::shared_ptr<ConsoleLog::State>> which) {
  if (which.empty()) return;
  struct Entry {
    std::weak_ptr<ConsoleLog::State> log;  // weak: a job may end on the worker, where no log may be destroyed
    std::shared_ptr<LogFile> file;
    std::shared_ptr<LogBatch> batch;
    LogOutcome outcome;
  };
  const auto job = std::make_shared<std::vector<Entry>>();
  job->reserve(which.size());
  for (const auto& log : which) {
    auto batch = std::make_shared<LogBatch>(std::move(log->pending));
    log->pending = std::move(log->spare);
    log->pending.clear();
    log->spare = LogBatch();
    log->in_flight.push_back({batch, log->pending_cost, log->pending_event_cost});
    log->pending_bytes = log->pending_cost = log->pending_event_cost = 0;
    log->dropping = false;
    job->push_back({log, log->file, std::move(batch), {}});
  }
  worker.run(
      [job] {
        for (Entry& entry : *job) {
          entry.file->write(*entry.batch);
          entry.outcome = LogOutcome::of(*entry.file);
        }
      },
      [job] {
        for (Entry& entry : *job) {
          const auto log = entry.log.lock();
          if (!log) continue;
          log->written();
          log->reported(std::move(entry.outcome));
        }
        job->clear();
      });
}

void LogFolder::State::try_again() {
  std::vector<std::shared_ptr<ConsoleLog::State>> troubled;
  for (ConsoleLog::State* log : logs) {
    if (!log->outcome.trouble.empty() && log->in_flight.empty()) troubled.push_back(log->shared_from_this());
  }
  submit(troubled);
  // Those with something in flight report it themselves; a report of trouble sets the timer anew.
}

}  // namespace oob
