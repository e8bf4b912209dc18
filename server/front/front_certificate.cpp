// See front_certificate.h.
#include "server/front/front_certificate.h"

#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstring>
#include <filesystem>
#include <fstream>

#include "common/crypto/certificate.h"
#include "common/limits.h"
#include "common/log.h"
#include "common/nearest.h"

namespace oob {
namespace {

std::string own_certificate(const FrontCertificatePlace& place) { return place.folder + "/server.pem"; }
std::string own_key(const FrontCertificatePlace& place) { return place.folder + "/server.key"; }

Result<std::string> read_certificate(const std::string& path) {
  std::ifstream in(path, std::ios::binary);
  std::string text(limits::secret_file_bytes_max + 1, '\0');
  if (!in || !in.read(text.data(), static_cast<std::streamsize>(text.size())).eof()) {
    return fail(in ? ErrorCode::Usage : ErrorCode::NotFound, "the certificate " + in_quotes(path) +
                                                                 (in ? " is too long to be one" : " cannot be read: ") +
                                                                 (in ? "" : std::strerror(errno)));
  }
  text.resize(static_cast<std::size_t>(in.gcount()));
  return text;
}

Result<> make_own(const FrontCertificatePlace& place, WallTime now) {
  std::vector<std::string> names = place.names;
  if (names.empty()) {
    std::array<char, 256> host{};
    if (::gethostname(host.data(), host.size() - 1) == 0 && host[0] != '\0') names.emplace_back(host.data());
    names.insert(names.end(), {"localhost", "127.0.0.1", "::1"});
  }
  const auto made = make_front_certificate(names, now);
  if (!made) return fail(made.error().code, "[api] names: " + made.error().message);
  if (::mkdir(place.folder.c_str(), 0700) != 0 && errno != EEXIST)
    return fail(ErrorCode::Unavailable, "cannot make " + in_quotes(place.folder) + ": " + std::strerror(errno));
  if (const auto key = write_private_file(own_key(place), made->key_pem.reveal()); !key) return key;
  if (const auto pem = write_private_file(own_certificate(place), made->certificate_pem); !pem) return pem;
  log_info("front", "made the certificate that clients see", {{"folder", place.folder}});
  return {};
}

}  // namespace

Result<FrontCertificate> open_front_certificate(const FrontCertificatePlace& place, WallTime now) {
  const bool given = !place.certificate.empty();
  const std::string path = given ? place.certificate : own_certificate(place);
  if (!given && !std::filesystem::exists(path)) {
    if (const auto made = make_own(place, now); !made) return tl::unexpected(made.error());
  }
  const auto pem = read_certificate(path);
  if (!pem) return tl::unexpected(pem.error());
  const auto key = read_secret_file(given ? place.key : own_key(place));
  if (!key) return tl::unexpected(key.error());
  const auto facts = certificate_facts(*pem);
  if (!facts) return fail(facts.error().code, in_quotes(path) + ": " + facts.error().message);
  auto tls = TlsContext::front(*pem, *key);
  if (!tls) return fail(tls.error().code, in_quotes(path) + ": " + tls.error().message);
  if (facts->not_after_wall_ms < wall_ms(now + limits::certificate_warn_before)) {
    log_error("front", "the certificate that clients see ends soon, or has ended",
              {{"file", path}, {"ends", format_utc(WallTime(Duration(facts->not_after_wall_ms)))}});
  }
  return FrontCertificate{std::move(*tls), facts->fingerprint};
}

Result<std::string> front_fingerprint(const FrontCertificatePlace& place) {
  const bool given = !place.certificate.empty();
  const std::string path = given ? place.certificate : own_certificate(place);
  const auto pem = read_certificate(path);
  if (!pem) {
    return fail(pem.error().code,
                pem.error().message + (given || pem.error().code != ErrorCode::NotFound
                                           ? ""
                                           : "; it is made when oobd starts for the first time with [api] listen"));
  }
  const auto facts = certificate_facts(*pem);
  if (!facts) return fail(facts.error().code, in_quotes(path) + ": " + facts.error().message);
  return facts->fingerprint;
}

}  // namespace oob
