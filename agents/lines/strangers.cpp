// See strangers.h.
#include "agents/lines/strangers.h"

#include <algorithm>

#include "common/limits.h"
#include "common/log.h"

namespace oob {

Strangers::Stranger& Strangers::heard(const Name& name, ByteView message, ByteView said) {
  auto found = strangers_.find(name);
  if (found == strangers_.end()) {
    make_room_for_one();
    found = strangers_.emplace(name, Stranger{}).first;
    found->second.first = clock_.wall();
    log_limited(LogLevel::Warning, "line", "stranger",
                "heard a sender that no line names; what it says is kept a while",
                {{"listener", name.first}, {"sender", name.second}});
  }
  Stranger& stranger = found->second;
  ++stranger.messages;
  stranger.last = clock_.wall();
  stranger.kept.emplace_back(message.begin(), message.end());
  stranger.kept_bytes += message.size();
  while (stranger.kept_bytes > limits::unknown_sender_bytes_max ||
         stranger.kept.size() > limits::unknown_sender_messages_max) {
    drop_oldest_message(stranger);
  }
  const std::size_t max = limits::unknown_sender_said_bytes_max;
  stranger.said += as_text(said.last(std::min(said.size(), max)));
  if (stranger.said.size() > max) stranger.said.erase(0, stranger.said.size() - max);
  return stranger;
}

void Strangers::drop_oldest_message(Stranger& of) {
  of.kept_bytes -= of.kept.front().size();
  of.kept.pop_front();
  ++of.dropped;
}

// Whoever has been silent longest goes: a machine that speaks is not driven out by one that only did.
void Strangers::make_room_for_one() {
  if (strangers_.size() < limits::unknown_senders_max) return;
  const auto oldest = std::ranges::min_element(strangers_, {}, [](const auto& entry) { return entry.second.last; });
  log_limited(
      LogLevel::Warning, "line", "strangers", "more unknown senders than can be kept; one is forgotten",
      {{"listener", oldest->first.first}, {"sender", oldest->first.second}, {"messages", oldest->second.messages}});
  strangers_.erase(oldest);
}

std::optional<Strangers::Stranger> Strangers::adopt(const Name& name) {
  const auto found = strangers_.find(name);
  if (found == strangers_.end()) return {};
  std::optional<Stranger> out = std::move(found->second);
  strangers_.erase(found);
  return out;
}

}  // namespace oob
