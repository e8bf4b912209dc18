// The names that the server knows, for completion: quickly or not at all.
#include <unistd.h>

#include <algorithm>
#include <memory>

#include "cli/complete.h"
#include "cli/invocation.h"
#include "cli/rest_names.h"
#include "cli/show.h"
#include "cli/terminal.h"
#include "common/limits.h"

namespace oob {
namespace {

// A shell puts it on the prompt: nothing that it or the terminal would take for more than letters.
bool is_plain(const std::string& word) {
  return !word.empty() && std::all_of(word.begin(), word.end(), [](unsigned char c) {
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '.' || c == '_' ||
           c == '-' || c == '=' || c == '/' || c == '+';
  });
}

class Asking {
 public:
  explicit Asking(Invocation& invocation) : invocation_(invocation), limit_(invocation.shard()) {
    limit_.once(limits::completion_time_max, [this] {
      late_ = true;
      invocation_.shard().stop();
    });
  }

  LiveNames ask(Live what) {
    LiveNames out;
    if (what == Live::Agents) {
      out.agents = plain(names_in(get("/v1/agents"), "agents"));
      return out;
    }
    const json::value consoles = get("/v1/consoles");
    out.consoles = plain(names_in(consoles, "consoles"));
    if (what == Live::Consoles) return out;
    out.groups = plain(names_in(get("/v1/groups"), "groups"));
    for (const auto& row : rows_of(consoles, "consoles")) {
      const auto* labels = row.is_object() ? row.get_object().if_contains("labels") : nullptr;
      if (labels == nullptr || !labels->is_object()) continue;
      for (const auto& [key, value] : labels->get_object()) {
        if (value.is_string()) out.labels.push_back(std::string(key) + "=" + std::string(value.get_string()));
      }
    }
    std::sort(out.labels.begin(), out.labels.end());
    out.labels.erase(std::unique(out.labels.begin(), out.labels.end()), out.labels.end());
    out.labels = plain(std::move(out.labels));
    return out;
  }

 private:
  static std::vector<std::string> plain(std::vector<std::string> words) {
    std::erase_if(words, [](const std::string& word) { return !is_plain(word); });
    return words;
  }

  json::value get(const std::string& path) {
    const auto answer = std::make_shared<json::value>();
    if (late_) return *answer;
    Shard& shard = invocation_.shard();
    invocation_.rest().call("GET", path, {}, "", [answer, &shard](const Result<json::value>& got) {
      if (got) *answer = *got;
      shard.stop();
    });
    shard.io().restart();
    shard.run();
    return *answer;
  }

  Invocation& invocation_;
  Timer limit_;
  bool late_ = false;
};

}  // namespace

int run_complete(const std::vector<std::string>& words) {
  Invocation invocation{CommandLine()};
  Asking asking(invocation);
  std::string out;
  for (const Candidate& one : candidates(words, [&](Live what) { return asking.ask(what); })) {
    out += one.word + (one.text.empty() ? "" : "\t" + one.text) + "\n";
  }
  write_all(STDOUT_FILENO, out);
  return 0;
}

}  // namespace oob
