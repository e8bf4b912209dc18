// The framing of enrolment's two messages.
#include "common/tls/length_prefix.h"

namespace oob {

constexpr std::size_t kLengthBytes = 4;

std::size_t LengthPrefixed::wanted() const {
  if (buffer_.size() < kLengthBytes) return kLengthBytes;
  std::size_t length = 0;
  for (std::size_t i = 0; i < kLengthBytes; ++i) length = length << 8 | std::to_integer<std::size_t>(buffer_[i]);
  return kLengthBytes + length;
}

Result<> LengthPrefixed::receive(ByteView bytes) {
  if (buffer_.size() + bytes.size() > kLengthBytes + bytes_max_)
    return fail(ErrorCode::Usage, "the message is longer than " + std::to_string(bytes_max_) + " bytes");
  append(buffer_, bytes);
  if (wanted() > kLengthBytes + bytes_max_)
    return fail(ErrorCode::Usage, "the message is longer than " + std::to_string(bytes_max_) + " bytes");
  if (buffer_.size() >= kLengthBytes && buffer_.size() > wanted())
    return fail(ErrorCode::Usage, "there is something behind the message");
  return {};
}

std::optional<ByteView> LengthPrefixed::message() const {
  if (buffer_.size() < kLengthBytes || buffer_.size() < wanted()) return std::nullopt;
  return ByteView(buffer_).subspan(kLengthBytes);
}

Bytes with_length(ByteView message) {
  Bytes out;
  for (int shift = 24; shift >= 0; shift -= 8) out.push_back(static_cast<std::byte>(message.size() >> shift & 255));
  append(out, message);
  return out;
}

}  // namespace oob
