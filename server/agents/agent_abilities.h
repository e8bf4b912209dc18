// AgentAbilities: which lines an agent can serve, by the kinds and keys its hello named. An older agent would leave out
// a key it does not know without a word; it is not given such a line.
#pragma once
#include <set>
#include <string>

namespace oob::wire {
class Assignment;
class Hello;
class LineSpec;
}  // namespace oob::wire

namespace oob {

class AgentAbilities {
 public:
  void learn(const wire::Hello& hello);
  // "" if it can serve the line; else what it lacks: `kind "serial"`, `key "term" of kind "exec"`.
  std::string lacks(const wire::LineSpec& line) const;

 private:
  std::set<std::string> kinds_, keys_;  // keys as "exec term"
};

// Makes of a line what an agent keeps down, saying it knows no such kind; what the line said before is still sent.
void make_unknown(wire::LineSpec& line, const std::string& lacks);

}  // namespace oob
