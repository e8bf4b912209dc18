// OpenSSL's reasons and the peer's alerts (RFC 8446 section 6) as sentences.
#include "common/crypto/tls_words.h"

#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509_vfy.h>

namespace oob {
namespace {

std::string verification_words(long result, bool peer_is_agent) {
  switch (result) {
    case X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT:
    case X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT_LOCALLY:
    case X509_V_ERR_UNABLE_TO_VERIFY_LEAF_SIGNATURE:
    case X509_V_ERR_SELF_SIGNED_CERT_IN_CHAIN:
    case X509_V_ERR_DEPTH_ZERO_SELF_SIGNED_CERT:
    case X509_V_ERR_CERT_SIGNATURE_FAILURE:
    case X509_V_ERR_CERT_UNTRUSTED:
      return "peer's certificate is of another CA";
    case X509_V_ERR_HOSTNAME_MISMATCH:
    case X509_V_ERR_IP_ADDRESS_MISMATCH:
      return "peer's certificate is for another name than the one that was asked for";
    case X509_V_ERR_CERT_HAS_EXPIRED:
      return "peer's certificate has expired (if not, this machine's clock is wrong)";
    case X509_V_ERR_CERT_NOT_YET_VALID:
      return "peer's certificate is not valid yet: one of the two machines' clocks is wrong";
    case X509_V_ERR_INVALID_PURPOSE:
      return peer_is_agent ? "peer's certificate is not an agent's" : "peer's certificate is not a server's";
    default:
      return std::string("peer's certificate does not serve: ") + X509_verify_cert_error_string(result);
  }
}

std::string alert_words(int alert, bool peer_is_agent) {
  switch (alert) {
    case SSL_AD_UNKNOWN_CA:
      return "peer refused our certificate: to it, it is of another CA";
    case SSL_AD_CERTIFICATE_EXPIRED:
      return peer_is_agent
                 ? "peer refused our certificate: to it, it has expired (its clock may be wrong)"
                 : "the server refused our certificate: it has expired; run `oob agent enroll NAME` there, then "
                   "`oob-agent join` here with that token";
    case SSL_AD_BAD_CERTIFICATE:
    case SSL_AD_UNSUPPORTED_CERTIFICATE:
    case SSL_AD_CERTIFICATE_UNKNOWN:
      return "peer refused our certificate: it does not serve for this (or clocks differ)";
    case SSL_AD_CERTIFICATE_REQUIRED:
      return "peer wants a certificate and was given none";
    case SSL_AD_NO_APPLICATION_PROTOCOL:
      return "peer does not speak our protocol (another service, or a newer version)";
    case SSL_AD_PROTOCOL_VERSION:
      return "peer does not speak TLS 1.3";
    default:
      return std::string("peer ended the connection: ") + SSL_alert_desc_string_long(alert);
  }
}

}  // namespace

std::string tls_words(const ssl_st* connection) {
  const unsigned long error = ERR_peek_error();
  const char* text = ERR_reason_error_string(error);
  ERR_clear_error();
  const int reason = ERR_GET_LIB(error) == ERR_LIB_SSL ? ERR_GET_REASON(error) : 0;
  if (reason == SSL_R_CERTIFICATE_VERIFY_FAILED)
    return verification_words(SSL_get_verify_result(connection), SSL_is_server(connection) == 1);
  if (reason > SSL_AD_REASON_OFFSET && reason <= SSL_AD_REASON_OFFSET + 255)
    return alert_words(reason - SSL_AD_REASON_OFFSET, SSL_is_server(connection) == 1);
  switch (reason) {
    case SSL_R_PEER_DID_NOT_RETURN_A_CERTIFICATE:
      return "peer has no certificate";
    case SSL_R_NO_APPLICATION_PROTOCOL:
      return "peer asked for none of our protocols";
    case SSL_R_UNSUPPORTED_PROTOCOL:
      return "peer does not speak TLS 1.3";
    case SSL_R_HTTP_REQUEST:
    case SSL_R_HTTPS_PROXY_REQUEST:
    case SSL_R_WRONG_VERSION_NUMBER:
      return "peer sent no TLS";
    default:
      return std::string("peer sent no TLS, or damaged TLS (") + (text != nullptr ? text : "no reason") + ")";
  }
}

}  // namespace oob
