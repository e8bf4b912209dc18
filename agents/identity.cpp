// See identity.h. adopt_renewed() removes renewed.pem last: until then it is whole and is what is tried first, even if
// agent.key and agent.pem do not belong together for an instant.
#include "agents/identity.h"

#include <unistd.h>

#include "common/crypto/certificate.h"
#include "common/nearest.h"

namespace oob {
namespace {

constexpr const char* kCertificateBegins = "-----BEGIN CERTIFICATE-----";

std::string renewed_file(const std::string& state) { return state + "/renewed.pem"; }

Result<AgentIdentity> identity_of(Secret key, std::string certificate, const std::string& state,
                                  const std::string& file) {
  const auto ca = read_secret_file(state + "/ca.pem");
  if (!ca) return tl::unexpected(ca.error());
  const auto facts = certificate_facts(certificate);
  if (!facts) return fail(facts.error().code, in_quotes(file) + ": " + facts.error().message);
  return AgentIdentity{facts->name, std::move(key), std::move(certificate), std::string(ca->reveal()),
                       facts->not_after_wall_ms};
}

}  // namespace

Result<AgentIdentity> load_identity(const std::string& state) {
  const std::string file = state + "/agent.pem";
  const auto certificate = read_secret_file(file);
  if (!certificate && certificate.error().code == ErrorCode::NotFound)
    return fail(ErrorCode::NotFound, "this machine has joined no server (there is no " + in_quotes(file) +
                                         "); make a token there with \"oob agent enroll NAME\" and give it to "
                                         "\"oob-agent join\" here");
  if (!certificate) return tl::unexpected(certificate.error());
  auto key = read_secret_file(state + "/agent.key");
  if (!key) return tl::unexpected(key.error());
  return identity_of(std::move(*key), std::string(certificate->reveal()), state, file);
}

Result<AgentIdentity> load_renewed(const std::string& state) {
  const std::string file = renewed_file(state);
  const auto both = read_secret_file(file);
  if (!both) return tl::unexpected(both.error());
  const std::size_t cut = both->reveal().find(kCertificateBegins);
  if (cut == std::string_view::npos) return fail(ErrorCode::Usage, in_quotes(file) + " holds no certificate");
  return identity_of(Secret(as_bytes(both->reveal().substr(0, cut))), std::string(both->reveal().substr(cut)), state,
                     file);
}

Result<> save_renewed(const std::string& state, const Secret& key_pem, const std::string& certificate_pem) {
  Bytes both;
  both.reserve(key_pem.reveal().size() + certificate_pem.size());  // or growing would leave a copy of the key behind
  append(both, key_pem.reveal());
  append(both, certificate_pem);
  const auto written = write_private_file(renewed_file(state), as_text(both));
  wipe(MutableBytes(both));
  return written;
}

Result<> adopt_renewed(const std::string& state) {
  const auto renewed = load_renewed(state);
  if (!renewed) return tl::unexpected(renewed.error());
  if (const auto key = write_private_file(state + "/agent.key", renewed->key_pem.reveal()); !key) return key;
  if (const auto pem = write_private_file(state + "/agent.pem", renewed->certificate_pem); !pem) return pem;
  drop_renewed(state);
  return {};
}

void drop_renewed(const std::string& state) { ::unlink(renewed_file(state).c_str()); }

}  // namespace oob
