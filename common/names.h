// The one grammar of names and of NAMES, expressions that stand for many (man page: oob(1), NAMES). Sans-IO; used by
// the inventory checker, the API and, later, access rules. Bounded on hostile input: at most limits::names_max names
// result, limits::names_steps_max steps are taken.
//
//   names  = term *("," term)                       union, in the order written, each name once
//   term   = factor *(("!" / "&") factor)           takes away / keeps only; left to right
//   factor = pattern / "@" group / label "=" value
//   pattern: a name with [01-16,20] ranges and * ? globs; zeros of a range's first bound are kept
#pragma once
#include <string>
#include <string_view>
#include <vector>

#include "common/nearest.h"
#include "common/result.h"

namespace oob {

// [A-Za-z0-9][A-Za-z0-9._-]{0,63}, and no verb of `oob`. Error: Usage, says why and what is allowed.
Result<> check_name(std::string_view name);
// The same, but may be a verb: groups, labels.
Result<> check_name_letters(std::string_view name);

// What there is to choose from. References stay valid while select_names() runs.
class NameUniverse {
 public:
  virtual ~NameUniverse() = default;
  virtual const std::vector<std::string>& all() const = 0;  // sorted, each once
  // Names in a group (others than those of all() are ignored); null if there is no such group.
  virtual const std::vector<std::string>* members(std::string_view group) const = 0;
  virtual std::vector<std::string> groups() const = 0;  // for "did you mean"
  virtual std::vector<std::string> labelled(std::string_view label, std::string_view value) const = 0;
  virtual std::vector<std::string> labels() const = 0;  // as "role=web", for "did you mean"
};

// The names an expression stands for. Errors: Usage (grammar, with what is wanted; too many), NotFound (a name, group
// or label that is not there, with the nearest; nothing selected).
// `steps`: gets what it cost, of limits::names_steps_max.
Result<std::vector<std::string>> select_names(std::string_view expression, const NameUniverse& universe,
                                              std::size_t* steps = nullptr);

// The reverse, for output: "web[01-16,20],db1". Names of one shape fold on their last number.
std::string fold_names(const std::vector<std::string>& names);

// Only the ranges, without a universe: "db[01-06]" -> six names. Usage if it is more than one pattern or has a glob.
Result<std::vector<std::string>> expand_ranges(std::string_view pattern);

// True if text is a NAMES expression rather than one plain word: it has an operator, a range, a glob or an @.
bool is_names_expression(std::string_view text);

}  // namespace oob
