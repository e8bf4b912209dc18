// The file: one line, "ADDRESS TYPE SHA256:..".
#include "agents/lines/ssh_known_key.h"

#include "common/crypto/secret.h"

namespace oob {

KnownHostKey::KnownHostKey(const std::string& folder, std::string address)
    : path_(folder.empty() ? "" : folder + "/ssh-host-key"), address_(std::move(address)) {
  if (path_.empty()) return;
  const auto file = read_secret_file(path_);  // no secret, but nobody else may write it either
  if (!file) return;
  std::string_view line = file->reveal();
  line = line.substr(0, line.find('\n'));
  const auto print = line.rfind(' ');
  if (!line.starts_with(address_ + " ") || print == std::string_view::npos) return;
  if (line.substr(print + 1).starts_with(kFingerprintPrefix)) fingerprint_ = line.substr(print + 1);
}

void KnownHostKey::learn(const std::string& host_key) {
  is_new_ = true;
  fingerprint_ = host_key.substr(host_key.find(' ') + 1);
  if (path_.empty()) {
    problem_ = "the agent has no folder for it";
  } else if (const auto written = write_private_file(path_, address_ + " " + host_key + "\n"); !written) {
    problem_ = written.error().message;
  }
}

}  // namespace oob
