// A login script as it is written: `login = [ { expect = "..." }, { send = "..." } ]`, checked step by step, each
// mistake at its place, and made the one text that travels (agents/lines/login_script.h).
#include <algorithm>

#include "agents/lines/login_dialogue.h"
#include "agents/lines/login_script.h"
#include "server/inventory/parts.h"

namespace oob {
namespace {

using toml_file::Value;

// The key of a secret that the step sends, which the console must have.
void check_secret(TableReader& step, TableReader& console, const std::string& wanted, const LineKind& kind,
                  Diagnostics& to) {
  std::vector<std::string> secrets;
  for (const auto& key : kind.keys) {
    if (key.type == LineKey::Type::SecretFile) secrets.emplace_back(key.name);
  }
  if (std::ranges::find(secrets, wanted) == secrets.end()) {
    to.error_about(step.position("send-secret"),
                   "\"send-secret\" names a key with a secret's file, such as \"password-file\"; " + in_quotes(wanted) +
                       " is none",
                   wanted, secrets);
  } else if (!console.any(wanted)) {
    console.error("", "the login script sends what " + in_quotes(wanted) + " holds, and the console has no such key");
  }
}

LoginStep read_step(const Value& value, TableReader& console, const LineKind& kind, Diagnostics& to) {
  const std::size_t errors = to.errors();
  TableReader step(value, "a step of the login script", to);
  LoginStep out;
  const auto text = [&](const char* key, std::string& into) {
    const auto given = step.text(key);
    if (given && given->empty()) step.error(key, in_quotes(key) + " is empty");
    into = given.value_or("");
  };
  text("expect", out.expect);
  text("fail", out.fail);
  text("send", out.send);
  text("send-secret", out.secret);
  out.optional = step.boolean("optional").value_or(false);
  out.timeout = step.duration("timeout").value_or(out.timeout);
  out.pause = step.duration("pause").value_or(out.pause);
  if (step.any("timeout") && out.expect.empty()) step.error("timeout", "\"timeout\" is for a step that has \"expect\"");
  for (const auto& [key, pattern] : {std::pair("expect", &out.expect), std::pair("fail", &out.fail)}) {
    if (pattern->empty()) continue;
    if (const auto good = check_pattern(*pattern); !good) step.error(key, good.error().message);
  }
  if (!out.secret.empty()) check_secret(step, console, out.secret, kind, to);
  step.finish();
  if (to.errors() != errors) return out;
  if (const auto good = check_step(out); !good) to.error(value.at, good.error().message);
  return out;
}

}  // namespace

std::optional<std::string> read_login(TableReader& console, std::string_view key, const LineKind& kind,
                                      Diagnostics& to) {
  const std::size_t errors = to.errors();
  const Value* list = console.list(key);
  if (!list) return {};
  LoginScript script;
  for (const Value& element : list->list) {
    if (element.is(Value::Type::Table)) {
      script.push_back(read_step(element, console, kind, to));
    } else {
      to.error(element.at, "a step of the login script is written { expect = \"login: \", send = \"oob\\r\" }");
    }
  }
  if (script.empty()) console.error(key, in_quotes(key) + " has no step");
  if (script.size() > limits::login_steps_max)
    console.error(key, "a login script has at most " + std::to_string(limits::login_steps_max) + " steps");
  const std::string text = login_text(script);
  if (text.size() > limits::login_text_bytes_max) console.error(key, "the login script is too long");
  return to.errors() == errors ? std::optional(text) : std::nullopt;
}

}  // namespace oob
