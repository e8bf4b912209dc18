// See ether_watch.h.
#include "cli/ether_watch.h"

#include <algorithm>
#include <cctype>

#include "cli/log_text.h"
#include "cli/rest_names.h"
#include "cli/show.h"
#include "common/limits.h"
#include "common/names.h"
#include "common/text.h"

namespace oob {
namespace {

constexpr std::size_t kOutputHead = 1 + 4 + 8;
constexpr int kLinesOfFresh = 20;
constexpr std::string_view kListener = "etherconsole ";

std::uint64_t big_endian(ByteView bytes) {
  std::uint64_t out = 0;
  for (const std::byte byte : bytes) out = out << 8 | std::to_integer<std::uint64_t>(byte);
  return out;
}

std::string lower(std::string text) {
  std::ranges::transform(text, text.begin(), [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  return text;
}

std::string_view without_returns(std::string_view line) {
  while (line.ends_with('\r')) line.remove_suffix(1);
  return line;
}

// Of a stranger that calls itself by what can be a name, with that name.
std::string adoption(const std::string& agent, const std::string& interface, const std::string& type,
                     const std::string& mac, const std::string& called) {
  return "[console." + (could_be_name(called) ? called : "NAME") + "]\nline = \"etherconsole\"\nagent = \"" +
         escape_controls(agent) + "\"\ninterface = \"" + escape_controls(interface) + "\"\nmac = \"" +
         escape_controls(mac) + "\"\n" + (type.empty() ? "" : "ether-type = 0x" + escape_controls(type) + "\n") +
         "insecure = true  # or key-file = \"secrets/NAME\", if the node has a key; plain = true, if it sends bare "
         "text\n";
}

std::string indented(std::string_view lines) {
  std::string out;
  while (!lines.empty()) {
    const std::size_t end = lines.find('\n') + 1;
    out += "    " + std::string(lines.substr(0, end));
    lines.remove_prefix(end);
  }
  return out;
}

}  // namespace

Result<std::string> mac_prefix(std::string_view text) {
  const std::string out = lower(std::string(text));
  for (std::size_t i = 0; i < out.size(); ++i) {
    const bool fits = i % 3 == 2 ? out[i] == ':' : std::isxdigit(static_cast<unsigned char>(out[i])) != 0;
    if (!fits || i >= 17) {
      return fail(ErrorCode::Usage,
                  "--mac takes a hardware address or the beginning of one, as 52:54:00, not " + in_quotes(text));
    }
  }
  return out;
}

EtherWatch::EtherWatch(Choices choices, Outside outside, const Clock& clock)
    : choices_(std::move(choices)), outside_(std::move(outside)), clock_(clock) {}

bool EtherWatch::is_wanted(const std::string& agent, const std::string& mac) const {
  return (choices_.agent.empty() || agent == choices_.agent) && mac.starts_with(choices_.mac);
}

// --- consoles ---

void EtherWatch::consoles(const json::value& answer) {
  std::set<std::string> there;
  for (const auto& one : rows_of(answer, "consoles")) {
    const auto* row = one.if_object();
    if (row == nullptr || text_of(*row, "kind") != "etherconsole") continue;
    const std::string name = text_of(*row, "name"), agent = text_of(*row, "agent"), mac = lower(text_of(*row, "mac"));
    if (!could_be_name(name) || !is_wanted(agent, mac)) continue;
    if (!consoles_.contains(name) && consoles_.size() == limits::stream_channels_max) continue;
    there.insert(name);
    const auto [found, added] = consoles_.try_emplace(name);
    Watched& console = found->second;
    if (added) console.fresh = began_;
    console.name = name, console.agent = agent, console.mac = mac;
    if (connected_ && console.channel == 0 && !console.over) attach(console);
  }
  for (auto& [name, console] : consoles_) {
    if (there.contains(name)) continue;
    end_line(console);
    if (channels_.erase(console.channel) > 0) outside_.send({{"type", "detach"}, {"channel", console.channel}});
  }
  began_ = true;
  std::erase_if(consoles_, [&](const auto& one) { return !there.contains(one.first); });
}

void EtherWatch::attach(Watched& console) {
  console.channel = ++last_channel_;
  channels_[console.channel] = console.name;
  json::object message{{"type", "attach"},        {"channel", console.channel},
                       {"console", console.name}, {"write", false},
                       {"force", false},          {"lines", console.fresh ? kLinesOfFresh : 0},
                       {"tool", "watch"}};
  if (console.next) message["offset"] = *console.next;
  outside_.send(message);
}

void EtherWatch::connected() {
  connected_ = true;
  last_channel_ = 0;
  for (auto& [name, console] : consoles_) {
    if (!console.over) attach(console);
  }
}

void EtherWatch::leave() {
  for (const auto& [channel, name] : channels_) outside_.send({{"type", "detach"}, {"channel", channel}});
  channels_.clear();
}

void EtherWatch::disconnected() {
  connected_ = false;
  channels_.clear();
  for (auto& [name, console] : consoles_) console.channel = 0;
}

void EtherWatch::message(ByteView message, bool binary) {
  if (binary) {
    if (message.size() < kOutputHead || message[0] != std::byte{2}) return;
    const auto found = channels_.find(static_cast<std::uint32_t>(big_endian(message.subspan(1, 4))));
    if (found == channels_.end()) return;
    return output(consoles_.at(found->second), big_endian(message.subspan(5, 8)), message.subspan(kOutputHead));
  }
  boost::system::error_code wrong;
  const json::value parsed = json::parse(json::string_view(as_text(message).data(), message.size()), wrong);
  const json::object* told = wrong ? nullptr : parsed.if_object();
  if (told != nullptr) event(text_of(*told, "type"), *told);
}

void EtherWatch::event(const std::string& type, const json::object& event) {
  const auto found = channels_.find(static_cast<std::uint32_t>(count_at(event, "channel").value_or(0)));
  if (found == channels_.end()) {
    if (type == "error") outside_.remark(shown(event, "text"));
    return;
  }
  Watched& console = consoles_.at(found->second);
  const auto at = count_at(event, "offset"), bytes = count_at(event, "bytes");
  if (type == "attached") {
    const auto log = count_at(event, "log");
    if (console.next ? console.log != log : !console.fresh) console.next = at;  // of another log nothing was seen
    console.log = log;
  } else if (type == "gap" || type == "lagged") {
    if (at && bytes && console.next && *at + *bytes <= *console.next) return;  // told before the connection broke
    if (at) console.next = *at + bytes.value_or(0);
    const std::string much = bytes ? count_of(*bytes, "byte", "bytes") + " missing" : "output missing";
    end_line(console);
    say(console, much + (text_of(event, "text").empty() ? "" : ": " + text_of(event, "text")), type);
  } else if (type == "up" || type == "down") {
    end_line(console);
    say(console, type + (text_of(event, "text").empty() ? "" : ": " + text_of(event, "text")), type);
  } else if (type == "error" || type == "detached") {
    outside_.remark(console.name + ": " + shown(event, "text"));
    end_line(console);
    console.channel = 0, console.over = true;
    channels_.erase(found);
  }
}

void EtherWatch::output(Watched& console, std::uint64_t at, ByteView bytes) {
  const std::uint64_t next = console.next.value_or(at);
  const std::uint64_t seen = at < next ? next - at : 0;  // sent again
  if (seen >= bytes.size()) return;
  std::string_view text = as_text(bytes.subspan(seen));
  console.next = at + seen + text.size();
  console.grew = clock_.now();
  while (!text.empty()) {
    const std::size_t room = limits::ether_watch_line_bytes_max - console.line.size();
    const std::size_t newline = text.find('\n');
    const std::size_t size = std::min({text.size(), newline, room});
    console.line += text.substr(0, size);
    text.remove_prefix(size);
    if (text.empty()) break;
    if (text[0] == '\n') text.remove_prefix(1);
    const std::string line = std::exchange(console.line, "");
    // The end of a line that was shown already is no line of its own.
    if (!std::exchange(console.part, false) || !without_returns(line).empty()) say(console, without_returns(line));
  }
}

void EtherWatch::tick() {
  for (auto& [name, console] : consoles_) {
    if (clock_.now() - console.grew >= limits::ether_watch_line_waits) end_line(console);
  }
}

void EtherWatch::end_line(Watched& console) {
  if (without_returns(console.line).empty()) return;
  const std::string line = std::exchange(console.line, "");
  console.part = true;
  say(console, without_returns(line));
}

void EtherWatch::say(const Watched& console, std::string_view text, const std::string& event) {
  const std::string now = format_utc(clock_.wall());
  if (choices_.json) {
    json::object line{{"time", now}, {"console", console.name}, {"agent", console.agent}, {"mac", console.mac}};
    line["text"] = valid_utf8(text);
    if (!event.empty()) line["event"] = event;
    return outside_.print(json_line(line));
  }
  const std::string shown = event.empty() ? escape_output(text) : "[" + escape_controls(text) + "]";
  outside_.print(local_time(now, clock_.wall()) + " " + console.name + ": " + shown + "\n");
}

// --- unknown senders ---

Result<bool> EtherWatch::agents(const json::value& answer) {
  for (auto& [key, stranger] : strangers_) stranger.here = false;
  std::set<std::string> before;
  std::vector<std::string> names;
  for (const auto& one : rows_of(answer, "agents")) {
    const auto* agent = one.if_object();
    if (agent == nullptr) continue;
    names.push_back(text_of(*agent, "name"));
    if (text_of(*agent, "state") != "connected") {  // nobody knows
      for (auto& [key, stranger] : strangers_) stranger.here |= key.starts_with(names.back() + " ");
    }
    for (const auto& sender : rows_of(one, "unknown_senders")) {
      if (const auto* row = sender.if_object()) look_at(names.back(), *row);
    }
  }
  if (!choices_.agent.empty() && std::ranges::find(names, choices_.agent) == names.end()) {
    return fail(ErrorCode::NotFound,
                "no agent " + in_quotes(choices_.agent) + did_you_mean(nearest_of(choices_.agent, names)));
  }
  return std::erase_if(strangers_, [](const auto& one) { return !one.second.here; }) > 0;
}

void EtherWatch::look_at(const std::string& agent, const json::object& row) {
  std::string listener = text_of(row, "listener");
  const std::string mac = lower(text_of(row, "sender"));
  if (!listener.starts_with(kListener) || !is_wanted(agent, mac)) return;
  const std::string said = last_line(text_of(row, "said")), called = text_of(row, "called");
  const auto [found, first] = strangers_.try_emplace(agent + " " + listener + " " + mac);
  Stranger& stranger = found->second;
  stranger.here = true;
  const bool same = stranger.said == said && stranger.called == called;
  stranger.said = said, stranger.called = called;
  if (same && !first) return;

  listener.erase(0, kListener.size());  // "eth1", "eth1 88b6": its type, if it is not the usual one
  const std::string interface = listener.substr(0, listener.find(' '));
  const std::string type = listener.substr(std::min(interface.size() + 1, listener.size()));
  const std::uint64_t messages = count_at(row, "messages").value_or(0);
  const std::string adopt = first ? adoption(agent, interface, type, mac, called) : "";
  const std::string last = text_of(row, "last");
  if (choices_.json) {
    json::object line{{"time", last}, {"agent", agent}, {"interface", interface}, {"mac", mac}, {"messages", messages}};
    line["text"] = said;
    if (!type.empty()) line["ether_type"] = "0x" + type;
    if (!called.empty()) line["called"] = called;
    if (first) line["adopt"] = adopt;
    return outside_.print(json_line(line));
  }
  const std::string who = escape_controls(mac) + " (" + escape_controls(agent) + " " + escape_controls(listener) +
                          (called.empty() ? "" : ", calls itself \"" + escape_controls(called) + "\"") + ")";
  outside_.print(local_time(last, clock_.wall()) + " " + who + ": " +
                 (said.empty() ? "[" + count_of(messages, "message", "messages") + "]" : escape_output(said)) + "\n" +
                 (first ? "    # as a console, in the inventory:\n" + indented(adopt) : ""));
}

}  // namespace oob
