// Small things that certificates and TLS both need of OpenSSL.
#include "common/crypto/openssl_owned.h"

#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>

#include <ctime>

#include "common/crypto/digest.h"
#include "common/limits.h"

namespace oob {

void OpensslFree::operator()(bio_st* p) const { BIO_free_all(p); }
void OpensslFree::operator()(evp_pkey_st* p) const { EVP_PKEY_free(p); }
void OpensslFree::operator()(X509_req_st* p) const { X509_REQ_free(p); }
void OpensslFree::operator()(ssl_st* p) const { SSL_free(p); }
void OpensslFree::operator()(ssl_ctx_st* p) const { SSL_CTX_free(p); }
void OpensslFree::operator()(x509_st* p) const { X509_free(p); }

tl::unexpected<Error> openssl_error(const std::string& doing) {
  const char* reason = ERR_reason_error_string(ERR_peek_last_error());
  ERR_clear_error();
  return fail(ErrorCode::Internal, doing + ": " + (reason != nullptr ? reason : "OpenSSL does not say why"));
}

Result<Owned<x509_st>> certificate_from_pem(std::string_view pem) {
  const Owned<BIO> memory(BIO_new_mem_buf(pem.data(), static_cast<int>(pem.size())));
  Owned<X509> certificate(PEM_read_bio_X509(memory.get(), nullptr, nullptr, nullptr));
  ERR_clear_error();
  if (!certificate) return fail(ErrorCode::Usage, "no certificate in PEM form");
  return certificate;
}

Result<Owned<evp_pkey_st>> key_from_pem(std::string_view pem) {
  const Owned<BIO> memory(BIO_new_mem_buf(pem.data(), static_cast<int>(pem.size())));
  const auto no_password = [](char*, int, int, void*) { return -1; };
  Owned<EVP_PKEY> key(PEM_read_bio_PrivateKey(memory.get(), nullptr, no_password, nullptr));
  ERR_clear_error();
  if (!key) return fail(ErrorCode::Usage, "no unencrypted private key in PEM form");
  return key;
}

std::string text_of(bio_st* memory) {
  char* data = nullptr;
  const long size = BIO_get_mem_data(memory, &data);
  return {data, size > 0 ? static_cast<std::size_t>(size) : 0};
}

std::string common_name(const x509_st* certificate) {
  const X509_NAME* subject = X509_get_subject_name(certificate);
  const int at = X509_NAME_get_index_by_NID(subject, NID_commonName, -1);
  if (at < 0 || X509_NAME_get_index_by_NID(subject, NID_commonName, at) >= 0) return {};
  const ASN1_STRING* value = X509_NAME_ENTRY_get_data(X509_NAME_get_entry(subject, at));
  return {reinterpret_cast<const char*>(ASN1_STRING_get0_data(value)),
          static_cast<std::size_t>(ASN1_STRING_length(value))};
}

std::string fingerprint(const x509_st* certificate) {
  Sha256 digest{};
  unsigned size = 0;
  X509_digest(certificate, EVP_sha256(), reinterpret_cast<unsigned char*>(digest.data()), &size);
  return hex(digest);
}

static std::int64_t wall_ms_of(const ASN1_TIME* time) {
  std::tm utc{};
  if (ASN1_TIME_to_tm(time, &utc) != 1) return 0;
  return static_cast<std::int64_t>(timegm(&utc)) * 1000;
}

std::int64_t not_after_wall_ms(const x509_st* certificate) { return wall_ms_of(X509_get0_notAfter(certificate)); }

std::int64_t issued_wall_ms(const x509_st* certificate) {
  return wall_ms_of(X509_get0_notBefore(certificate)) + std::chrono::milliseconds(limits::certificate_backdate).count();
}

Result<> check_issued(x509_st* certificate, x509_st* authority) {
  const bool issued = X509_check_issued(authority, certificate) == X509_V_OK &&
                      X509_verify(certificate, X509_get0_pubkey(authority)) == 1;
  ERR_clear_error();
  if (!issued) return fail(ErrorCode::Denied, "the certificate is not of this CA");
  return {};
}

}  // namespace oob
