// Secret: bytes that must not be shown: keys, passwords, tokens. It cannot be printed or compared by accident, and is
// wiped from memory when it goes. Also the files secrets live in: 0600, the reader's own.
#pragma once
#include <string>
#include <string_view>

#include "common/bytes.h"
#include "common/result.h"

namespace oob {

class Secret {
 public:
  Secret() = default;
  Secret(std::string text);  // NOLINT: implicit, so that text becomes secret without ceremony; the argument is wiped
  explicit Secret(ByteView bytes) : bytes_(bytes.begin(), bytes.end()) {}
  ~Secret();
  Secret(const Secret& other) = default;
  Secret(Secret&& other) noexcept = default;
  Secret& operator=(Secret other) noexcept;

  std::string_view reveal() const { return as_text(bytes_); }  // valid as long as this Secret
  bool empty() const { return bytes_.empty(); }

 private:
  Bytes bytes_;
};

// Overwrites bytes, even though nothing reads them afterwards; a string is also emptied.
void wipe(MutableBytes bytes);
void wipe(std::string& text);

// The whole file, at most limits::secret_file_bytes_max. Refuses (Denied) one that others may read or that belongs to
// another user than root and us, and says which command sets that right; NotFound; Unavailable.
Result<Secret> read_secret_file(const std::string& path);
// A password or key as people write one into a file: the same, at most limits::line_secret_bytes_max, not empty
// (Denied); one newline at its end does not count.
Result<Secret> read_password_file(const std::string& path);

// Writes the file with mode 0600, all or nothing: an older file stays as it was until the new one is on the disk.
Result<> write_private_file(const std::string& path, std::string_view text);

}  // namespace oob
