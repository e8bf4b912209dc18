// What a client sends on the stream, text and binary: parsed, or refused, and every view inside what was sent.
// links: oob_front
#include <cstdlib>

#include "server/front/stream_messages.h"

extern "C" int LLVMFuzzerTestOneInput(const unsigned char* bytes, std::size_t size) {
  const oob::ByteView view(reinterpret_cast<const std::byte*>(bytes), size);
  const auto text = oob::parse_client_text(oob::as_text(view));
  if (text && (text->channel == 0 || text->channel > 0x7fffffff)) std::abort();
  if (!text && text.error().error.message.empty()) std::abort();
  const auto binary = oob::parse_client_binary(view);
  if (binary && binary->keys.size() != size - oob::kInputHeadBytes) std::abort();
  return 0;
}
