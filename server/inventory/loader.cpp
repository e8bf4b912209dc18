// The loader: parses each file, then reads agents, then nodes and consoles, then groups, so that a name may be used
// before the place where it is defined. Lines of one console are checked in line_reader.cpp, groups in groups.cpp;
// profiles.cpp makes consoles of console servers.
#include "server/inventory/loader.h"

#include <dirent.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "agents/lines/settings.h"
#include "common/limits.h"
#include "common/text.h"
#include "common/toml/table.h"
#include "server/inventory/parts.h"
#include "server/inventory/profiles.h"

namespace oob {
namespace {

using toml_file::Entry;
using toml_file::Value;

class Loader {
 public:
  Loader(std::span<const LineKind> kinds, Diagnostics& to) : kinds_(kinds), to_(to) {}

  void add_file(const InventoryFile& file, const std::string& folder) {
    const std::string shown = folder.empty() ? file.name : folder + (folder.ends_with('/') ? "" : "/") + file.name;
    if (auto document = toml_file::parse(file.text, shown, to_)) documents_.push_back(std::move(*document));
  }

  Inventory run() {
    out_.agents["local"] = {"local", {}};
    for (const auto& document : documents_) read_top(document);
    for (const auto* entry : agents_) read_agent(*entry);
    for (const auto& [name, agent] : out_.agents) agent_names_.push_back(name);
    Profiles profiles(profile_entries_, kinds_, to_);
    profiles_ = &profiles;
    for (const auto* entry : nodes_) read_node(*entry);
    for (const auto* entry : consoles_) {
      const ConsoleContext alone{entry->key, "", {}, agent_names_, kinds_, secrets_};
      if (claim(names_, entry->key, entry->at)) read_console(entry->key, alone, entry->at, entry->value);
    }
    for (const auto* entry : servers_) read_console_server(*entry);
    resolve_groups(groups_, out_, to_);
    return std::move(out_);
  }
  const std::vector<SecretPlace>& secrets() const { return secrets_; }

 private:
  using Places = std::map<std::string, Position, std::less<>>;

  void read_top(const Value& document) {
    TableReader top(document, "", to_);
    const auto gather = [&](std::string_view key, std::vector<const Entry*>& into, bool of_tables) {
      const auto* table = top.table(key);
      if (!table) return;
      for (const auto& entry : table->entries) {
        if (!of_tables || entry.value.is(Value::Type::Table)) {
          into.push_back(&entry);
        } else {
          to_.error(entry.at, in_quotes(entry.key) + " is to be a table: [" + std::string(key) + "." +
                                  escape_controls(entry.key) + "]");
        }
      }
    };
    gather("agent", agents_, true);
    gather("node", nodes_, true);
    gather("console", consoles_, true);
    gather("group", groups_, false);
    gather("profile", profile_entries_, true);
    gather("console-server", servers_, true);
    top.finish();
  }

  // False if the name cannot be had, which is then reported.
  bool claim(Places& places, const std::string& name, const Position& at) {
    if (const auto fine = check_name(name); !fine) {
      to_.error(at, fine.error().message);
      return false;
    }
    const auto [known, is_new] = places.try_emplace(name, at);
    if (!is_new) to_.error(at, in_quotes(name) + " is there twice; the first is at " + to_string(known->second));
    return is_new;
  }

  void read_agent(const Entry& entry) {
    if (!claim(agent_places_, entry.key, entry.at)) return;
    TableReader table(entry.value, "[agent." + entry.key + "]", to_);
    out_.agents[entry.key] = {entry.key, read_labels(table, to_)};
    table.finish();
  }

  void read_node(const Entry& entry) {
    const std::string& name = entry.key;
    if (!claim(names_, name, entry.at)) return;
    TableReader table(entry.value, "[node." + name + "]", to_);
    NodeEntry node{name, {}, read_labels(table, to_)};
    const auto agent = read_agent_name(table, agent_names_, to_);
    ConsoleContext context{name, name, node.labels, agent_names_, kinds_, secrets_, agent.value_or("local")};
    const std::size_t errors_before = to_.errors();
    if (const auto* bmc = table.table("bmc")) node.bmc = read_bmc_table(context, *bmc, to_);
    context.bmc_wrong = to_.errors() != errors_before;
    context.bmc = node.bmc ? &*node.bmc : nullptr;
    std::vector<std::pair<std::string, const Entry*>> consoles;
    if (table.table("console")) consoles.emplace_back(name, entry.value.find("console"));
    if (const auto* more = table.table("consoles")) {
      for (const auto& console : more->entries) {
        if (!console.value.is(Value::Type::Table) || console.key.empty()) {
          to_.error(console.at, "a further console is to be a table with a name: [node." + name + ".consoles.bmc]");
        } else if (claim(names_, name + "." + console.key, console.at)) {
          consoles.emplace_back(name + "." + console.key, &console);
        }
      }
    }
    table.finish();
    for (const auto& [full_name, console] : consoles) {
      read_console(full_name, context, console->at, console->value);
      node.consoles.push_back(full_name);
    }
    if (node.bmc && node.bmc->agent.empty()) {
      const auto* console = node.consoles.empty() ? nullptr : out_.find_console(node.consoles.front());
      node.bmc->agent = agent || !console ? context.agent : console->agent;
    }
    out_.nodes[name] = std::move(node);
  }

  // A port that has the name of a node without a console of its own is that node's.
  void read_console_server(const Entry& entry) {
    if (!claim(server_places_, entry.key, entry.at)) return;
    for (const auto& [name, at, table] : profiles_->consoles_of(entry)) {
      const std::size_t errors = to_.errors();
      const auto node = out_.nodes.find(name);
      const bool of_node = node != out_.nodes.end() && !out_.find_console(name);
      if (!of_node && !claim(names_, name, at)) continue;
      const Labels labels = of_node ? node->second.labels : Labels();
      const ConsoleContext context{name, of_node ? name : "", labels, agent_names_, kinds_, secrets_};
      read_console(name, context, at, table);
      if (of_node) node->second.consoles.insert(node->second.consoles.begin(), name);
      if (to_.errors() != errors) return;  // what is wrong with one is wrong with all
    }
  }

  void read_console(const std::string& name, const ConsoleContext& of_node, const Position& at, const Value& table) {
    if (out_.consoles.size() >= limits::names_max) {
      if (!said_too_many_) to_.error(at, "more than " + std::to_string(limits::names_max) + " consoles");
      said_too_many_ = true;
      return;
    }
    const auto with_profile = table.find("profile") ? profiles_->with_profile(table) : std::optional(table);
    if (!with_profile) return;
    out_.consoles[name] = read_console_table({name, of_node.node, of_node.inherited, agent_names_, kinds_, secrets_,
                                              of_node.agent, of_node.bmc, of_node.bmc_wrong},
                                             *with_profile, to_);
    warn_of_shared(out_.consoles[name], at);
  }

  // Not an error: which of the two is right shows on the machine, and the rest of the inventory is to be had meanwhile.
  void warn_of_shared(const ConsoleEntry& console, const Position& at) {
    const auto kind = std::ranges::find(kinds_, console.line.kind, &LineKind::name);
    if (kind == kinds_.end() || kind->unshared.empty()) return;
    std::string source = console.agent + "\n" + console.line.kind, words;
    for (const std::string_view key : kind->unshared) {
      const auto value = console.line.settings.find(std::string(key));
      const LineKey::Type type = key_of(kind->keys, key).type;
      std::string text = value == console.line.settings.end() ? "" : value->second;
      const bool path = type == LineKey::Type::Path || type == LineKey::Type::SecretFile;
      // Hardware addresses and hosts are the same in capitals.
      if (!path)
        std::ranges::transform(text, text.begin(), [](char c) { return c >= 'A' && c <= 'Z' ? char(c | 32) : c; });
      source += "\n" + text;
      if (value != console.line.settings.end()) words += (words.empty() ? "" : ", ") + std::string(key);
    }
    const auto [other, alone] = unshared_.try_emplace(source, console.name);
    if (alone) return;
    to_.warning(at, in_quotes(console.name) + " and " + in_quotes(other->second) + " have the same " + words +
                        "; only one of them can be up");
  }

  std::span<const LineKind> kinds_;
  Diagnostics& to_;
  std::vector<Value> documents_;  // complete before anything points into them
  std::vector<const Entry*> agents_, nodes_, consoles_, groups_, profile_entries_, servers_;
  Profiles* profiles_ = nullptr;
  Places agent_places_, names_, server_places_;
  std::vector<std::string> agent_names_;
  std::vector<SecretPlace> secrets_;
  std::map<std::string, std::string> unshared_;  // what one line alone can have -> the console that has it
  bool said_too_many_ = false;
  Inventory out_;
};

}  // namespace

Labels read_labels(TableReader& table, Diagnostics& to) {
  Labels out;
  const auto* labels = table.table("labels");
  if (!labels) return out;
  for (const auto& [key, at, value] : labels->entries) {
    if (const auto fine = check_name_letters(key); !fine) {
      to.error(at, "label: " + fine.error().message);
    } else if (!value.is(Value::Type::Text)) {
      to.error(value.at, "the label " + in_quotes(key) + " wants text in quotes, this is " +
                             std::string(toml_file::type_name(value.type)));
    } else if (const auto& text = value.text; text.size() > limits::label_bytes_max || escape_controls(text) != text ||
                                              text != std::string(trimmed(text)) ||
                                              text.find_first_of(",!&[]") != std::string::npos) {
      to.error(value.at, "the label " + in_quotes(key) + " cannot be " + in_quotes(text) +
                             ": no \", ! & [ ] \\\", control characters, or spaces at its ends; at most " +
                             std::to_string(limits::label_bytes_max) + " bytes");
    } else {
      out[key] = text;
    }
  }
  return out;
}

std::optional<std::vector<InventoryFile>> read_inventory_folder(const std::string& folder, Diagnostics& to) {
  const std::unique_ptr<DIR, int (*)(DIR*)> listing(::opendir(folder.c_str()), ::closedir);
  if (!listing) {
    to.error(position_in(folder), std::string("the inventory's folder cannot be opened: ") + std::strerror(errno));
    return {};
  }
  std::vector<std::string> names;
  while (const auto* entry = ::readdir(listing.get())) {
    const std::string name = entry->d_name;
    if (name.ends_with(".toml") && !name.starts_with('.')) names.push_back(name);
  }
  if (names.size() > limits::config_files_max) {
    to.error(position_in(folder), "more than " + std::to_string(limits::config_files_max) + " files");
    return {};
  }
  std::ranges::sort(names);
  std::vector<InventoryFile> out;
  bool whole = true;
  for (const auto& name : names) {
    const std::string path = folder + (folder.ends_with('/') ? "" : "/") + name;
    auto text = toml_file::read_config_file(path, path, to);
    if (text) out.push_back({name, std::move(*text)});
    whole = whole && text;
  }
  return whole ? std::optional(std::move(out)) : std::nullopt;
}

InventorySnapshot load_inventory(std::span<const InventoryFile> files, const std::string& folder,
                                 std::span<const LineKind> kinds, Diagnostics& to, std::vector<SecretPlace>* secrets) {
  const std::size_t errors_before = to.errors();
  Loader loader(kinds, to);
  for (const auto& file : files) loader.add_file(file, folder);
  // A file that could not be parsed defines names that others use: what else would be said is noise.
  if (to.errors() != errors_before) return nullptr;
  auto inventory = std::make_shared<Inventory>(loader.run());
  if (secrets) *secrets = loader.secrets();
  return to.errors() == errors_before ? inventory : nullptr;
}

}  // namespace oob
