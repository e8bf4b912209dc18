// One message behind its length (4 bytes, big-endian), as enrolment sends one each way. Sans-IO; holds at most the
// length it was made for. Used by both ends: server/agents/enrolment and agents/join.
#pragma once
#include <optional>

#include "common/bytes.h"
#include "common/result.h"

namespace oob {

class LengthPrefixed {
 public:
  explicit LengthPrefixed(std::size_t bytes_max) : bytes_max_(bytes_max) {}
  // Bytes as they come. Error, after which nothing is taken: too long, or more than one message.
  Result<> receive(ByteView bytes);
  std::optional<ByteView> message() const;  // once it is whole; valid as long as this
  Bytes& buffer() { return buffer_; }       // to wipe it

 private:
  std::size_t wanted() const;  // bytes of length and message, as far as known

  std::size_t bytes_max_;
  Bytes buffer_;
};

Bytes with_length(ByteView message);

}  // namespace oob
