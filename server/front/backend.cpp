// See backend.h.
#include "server/front/backend.h"

#include "common/text.h"

namespace oob {

Error no_console(Backend& backend, const std::string& name) {
  const std::string near = backend.near_console(name);
  return {ErrorCode::NotFound,
          "no console \"" + escape_controls(name) + "\"" + (near.empty() ? "" : "; did you mean \"" + near + "\"?")};
}

}  // namespace oob
