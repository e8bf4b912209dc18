// See run_steps.h.
#include "cli/run_steps.h"

#include "cli/show.h"
#include "common/limits.h"
#include "common/text.h"
#include "common/toml/table.h"

namespace oob {
namespace {

// A newline in the text is the one that was chosen.
std::string typed(std::string_view text, const std::string& newline, bool with_end) {
  const std::string end = newline == "lf" ? "\n" : newline == "crlf" ? "\r\n" : newline == "none" ? "" : "\r";
  std::string out;
  for (const char c : text) out += c == '\n' && newline != "none" ? end : std::string(1, c);
  return with_end ? out + end : out;
}

RunStep send_text(const std::string& text, const RunOptions& options) {
  return {.keys = typed(text, options.newline, true), .shown = "\"" + escape_typed(text) + "\""};
}

Result<RunStep> send_file(const std::string& path, const RunOptions& options) {
  Diagnostics wrong;
  const auto text = toml_file::read_config_file(path, path, wrong);
  if (!text) return fail(ErrorCode::Usage, wrong.text());
  return RunStep{.keys = typed(*text, options.newline, false), .shown = "the file " + escape_controls(path)};
}

Result<RunStep> send_secret(const std::string& path, const RunOptions& options) {
  const auto secret = read_secret_file(path);
  if (!secret) return tl::unexpected(secret.error());
  std::string_view text = secret->reveal();
  while (text.ends_with('\n') || text.ends_with('\r')) text.remove_suffix(1);
  if (text.empty()) return fail(ErrorCode::Usage, escape_controls(path) + " is empty");
  return RunStep{.kind = RunStep::Kind::SendSecret,
                 .keys = typed(text, options.newline, true),
                 .shown = "the secret of " + escape_controls(path)};
}

Result<RunStep> expect(const std::string& regex, Duration timeout) {
  auto pattern = Pattern::parse(regex);
  if (!pattern) return tl::unexpected(pattern.error());
  return RunStep{.kind = RunStep::Kind::Expect,
                 .keys = {},
                 .shown = "\"" + escape_typed(regex) + "\"",
                 .pattern = std::move(*pattern),
                 .timeout = timeout};
}

}  // namespace

Result<std::vector<RunStep>> steps_from_options(const std::vector<std::pair<std::string, std::string>>& given,
                                                const RunOptions& options) {
  std::vector<RunStep> steps;
  for (const auto& [option, value] : given) {
    Result<RunStep> step = option == "--send"               ? send_text(value, options)
                           : option == "--send-file"        ? send_file(value, options)
                           : option == "--send-secret-file" ? send_secret(value, options)
                                                            : expect(value, options.timeout);
    if (!step) return fail(step.error().code, option + ": " + step.error().message);
    steps.push_back(std::move(*step));
  }
  return steps;
}

Result<std::vector<RunStep>> steps_from_file(const std::string& path, const RunOptions& options) {
  Diagnostics wrong;
  std::vector<RunStep> steps;
  const auto document = toml_file::load(path, wrong);
  const auto refuse = [&] { return fail(ErrorCode::Usage, wrong.text()); };
  if (!document) return refuse();
  TableReader top(*document, "", wrong);
  const toml_file::Value* list = top.list("step");
  for (const auto& value : list != nullptr ? list->list : std::vector<toml_file::Value>()) {
    if (!value.is(toml_file::Value::Type::Table)) {
      wrong.error(value.at, "a step has to be a table: [[step]]");
      continue;
    }
    TableReader table(value, "[[step]]", wrong);
    const auto text = table.text("send"), file = table.text("send-file"), secret = table.text("send-secret-file"),
               regex = table.text("expect");
    const Duration timeout = table.duration("timeout").value_or(options.timeout);
    const auto take = [&](std::string_view key, Result<RunStep> step) {
      if (step) return steps.push_back(std::move(*step));
      table.error(key, step.error().message);
    };
    if (text.has_value() + file.has_value() + secret.has_value() > 1) {
      wrong.error(value.at, "a step sends one thing: send, send-file or send-secret-file");
    }
    if (text) take("send", send_text(*text, options));
    if (file) take("send-file", send_file(path_beside(path, *file), options));
    if (secret) take("send-secret-file", send_secret(path_beside(path, *secret), options));
    if (regex) take("expect", expect(*regex, timeout));
    table.finish();
    if (!text && !file && !secret && !regex) wrong.error(value.at, "a step has to send or expect something");
  }
  if (list == nullptr && !wrong.failed()) wrong.error(position_in(path), "there is no [[step]] in it");
  top.finish();
  if (wrong.failed()) return refuse();
  return steps;
}

}  // namespace oob
