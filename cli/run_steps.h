// The steps of `oob run`: what to send and what to wait for, in order, from the command line or a TOML file. Files are
// read here, before anything is attached; a secret comes from a file of mode 0600 only.
#pragma once
#include <string>
#include <utility>
#include <vector>

#include "cli/expect.h"
#include "common/clock.h"
#include "common/crypto/secret.h"

namespace oob {

struct RunStep {
  enum class Kind { Send, SendSecret, Expect };
  Kind kind = Kind::Send;
  Secret keys;        // as they are typed, with the newline
  std::string shown;  // for people: the text, the file's name or the pattern; never a secret
  Pattern pattern;    // Expect
  Duration timeout{0};
};

struct RunOptions {
  std::string newline = "cr";  // cr, lf, crlf, none
  Duration timeout{30'000};    // of each expect that names none
};

// `given`: option ("--send", "--send-file", "--send-secret-file", "--expect") and value. Usage and what the files say.
Result<std::vector<RunStep>> steps_from_options(const std::vector<std::pair<std::string, std::string>>& given,
                                                const RunOptions& options);
// [[step]] with send, send-file or send-secret-file, expect, timeout. The error is what is wrong, a line each, with
// file, line and column.
Result<std::vector<RunStep>> steps_from_file(const std::string& path, const RunOptions& options);

}  // namespace oob
