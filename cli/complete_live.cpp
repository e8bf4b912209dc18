// The names that the server knows, for completion: quickly or not at all.
#include <unistd.h>

#include <algorithm>
#include <memory>

#include "cli/client_config.h"
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
    if (what == Live::Servers) {
      const auto folder = ClientFolder::own();
      const auto config = folder ? folder->read() : Result<ClientConfig>(tl::unexpected(folder.error()));
      if (!config) return out;
      for (const auto& [name, server] : config->servers) out.servers.push_back(name);
      return out;
    }
    if (what == Live::Users) {
      const json::value sessions = get("/v1/sessions"), tokens = get("/v1/tokens");
      for (const auto& rows : {rows_of(sessions, "sessions"), rows_of(tokens, "tokens")}) {
        for (const auto& row : rows) {
          if (row.is_object()) out.users.push_back(text_of(row.get_object(), "user"));
        }
      }
      std::sort(out.users.begin(), out.users.end());
      out.users.erase(std::unique(out.users.begin(), out.users.end()), out.users.end());
      out.users = plain(std::move(out.users));
      return out;
    }
    if (what == Live::Tokens) {
      const json::value tokens = get("/v1/tokens");
      for (const auto& row : rows_of(tokens, "tokens")) {
        if (!row.is_object() || text_of(row.get_object(), "state") != "good") continue;
        const auto& token = row.get_object();
        const std::string name = cell(token, "name");
        add(out.tokens, text_of(token, "id"), cell(token, "user") + (name.empty() ? "" : ", " + name));
      }
      return out;
    }
    if (what == Live::Revisions) {
      const json::value history = get("/v1/inventory/history");
      for (const auto& row : rows_of(history, "revisions")) {
        if (!row.is_object()) continue;
        const auto& revision = row.get_object();
        add(out.revisions, std::to_string(count_at(revision, "revision").value_or(0)),
            time_cell(revision, "applied") + " " + cell(revision, "user") + ": " + cell(revision, "changes"));
      }
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
  static void add(std::vector<Candidate>& to, const std::string& word, const std::string& text) {
    if (is_plain(word)) to.push_back({word, text});
  }
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
  CommandLine line;
  for (std::size_t i = 0; i + 1 < words.size(); ++i) {  // the server that the line names is the one that is asked
    const std::string name = std::string(server_option().names);
    if (words[i] == name && i + 2 < words.size()) line.server = words[i + 1];
    if (words[i].starts_with(name + "=")) line.server = words[i].substr(name.size() + 1);
  }
  Invocation invocation{std::move(line)};
  Asking asking(invocation);
  std::string out;
  for (const Candidate& one : candidates(words, [&](Live what) { return asking.ask(what); })) {
    out += one.word + (one.text.empty() ? "" : "\t" + one.text) + "\n";
  }
  write_all(STDOUT_FILENO, out);
  return 0;
}

}  // namespace oob
