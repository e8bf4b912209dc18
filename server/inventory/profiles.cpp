// See profiles.h.
#include "server/inventory/profiles.h"

#include <algorithm>
#include <charconv>
#include <set>

#include "common/limits.h"
#include "common/names.h"
#include "common/nearest.h"
#include "common/text.h"

namespace oob {
namespace {

using toml_file::Entry;
using toml_file::Value;

constexpr std::int64_t kPortsOfServer = 1024;  // unless the profile says less
constexpr std::int64_t kTcpPortMax = 65535;

void replace_all(std::string& text, std::string_view what, const std::string& by) {
  for (auto at = text.find(what); at != std::string::npos; at = text.find(what, at + by.size()))
    text.replace(at, what.size(), by);
}

// Whether `what` stands in any text below.
bool mentions(const Value& value, std::string_view what) {
  if (value.text.find(what) != std::string::npos) return true;
  return std::ranges::any_of(value.list, [&](const Value& element) { return mentions(element, what); }) ||
         std::ranges::any_of(value.entries, [&](const Entry& entry) { return mentions(entry.value, what); });
}

void fill_in(Value& value, std::string_view what, const std::string& by) {
  replace_all(value.text, what, by);
  for (auto& element : value.list) fill_in(element, what, by);
  for (auto& entry : value.entries) fill_in(entry.value, what, by);
}

bool is_one_of(std::string_view key, std::initializer_list<std::string_view> keys) {
  return std::ranges::find(keys, key) != keys.end();
}

Entry* find_entry(Value& table, std::string_view key) {
  const auto found = std::ranges::find(table.entries, key, &Entry::key);
  return found == table.entries.end() ? nullptr : &*found;
}

std::string text_of(const Entry* entry) { return entry && entry->value.is(Value::Type::Text) ? entry->value.text : ""; }

// "1-6,8"; nothing if it is no list of port numbers.
std::optional<std::vector<std::int64_t>> port_numbers(const std::string& text) {
  const bool plain = !text.empty() && text.find_first_not_of("0123456789-, ") == std::string::npos;
  const auto numbers = plain ? expand_ranges("[" + text + "]") : fail(ErrorCode::Usage, "");
  if (!numbers) return {};
  std::vector<std::int64_t> out;
  for (const auto& number : *numbers) {
    std::int64_t value = -1;
    std::from_chars(number.data(), number.data() + number.size(), value);
    out.push_back(value);
  }
  return out;
}

}  // namespace

Profiles::Profiles(const std::vector<const Entry*>& own, std::span<const LineKind> kinds, Diagnostics& to)
    : kinds_(kinds), to_(to) {
  for (const auto* entry : own) {
    TableReader table(entry->value, "[profile." + entry->key + "]", to_);
    std::vector<std::string> names;
    for (const auto& kind : kinds_) {
      names.emplace_back(kind.name);
      const auto* of_kind = table.table(kind.name);
      if (!of_kind) continue;
      TableReader keys(*of_kind, "[profile." + entry->key + "." + names.back() + "]", to_);
      keys.integer("base", 0, kTcpPortMax);
      keys.integer("increment", 1, kTcpPortMax);
      keys.integer("tcp-port", 1, kTcpPortMax);
      for (const auto& key : kind.keys) keys.any(key.name);  // read where they are used
      keys.finish();
    }
    for (const char* key : {"about", "source"}) table.text(key);
    table.integer("ports", 1, kPortsOfServer);
    table.one_of("line", names);
    table.finish();
    known_[entry->key] = &entry->value;
  }
}

void Profiles::read_built_in() {
  if (read_) return;
  read_ = true;
  for (const auto& profile : built_in_profiles()) {
    if (auto file = toml_file::parse(profile.text, std::string("profiles.d/") + profile.file, to_))
      built_in_.push_back(std::move(*file));
  }
  for (const auto& file : built_in_) {
    const auto* table = file.find("profile");
    if (!table) continue;
    for (const auto& entry : table->value.entries) known_.try_emplace(entry.key, &entry.value);
  }
}

const Value* Profiles::find(const std::string& name) {
  auto found = known_.find(name);
  if (found == known_.end()) read_built_in(), found = known_.find(name);
  return found == known_.end() ? nullptr : found->second;
}

std::vector<std::string> Profiles::names() {
  read_built_in();
  std::vector<std::string> out;
  for (const auto& [name, table] : known_) out.push_back(name);
  return out;
}

const Value* Profiles::require(TableReader& table) {
  const auto name = table.text("profile");
  if (!name) return nullptr;
  const Value* profile = find(*name);
  if (!profile) to_.error_about(table.position("profile"), "no profile " + in_quotes(*name), *name, names());
  return profile;
}

std::optional<Value> Profiles::with_profile(const Value& console) {
  TableReader table(console, "", to_);  // the console's own reader says what is unknown
  const Value* profile = require(table);
  if (!profile) return {};
  const std::size_t errors = to_.errors();
  const auto port = table.integer("port", 1, kPortsOfServer);
  return to_.errors() == errors ? merge(console, *profile, port) : std::nullopt;
}

std::optional<Value> Profiles::merge(const Value& console, const Value& profile, std::optional<std::int64_t> port) {
  Value out = console;
  std::erase_if(out.entries, [](const Entry& entry) {
    return is_one_of(entry.key, {"profile", "port", "base", "increment"});
  });
  const Position at = console.find("profile") ? console.find("profile")->value.at : console.at;
  const std::string name = text_of(console.find("profile"));
  if (!console.find("line") && profile.find("line")) out.entries.push_back(*profile.find("line"));
  const std::string line = text_of(out.find("line"));
  if (line.empty()) return out;  // which the console's reader says
  const Entry* of_kind = profile.find(line);
  if (!of_kind || !of_kind->value.is(Value::Type::Table)) {
    std::string has;
    for (const auto& kind : kinds_) {
      if (profile.find(kind.name)) has += (has.empty() ? "" : ", ") + std::string(kind.name);
    }
    to_.error(out.find("line")->value.at, "the profile " + in_quotes(name) + " knows no line " + in_quotes(line) +
                                              "; it has " + (has.empty() ? "none" : has));
    return {};
  }
  const auto number = [&](const char* key, std::int64_t otherwise) {
    const Entry* entry = console.find(key) ? console.find(key) : of_kind->value.find(key);
    return entry && entry->value.is(Value::Type::Integer) ? entry->value.integer : otherwise;
  };
  const Entry* highest = profile.find("ports");
  const std::int64_t ports =
      highest && highest->value.is(Value::Type::Integer) ? highest->value.integer : kPortsOfServer;
  if (port && (*port < 1 || *port > ports)) {
    to_.error(at, "port " + std::to_string(*port) + ": the ports of profile " + in_quotes(name) + " are 1 to " +
                      std::to_string(ports));
    return {};
  }
  const std::int64_t base = number("base", -1);
  if (port && base < 0 && !mentions(of_kind->value, "{port}")) {
    to_.error(at, "the profile " + in_quotes(name) + " has no TCP ports of its own for " + line +
                      "; write base = N, the TCP port of port 0");
    return {};
  }
  const std::int64_t tcp_port = port && base >= 0 ? base + number("increment", 1) * *port : number("tcp-port", 0);
  if (tcp_port > kTcpPortMax) {
    to_.error(at, "port " + std::to_string(*port) + " would have the TCP port " + std::to_string(tcp_port));
    return {};
  }
  if (Entry* address = find_entry(out, "address"); address && tcp_port > 0) {
    std::string& host = address->value.text;
    const bool bare_v6 = host.find(':') != host.rfind(':') && !host.starts_with('[');
    const auto colon = host.rfind(':');
    const bool has_port = !bare_v6 && colon != std::string::npos && host.find(']', colon) == std::string::npos;
    if (has_port && port) {
      to_.error(address->value.at, "write the address without a port; the profile has it: " + std::to_string(tcp_port));
      return {};
    }
    if (!has_port) host = (bare_v6 ? "[" + host + "]" : host) + ":" + std::to_string(tcp_port);
  }
  const std::string user = text_of(out.find("user"));
  for (Entry entry : of_kind->value.entries) {
    if (is_one_of(entry.key, {"base", "increment", "tcp-port"})) continue;
    Entry* own = find_entry(out, entry.key);
    const bool around = entry.key == "user" && mentions(entry.value, "{user}");
    if (around ? !own : own != nullptr) continue;
    if (mentions(entry.value, "{port}")) {
      if (!port) {
        to_.error(at, "the profile " + in_quotes(name) + " wants to know which port: write port = N");
        return {};
      }
      fill_in(entry.value, "{port}", std::to_string(*port));
    }
    fill_in(entry.value, "{user}", user);
    if (around) {
      own->value.text = entry.value.text;
    } else {
      out.entries.push_back(std::move(entry));
    }
  }
  return out;
}

std::vector<Profiles::Served> Profiles::consoles_of(const Entry& server) {
  std::vector<Served> out;
  TableReader table(server.value, "[console-server." + server.key + "]", to_);
  std::vector<std::string> missing;
  for (const char* key : {"profile", "address", "ports"}) {
    if (!table.require(key)) missing.emplace_back(key);
  }
  // The consoles' readers look at the others, but without these there are none.
  for (const auto& entry : server.value.entries) {
    if (!nearest_of(entry.key, missing)) table.any(entry.key);
  }
  table.text("address");
  table.integer("base", 0, kTcpPortMax);
  table.integer("increment", 1, kTcpPortMax);
  const std::size_t errors = to_.errors();
  const Value* ports = table.table("ports");
  const Value* profile = require(table);
  table.finish();
  if (!missing.empty() || !ports || !profile || to_.errors() != errors) return out;
  Value common = server.value;
  std::erase_if(common.entries, [](const Entry& entry) { return entry.key == "ports"; });
  std::set<std::int64_t> taken;
  for (const auto& [key, at, value] : ports->entries) {
    const auto numbers = port_numbers(key);
    if (!numbers) {
      to_.error(at, in_quotes(key) + " is no list of ports, such as \"1-6\" or \"8\"");
      continue;
    }
    if (!value.is(Value::Type::Text)) {
      to_.error(value.at, "the ports " + in_quotes(key) + " want names in quotes, such as \"db[01-06]\"");
      continue;
    }
    const auto names = expand_ranges(value.text);
    if (!names) {
      to_.error(value.at, names.error().message);
      continue;
    }
    if (names->size() != numbers->size()) {
      to_.error(value.at, in_quotes(key) + " is " + count_of(numbers->size(), "port", "ports") + ", and " +
                              in_quotes(value.text) + " is " + count_of(names->size(), "name", "names"));
      continue;
    }
    for (std::size_t i = 0; i < names->size(); ++i) {
      if (!taken.insert((*numbers)[i]).second) {
        to_.error(at, "port " + std::to_string((*numbers)[i]) + " is there twice");
        continue;
      }
      auto console = merge(common, *profile, (*numbers)[i]);
      if (!console) return out;
      out.push_back({(*names)[i], value.at, std::move(*console)});
    }
  }
  return out;
}

}  // namespace oob
