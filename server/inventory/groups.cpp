// Groups: each a list of NAMES over nodes and consoles, of other groups, or of people.
#include <algorithm>
#include <set>

#include "common/limits.h"
#include "common/text.h"
#include "server/inventory/parts.h"

namespace oob {

std::string_view trimmed(std::string_view text) {
  const auto start = text.find_first_not_of(' ');
  if (start == std::string_view::npos) return {};
  return text.substr(start, text.find_last_not_of(' ') + 1 - start);
}

namespace {

using toml_file::Entry;
using toml_file::Value;

class Groups final : public NameUniverse {
 public:
  Groups(const std::vector<const Entry*>& groups, Inventory& out, Diagnostics& to) : out_(out), to_(to) {
    for (const auto* entry : groups) claim(*entry);
    std::set<std::string> names;
    for (const auto& [name, node] : out_.nodes) names.insert(name);
    for (const auto& [name, console] : out_.consoles) names.insert(name);
    all_.assign(names.begin(), names.end());
  }

  void resolve_all() {
    for (const auto& [name, entry] : entries_) resolve(name, 0);
  }

  const std::vector<std::string>& all() const override { return all_; }
  const std::vector<std::string>* members(std::string_view group) const override {
    const auto found = out_.groups.find(group);
    return found == out_.groups.end() ? nullptr : &found->second;
  }
  std::vector<std::string> groups() const override {
    std::vector<std::string> out;
    for (const auto& [name, entry] : entries_) out.push_back(name);
    return out;
  }
  std::vector<std::string> labelled(std::string_view label, std::string_view value) const override {
    const auto bears = [&](const Labels& labels) {
      const auto found = labels.find(label);
      return found != labels.end() && found->second == value;
    };
    std::vector<std::string> out;
    for (const auto& name : all_) {
      const auto node = out_.nodes.find(name);
      const auto* console = out_.find_console(name);
      if ((node != out_.nodes.end() && bears(node->second.labels)) || (console && bears(console->labels))) {
        out.push_back(name);
      }
    }
    return out;
  }
  std::vector<std::string> labels() const override {
    std::set<std::string> out;
    for (const auto& [name, node] : out_.nodes) {
      for (const auto& [label, value] : node.labels) out.insert(label + "=" + value);
    }
    for (const auto& [name, console] : out_.consoles) {
      for (const auto& [label, value] : console.labels) out.insert(label + "=" + value);
    }
    return {out.begin(), out.end()};
  }

 private:
  void claim(const Entry& entry) {
    if (const auto fine = check_name_letters(entry.key); !fine) return to_.error(entry.at, fine.error().message);
    const auto [known, is_new] = entries_.try_emplace(entry.key, &entry);
    if (!is_new) {
      to_.error(entry.at, "the group " + in_quotes(entry.key) + " is there twice; the first is at " +
                              to_string(known->second->at));
    } else if (!entry.value.is(Value::Type::List)) {
      to_.error(entry.value.at, "the group " + in_quotes(entry.key) + " wants a list of names, this is " +
                                    std::string(toml_file::type_name(entry.value.type)));
    }
  }

  // Resolves the groups it holds first. False if it could not be.
  bool resolve(const std::string& name, std::size_t depth) {
    if (out_.groups.contains(name)) return true;
    const Entry& entry = *entries_.at(name);
    if (depth > limits::groups_deep_max || !in_progress_.insert(name).second) {
      to_.error(entry.at,
                "the group " + in_quotes(name) +
                    (depth > limits::groups_deep_max ? " lies too deep in other groups" : " contains itself"));
      return false;
    }
    std::set<std::string> members;
    for (const auto& element : entry.value.list) {
      if (element.is(Value::Type::Text)) {
        if (resolve_mentioned(element, depth)) add(element, members);
      } else {
        to_.error(element.at,
                  "a group holds names in quotes, this is " + std::string(toml_file::type_name(element.type)));
      }
    }
    in_progress_.erase(name);
    out_.groups[name].assign(members.begin(), members.end());
    return true;
  }

  bool resolve_mentioned(const Value& element, std::size_t depth) {
    const std::string_view text = element.text;
    for (auto at = text.find('@'); at != std::string_view::npos; at = text.find('@', at + 1)) {
      const auto end = text.find_first_of(",!& ", at);
      const auto found = entries_.find(text.substr(at + 1, end == std::string_view::npos ? end : end - at - 1));
      if (found != entries_.end() && !resolve(found->first, depth + 1)) return false;
    }
    return true;
  }

  void add(const Value& element, std::set<std::string>& into) {
    const std::string& text = element.text;
    if (!is_names_expression(text)) {
      if (!text.empty() && trimmed(text) == text && escape_controls(text) == text) {
        warn_if_misspelt(element);
        return void(into.insert(text));
      }
      return to_.error(element.at, in_quotes(text) + " is neither a name nor a person");
    }
    if (const auto* group = text.starts_with('@') ? members(std::string_view(text).substr(1)) : nullptr) {
      return into.insert(group->begin(), group->end());  // with the people in it
    }
    if ((steps_ += all_.size() + 1) > limits::names_steps_max) {
      return to_.error(element.at, "the groups look at too many names; write fewer expressions");
    }
    auto names = select_names(text, *this);
    if (!names) return to_.error(element.at, names.error().message);
    into.insert(names->begin(), names->end());
  }

  // A word that is no node is a person; one that is nearly a node is more likely a slip.
  void warn_if_misspelt(const Value& element) {
    const std::string& text = element.text;
    if (std::ranges::binary_search(all_, text) || (steps_ += all_.size() + 1) > limits::names_steps_max) return;
    if (const auto near = nearest_of(text, all_)) {
      to_.warning(element.at, "no node or console is called " + in_quotes(text) + ", so it counts as a person" +
                                  did_you_mean(near));
    }
  }

  Inventory& out_;
  Diagnostics& to_;
  std::map<std::string, const Entry*, std::less<>> entries_;
  std::set<std::string> in_progress_;
  std::vector<std::string> all_;
  std::size_t steps_ = 0;
};

}  // namespace

void resolve_groups(const std::vector<const Entry*>& groups, Inventory& out, Diagnostics& to) {
  Groups(groups, out, to).resolve_all();
}

}  // namespace oob
