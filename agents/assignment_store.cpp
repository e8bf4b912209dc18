// See assignment_store.h.
#include "agents/assignment_store.h"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <fstream>
#include <sstream>

#include "tunnel.pb.h"

namespace oob {
namespace {

constexpr std::string_view kMagic = "oob-assignment-1\n";

tl::unexpected<Error> failed(const std::string& path) {
  return fail(ErrorCode::Unavailable, path + ": " + std::strerror(errno));
}

}  // namespace

Result<> load_assignment(const std::string& state_folder, wire::Assignment& into) {
  const std::string path = state_folder + "/assignment";
  std::ifstream file(path, std::ios::binary);
  if (!file) return {};
  std::stringstream text;
  text << file.rdbuf();
  const std::string bytes = text.str();
  if (!bytes.starts_with(kMagic) || !into.ParseFromString(bytes.substr(kMagic.size()))) {
    into.Clear();
    return fail(ErrorCode::Unavailable, path + " is damaged; no line is served until oobd sends the assignment again");
  }
  return {};
}

Result<> save_assignment(const std::string& state_folder, const wire::Assignment& assignment) {
  const std::string path = state_folder + "/assignment", fresh = path + ".new";
  const int fd = ::open(fresh.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
  if (fd < 0) return failed(fresh);
  const std::string bytes = std::string(kMagic) + assignment.SerializeAsString();
  const bool written = ::write(fd, bytes.data(), bytes.size()) == ssize_t(bytes.size()) && ::fsync(fd) == 0;
  ::close(fd);
  if (!written || ::rename(fresh.c_str(), path.c_str()) != 0) return failed(path);
  return {};
}

}  // namespace oob
