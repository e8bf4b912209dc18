// Tokens as text and back.
#include "common/crypto/token.h"

#include <algorithm>
#include <array>
#include <cassert>

#include "common/crypto/digest.h"
#include "common/limits.h"
#include "common/names.h"

namespace oob {
namespace {

constexpr std::string_view kPrefix = "oob1.";
constexpr std::byte kVersion{1};
constexpr std::size_t kSecretBytes = 32;

tl::unexpected<Error> not_a_token() {
  return fail(ErrorCode::Usage,
              "this is no enrolment token, or not a whole one; "
              "it is the one line that \"oob agent enroll NAME\" prints");
}

}  // namespace

Token make_token(std::string_view name, std::string_view ca_fingerprint) {
  assert(name.size() <= limits::name_bytes_max && ca_fingerprint.size() == 2 * kSha256Bytes);
  std::array<std::byte, kSecretBytes> random;
  fill_random(random);
  Token token{std::string(name), Secret(random), std::string(ca_fingerprint)};
  wipe(MutableBytes(random));
  return token;
}

Secret token_text(const Token& token) {
  std::string packed{static_cast<char>(kVersion), static_cast<char>(token.name.size())};
  const auto fingerprint = parse_hex(token.ca_fingerprint);
  assert(fingerprint && token.secret.reveal().size() == kSecretBytes);
  packed.reserve(2 + token.name.size() + kSecretBytes + kSha256Bytes);
  packed.append(token.name).append(token.secret.reveal()).append(as_text(*fingerprint));
  std::string coded = base64url(as_bytes(packed));
  wipe(packed);
  std::string text;
  text.reserve(kPrefix.size() + coded.size());
  text.append(kPrefix).append(coded);
  wipe(coded);
  return text;
}

std::string token_hash(const Secret& secret) { return hex(sha256(as_bytes(secret.reveal()))); }

Result<Token> parse_token(std::string_view text) {
  constexpr std::string_view kBlanks = " \t\r\n";
  text.remove_prefix(std::min(text.find_first_not_of(kBlanks), text.size()));
  text = text.substr(0, text.find_last_not_of(kBlanks) + 1);
  if (text.empty()) return fail(ErrorCode::Usage, "the enrolment token is empty");
  if (text.size() > limits::token_bytes_max || !text.starts_with(kPrefix)) return not_a_token();
  auto packed = parse_base64url(text.substr(kPrefix.size()));
  if (!packed) return not_a_token();
  const Secret wiped{ByteView(*packed)};  // the only copy that lives on
  wipe(MutableBytes(*packed));
  const std::string_view all = wiped.reveal();
  if (all.size() < 2) return not_a_token();
  if (static_cast<std::byte>(all[0]) != kVersion)
    return fail(ErrorCode::Usage, "this enrolment token is of another version of Outband; update this machine's");
  const std::size_t name_bytes = static_cast<unsigned char>(all[1]);
  if (all.size() != 2 + name_bytes + kSecretBytes + kSha256Bytes) return not_a_token();
  const std::string_view name = all.substr(2, name_bytes);
  if (!check_name(name)) return not_a_token();
  return Token{std::string(name), Secret(as_bytes(all.substr(2 + name_bytes, kSecretBytes))),
               hex(as_bytes(all.substr(2 + name_bytes + kSecretBytes)))};
}

}  // namespace oob
