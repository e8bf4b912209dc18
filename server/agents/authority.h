// Authority: the server's own CA and its TLS certificate, in <state>/ca, made at the first start. Trusted by nobody
// but this server's agents. Loading blocks (start-up); afterwards only the Worker's thread calls sign() and
// renew_server(), and nothing but tls() changes.
#pragma once
#include <memory>
#include <string>
#include <string_view>

#include "common/clock.h"
#include "common/crypto/certificate.h"
#include "common/crypto/tls.h"
#include "common/result.h"

namespace oob {

class Authority {
 public:
  // Files: ca.pem ca.key server.pem server.key, all 0600. An empty or missing folder gets a new CA, all or nothing; one
  // that lacks a file of the CA is refused, since a new CA would lock every agent out. The server's certificate is
  // renewed at two thirds of its life.
  // `life` is that of the certificates made here.
  static Result<std::unique_ptr<Authority>> open(const std::string& folder, const Clock& clock,
                                                 std::chrono::seconds life = limits::certificate_life);

  const std::shared_ptr<TlsContext>& tls() const { return tls_; }  // for connections that agents make; of the start
  const std::string& fingerprint() const { return fingerprint_; }  // of the CA's certificate, as tokens carry it
  const std::string& certificate_pem() const { return authority_.certificate_pem; }

  // An agent's certificate, PEM; errors as sign_request().
  Result<std::string> sign(ByteView request_der, std::string_view name, WallTime now) const;
  // A new certificate of the server's own, if it is due: the context for connections from now on, else null.
  Result<std::shared_ptr<TlsContext>> renew_server(WallTime now);
  std::chrono::seconds life() const { return life_; }

 private:
  Authority(std::string folder, KeyAndCertificate authority, std::chrono::seconds life)
      : folder_(std::move(folder)), authority_(std::move(authority)), life_(life) {}
  Result<> load_server(WallTime now);
  Result<std::shared_ptr<TlsContext>> make_server(WallTime now);

  std::string folder_;
  KeyAndCertificate authority_;
  const std::chrono::seconds life_;
  WallTime server_due_{};
  std::string fingerprint_;
  std::shared_ptr<TlsContext> tls_;
};

}  // namespace oob
