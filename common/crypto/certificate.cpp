// Certificates by OpenSSL. What a certificate may do is set here and nowhere else: see Role.
#include "common/crypto/certificate.h"

#include <openssl/ec.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>

#include <algorithm>
#include <array>
#include <initializer_list>

#include "common/crypto/digest.h"
#include "common/crypto/openssl_owned.h"
#include "common/limits.h"
#include "common/nearest.h"

namespace oob {
namespace {

enum class Role { Authority, Server, Agent, Front };
constexpr std::size_t kSerialBytes = 16;

const unsigned char* raw(ByteView bytes) { return reinterpret_cast<const unsigned char*>(bytes.data()); }

Result<Owned<EVP_PKEY>> make_key() {
  Owned<EVP_PKEY> key(EVP_EC_gen("P-256"));
  if (!key) return openssl_error("cannot make a key");
  return key;
}

Result<Secret> key_pem_of(EVP_PKEY* key) {
  const Owned<BIO> memory(BIO_new(BIO_s_secmem()));  // wiped when freed
  if (!memory || PEM_write_bio_PrivateKey(memory.get(), key, nullptr, nullptr, 0, nullptr, nullptr) != 1)
    return openssl_error("cannot write a key");
  return Secret(text_of(memory.get()));
}

Result<std::string> pem_of(X509* certificate) {
  const Owned<BIO> memory(BIO_new(BIO_s_mem()));
  if (!memory || PEM_write_bio_X509(memory.get(), certificate) != 1) return openssl_error("cannot write a certificate");
  return text_of(memory.get());
}

bool set_common_name(X509_NAME* subject, std::string_view name) {
  return X509_NAME_add_entry_by_NID(subject, NID_commonName, MBSTRING_UTF8, raw(as_bytes(name)),
                                    static_cast<int>(name.size()), -1, 0) == 1;
}

bool set_serial(X509* certificate) {
  std::array<std::byte, kSerialBytes> random;
  fill_random(random);
  random[0] |= std::byte{0x40};  // never zero, and of one length
  random[0] &= std::byte{0x7F};  // never negative
  BIGNUM* number = BN_bin2bn(raw(random), kSerialBytes, nullptr);
  const bool set = number != nullptr && BN_to_ASN1_INTEGER(number, X509_get_serialNumber(certificate)) != nullptr;
  BN_free(number);
  return set;
}

bool set_times(X509* certificate, WallTime now, std::chrono::seconds life) {
  using std::chrono::system_clock;
  const auto from = system_clock::to_time_t(now - limits::certificate_backdate);
  const auto until = system_clock::to_time_t(now + life);
  return ASN1_TIME_set(X509_getm_notBefore(certificate), from) != nullptr &&
         ASN1_TIME_set(X509_getm_notAfter(certificate), until) != nullptr;
}

struct Extension {
  int nid;
  const char* value;
};

bool add_extensions(X509* certificate, X509* issuer, std::initializer_list<Extension> extensions) {
  X509V3_CTX context;
  X509V3_set_ctx(&context, issuer, certificate, nullptr, nullptr, 0);
  for (const Extension& wanted : extensions) {
    X509_EXTENSION* extension = X509V3_EXT_conf_nid(nullptr, &context, wanted.nid, wanted.value);
    const bool added = extension != nullptr && X509_add_ext(certificate, extension, -1) == 1;
    X509_EXTENSION_free(extension);
    if (!added) return false;
  }
  return true;
}

bool set_rights(X509* certificate, X509* issuer, Role role, const std::string& other_names) {
  if (role == Role::Front)
    return add_extensions(certificate, certificate,
                          {{NID_basic_constraints, "critical,CA:FALSE"},
                           {NID_key_usage, "critical,digitalSignature"},
                           {NID_ext_key_usage, "serverAuth"},
                           {NID_subject_key_identifier, "hash"},
                           {NID_subject_alt_name, other_names.c_str()}});
  if (role == Role::Authority)
    return add_extensions(certificate, certificate,
                          {{NID_basic_constraints, "critical,CA:TRUE,pathlen:0"},
                           {NID_key_usage, "critical,keyCertSign,cRLSign"},
                           {NID_subject_key_identifier, "hash"}});
  return add_extensions(certificate, issuer,
                        {{NID_basic_constraints, "critical,CA:FALSE"},
                         {NID_key_usage, "critical,digitalSignature"},
                         {NID_ext_key_usage, role == Role::Server ? "critical,serverAuth" : "critical,clientAuth"},
                         {NID_subject_key_identifier, "hash"},
                         {NID_authority_key_identifier, "keyid:always"}});
}

// "DNS:oob.example.org,IP:10.0.0.1", as OpenSSL wants alternative names; RFC 5280 section 4.2.1.6.
Result<std::string> alternative_names(const std::vector<std::string>& names) {
  std::string out;
  for (const std::string& name : names) {
    ASN1_OCTET_STRING* address = a2i_IPADDRESS(name.c_str());
    ERR_clear_error();
    const bool is_name = !name.empty() && name.find_first_not_of(
                                              "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
                                              "0123456789.-_*") == std::string::npos;
    if (address == nullptr && !is_name)
      return fail(ErrorCode::Usage, in_quotes(name) + " is neither a host name nor an address");
    out += (out.empty() ? "" : ",") + std::string(address != nullptr ? "IP:" : "DNS:") + name;
    ASN1_OCTET_STRING_free(address);
  }
  return out;
}

// A certificate for `key`; issuer null: self-signed.
Result<std::string> make_certificate(Role role, std::string_view name, EVP_PKEY* key, X509* issuer, EVP_PKEY* signer,
                                     WallTime now, std::chrono::seconds life, const std::string& other_names = {}) {
  const Owned<X509> certificate(X509_new());
  X509* const x = certificate.get();
  const X509* const named = issuer != nullptr ? issuer : x;
  if (x == nullptr || X509_set_version(x, X509_VERSION_3) != 1 || !set_serial(x) || !set_times(x, now, life) ||
      !set_common_name(X509_get_subject_name(x), name) || X509_set_issuer_name(x, X509_get_subject_name(named)) != 1 ||
      X509_set_pubkey(x, key) != 1 || !set_rights(x, issuer, role, other_names) ||
      X509_sign(x, signer, EVP_sha256()) == 0)
    return openssl_error("cannot make a certificate");
  return pem_of(x);
}

Result<std::string> issue(const KeyAndCertificate& authority, Role role, std::string_view name, EVP_PKEY* key,
                          WallTime now, std::chrono::seconds life) {
  const auto issuer = certificate_from_pem(authority.certificate_pem);
  const auto signer = key_from_pem(authority.key_pem.reveal());
  if (!issuer || !signer || X509_check_private_key(issuer->get(), signer->get()) != 1) {
    ERR_clear_error();
    return fail(ErrorCode::Internal, "the CA's key and certificate do not belong together");
  }
  return make_certificate(role, name, key, issuer->get(), signer->get(), now, life);
}

bool is_p256(const EVP_PKEY* key) {
  std::array<char, 64> group{};
  return EVP_PKEY_is_a(key, "EC") == 1 && EVP_PKEY_get_group_name(key, group.data(), group.size(), nullptr) == 1 &&
         std::string_view(group.data()) == SN_X9_62_prime256v1;
}

Result<> check_request(X509_REQ* request, std::string_view name) {
  const X509_NAME* subject = X509_REQ_get_subject_name(request);
  const int at = X509_NAME_get_index_by_NID(subject, NID_commonName, -1);
  if (at < 0 || X509_NAME_entry_count(subject) != 1)
    return fail(ErrorCode::Usage, "the certificate request does not hold just a common name");
  const ASN1_STRING* value = X509_NAME_ENTRY_get_data(X509_NAME_get_entry(subject, at));
  const std::string_view wanted(reinterpret_cast<const char*>(ASN1_STRING_get0_data(value)),
                                static_cast<std::size_t>(ASN1_STRING_length(value)));
  if (wanted != name) return fail(ErrorCode::Usage, "the certificate request is for another name");
  EVP_PKEY* key = X509_REQ_get0_pubkey(request);
  if (key == nullptr || !is_p256(key)) return fail(ErrorCode::Usage, "the certificate request's key is not EC P-256");
  if (X509_REQ_verify(request, key) != 1)
    return fail(ErrorCode::Usage, "the certificate request is not signed by its own key");
  return {};
}

}  // namespace

Result<KeyAndCertificate> make_authority(WallTime now) {
  const auto key = make_key();
  if (!key) return tl::unexpected(key.error());
  std::array<std::byte, 4> random;  // so that people can tell two apart
  fill_random(random);
  auto certificate = make_certificate(Role::Authority, "Outband CA " + hex(random), key->get(), nullptr, key->get(),
                                      now, limits::authority_life);
  if (!certificate) return tl::unexpected(certificate.error());
  auto key_pem = key_pem_of(key->get());
  if (!key_pem) return tl::unexpected(key_pem.error());
  return KeyAndCertificate{std::move(*key_pem), std::move(*certificate)};
}

Result<KeyAndCertificate> make_server_certificate(const KeyAndCertificate& authority, WallTime now,
                                                  std::chrono::seconds life) {
  const auto key = make_key();
  if (!key) return tl::unexpected(key.error());
  auto certificate = issue(authority, Role::Server, "oobd", key->get(), now, life);
  if (!certificate) return tl::unexpected(certificate.error());
  auto key_pem = key_pem_of(key->get());
  if (!key_pem) return tl::unexpected(key_pem.error());
  return KeyAndCertificate{std::move(*key_pem), std::move(*certificate)};
}

Result<KeyAndCertificate> make_front_certificate(const std::vector<std::string>& names, WallTime now) {
  const auto others = alternative_names(names);
  if (!others) return tl::unexpected(others.error());
  const auto key = make_key();
  if (!key) return tl::unexpected(key.error());
  auto certificate = make_certificate(Role::Front, "oobd", key->get(), nullptr, key->get(), now,
                                      limits::front_certificate_life, *others);
  if (!certificate) return tl::unexpected(certificate.error());
  auto key_pem = key_pem_of(key->get());
  if (!key_pem) return tl::unexpected(key_pem.error());
  return KeyAndCertificate{std::move(*key_pem), std::move(*certificate)};
}

Result<KeyAndRequest> make_key_and_request(std::string_view name) {
  const auto key = make_key();
  if (!key) return tl::unexpected(key.error());
  const Owned<X509_REQ> request(X509_REQ_new());
  if (!request || !set_common_name(X509_REQ_get_subject_name(request.get()), name) ||
      X509_REQ_set_pubkey(request.get(), key->get()) != 1 ||
      X509_REQ_sign(request.get(), key->get(), EVP_sha256()) == 0)
    return openssl_error("cannot make a certificate request");
  unsigned char* der = nullptr;
  const int size = i2d_X509_REQ(request.get(), &der);
  if (size <= 0) return openssl_error("cannot write a certificate request");
  const ByteView view(reinterpret_cast<const std::byte*>(der), static_cast<std::size_t>(size));
  Bytes request_der(view.begin(), view.end());
  OPENSSL_free(der);
  auto key_pem = key_pem_of(key->get());
  if (!key_pem) return tl::unexpected(key_pem.error());
  return KeyAndRequest{std::move(*key_pem), std::move(request_der)};
}

Result<std::string> sign_request(const KeyAndCertificate& authority, ByteView request_der, std::string_view name,
                                 WallTime now, std::chrono::seconds life) {
  const unsigned char* at = raw(request_der);
  const Owned<X509_REQ> request(d2i_X509_REQ(nullptr, &at, static_cast<long>(request_der.size())));
  if (!request || at != raw(request_der) + request_der.size()) {
    ERR_clear_error();
    return fail(ErrorCode::Usage, "the certificate request is malformed");
  }
  const auto checked = check_request(request.get(), name);
  ERR_clear_error();
  if (!checked) return tl::unexpected(checked.error());
  return issue(authority, Role::Agent, name, X509_REQ_get0_pubkey(request.get()), now, life);
}

WallTime renewal_due(std::int64_t issued_wall_ms, std::int64_t not_after_wall_ms, std::chrono::seconds life) {
  const Duration whole = std::min<Duration>(life, Duration(not_after_wall_ms - issued_wall_ms));
  return WallTime(Duration(issued_wall_ms)) + whole * 2 / 3;
}

Result<CertificateFacts> certificate_facts(std::string_view pem) {
  const auto certificate = certificate_from_pem(pem);
  if (!certificate) return tl::unexpected(certificate.error());
  X509* const x = certificate->get();
  unsigned char* key = nullptr;
  const int size = i2d_PUBKEY(X509_get0_pubkey(x), &key);
  if (size <= 0) return openssl_error("cannot read a certificate's key");
  const auto digest = sha256({reinterpret_cast<const std::byte*>(key), static_cast<std::size_t>(size)});
  OPENSSL_free(key);
  const ASN1_INTEGER* serial = X509_get0_serialNumber(x);
  const ByteView number(reinterpret_cast<const std::byte*>(ASN1_STRING_get0_data(serial)),
                        static_cast<std::size_t>(ASN1_STRING_length(serial)));
  return CertificateFacts{common_name(x), hex(number),          fingerprint(x),
                          hex(digest),    not_after_wall_ms(x), issued_wall_ms(x)};
}

Result<Bytes> certificate_der(std::string_view pem) {
  const auto certificate = certificate_from_pem(pem);
  if (!certificate) return tl::unexpected(certificate.error());
  unsigned char* der = nullptr;
  const int size = i2d_X509(certificate->get(), &der);
  if (size <= 0) return openssl_error("cannot write a certificate");
  const ByteView view(reinterpret_cast<const std::byte*>(der), static_cast<std::size_t>(size));
  Bytes out(view.begin(), view.end());
  OPENSSL_free(der);
  return out;
}

Result<std::string> certificate_pem(ByteView der) {
  const unsigned char* at = raw(der);
  const Owned<X509> certificate(d2i_X509(nullptr, &at, static_cast<long>(der.size())));
  if (!certificate || at != raw(der) + der.size()) {
    ERR_clear_error();
    return fail(ErrorCode::Usage, "the certificate is malformed");
  }
  return pem_of(certificate.get());
}

}  // namespace oob
