// The CA's folder. A new one is made beside its place and moved there, so that no crash leaves half a CA.
#include "server/agents/authority.h"

#include <filesystem>

#include "common/limits.h"
#include "common/log.h"
#include "common/nearest.h"

namespace oob {
namespace {

namespace fs = std::filesystem;

Result<> make_folder(const std::string& folder, WallTime now) {
  const auto made = make_authority(now);
  if (!made) return tl::unexpected(made.error());
  const fs::path fresh = folder + ".new";
  std::error_code error;
  fs::remove_all(fresh, error);  // of a start that was cut short
  if (!error) fs::create_directories(fresh, error);
  if (!error) fs::permissions(fresh, fs::perms::owner_all, error);
  if (error) return fail(ErrorCode::Unavailable, "cannot make " + in_quotes(fresh.string()) + ": " + error.message());
  if (const auto key = write_private_file(fresh / "ca.key", made->key_pem.reveal()); !key) return key;
  if (const auto pem = write_private_file(fresh / "ca.pem", made->certificate_pem); !pem) return pem;
  fs::rename(fresh, folder, error);  // rename(2) takes the place of an empty folder
  if (error) return fail(ErrorCode::Unavailable, "cannot make " + in_quotes(folder) + ": " + error.message());
  return {};
}

Result<KeyAndCertificate> read_pair(const std::string& folder, const std::string& name) {
  auto key = read_secret_file(folder + "/" + name + ".key");
  if (!key) return tl::unexpected(key.error());
  const auto pem = read_secret_file(folder + "/" + name + ".pem");
  if (!pem) return tl::unexpected(pem.error());
  return KeyAndCertificate{std::move(*key), std::string(pem->reveal())};
}

}  // namespace

Result<std::unique_ptr<Authority>> Authority::open(const std::string& folder, const Clock& clock,
                                                   std::chrono::seconds life) {
  std::error_code error;
  if (!fs::exists(folder, error) || fs::is_empty(folder, error)) {
    if (const auto made = make_folder(folder, clock.wall()); !made) return tl::unexpected(made.error());
    log_info("ca", "made this server's own CA, which agents' certificates will be of", {{"folder", folder}});
  }
  auto pair = read_pair(folder, "ca");
  if (!pair && pair.error().code == ErrorCode::NotFound)
    return fail(ErrorCode::Unavailable, pair.error().message + "; restore it from a backup, or remove all of " +
                                            in_quotes(folder) + " for a new CA: every agent must enrol again then");
  if (!pair) return tl::unexpected(pair.error());
  const auto facts = certificate_facts(pair->certificate_pem);
  if (!facts) return fail(facts.error().code, in_quotes(folder + "/ca.pem") + ": " + facts.error().message);
  std::unique_ptr<Authority> authority(new Authority(folder, std::move(*pair), life));
  authority->fingerprint_ = facts->fingerprint;
  if (const auto loaded = authority->load_server(clock.wall()); !loaded) return tl::unexpected(loaded.error());
  return authority;
}

// The server's certificate is worth nothing by itself: whatever is wrong with it, a new one is made.
Result<> Authority::load_server(WallTime now) {
  const auto pair = read_pair(folder_, "server");
  const auto facts = pair ? certificate_facts(pair->certificate_pem) : tl::unexpected(pair.error());
  auto tls = facts ? TlsContext::server(pair->certificate_pem, pair->key_pem, authority_.certificate_pem)
                   : tl::unexpected(facts.error());
  if (facts) server_due_ = renewal_due(facts->issued_wall_ms, facts->not_after_wall_ms, life_);
  if (!tls || server_due_ <= now) tls = make_server(now);
  if (!tls) return tl::unexpected(tls.error());
  tls_ = std::move(*tls);
  return {};
}

Result<std::shared_ptr<TlsContext>> Authority::renew_server(WallTime now) {
  if (server_due_ > now) return nullptr;
  return make_server(now);
}

Result<std::shared_ptr<TlsContext>> Authority::make_server(WallTime now) {
  const auto made = make_server_certificate(authority_, now, life_);
  if (!made) return fail(made.error().code, in_quotes(folder_) + ": " + made.error().message);
  auto tls = TlsContext::server(made->certificate_pem, made->key_pem, authority_.certificate_pem);
  if (!tls) return tl::unexpected(tls.error());
  if (const auto key = write_private_file(folder_ + "/server.key", made->key_pem.reveal()); !key)
    return tl::unexpected(key.error());
  if (const auto pem = write_private_file(folder_ + "/server.pem", made->certificate_pem); !pem)
    return tl::unexpected(pem.error());
  log_info("ca", "made this server's TLS certificate", {{"folder", folder_}});
  server_due_ = renewal_due(wall_ms(now), wall_ms(now + life_), life_);
  return tls;
}

Result<std::string> Authority::sign(ByteView request_der, std::string_view name, WallTime now) const {
  return sign_request(authority_, request_der, name, now, life_);
}

}  // namespace oob
