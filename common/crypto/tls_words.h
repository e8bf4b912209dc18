// Why a TLS connection failed, in words for whoever has to set it right. For tls.cpp only.
#pragma once
#include <string>

struct ssl_st;

namespace oob {

// From OpenSSL's error queue of this thread (emptied) and the connection's verification result.
std::string tls_words(const ssl_st* connection);

}  // namespace oob
