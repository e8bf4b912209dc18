// The Authorization header and the token in it, under any text: what is accepted is written again as it was.
// links: oob_http
#include "common/crypto/access_token.h"
#include "common/http/http.h"

extern "C" int LLVMFuzzerTestOneInput(const unsigned char* data, std::size_t size) {
  using namespace oob;
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  for (const Secret& shown : {bearer_token(text), Secret(as_bytes(text))}) {
    const auto token = parse_access_token(shown.reveal());
    if (token && shown.reveal().find(access_token_text(*token).reveal()) == std::string_view::npos) __builtin_trap();
  }
  return 0;
}
