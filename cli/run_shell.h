// RunShell: the WebSocket, the timers, the signals and the progress line of a RunMany, on a terminal or not. Once.
#pragma once
#include <memory>
#include <string>
#include <vector>

#include "cli/run_many.h"
#include "common/http/http.h"
#include "common/runtime/descriptor.h"

namespace oob {

class RunShell {
 public:
  RunShell(Shard& shard, std::vector<std::string> consoles, std::vector<RunStep> steps, bool force, std::size_t jobs);

  // Runs it all. Error: no connection came about, nothing was done.
  Result<> go(const HttpEndpoint& server);
  const RunMany& run() const { return run_; }
  int killed_by() const { return killed_by_; }  // the signal that stopped it; 0: none

 private:
  void send(const json::object& message);
  void opened(std::unique_ptr<WebSocket> socket);
  void read_signal();
  void update();
  void show_progress();
  void clear_progress();

  Shard& shard_;
  Timer deadline_;
  Descriptor signals_;
  bool progress_, leaving_ = false;
  int killed_by_ = 0;
  std::string shown_;
  std::unique_ptr<WebSocket> socket_;
  RunMany run_;
};

}  // namespace oob
