// Ownership of OpenSSL's objects and its errors as words, for this folder's .cpp files only. OpenSSL's own headers stay
// in those; here its types are only named.
#pragma once
#include <cstdint>
#include <memory>
#include <string>

#include "common/bytes.h"
#include "common/result.h"

struct bio_st;
struct evp_pkey_st;
struct X509_req_st;
struct ssl_st;
struct ssl_ctx_st;
struct x509_st;

namespace oob {

struct OpensslFree {
  void operator()(bio_st* p) const;
  void operator()(evp_pkey_st* p) const;
  void operator()(X509_req_st* p) const;
  void operator()(ssl_st* p) const;
  void operator()(ssl_ctx_st* p) const;
  void operator()(x509_st* p) const;
};
template <typename T>
using Owned = std::unique_ptr<T, OpensslFree>;

// What OpenSSL last complained of on this thread, for failures nobody foresees; empties its queue.
tl::unexpected<Error> openssl_error(const std::string& doing);

Result<Owned<x509_st>> certificate_from_pem(std::string_view pem);
Result<Owned<evp_pkey_st>> key_from_pem(std::string_view pem);  // unencrypted only, never asks
std::string text_of(bio_st* memory);                            // what was written to a memory BIO

std::string common_name(const x509_st* certificate);  // "" unless there is exactly one
std::string fingerprint(const x509_st* certificate);  // SHA-256 of the DER, lower-case hex
std::int64_t not_after_wall_ms(const x509_st* certificate);
std::int64_t issued_wall_ms(const x509_st* certificate);          // not-before, less limits::certificate_backdate
Result<> check_issued(x509_st* certificate, x509_st* authority);  // names, key identifiers and signature; not time

}  // namespace oob
