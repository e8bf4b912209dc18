// Which words fit, without I/O.
#include "cli/complete.h"

#include <algorithm>

#include "cli/command.h"
#include "cli/help.h"

namespace oob {
namespace {

constexpr std::string_view kRights[] = {"list",  "read", "write", "takeover", "break",
                                        "sysrq", "down", "log",   "config",   "admin"};

class Completion {
 public:
  Completion(std::vector<std::string> words, const std::function<LiveNames(Live)>& ask)
      : words_(std::move(words)), now_(words_.back()), ask_(ask) {}

  std::vector<Candidate> run() {
    if (server()) {
      return std::move(out_);
    } else if (words_.size() == 1) {
      first_word();
    } else if (words_[0] == "help") {
      help();
    } else {
      in_command();
    }
    return std::move(out_);
  }

 private:
  // Takes --server and its value out of what stands before the cursor. True: the cursor is at its value.
  bool server() {
    const std::string name(server_option().names);
    for (auto at = words_.begin(); at + 1 != words_.end() && *at != "--";) {
      const bool joined = at->starts_with(name + "=");
      if (*at != name && !joined) {
        ++at;
        continue;
      }
      if (!joined && at + 2 == words_.end()) return value(Value::Server, ""), true;
      at = words_.erase(at, at + (joined ? 1 : 2));
    }
    now_ = words_.back();
    if (!now_.starts_with(name + "=")) return false;
    return value(Value::Server, name + "="), true;
  }

  void add(const std::string& word, std::string_view text = "") {
    if (word.starts_with(now_)) out_.push_back({word, std::string(text)});
  }

  void first_word() {
    if (now_.starts_with('-')) {
      add("--help", "an overview");
      add("--server", server_option().text);
      return add("--version", "versions of `oob` and of the server");
    }
    for (const std::string& verb : verbs()) {
      const Command* command = find_command(verb);
      std::string text(command != nullptr ? command->text : verb == "help" ? "what a command does" : "");
      for (const std::string& second : second_words(verb)) text += (text.empty() ? "" : ", ") + second;
      add(verb, text);
    }
    for (const std::string& name : ask_(Live::Consoles).consoles) add(name, "attach to this console");
  }

  void help() {
    if (words_.size() == 2) {
      for (const std::string& verb : verbs()) add(verb);
    } else if (words_.size() == 3) {
      for (const std::string& second : second_words(words_[1])) add(second);
    }
  }

  void in_command() {
    std::size_t at = 1;
    const Command* command = find_command(words_[0]);
    if (command == nullptr) {
      const auto seconds = second_words(words_[0]);
      if (!seconds.empty() && words_.size() == 2) {
        for (const std::string& second : seconds) add(second, find_command(words_[0] + " " + second)->text);
        return;
      }
      command = find_command(seconds.empty() ? "attach" : words_[0] + " " + words_[1]);
      at = seconds.empty() ? 0 : 2;  // a plain NAME is an argument of attach
    }
    if (command != nullptr) after(*command, at);
  }

  static const Option* option_of(const Command& command, const std::string& name) {
    for (const Option& option : command.options) {
      const auto names = names_of(option);
      if (std::find(names.begin(), names.end(), name) != names.end()) return &option;
    }
    return nullptr;
  }

  // The words from `at` on belong to `command`.
  void after(const Command& command, std::size_t at) {
    std::vector<const Option*> given;
    std::size_t arguments = 0;
    bool only_arguments = false;
    for (; at + 1 < words_.size(); ++at) {
      const std::string& word = words_[at];
      if (only_arguments || !word.starts_with('-') || word == "-") {
        ++arguments;
      } else if (word == "--") {
        only_arguments = true;
      } else if (const Option* option = option_of(command, word.substr(0, word.find('='))); option != nullptr) {
        given.push_back(option);
        if (option->takes.empty() || word.find('=') != std::string::npos) continue;
        if (at + 2 == words_.size()) return value_of(*option, "");
        ++at;
      }
    }
    const std::size_t equals = now_.find('=');
    if (!only_arguments && now_.starts_with("--") && equals != std::string::npos) {
      const Option* option = option_of(command, now_.substr(0, equals));
      if (option != nullptr && !option->takes.empty()) value_of(*option, now_.substr(0, equals + 1));
    } else if (!only_arguments && now_.starts_with('-')) {
      options(command, given);
    } else if (!command.arguments.empty()) {
      const bool more = arguments < command.arguments.size() || command.arguments.back().many;
      const std::size_t which = std::min(arguments, command.arguments.size() - 1);
      if (more) value(command.arguments[which].value, "");
    }
  }

  void options(const Command& command, const std::vector<const Option*>& given) {
    for (const Option& option : command.options) {
      const bool is_given = std::find(given.begin(), given.end(), &option) != given.end();
      const bool excluded = std::any_of(given.begin(), given.end(), [&](const Option* other) {
        return (!option.excludes.empty() && option_of(command, std::string(option.excludes)) == other) ||
               (!other->excludes.empty() && option_of(command, std::string(other->excludes)) == &option);
      });
      if (excluded || (is_given && !option.many)) continue;
      // The long name says what it does; the others are offered to who has typed one of them.
      const auto names = names_of(option);
      const bool is_short = std::find(names.begin(), names.end(), now_) != names.end();
      add(is_short ? now_ : names.back(), option.text);
    }
    add("--server", server_option().text);
    add("--help", "this command's help");
  }

  void value_of(const Option& option, const std::string& before) {
    for (const std::string_view word : option.one_of) add(before + std::string(word));
    if (option.one_of.empty()) value(option.value, before);
  }

  void value(Value kind, std::string before) {
    switch (kind) {
      case Value::Text:
        return;
      case Value::File:
        return out_.push_back({":files", ""});
      case Value::Folder:
        return out_.push_back({":folders", ""});
      case Value::Agent:
        for (const std::string& name : ask_(Live::Agents).agents) add(before + name);
        return;
      case Value::Console:
        for (const std::string& name : ask_(Live::Consoles).consoles) add(before + name);
        return;
      case Value::Names:
        return names(std::move(before));
      case Value::Server:
        for (const std::string& name : ask_(Live::Servers).servers) add(before + name);
        return;
      case Value::User:
        for (const std::string& name : ask_(Live::Users).users) add(before + name);
        return;
      case Value::Token:
        for (const Candidate& one : ask_(Live::Tokens).tokens) add(before + one.word, one.text);
        return;
      case Value::Revision:
        for (const Candidate& one : ask_(Live::Revisions).revisions) add(before + one.word, one.text);
        return;
      case Value::Rights: {
        const std::size_t comma = now_.rfind(',');
        if (comma != std::string::npos && comma >= before.size()) before = now_.substr(0, comma + 1);
        for (const std::string_view right : kRights) add(before + std::string(right));
        return;
      }
    }
  }

  // NAMES: what stands before the last operator is kept; nothing fits within brackets.
  void names(std::string before) {
    const std::string typed = now_.substr(before.size());
    std::size_t begin = 0;
    int depth = 0;
    for (std::size_t i = 0; i < typed.size(); ++i) {
      if (typed[i] == '[') ++depth;
      if (typed[i] == ']') --depth;
      if (depth == 0 && (typed[i] == ',' || typed[i] == '!' || typed[i] == '&')) begin = i + 1;
    }
    if (depth > 0) return;
    before += typed.substr(0, begin);
    const LiveNames live = ask_(Live::Names);
    for (const std::string& name : live.consoles) add(before + name);
    for (const std::string& group : live.groups) add(before + "@" + group, "group");
    for (const std::string& label : live.labels) add(before + label, "label");
  }

  std::vector<std::string> words_;
  std::string now_;
  const std::function<LiveNames(Live)>& ask_;
  std::vector<Candidate> out_;
};

}  // namespace

std::vector<Candidate> candidates(const std::vector<std::string>& words, const std::function<LiveNames(Live)>& ask) {
  return words.empty() ? std::vector<Candidate>{} : Completion(words, ask).run();
}

}  // namespace oob
