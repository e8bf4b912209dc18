// TLS by OpenSSL, over a BIO of ours: it reads from the bytes receive() was given and writes into output(), so that
// nothing is copied on the way. The server decides by ALPN, before it has answered anything, whether it asks for a
// certificate.
#include "common/crypto/tls.h"

#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>

#include <algorithm>
#include <array>

#include "common/crypto/openssl_owned.h"
#include "common/crypto/tls_words.h"
#include "common/limits.h"
#include "common/text.h"

namespace oob {
namespace {

constexpr std::size_t kRecordBytes = 16 * 1024;  // plaintext of one record, RFC 8446 section 5.1
constexpr const char* kGroups = "X25519:P-256";

// What OpenSSL's callbacks need of a connection.
struct Connection {
  ByteView input;             // what the peer sent and OpenSSL has not read yet; empty outside receive()
  Bytes output;               // for the peer
  std::string ca_wanted;      // join only: the fingerprint
  bool ca_was_other = false;  // join only: the server showed no such CA
  bool speaks_http = false;   // front and client: the protocol may go unnamed
  std::string pin;            // client only: the fingerprint wanted; "": a CA has to vouch
  std::string pin_seen;       // client only: the one it showed
  std::string expired;        // server only: whose certificate is of our CA, but past its end
};

Connection& connection_of(SSL* ssl) { return *static_cast<Connection*>(SSL_get_app_data(ssl)); }
SSL* ssl_of(X509_STORE_CTX* store) {
  return static_cast<SSL*>(X509_STORE_CTX_get_ex_data(store, SSL_get_ex_data_X509_STORE_CTX_idx()));
}

int bio_write(BIO* bio, const char* from, std::size_t size, std::size_t* written) {
  append(static_cast<Connection*>(BIO_get_data(bio))->output, std::string_view(from, size));
  *written = size;
  return 1;
}

int bio_read(BIO* bio, char* into, std::size_t size, std::size_t* read) {
  ByteView& input = static_cast<Connection*>(BIO_get_data(bio))->input;
  BIO_clear_retry_flags(bio);
  if (input.empty()) {
    BIO_set_retry_read(bio);
    return 0;
  }
  *read = std::min(size, input.size());
  std::copy_n(reinterpret_cast<const char*>(input.data()), *read, into);
  input = input.subspan(*read);
  return 1;
}

long bio_control(BIO*, int command, long, void*) { return command == BIO_CTRL_FLUSH ? 1 : 0; }

const BIO_METHOD* bio_method() {
  static const BIO_METHOD* const method = [] {
    BIO_METHOD* made = BIO_meth_new(BIO_get_new_index() | BIO_TYPE_SOURCE_SINK, "bytes");
    BIO_meth_set_write_ex(made, bio_write);
    BIO_meth_set_read_ex(made, bio_read);
    BIO_meth_set_ctrl(made, bio_control);
    BIO_meth_set_create(made, [](BIO* bio) {
      BIO_set_init(bio, 1);
      return 1;
    });
    return made;
  }();
  return method;
}

// The server's choice: joining needs no certificate, everything else does (the context's default).
int choose_protocol(SSL* ssl, const unsigned char** chosen, unsigned char* chosen_size, const unsigned char* offered,
                    unsigned offered_size, void*) {
  for (unsigned at = 0; at < offered_size; at += 1u + offered[at]) {
    const std::string_view name(reinterpret_cast<const char*>(offered) + at + 1, offered[at]);
    if (name != kAlpnTunnel && name != kAlpnJoin) continue;
    if (name == kAlpnJoin) SSL_set_verify(ssl, SSL_VERIFY_NONE, nullptr);
    *chosen = offered + at + 1;
    *chosen_size = offered[at];
    return SSL_TLSEXT_ERR_OK;
  }
  return SSL_TLSEXT_ERR_ALERT_FATAL;
}

int choose_http(SSL*, const unsigned char** chosen, unsigned char* chosen_size, const unsigned char* offered,
                unsigned offered_size, void*) {
  for (unsigned at = 0; at < offered_size; at += 1u + offered[at]) {
    if (std::string_view(reinterpret_cast<const char*>(offered) + at + 1, offered[at]) != kAlpnHttp) continue;
    *chosen = offered + at + 1;
    *chosen_size = offered[at];
    return SSL_TLSEXT_ERR_OK;
  }
  return SSL_TLSEXT_ERR_ALERT_FATAL;
}

// A client: the certificate it was told to expect, or one that the system's CAs vouch for.
int verify_server(X509_STORE_CTX* store, void*) {
  Connection& connection = connection_of(ssl_of(store));
  connection.pin_seen = fingerprint(X509_STORE_CTX_get0_cert(store));
  if (connection.pin.empty()) return X509_verify_cert(store);
  if (connection.pin == connection.pin_seen) return 1;
  X509_STORE_CTX_set_error(store, X509_V_ERR_CERT_REJECTED);
  return 0;
}

// On top of OpenSSL's verification, which takes a certificate without a purpose for one of every purpose: the peer's
// must name its own, so that no agent can pass as the server.
int check_purpose(int so_far, X509_STORE_CTX* store) {
  if (X509_STORE_CTX_get_error(store) == X509_V_ERR_CERT_HAS_EXPIRED && SSL_is_server(ssl_of(store)) == 1)
    connection_of(ssl_of(store)).expired = common_name(X509_STORE_CTX_get_current_cert(store));
  if (so_far != 1 || X509_STORE_CTX_get_error_depth(store) != 0) return so_far;
  X509* leaf = X509_STORE_CTX_get_current_cert(store);
  const unsigned wanted = SSL_is_server(ssl_of(store)) == 1 ? XKU_SSL_CLIENT : XKU_SSL_SERVER;
  if ((X509_get_extension_flags(leaf) & EXFLAG_XKUSAGE) != 0 && (X509_get_extended_key_usage(leaf) & wanted) != 0)
    return 1;
  X509_STORE_CTX_set_error(store, X509_V_ERR_INVALID_PURPOSE);
  return 0;
}

// Joining: of what the server sent, only the CA with the token's fingerprint is trusted, and only by it.
int verify_joining(X509_STORE_CTX* store, void*) {
  Connection& connection = connection_of(ssl_of(store));
  STACK_OF(X509)* sent = X509_STORE_CTX_get0_untrusted(store);
  for (int i = 0; i < sk_X509_num(sent); ++i) {
    if (fingerprint(sk_X509_value(sent, i)) != connection.ca_wanted) continue;
    STACK_OF(X509)* trusted = sk_X509_new_null();
    sk_X509_push(trusted, sk_X509_value(sent, i));
    X509_STORE_CTX_set0_trusted_stack(store, trusted);
    const int verified = X509_verify_cert(store);
    X509_STORE_CTX_set0_trusted_stack(store, nullptr);
    sk_X509_free(trusted);
    return verified;
  }
  connection.ca_was_other = true;
  X509_STORE_CTX_set_error(store, X509_V_ERR_SELF_SIGNED_CERT_IN_CHAIN);
  return 0;
}

Result<Owned<SSL_CTX>> make_context(bool is_server) {
  Owned<SSL_CTX> context(SSL_CTX_new(is_server ? TLS_server_method() : TLS_client_method()));
  SSL_CTX* const c = context.get();
  if (c == nullptr || SSL_CTX_set_min_proto_version(c, TLS1_3_VERSION) != 1 || SSL_CTX_set_num_tickets(c, 0) != 1 ||
      SSL_CTX_set1_groups_list(c, kGroups) != 1)
    return openssl_error("cannot set up TLS");
  SSL_CTX_set_options(c, SSL_OP_NO_TICKET);
  SSL_CTX_set_session_cache_mode(c, SSL_SESS_CACHE_OFF);
  SSL_CTX_set_mode(c, SSL_MODE_RELEASE_BUFFERS);
  SSL_CTX_set_max_cert_list(c, limits::certificate_chain_bytes_max);
  SSL_CTX_set_verify(c, SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT, check_purpose);
  if (is_server) SSL_CTX_set_alpn_select_cb(c, choose_protocol, nullptr);
  return context;
}

// Our own certificate and key, and the CA that both sides' are of.
Result<> set_identity(SSL_CTX* context, const std::string& certificate_pem, const Secret& key_pem,
                      const std::string& ca_pem, bool is_server) {
  const auto certificate = certificate_from_pem(certificate_pem);
  const auto key = key_from_pem(key_pem.reveal());
  const auto ca = certificate_from_pem(ca_pem);
  if (!certificate) return tl::unexpected(certificate.error());
  if (!key) return tl::unexpected(key.error());
  if (!ca) return fail(ErrorCode::Usage, "the CA's file: " + ca.error().message);
  // An agent's is for the server to judge, who also says why not.
  if (is_server) {
    if (const auto issued = check_issued(certificate->get(), ca->get()); !issued) return issued;
  }
  if (SSL_CTX_use_certificate(context, certificate->get()) != 1 ||
      X509_check_private_key(certificate->get(), key->get()) != 1) {
    ERR_clear_error();
    return fail(ErrorCode::Denied, "the key is not that of the certificate");
  }
  if (SSL_CTX_use_PrivateKey(context, key->get()) != 1 ||
      X509_STORE_add_cert(SSL_CTX_get_cert_store(context), ca->get()) != 1 ||
      (is_server && SSL_CTX_add1_chain_cert(context, ca->get()) != 1))
    return openssl_error("cannot use the certificate");
  return {};
}

Result<> set_protocol(SSL_CTX* context, std::string_view name) {
  const std::string wire = static_cast<char>(name.size()) + std::string(name);
  const auto* bytes = reinterpret_cast<const unsigned char*>(wire.data());
  if (SSL_CTX_set_alpn_protos(context, bytes, static_cast<unsigned>(wire.size())) != 0)
    return openssl_error("cannot set up TLS");
  return {};
}

}  // namespace

// --- connections ----------------------------------------------------------------------------------------------------

struct TlsEngine::State : Connection {
  Owned<SSL> ssl;
  bool agreed = false;  // the handshake is done, and the protocol one of ours
  std::string ended;    // why nothing is received any more

  Result<> handshake();
  Result<> read(Bytes& plain);
  Result<> give_up(int returned);  // ok if OpenSSL only wants more bytes
};

TlsEngine::TlsEngine(std::unique_ptr<State> state) : state_(std::move(state)) {}
TlsEngine::~TlsEngine() = default;
TlsEngine::TlsEngine(TlsEngine&&) noexcept = default;
TlsEngine& TlsEngine::operator=(TlsEngine&&) noexcept = default;

Result<> TlsEngine::State::give_up(int returned) {
  const int error = SSL_get_error(ssl.get(), returned);
  if (error == SSL_ERROR_WANT_READ) return {};
  if (error == SSL_ERROR_ZERO_RETURN) {
    ended = "peer closed the connection";
    return fail(ErrorCode::Unavailable, ended);
  }
  ended = tls_words(ssl.get());
  if (!expired.empty()) {
    const std::string name = escape_controls(expired);
    ended = "the certificate of agent " + name + " has expired; run `oob agent enroll " + name +
            "`, then `oob-agent join` there with that token (or is this machine's clock wrong?)";
  }
  if (ca_was_other) ended = "this server is not the one the token was made by";
  if (!pin.empty() && !pin_seen.empty() && pin != pin_seen)
    ended = "its certificate is another than the one that was trusted: expected sha256:" + pin +
            ", seen sha256:" + pin_seen;
  return fail(ErrorCode::Denied, ended);
}

Result<> TlsEngine::State::handshake() {
  ERR_clear_error();
  const int done = SSL_do_handshake(ssl.get());
  if (done != 1) return give_up(done);
  const unsigned char* name = nullptr;
  unsigned size = 0;
  SSL_get0_alpn_selected(ssl.get(), &name, &size);
  if (size == 0 && !speaks_http) {
    ended = "peer names no protocol (it is not of Outband)";
    return fail(ErrorCode::Denied, ended);
  }
  agreed = true;
  return {};
}

Result<> TlsEngine::State::read(Bytes& plain) {
  std::array<std::byte, kRecordBytes> record;  // NOLINT: filled before it is read
  while (true) {
    std::size_t n = 0;
    ERR_clear_error();
    const int got = SSL_read_ex(ssl.get(), record.data(), record.size(), &n);
    if (got != 1) return give_up(got);
    append(plain, ByteView(record).first(n));
  }
}

Result<> TlsEngine::receive(ByteView cipher, Bytes& plain) {
  if (!state_->ended.empty()) return fail(ErrorCode::Unavailable, state_->ended);
  state_->input = cipher;
  Result<> result;
  if (!state_->agreed) result = state_->handshake();
  if (result && state_->agreed) result = state_->read(plain);
  state_->input = {};
  return result;
}

Result<> TlsEngine::send(ByteView plain) {
  if (!state_->agreed) return fail(ErrorCode::Internal, "nothing can be sent before the TLS handshake is done");
  if (plain.empty()) return {};
  std::size_t written = 0;
  ERR_clear_error();
  if (SSL_write_ex(state_->ssl.get(), plain.data(), plain.size(), &written) == 1) return {};
  return openssl_error("TLS cannot send");
}

Bytes& TlsEngine::output() { return state_->output; }
void TlsEngine::close_notify() {
  if (state_->agreed) SSL_shutdown(state_->ssl.get());
  ERR_clear_error();
}

bool TlsEngine::handshake_done() const { return state_->agreed; }

std::string TlsEngine::alpn() const {
  const unsigned char* name = nullptr;
  unsigned size = 0;
  SSL_get0_alpn_selected(state_->ssl.get(), &name, &size);
  return {reinterpret_cast<const char*>(name), size};
}

std::optional<TlsEngine::PeerCertificate> TlsEngine::peer() const {
  const X509* certificate = SSL_get0_peer_certificate(state_->ssl.get());
  if (!state_->agreed || certificate == nullptr || SSL_get_verify_result(state_->ssl.get()) != X509_V_OK)
    return std::nullopt;
  return PeerCertificate{common_name(certificate), fingerprint(certificate), not_after_wall_ms(certificate)};
}

std::string TlsEngine::fingerprint_seen() const { return state_->pin_seen; }

// --- contexts -------------------------------------------------------------------------------------------------------

struct TlsContext::State {
  Owned<SSL_CTX> context;
  bool is_server = false;
  std::string ca_wanted;  // join only
  bool speaks_http = false;
  std::string pin, host;  // client only
};

TlsContext::TlsContext(std::unique_ptr<State> state) : state_(std::move(state)) {}
TlsContext::~TlsContext() = default;

Result<std::shared_ptr<TlsContext>> TlsContext::server(const std::string& certificate_pem, const Secret& key_pem,
                                                       const std::string& ca_pem) {
  auto context = make_context(true);
  if (!context) return tl::unexpected(context.error());
  const auto set = set_identity(context->get(), certificate_pem, key_pem, ca_pem, true);
  if (!set) return tl::unexpected(set.error());
  return std::shared_ptr<TlsContext>(
      new TlsContext(std::make_unique<State>(State{std::move(*context), true, "", false, "", ""})));
}

Result<std::shared_ptr<TlsContext>> TlsContext::agent(const std::string& certificate_pem, const Secret& key_pem,
                                                      const std::string& ca_pem) {
  auto context = make_context(false);
  if (!context) return tl::unexpected(context.error());
  auto set = set_identity(context->get(), certificate_pem, key_pem, ca_pem, false);
  if (set) set = set_protocol(context->get(), kAlpnTunnel);
  if (!set) return tl::unexpected(set.error());
  return std::shared_ptr<TlsContext>(
      new TlsContext(std::make_unique<State>(State{std::move(*context), false, "", false, "", ""})));
}

Result<std::shared_ptr<TlsContext>> TlsContext::join(const std::string& ca_fingerprint) {
  auto context = make_context(false);
  if (!context) return tl::unexpected(context.error());
  SSL_CTX_set_cert_verify_callback(context->get(), verify_joining, nullptr);
  const auto set = set_protocol(context->get(), kAlpnJoin);
  if (!set) return tl::unexpected(set.error());
  return std::shared_ptr<TlsContext>(
      new TlsContext(std::make_unique<State>(State{std::move(*context), false, ca_fingerprint, false, "", ""})));
}

Result<std::shared_ptr<TlsContext>> TlsContext::front(const std::string& chain_pem, const Secret& key_pem) {
  auto context = make_context(true);
  if (!context) return tl::unexpected(context.error());
  SSL_CTX* const c = context->get();
  SSL_CTX_set_verify(c, SSL_VERIFY_NONE, nullptr);
  SSL_CTX_set_alpn_select_cb(c, choose_http, nullptr);
  const auto key = key_from_pem(key_pem.reveal());
  if (!key) return tl::unexpected(key.error());
  const Owned<BIO> memory(BIO_new_mem_buf(chain_pem.data(), static_cast<int>(chain_pem.size())));
  bool first = true;
  while (const Owned<X509> certificate{PEM_read_bio_X509(memory.get(), nullptr, nullptr, nullptr)}) {
    const bool used =
        first ? SSL_CTX_use_certificate(c, certificate.get()) == 1 : SSL_CTX_add1_chain_cert(c, certificate.get()) == 1;
    if (!used) return openssl_error("cannot use the certificate");
    if (first && X509_check_private_key(certificate.get(), key->get()) != 1) {
      ERR_clear_error();
      return fail(ErrorCode::Denied, "the key is not that of the certificate");
    }
    first = false;
  }
  ERR_clear_error();  // the end of the file is one
  if (first) return fail(ErrorCode::Usage, "no certificate in PEM form");
  if (SSL_CTX_use_PrivateKey(c, key->get()) != 1) return openssl_error("cannot use the key");
  return std::shared_ptr<TlsContext>(
      new TlsContext(std::make_unique<State>(State{std::move(*context), true, "", true, "", ""})));
}

Result<std::shared_ptr<TlsContext>> TlsContext::client(const std::string& host, const std::string& pin) {
  auto context = make_context(false);
  if (!context) return tl::unexpected(context.error());
  SSL_CTX* const c = context->get();
  SSL_CTX_set_verify(c, SSL_VERIFY_PEER, nullptr);
  SSL_CTX_set_cert_verify_callback(c, verify_server, nullptr);
  if (pin.empty() && SSL_CTX_set_default_verify_paths(c) != 1) return openssl_error("cannot read the system's CAs");
  ERR_clear_error();  // a system without any CA: none vouches
  if (const auto set = set_protocol(c, kAlpnHttp); !set) return tl::unexpected(set.error());
  return std::shared_ptr<TlsContext>(
      new TlsContext(std::make_unique<State>(State{std::move(*context), false, "", true, pin, host})));
}

std::string TlsContext::ca_pem_seen(const TlsEngine& engine) const {
  const SSL* ssl = engine.state_->ssl.get();
  STACK_OF(X509)* chain = SSL_get0_verified_chain(ssl);
  if (!engine.state_->agreed || chain == nullptr || sk_X509_num(chain) == 0) return {};
  const Owned<BIO> memory(BIO_new(BIO_s_mem()));
  PEM_write_bio_X509(memory.get(), sk_X509_value(chain, sk_X509_num(chain) - 1));
  return text_of(memory.get());
}

TlsEngine TlsContext::engine() {
  auto connection = std::make_unique<TlsEngine::State>();
  connection->ca_wanted = state_->ca_wanted;
  connection->speaks_http = state_->speaks_http;
  connection->pin = state_->pin;
  connection->ssl.reset(SSL_new(state_->context.get()));
  BIO* bio = BIO_new(bio_method());
  if (!connection->ssl || bio == nullptr) throw std::bad_alloc();
  BIO_set_data(bio, static_cast<Connection*>(connection.get()));
  SSL_set_bio(connection->ssl.get(), bio, bio);
  SSL_set_app_data(connection->ssl.get(), static_cast<Connection*>(connection.get()));
  if (!state_->host.empty()) {
    X509_VERIFY_PARAM* wanted = SSL_get0_param(connection->ssl.get());
    const bool is_address = X509_VERIFY_PARAM_set1_ip_asc(wanted, state_->host.c_str()) == 1;
    if (!is_address) {
      X509_VERIFY_PARAM_set1_host(wanted, state_->host.c_str(), 0);
      SSL_set_tlsext_host_name(connection->ssl.get(), state_->host.c_str());  // RFC 6066: names only
    }
    ERR_clear_error();
  }
  if (state_->is_server) {
    SSL_set_accept_state(connection->ssl.get());
  } else {
    SSL_set_connect_state(connection->ssl.get());
    (void)connection->handshake();  // makes the first flight; it cannot fail before the peer has said anything
  }
  return TlsEngine(std::move(connection));
}

}  // namespace oob
