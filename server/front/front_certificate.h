// The certificate oobd shows to clients: one the admin gives, or its own, made at the first start in <state>/tls. It is
// long-lived, for people compare its fingerprint once and `oob` pins it. Blocks: start-up, and HUP.
#pragma once
#include <memory>
#include <string>
#include <vector>

#include "common/clock.h"
#include "common/crypto/tls.h"
#include "common/result.h"

namespace oob {

struct FrontCertificatePlace {
  std::string folder;              // <state>/tls: server.pem, server.key (0600)
  std::vector<std::string> names;  // that its own certificate is for; empty: this machine's
  std::string certificate, key;    // the admin's files, PEM; both or none
};

struct FrontCertificate {
  std::shared_ptr<TlsContext> tls;
  std::string fingerprint;  // SHA-256 of the certificate, hex
};

// Errors name the file and what to do. One that is near its end is said in the log; it is never replaced by itself.
Result<FrontCertificate> open_front_certificate(const FrontCertificatePlace& place, WallTime now);
// Only the fingerprint, for `oobd fingerprint`; makes nothing.
Result<std::string> front_fingerprint(const FrontCertificatePlace& place);

}  // namespace oob
