// Access tokens as text and back.
#include "common/crypto/access_token.h"

#include <array>

#include "common/limits.h"

namespace oob {
namespace {

constexpr std::string_view kPrefix = "oob_";
constexpr std::string_view kBlank = " \t\r\n";
constexpr std::size_t kIdBytes = 4, kIdDigits = 2 * kIdBytes;
constexpr std::size_t kSecretBytes = 32, kSecretLetters = 43;

}  // namespace

AccessToken make_access_token() {
  std::array<std::byte, kIdBytes> id;
  fill_random(id);
  std::array<std::byte, kSecretBytes> random;
  fill_random(random);
  AccessToken token{hex(id), Secret(ByteView(random))};
  wipe(MutableBytes(random));
  return token;
}

Secret access_token_text(const AccessToken& token) {
  std::string coded = base64url(as_bytes(token.secret.reveal()));
  std::string text;
  text.reserve(kPrefix.size() + kIdDigits + 1 + kSecretLetters);
  text.append(kPrefix).append(token.id).append("_").append(coded);
  wipe(coded);
  return Secret(std::move(text));
}

Sha256 access_token_hash(const Secret& secret) { return sha256(as_bytes(secret.reveal())); }

Result<AccessToken> parse_access_token(std::string_view text) {
  const auto wrong = [](const char* why) {
    return fail(ErrorCode::Usage, std::string("this is no access token") + why +
                                      "; it is the one line that `oob token create` prints, and begins with oob_");
  };
  if (text.size() > limits::token_bytes_max) return wrong(": it is too long");
  const auto begin = text.find_first_not_of(kBlank);
  if (begin == std::string_view::npos) return wrong(": there is nothing");
  text = text.substr(begin, text.find_last_not_of(kBlank) + 1 - begin);
  if (text.starts_with("oob1.")) return wrong(", but one that enrols an agent");
  if (!text.starts_with(kPrefix)) return wrong("");
  text.remove_prefix(kPrefix.size());
  if (text.size() != kIdDigits + 1 + kSecretLetters || text[kIdDigits] != '_') return wrong(", or not a whole one");
  const auto id = parse_hex(text.substr(0, kIdDigits));
  auto secret = parse_base64url(text.substr(kIdDigits + 1));
  if (!id || !secret || secret->size() != kSecretBytes) return wrong(", or not a whole one");
  AccessToken token{std::string(text.substr(0, kIdDigits)), Secret(ByteView(*secret))};
  wipe(MutableBytes(*secret));
  return token;
}

}  // namespace oob
