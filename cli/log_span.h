// --since and --until, as `oob log`, `oob grep` and `oob attach` take them.
#pragma once
#include <string>

#include "cli/invocation.h"

namespace oob {

Option since_option(std::string_view excludes = "");
Option until_option();

struct LogSpanAsked {
  std::string since, until;  // UTC; "" if not given
  Rest::Query query;         // both, for the API
};
// Says on standard error what had to be decided about a time. Usage: one is no time, or they are the wrong way round.
Result<LogSpanAsked> read_span(Invocation& invocation);

}  // namespace oob
