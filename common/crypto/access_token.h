// The token that lets a person or a program in from elsewhere, one word: "oob_", its id (8 hex digits), "_", and 32
// random bytes as base64url. The id is no secret: listings, logs and `oob token revoke` name a token by it. The server
// keeps the SHA-256 of the secret; being 256 random bits it needs no slow hash, which exist for what people choose.
#pragma once
#include <string>
#include <string_view>

#include "common/crypto/digest.h"
#include "common/crypto/secret.h"
#include "common/result.h"

namespace oob {

struct AccessToken {
  std::string id;
  Secret secret;  // its 32 bytes
};

AccessToken make_access_token();
Secret access_token_text(const AccessToken& token);
Sha256 access_token_hash(const Secret& secret);

// Blanks around it are ignored. Error: Usage, in words, without repeating the text.
Result<AccessToken> parse_access_token(std::string_view text);

}  // namespace oob
