// The shard's side of the logs, shared by console_log.cpp, log_reading.cpp and log_folder.cpp only. The LogFile of each
// log belongs to the worker: the shard never touches it but through jobs, and knows of it what a job's outcome said.
#pragma once
#include <list>
#include <vector>

#include "server/log/log_file.h"

namespace oob {

using LogBatch = std::vector<LogItem>;

// What the worker tells after each job.
struct LogOutcome {
  LogPosition end;
  std::string trouble;
  std::uint64_t unlogged_bytes = 0, oldest = 0;
  LogView view;
  WallTime began{};
  static LogOutcome of(const LogFile& file) {
    return {file.end(), file.trouble(), file.unlogged_bytes(), file.oldest(), file.view(), file.began()};
  }
};

struct ConsoleLog::State : std::enable_shared_from_this<ConsoleLog::State> {
  ConsoleLog* owner = nullptr;  // null once destroyed
  std::shared_ptr<LogFolder::State> folder;
  std::shared_ptr<LogFile> file;
  LogPosition position;
  // Memory that a reader sees behind what the file holds: batches given to the worker and not yet reported, then what
  // was not yet given. `spare` is an emptied batch, kept for its capacity.
  struct InFlight {
    std::shared_ptr<LogBatch> batch;
    std::size_t cost, event_cost;
  };
  std::vector<InFlight> in_flight;  // two, seldom more
  LogBatch pending, spare;
  std::size_t pending_bytes = 0, pending_cost = 0;     // of `pending`
  std::size_t waiting_cost = 0;                        // of all; cost: with what keeping them takes
  std::size_t pending_event_cost = 0, event_cost = 0;  // of what people did: of `pending`, of all
  std::size_t events_left_out = 0;                     // not yet said
  bool dirty = false;                                  // in the folder's list
  bool dropping = false;                               // `pending` ends with a gap for what no longer fits
  std::uint64_t dropped_bytes = 0;
  std::string slow;  // said while dropping
  LogOutcome outcome;
  std::optional<WallTime> last_output;

  bool full(std::size_t cost) const;
  bool full_of_events(std::size_t cost) const;
  void say_left_out();
  bool gathered() const;
  void add(LogItem item, bool of_people = false);
  void add_marker(LogEvent::Kind kind, std::optional<std::uint64_t> gap_bytes, std::string text,
                  bool of_people = false);
  void drop(std::size_t bytes);
  void reported(LogOutcome now);  // by a job, on the shard
  void written();                 // the oldest batch in flight

  // log_reading.cpp
  void each_in_memory(const std::function<bool(const LogItem&)>& call) const;
  using ReadDone = std::function<void(Result<Read>)>;
  struct ReadJob;
  void read(const LogWanted& wanted, ReadDone done);
  // `far`: through many megabytes, so it counts as a search and is done on that thread.
  void read(std::shared_ptr<LogSink> sink, bool far, std::function<void(Result<>)> done);
  void go_on(std::shared_ptr<ReadJob> job);
  struct SearchJob;
  void search_on(std::shared_ptr<SearchJob> job);
  struct LinesWanted {
    std::size_t lines, window, bytes_max;
    std::uint64_t oldest, end;
  };
  using FoundLines = std::function<void(Result<std::uint64_t>)>;
  void find_lines(const LinesWanted& wanted, FoundLines done);
  struct Follower {
    std::unique_ptr<Timer> timer;
    std::function<void()> done;
  };
  std::list<Follower> followers;
  std::unique_ptr<Timer> follow_gather;
  void wake_followers();
};

struct LogFolder::State : std::enable_shared_from_this<LogFolder::State> {
  State(Shard& home, std::string folder_path)
      : shard(home),
        path(std::move(folder_path)),
        worker(home, Worker::Temper::Patient),
        reader(home, Worker::Temper::Patient),
        searcher(home, Worker::Temper::Patient),
        gather(home),
        retry(home) {}
  Shard& shard;
  std::string path;
  Worker worker;                        // writes
  Worker reader, searcher;              // a disk that is slow to read holds no writing, and a search no reading
  std::size_t reads = 0, searches = 0;  // under way
  Timer gather, retry;
  std::vector<ConsoleLog::State*> logs;                   // all
  std::vector<std::shared_ptr<ConsoleLog::State>> dirty;  // with something pending, or wanting a try
  std::size_t waiting_cost = 0, event_cost = 0;

  void mark_dirty(ConsoleLog::State& log);
  void submit_dirty(bool all);  // all: also of logs that have enough in flight
  void submit(std::span<const std::shared_ptr<ConsoleLog::State>> logs);
  void try_again();  // troubled logs
};

}  // namespace oob
