// Invocation: one run of a command: what it was given, the server, and the ways to answer a person or a script. Each
// command is a function that takes one (cli/commands/).
#pragma once
#include <optional>
#include <string>

#include "cli/command_line.h"
#include "cli/rest.h"
#include "cli/server_choice.h"
#include "cli/table.h"
#include "common/clock.h"
#include "common/runtime/shard.h"

namespace oob {

class Invocation {
 public:
  explicit Invocation(CommandLine line)
      : line_(std::move(line)), server_(choose_server(line_.server)), rest_(shard_, server_) {}
  Exit run() { return line_.command->run(*this); }

  const CommandLine& line() const { return line_; }
  bool json() const { return line_.text("--output") == "json"; }
  Shard& shard() { return shard_; }
  Rest& rest() { return rest_; }
  const Result<HttpEndpoint>& server() const { return server_; }  // or why there is none
  std::string server_shown() const { return server_ ? server_->shown : ""; }

  // To standard output. Done too if its reader has gone: who stops reading has seen enough; then reader_gone().
  Exit print(const std::string& text);
  bool reader_gone() const { return reader_gone_; }
  void note(const std::string& text);  // to standard error, as it is
  void hint(const std::string& text);  // to standard error if that is a terminal
  Exit say(const Error& error);        // "oob: .." to standard error, and its exit status
  // Asks "QUESTION [y/N] " and waits for a line; empty: there is no terminal to ask on.
  std::optional<bool> ask(const std::string& question);
  // Asks for one very answer.
  std::optional<bool> ask_for(const std::string& question, const std::string& answer);

  // One listing: the answer as JSON, or what `text` makes of it.
  template <typename Text>
  Exit listing(const Result<json::value>& answer, Text text) {
    if (!answer) return say(answer.error());
    return print(json() ? json_line(*answer) : text(*answer));
  }
  // The console or agent in NAME. A name that cannot be one is refused here: it must not become another path of the
  // API.
  Result<std::string> name();
  // NAMES as the API's query; none: all.
  Rest::Query names_query() const;

 private:
  static std::string json_line(const json::value& value);

  CommandLine line_;
  Result<HttpEndpoint> server_;
  bool reader_gone_ = false;
  Shard shard_;
  Rest rest_;
};

// Fields of a row, for a person.
std::string cell(const json::object& row, std::string_view key);       // escaped
std::string time_cell(const json::object& row, std::string_view key);  // local; "" if there is none
std::string shown(const Table& table);                                 // as wide as standard output is

}  // namespace oob
