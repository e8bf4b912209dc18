// See bmc_login.h.
#include "agents/bmc/bmc_login.h"

#include <algorithm>

#include "agents/lines/settings.h"
#include "common/names.h"
#include "common/runtime/descriptor.h"

namespace oob {
namespace {

Secret secret_of(const LineConfig& bmc, const std::string& key) {
  const auto found = bmc.secrets.find(key);
  return found == bmc.secrets.end() ? Secret() : found->second;
}

}  // namespace

std::string bmc_host_port(const LineConfig& bmc) {
  return ipmi::bmc_address(text_setting(bmc, "address", ""), text_setting(bmc, "port", ipmi::kIpmiPort));
}

Result<ipmi::Login> bmc_login(const LineConfig& bmc, std::string& key) {
  ipmi::Login login;
  key = "address";
  if (const auto good = ipmi::check_bmc_host(text_setting(bmc, key, "")); !good) return tl::unexpected(good.error());
  const auto address = parse_host_port(bmc_host_port(bmc));
  if (!address) return tl::unexpected(address.error());
  key = "suite";
  if (const std::string suites = text_setting(bmc, key, ""); !suites.empty()) {
    auto protections = ipmi::parse_protections(suites);
    if (!protections) return tl::unexpected(protections.error());
    login.protections = std::move(*protections);
  }
  const bool clear = std::ranges::any_of(login.protections, ipmi::is_lan15);
  if (clear && !is_loopback(address->host) && !boolean_setting(bmc, "insecure")) {
    return fail(ErrorCode::Usage,
                "IPMI 1.5 does not encrypt; for an address beyond loopback write insecure = true as well");
  }
  key = "privilege";
  if (const std::string text = text_setting(bmc, key, ""); !text.empty()) {
    const auto privilege = ipmi::parse_privilege(text);
    if (!privilege) return tl::unexpected(privilege.error());
    login.privilege = *privilege;
    login.or_less = false;
  }
  key = "quirks";
  const auto quirks = ipmi::parse_quirks(bmc.argv);
  if (!quirks) return tl::unexpected(quirks.error());
  login.quirks = *quirks;
  key = "user";
  login.user = text_setting(bmc, key, "");
  login.password = secret_of(bmc, "password-file");
  login.kg = secret_of(bmc, "kg-file");
  if (const auto good = ipmi::check_login(login); !good) return tl::unexpected(good.error());
  return login;
}

}  // namespace oob
