// TlsEngine: TLS 1.3 over memory: bytes from the peer in, bytes for the peer out. No sockets, no threads, no time.
// Towards agents oobd is the TLS server; agents dial. ALPN decides: "oob/1" needs a client certificate of our CA,
// "oob-join/1" has none. Towards clients it is an HTTPS server; who they are, a token says. OpenSSL is seen only inside
// common/crypto. TLS 1.3 only (RFC 8446), no tickets, no early data.
#pragma once
#include <memory>
#include <optional>
#include <string>

#include "common/bytes.h"
#include "common/crypto/secret.h"
#include "common/result.h"

namespace oob {

inline constexpr std::string_view kAlpnTunnel = "oob/1";
inline constexpr std::string_view kAlpnJoin = "oob-join/1";
inline constexpr std::string_view kAlpnHttp = "http/1.1";  // RFC 7301; the only one that may be left out

class TlsContext;  // shared by connections; reloaded when certificates change

class TlsEngine {
 public:
  ~TlsEngine();
  TlsEngine(TlsEngine&&) noexcept;
  TlsEngine& operator=(TlsEngine&&) noexcept;

  // Ciphertext from the peer. Plaintext is appended to `plain`, at most what `cipher` held, also before an error.
  // Error: the connection is to be closed, once output() has been sent (it may tell the peer why); the message says
  // why in words ("peer's certificate is of another CA", "peer sent no TLS"; Unavailable if the peer just closed it).
  Result<> receive(ByteView cipher, Bytes& plain);
  // Plaintext to the peer; needs handshake_done(). Ciphertext is appended to output().
  Result<> send(ByteView plain);
  Bytes& output();  // ciphertext for the peer; the caller takes it from the front and erases it
  void close_notify();

  // Of the side that dials: true before the peer has judged our certificate. If it refuses it, receive() says so later.
  bool handshake_done() const;
  std::string alpn() const;
  struct PeerCertificate {
    std::string name;         // common name: the agent's; "" unless there is exactly one
    std::string fingerprint;  // SHA-256 of the DER, lower-case hex
    std::int64_t not_after_wall_ms = 0;
  };
  std::optional<PeerCertificate> peer() const;  // verified against the CA, else empty
  // client() only: SHA-256 of the certificate the server showed, lower-case hex, also if it was refused; "" before.
  std::string fingerprint_seen() const;

 private:
  friend class TlsContext;
  struct State;
  explicit TlsEngine(std::unique_ptr<State> state);
  std::unique_ptr<State> state_;
};

class TlsContext {
 public:
  ~TlsContext();
  // oobd: its certificate and key, and the CA that agents' certificates must be of (sent along, for those who join).
  // PEM. Usage or Denied if one is malformed or they do not belong together.
  static Result<std::shared_ptr<TlsContext>> server(const std::string& certificate_pem, const Secret& key_pem,
                                                    const std::string& ca_pem);
  // An enrolled agent: verifies that the server's certificate is of the CA and is the server's (not another agent's).
  // Errors as above, but whether the agent's own certificate is of the CA is left to the server.
  static Result<std::shared_ptr<TlsContext>> agent(const std::string& certificate_pem, const Secret& key_pem,
                                                   const std::string& ca_pem);
  // An agent that joins: trusts exactly the CA with this SHA-256 fingerprint (hex), which the server sends in its
  // chain.
  static Result<std::shared_ptr<TlsContext>> join(const std::string& ca_fingerprint);
  std::string ca_pem_seen(const TlsEngine&) const;  // join only: the CA that was verified

  // oobd towards clients: its certificate, with those of CAs in between behind it, and key; asks for none.
  static Result<std::shared_ptr<TlsContext>> front(const std::string& chain_pem, const Secret& key_pem);
  // A client: trusts exactly the certificate with this fingerprint, whatever is in it; or, if that is "", one that the
  // system's CAs vouch for under the name (or address) `host`.
  static Result<std::shared_ptr<TlsContext>> client(const std::string& host, const std::string& fingerprint);

  TlsEngine engine();  // a new connection, which may outlive this; the side that dials has output() at once

 private:
  friend class TlsEngine;
  struct State;
  explicit TlsContext(std::unique_ptr<State> state);
  std::unique_ptr<State> state_;
};

}  // namespace oob
