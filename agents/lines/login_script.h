// LoginScript: the steps of a login that a line goes through before its console is there: wait for a prompt, answer it.
// Here: what the steps are, and their one canonical text, which travels as the setting `login` of a line. The server
// makes it from the inventory (server/inventory/login_reader.cpp), the agent reads it again; both by the checks below.
// One step a line, words in this order, each at most once, those in brackets if there is something to say:
//   [optional] [expect "REGEX" MILLISECONDS] [fail "REGEX"] [pause MILLISECONDS] [send "TEXT" | secret KEY]
// In quotes a control character, a quote or a backslash is \xNN (two lower-case hexadecimal digits).
#pragma once
#include <string>
#include <string_view>
#include <vector>

#include "common/clock.h"
#include "common/limits.h"
#include "common/result.h"

namespace oob {

struct LoginStep {
  // What is waited for; "" for nothing. RE2 syntax, `^` and `$` at each line, over bytes as they come.
  std::string expect;
  Duration timeout = limits::login_step_time;
  std::string fail;       // found while waiting: the login has failed
  bool optional = false;  // passed over if it is not seen in time, or if the next step is seen first
  Duration pause{0};      // then
  std::string send;       // then; as it is, no line end is added
  std::string secret;     // or the secret of this key of the line, and a carriage return
  bool operator==(const LoginStep&) const = default;
};

using LoginScript = std::vector<LoginStep>;

// Error: Usage; what is wrong with one step, without its place.
Result<> check_step(const LoginStep& step);

std::string login_text(const LoginScript& script);
// Error: Usage. Every script that is parsed passes check_step(), and login_text() gives the same text again.
Result<LoginScript> parse_login(std::string_view text);

}  // namespace oob
