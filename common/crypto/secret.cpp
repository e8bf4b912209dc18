// Secret and its files, by open(2), fstat(2), rename(2).
#include "common/crypto/secret.h"

#include <fcntl.h>
#include <openssl/crypto.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstdlib>
#include <cstring>

#include "common/limits.h"
#include "common/nearest.h"

namespace oob {
namespace {

// A descriptor that is closed on every way out.
struct OpenFile {
  explicit OpenFile(int number) : fd(number) {}
  OpenFile(const OpenFile&) = delete;
  OpenFile& operator=(const OpenFile&) = delete;
  ~OpenFile() {
    if (fd >= 0) ::close(fd);
  }
  int fd;
};

tl::unexpected<Error> system_error(const std::string& what, const std::string& path) {
  const int error = errno;
  const auto code = error == ENOENT ? ErrorCode::NotFound : ErrorCode::Unavailable;
  return fail(code, "cannot " + what + " " + in_quotes(path) + ": " + std::strerror(error));
}

// The stat(2) of a file that may hold a secret, or why it may not.
Result<> check_private(const struct stat& status, const std::string& path) {
  std::array<char, 8> mode{};
  std::snprintf(mode.data(), mode.size(), "%04o", status.st_mode & 07777u);
  if (!S_ISREG(status.st_mode)) return fail(ErrorCode::Denied, in_quotes(path) + " is not a plain file");
  if ((status.st_mode & 07177u) != 0)
    return fail(ErrorCode::Denied, in_quotes(path) + " has mode " + mode.data() +
                                       ", which a file with a secret may not have; chmod 600 it");
  if (status.st_uid != geteuid() && status.st_uid != 0)
    return fail(ErrorCode::Denied, in_quotes(path) + " belongs to uid " + std::to_string(status.st_uid) +
                                       "; a file with a secret must belong to its reader: chown it to uid " +
                                       std::to_string(geteuid()));
  return {};
}

Result<> write_all(int fd, std::string_view text, const std::string& path) {
  while (!text.empty()) {
    const ssize_t n = ::write(fd, text.data(), text.size());
    if (n < 0 && errno != EINTR) return system_error("write", path);
    if (n > 0) text.remove_prefix(static_cast<std::size_t>(n));
  }
  return {};
}

Result<Secret> read_private(const std::string& path, std::size_t bytes_max) {
  // O_NONBLOCK: a FIFO of that name is refused, not waited for.
  const OpenFile file(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY));
  if (file.fd < 0 && errno == EACCES)
    return fail(ErrorCode::Unavailable, "uid " + std::to_string(geteuid()) + " may not read " + in_quotes(path) +
                                            "; chown it to the user who reads it");
  if (file.fd < 0) return system_error("open", path);
  struct stat status {};
  if (fstat(file.fd, &status) != 0) return system_error("stat", path);
  if (const auto may = check_private(status, path); !may) return tl::unexpected(may.error());
  std::string text(bytes_max + 1, '\0');
  std::size_t size = 0;
  while (size < text.size()) {
    const ssize_t n = ::read(file.fd, text.data() + size, text.size() - size);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return system_error("read", path);
    if (n == 0) break;
    size += static_cast<std::size_t>(n);
  }
  Secret secret(as_bytes(std::string_view(text).substr(0, size)));
  wipe(text);
  if (size > bytes_max)
    return fail(ErrorCode::Denied,
                in_quotes(path) + " is too long to hold a secret (more than " + std::to_string(bytes_max) + " bytes)");
  return secret;
}

}  // namespace

Secret::Secret(std::string text) {
  append(bytes_, text);
  wipe(text);
}
Secret::~Secret() { wipe(MutableBytes(bytes_)); }
Secret& Secret::operator=(Secret other) noexcept {
  bytes_.swap(other.bytes_);
  return *this;
}

void wipe(MutableBytes bytes) { OPENSSL_cleanse(bytes.data(), bytes.size()); }
void wipe(std::string& text) {
  wipe(std::as_writable_bytes(std::span(text.data(), text.size())));
  text.clear();
}

Result<Secret> read_secret_file(const std::string& path) { return read_private(path, limits::secret_file_bytes_max); }

Result<Secret> read_password_file(const std::string& path) {
  auto whole = read_private(path, limits::line_secret_bytes_max);
  if (!whole) return whole;
  ByteView text = as_bytes(whole->reveal());
  if (!text.empty() && text.back() == std::byte{'\n'}) text = text.first(text.size() - 1);
  if (text.empty()) return fail(ErrorCode::Denied, in_quotes(path) + " is empty; write the secret into it");
  return Secret(text);
}

Result<> write_private_file(const std::string& path, std::string_view text) {
  std::string temporary = path + ".XXXXXX";
  OpenFile file(::mkostemp(temporary.data(), O_CLOEXEC));  // mode 0600
  if (file.fd < 0) return system_error("write", path);
  auto written = write_all(file.fd, text, path);
  if (written && ::fsync(file.fd) != 0) written = system_error("write", path);
  if (written && ::rename(temporary.c_str(), path.c_str()) != 0) written = system_error("write", path);
  if (!written) {
    ::unlink(temporary.c_str());
    return written;
  }
  const auto slash = path.rfind('/');
  const std::string folder = slash == std::string::npos ? "." : path.substr(0, slash + 1);
  const OpenFile directory(::open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (directory.fd < 0 || ::fsync(directory.fd) != 0) return system_error("write", folder);
  return {};
}

}  // namespace oob
