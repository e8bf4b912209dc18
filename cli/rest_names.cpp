// Which name was meant.
#include "cli/rest_names.h"

#include <algorithm>

#include "cli/show.h"
#include "common/names.h"
#include "common/nearest.h"
#include "common/text.h"

namespace oob {

std::vector<std::string> names_in(const json::value& answer, std::string_view list) {
  std::vector<std::string> names;
  const auto* object = answer.if_object();
  const auto* rows = object != nullptr ? object->if_contains(json::string_view(list.data(), list.size())) : nullptr;
  if (rows == nullptr || !rows->is_array()) return names;
  for (const auto& row : rows->get_array()) {
    if (!row.is_object()) continue;
    std::string name = text_of(row.get_object(), "name");
    if (check_name_letters(name)) names.push_back(std::move(name));  // no server of ours sends others to a terminal
  }
  return names;
}

bool could_be_name(std::string_view text) { return check_name(text).has_value(); }

Result<std::string> match_name(const std::string& name, const std::vector<std::string>& names,
                               const std::vector<std::string>& also_meant) {
  std::vector<std::string> begun;
  for (const std::string& candidate : names) {
    if (candidate == name) return name;
    if (candidate.starts_with(name)) begun.push_back(candidate);
  }
  if (begun.size() == 1 && !name.empty()) return begun[0];
  const std::string quoted = "\"" + escape_controls(name) + "\"";
  if (begun.size() > 1 && !name.empty()) {
    std::sort(begun.begin(), begun.end());
    std::string some;
    for (std::size_t i = 0; i < begun.size() && i < 4; ++i) some += (i == 0 ? "" : ", ") + begun[i];
    if (begun.size() > 4) some += ", and " + std::to_string(begun.size() - 4) + " more";
    return fail(ErrorCode::NotFound, "no console " + quoted + "; " + some + " begin so");
  }
  Nearest nearest(name);
  for (const auto* list : {&names, &also_meant}) {
    for (const std::string& candidate : *list) nearest.consider(candidate);
  }
  return fail(ErrorCode::NotFound, std::string(also_meant.empty() ? "no console " : "no console or command ") + quoted +
                                       (nearest.best() ? did_you_mean(nearest.best()) : "; `oob ls` lists them"));
}

}  // namespace oob
