// A job of the server's on BMCs: starts it and waits for its rows, with progress on a terminal.
#pragma once
#include <optional>
#include <string>
#include <vector>

#include "cli/invocation.h"

namespace oob {

struct BmcJobRows {
  std::optional<Error> error;  // the job was not started, or what became of it is not known
  bool started = false;
  std::size_t nodes = 0;
  std::vector<json::object> rows;  // as they ended
  json::value json(const std::string& act) const;
};

// `path` is the order's route, `body` the order.
BmcJobRows run_bmc_job(Invocation& invocation, const std::string& path, const json::object& body);

}  // namespace oob
