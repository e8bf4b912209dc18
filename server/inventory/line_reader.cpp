// One console's table: its agent, and its line's keys checked against the table that the line's driver declares.
#include <algorithm>
#include <limits>

#include "agents/bmc/bmc_login.h"
#include "agents/lines/settings.h"
#include "common/limits.h"
#include "common/text.h"
#include "server/inventory/parts.h"

namespace oob {
namespace {

// The kind of line that goes by a BMC, and its keys that are the BMC's rather than the line's.
constexpr std::string_view kKindOfBmc = "sol";
constexpr std::string_view kKeysOfBmc[] = {"address", "port",  "user",      "password-file",
                                           "kg-file", "suite", "privilege", "quirks"};

// Another way into the same BMC is its SSH command line.
constexpr std::string_view kKeysOfBmcBySsh[] = {"address", "user", "password-file"};

const LineKind* read_kind(TableReader& table, std::span<const LineKind> kinds) {
  std::vector<std::string> names;
  for (const auto& kind : kinds) names.emplace_back(kind.name);
  if (!table.require("line")) return nullptr;
  const auto written = table.one_of("line", names);
  if (!written) return nullptr;
  return &*std::ranges::find(kinds, *written, &LineKind::name);
}

std::optional<std::string> read_integer(TableReader& table, const LineKey& key) {
  const bool bounded = key.min != 0 || key.max != 0;
  using Any = std::numeric_limits<std::int64_t>;
  const auto number = table.integer(key.name, bounded ? key.min : Any::min(), bounded ? key.max : Any::max());
  return number ? std::optional(std::to_string(*number)) : std::nullopt;
}

std::optional<std::string> read_text(TableReader& table, const LineKey& key) {
  auto text = table.text(key.name);
  if (text && text->empty()) {
    table.error(key.name, in_quotes(key.name) + " is empty");
    return {};
  }
  return text;
}

std::optional<std::string> read_words(TableReader& table, const LineKey& key) {
  const auto* value = table.any(key.name);
  if (!value) return {};
  std::vector<std::string> words;
  if (value->is(toml_file::Value::Type::List)) {
    words = table.texts(key.name).value_or(words);
  } else if (const auto one = table.text(key.name)) {
    words = {*one};
  } else {
    return {};
  }
  std::string out;
  for (const auto& word : words) {
    if (word.empty() || word.find(',') != std::string::npos) {
      table.error(key.name, in_quotes(word) + " cannot be one of " + in_quotes(key.name));
      return {};
    }
    out += (out.empty() ? "" : ",") + word;
  }
  if (out.empty()) {
    table.error(key.name, in_quotes(key.name) + " is empty");
    return {};
  }
  return out;
}

// A key's value as drivers get it: numbers in decimal, times in milliseconds, "true" or "false". One that is not
// written is `otherwise`'s, if that has it.
void read_key(TableReader& table, const LineKind& kind, const LineKey& key, const LineConfig& otherwise,
              std::vector<SecretPlace>& secrets, Diagnostics& to, LineConfig& out) {
  const auto inherited = otherwise.settings.find(std::string(key.name));
  const bool inherits =
      key.type == LineKey::Type::TextList ? !otherwise.argv.empty() : inherited != otherwise.settings.end();
  if (inherits && !table.any(key.name)) {
    if (key.type == LineKey::Type::TextList) {
      out.argv = otherwise.argv;
    } else {
      out.settings.insert(*inherited);
    }
    return;
  }
  if (key.required && !table.require(key.name)) return;
  std::optional<std::string> value;
  switch (key.type) {
    case LineKey::Type::Text:
    case LineKey::Type::Address:
    case LineKey::Type::Path:
      value = read_text(table, key);
      break;
    case LineKey::Type::Integer:
      value = read_integer(table, key);
      break;
    case LineKey::Type::Boolean:
      if (const auto on = table.boolean(key.name)) value = *on ? "true" : "false";
      break;
    case LineKey::Type::Duration:
      if (const auto time = table.duration(key.name)) value = std::to_string(time->count());
      break;
    case LineKey::Type::SecretFile:
      value = read_secret_place(table, key.name, secrets);
      if (value && kind.name == "sol" && key.name == "password-file") {
        secrets.back().bytes_max = limits::ipmi_password_bytes_max;
      }
      break;
    case LineKey::Type::Words:
      value = read_words(table, key);
      break;
    case LineKey::Type::Login:
      value = read_login(table, key.name, kind, to);
      break;
    case LineKey::Type::TextList:
      if (const auto list = table.texts(key.name)) {
        if (list->empty()) table.error(key.name, in_quotes(key.name) + " is empty");
        out.argv = *list;
      }
      break;
  }
  if (value) out.settings[std::string(key.name)] = std::move(*value);
}

}  // namespace

std::optional<std::string> read_secret_place(TableReader& table, std::string_view key,
                                             std::vector<SecretPlace>& secrets) {
  auto place = table.text(key);
  if (!place) return place;
  if (const std::string wrong = secret_place_error(*place); !wrong.empty()) {
    table.error(key, in_quotes(*place) + " " + wrong);
    return {};
  }
  secrets.push_back({table.position(key), *place});
  return place;
}

std::optional<std::string> read_agent_name(TableReader& table, const std::vector<std::string>& agents,
                                           Diagnostics& to) {
  auto agent = table.text("agent");
  if (agent && !std::ranges::binary_search(agents, *agent)) {
    to.error_about(table.position("agent"), "no agent " + in_quotes(*agent), *agent, agents);
  }
  return agent;
}

BmcEntry read_bmc_table(const ConsoleContext& context, const toml_file::Value& value, Diagnostics& to) {
  const std::size_t errors_before = to.errors();
  TableReader table(value, "the bmc of " + in_quotes(context.name), to);
  BmcEntry out{read_agent_name(table, context.agents, to).value_or(""),
               {context.name, std::string(kKindOfBmc), {}, {}}};
  const auto kind = std::ranges::find(context.kinds, kKindOfBmc, &LineKind::name);
  if (kind == context.kinds.end()) {
    to.error(value.at, "this version knows no lines of kind " + in_quotes(kKindOfBmc));
    return out;
  }
  for (const auto& key : kind->keys) {
    if (std::ranges::find(kKeysOfBmc, key.name) != std::end(kKeysOfBmc)) {
      read_key(table, *kind, key, {}, context.secrets, to, out.line);
    }
  }
  if (const auto clear = table.boolean("insecure")) out.line.settings["insecure"] = *clear ? "true" : "false";
  table.finish();
  if (to.errors() != errors_before) return out;
  std::string key;
  if (const auto login = bmc_login(out.line, key); !login) table.error(key, login.error().message);
  return out;
}

ConsoleEntry read_console_table(const ConsoleContext& context, const toml_file::Value& value, Diagnostics& to) {
  const std::size_t errors_before = to.errors();
  TableReader table(value, "the console " + in_quotes(context.name), to);
  ConsoleEntry out{context.name, context.node, context.agent, {}, context.inherited};
  out.line.name = context.name;
  const auto agent = read_agent_name(table, context.agents, to);
  for (auto& [label, text] : read_labels(table, to)) out.labels[label] = text;
  const LineKind* kind = read_kind(table, context.kinds);
  if (!kind) {
    // Which keys there may be is not known, but a key that no kind has is a slip, perhaps of `line` itself.
    for (const auto& other : context.kinds) {
      for (const auto& key : other.keys) table.any(key.name);
    }
    table.finish();
    return out;
  }
  out.line.kind = kind->name;
  const bool by_ssh = kind->name == "ssh" && !table.any("address");
  const bool takes_over = context.bmc && (kind->name == kKindOfBmc || by_ssh);
  if (takes_over && !context.bmc->agent.empty()) out.agent = context.bmc->agent;
  if (agent) out.agent = *agent;
  const LineConfig nothing;
  for (const auto& key : kind->keys) {
    const bool of_bmc =
        takes_over && (!by_ssh || std::ranges::find(kKeysOfBmcBySsh, key.name) != std::end(kKeysOfBmcBySsh));
    if (of_bmc && context.bmc_wrong && !table.any(key.name)) continue;
    read_key(table, *kind, key, of_bmc ? context.bmc->line : nothing, context.secrets, to, out.line);
  }
  table.finish();
  if (to.errors() != errors_before || !kind->check || (takes_over && context.bmc_wrong)) return out;
  std::string key;
  if (const auto fine = kind->check(out.line, key); !fine) {
    table.error(key.empty() ? "line" : std::string_view(key), fine.error().message);
  } else if (const std::string advice = kind->advice ? kind->advice(out.line, key) : ""; !advice.empty()) {
    to.warning(table.position(key), advice);
  }
  return out;
}

}  // namespace oob
