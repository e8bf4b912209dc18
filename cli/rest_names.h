// Names as the API gives them, and the one a person meant. No I/O.
#pragma once
#include <string>
#include <vector>

#include "common/json/json.h"
#include "common/result.h"

namespace oob {

// The `name` of each object in {list: [..]}.
std::vector<std::string> names_in(const json::value& answer, std::string_view list);

// Whether the server could know a thing by it; what cannot be a name is never put into a request's path.
bool could_be_name(std::string_view text);

// The one of `names` that `name` is or uniquely begins. NotFound names the several it could be, or the nearest of
// `names` and `also_meant`.
Result<std::string> match_name(const std::string& name, const std::vector<std::string>& names,
                               const std::vector<std::string>& also_meant);

}  // namespace oob
