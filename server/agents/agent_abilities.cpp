// See agent_abilities.h.
#include "server/agents/agent_abilities.h"

#include "common/nearest.h"
#include "tunnel.pb.h"

namespace oob {
namespace {

// Agents of protocol 1 do not name their keys. These are theirs, for ever.
constexpr const char* kKeysOfProtocol1[] = {"exec command", "exec user",   "exec term",    "exec rows",
                                            "exec columns", "tcp address", "tcp insecure", "test rate",
                                            "test flood",   "test length", "test lines",   "unix path"};
constexpr int kNamesMax = 1000;  // of one hello

}  // namespace

void AgentAbilities::learn(const wire::Hello& hello) {
  kinds_.clear();
  keys_.clear();
  for (const auto& kind : hello.line_kinds()) {
    if (kinds_.size() < kNamesMax) kinds_.insert(kind);
  }
  for (const auto& key : hello.line_keys()) {
    if (keys_.size() < kNamesMax) keys_.insert(key);
  }
  if (hello.line_keys().empty()) keys_.insert(std::begin(kKeysOfProtocol1), std::end(kKeysOfProtocol1));
}

std::string AgentAbilities::lacks(const wire::LineSpec& line) const {
  if (!kinds_.contains(line.kind())) return "kind " + in_quotes(line.kind());
  for (const auto& [key, value] : line.settings()) {
    if (!keys_.contains(line.kind() + " " + key)) return "key " + in_quotes(key) + " of kind " + in_quotes(line.kind());
  }
  return "";
}

void make_unknown(wire::LineSpec& line, const std::string& lacks) {
  if (!lacks.starts_with("kind")) line.set_kind(line.kind() + " with keys of later versions");
  line.clear_settings();
  line.clear_argv();
}

}  // namespace oob
