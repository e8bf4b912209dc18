// The one-time token that lets a machine enrol: one line of text, "oob1." and base64url of
//   version (1) | length of name | name | secret (32 bytes) | SHA-256 of the server's CA certificate (32 bytes)
// The server keeps only the secret's hash. Shown once, by `oob agent enroll`; read by `oob-agent join`.
#pragma once
#include <string>
#include <string_view>

#include "common/crypto/secret.h"
#include "common/result.h"

namespace oob {

struct Token {
  std::string name;            // the agent's
  Secret secret;               // 32 random bytes
  std::string ca_fingerprint;  // lower-case hex
};

// A fresh secret for this agent. `name` passed check_name(), the fingerprint is 64 hex digits (asserted).
Token make_token(std::string_view name, std::string_view ca_fingerprint);
Secret token_text(const Token& token);
std::string token_hash(const Secret& secret);  // what the server keeps: SHA-256, hex

// Blanks around it are ignored. Error: Usage, in words, without repeating the text.
Result<Token> parse_token(std::string_view text);

}  // namespace oob
