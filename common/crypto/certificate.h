// Making and reading X.509 certificates (RFC 5280): the server's own CA, its server certificate, the agents'. Keys are
// EC P-256 throughout. No files, no clock: the caller gives the time. Any thread.
#pragma once
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "common/bytes.h"
#include "common/clock.h"
#include "common/crypto/secret.h"
#include "common/limits.h"
#include "common/result.h"

namespace oob {

struct KeyAndCertificate {
  Secret key_pem;
  std::string certificate_pem;
};

// A CA for limits::authority_life: self-signed, signs no further CAs.
Result<KeyAndCertificate> make_authority(WallTime now);

// oobd's certificate (for TLS servers only), good for `life`.
Result<KeyAndCertificate> make_server_certificate(const KeyAndCertificate& authority, WallTime now,
                                                  std::chrono::seconds life = limits::certificate_life);

// oobd's certificate towards clients, for limits::front_certificate_life: by itself, of no CA. `names`: host names and
// addresses it answers to, at least one; Usage if one is neither.
Result<KeyAndCertificate> make_front_certificate(const std::vector<std::string>& names, WallTime now);

struct KeyAndRequest {
  Secret key_pem;
  Bytes request_der;  // PKCS #10, RFC 2986
};
Result<KeyAndRequest> make_key_and_request(std::string_view name);

// An agent's certificate (for TLS clients only), good for `life`, as PEM. Only the key is taken from the
// request, after these were checked: one common name, equal to `name`; an EC P-256 key; a signature by that key;
// nothing behind the request. Errors: Usage (of the request), Internal.
Result<std::string> sign_request(const KeyAndCertificate& authority, ByteView request_der, std::string_view name,
                                 WallTime now, std::chrono::seconds life = limits::certificate_life);

struct CertificateFacts {
  std::string name;             // common name; "" unless there is exactly one
  std::string serial;           // lower-case hex
  std::string fingerprint;      // SHA-256 of the DER, lower-case hex
  std::string key_fingerprint;  // SHA-256 of the SubjectPublicKeyInfo, lower-case hex
  std::int64_t not_after_wall_ms = 0;
  std::int64_t issued_wall_ms = 0;  // when it was made: not-before, less the backdating
};
Result<CertificateFacts> certificate_facts(std::string_view pem);  // of the first certificate in it

// When a certificate is due to be renewed: at two thirds of its life, or of `life`, which new ones get, if shorter.
WallTime renewal_due(std::int64_t issued_wall_ms, std::int64_t not_after_wall_ms, std::chrono::seconds life);

Result<Bytes> certificate_der(std::string_view pem);
Result<std::string> certificate_pem(ByteView der);  // exactly one certificate

}  // namespace oob
