// See bmc_job.h.
#include "cli/commands/bmc_job.h"

#include <unistd.h>

#include "cli/show.h"
#include "common/limits.h"

namespace oob {
namespace {

// "12 of 200" in the line where the next one goes; nothing if that is no terminal.
class Progress {
 public:
  explicit Progress(Invocation& invocation) : invocation_(invocation), shown_(::isatty(STDERR_FILENO) != 0) {}
  ~Progress() {
    if (shown_ && something_) invocation_.note("\r\x1b[K");
  }
  void say(std::size_t ended, std::size_t of) {
    if (!shown_ || ended == of) return;
    invocation_.note("\r\x1b[K" + std::to_string(ended) + " of " + std::to_string(of) + " ..");
    something_ = true;
  }

 private:
  Invocation& invocation_;
  const bool shown_;
  bool something_ = false;
};

}  // namespace

json::value BmcJobRows::json(const std::string& act) const {
  json::array out;
  for (const json::object& row : rows) out.push_back(row);
  return {{"act", act}, {"rows", std::move(out)}};
}

BmcJobRows run_bmc_job(Invocation& invocation, const std::string& path, const json::object& body) {
  BmcJobRows out;
  const auto answer = invocation.rest().wait("POST", path, {}, json::serialize(body));
  if (!answer || !answer->is_object()) {
    out.error = answer ? Error{ErrorCode::Internal, "the server's answer is no object"} : answer.error();
    return out;
  }
  const std::string job = text_of(answer->get_object(), "job");
  out.nodes = rows_of(*answer, "nodes").size();
  out.started = true;
  Progress progress(invocation);
  const std::string wait = std::to_string(limits::log_follow_wait_max / std::chrono::seconds(1));
  while (out.rows.size() < out.nodes) {
    progress.say(out.rows.size(), out.nodes);
    const auto more =
        invocation.rest().wait("GET", "/v1/jobs/" + job, {{"seen", std::to_string(out.rows.size())}, {"wait", wait}});
    if (!more) {
      out.error = more.error();
      return out;
    }
    for (const auto& row : rows_of(*more, "rows")) {
      if (row.is_object()) out.rows.push_back(row.get_object());
    }
  }
  return out;
}

}  // namespace oob
