// parse_token under any text: what it accepts, it writes again as it was.
// links: oob_crypto
#include "common/crypto/token.h"

extern "C" int LLVMFuzzerTestOneInput(const unsigned char* data, std::size_t size) {
  using namespace oob;
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  const auto token = parse_token(text);
  if (!token) return 0;
  const Secret again = token_text(*token);
  if (text.find(again.reveal()) == std::string_view::npos) __builtin_trap();
  return 0;
}
