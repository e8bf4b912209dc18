// What could stand at the end of a command line that is being typed: the answer to a shell's Tab. Comes from the tables
// of commands and, for names, from the server. Scripts for bash, zsh and fish (packaging/completion/) ask for it by
// `oob --complete WORD..`, the last word being the one under the cursor.
#pragma once
#include <functional>
#include <string>
#include <vector>

namespace oob {

struct Candidate {
  std::string word;  // whole: what is there already, with its completion
  std::string text;  // what it means; may be empty
};

// What the server knows, asked for when it is wanted; empty lists if it does not answer.
struct LiveNames {
  std::vector<std::string> consoles = {}, groups = {}, labels = {}, agents = {};  // labels: "role=web"
  std::vector<std::string> servers = {}, users = {};                              // servers: those logged in to
  std::vector<Candidate> tokens = {}, revisions = {};                             // with what is known of each
};
enum class Live { Consoles, Names, Agents, Servers, Users, Tokens, Revisions };  // Names: consoles, groups and labels

// `words` without the program's name, at least one; --server may be among them. A candidate ":files" or ":folders": the
// shell knows those.
std::vector<Candidate> candidates(const std::vector<std::string>& words, const std::function<LiveNames(Live)>& ask);

// The whole of `oob --complete`: prints a candidate a line, its meaning behind a tab. Never says what is wrong: there
// is a prompt on the terminal. Waits for the server limits::completion_time_max at most.
int run_complete(const std::vector<std::string>& words);

}  // namespace oob
