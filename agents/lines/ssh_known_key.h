// KnownHostKey: the host key that a device showed when it was met first, kept in a file of the line's own, so that
// another one is noticed later. Belongs to an address: what another address showed before does not count.
#pragma once
#include <string>
#include <string_view>

namespace oob {

inline constexpr std::string_view kFingerprintPrefix = "SHA256:";

class KnownHostKey {
 public:
  KnownHostKey() = default;  // nothing known, and nothing can be kept
  // `folder` as LineConfig::state_folder; "": nothing can be kept.
  KnownHostKey(const std::string& folder, std::string address);

  const std::string& fingerprint() const { return fingerprint_; }  // "SHA256:..", "" if none is known
  // Keeps "ssh-ed25519 SHA256:..".
  void learn(const std::string& host_key);
  bool is_new() const { return is_new_; }                  // learnt by this object
  bool kept() const { return problem_.empty(); }           // it is in the file
  const std::string& problem() const { return problem_; }  // why it is not

 private:
  std::string path_, address_, fingerprint_, problem_;
  bool is_new_ = false;
};

}  // namespace oob
