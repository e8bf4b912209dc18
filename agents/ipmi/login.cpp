// See login.h.
#include "agents/ipmi/login.h"

#include <algorithm>
#include <array>

#include "common/crypto/digest.h"
#include "common/limits.h"
#include "common/nearest.h"

namespace oob::ipmi {
namespace {

struct PrivilegeName {
  std::string_view word;
  Privilege privilege;
};
constexpr PrivilegeName kPrivileges[] = {
    {"user", Privilege::User}, {"operator", Privilege::Operator}, {"administrator", Privilege::Administrator}};

struct ProtectionName {
  std::string_view word;
  Protection protection;
};
constexpr ProtectionName kProtections[] = {{"17", Protection::Suite17},
                                           {"3", Protection::Suite3},
                                           {"8", Protection::Suite8},
                                           {"lan-md5", Protection::Lan15Md5},
                                           {"lan-password", Protection::Lan15Password},
                                           {"lan-none", Protection::Lan15None}};

struct QuirkName {
  std::string_view word;
  bool Quirks::*flag;
};
constexpr QuirkName kQuirks[] = {{"authcap", &Quirks::authcap},
                                 {"privilegehighest", &Quirks::privilege_highest},
                                 {"privilegelookup", &Quirks::name_and_privilege},
                                 {"solpayloadsize", &Quirks::sol_payload_size},
                                 {"serialalertsdeferred", &Quirks::serial_alerts_deferred},
                                 {"noinstanceinfo", &Quirks::no_instance_info}};

// "no quirk "x"; there are a, b; did you mean ..?"
template <typename Table>
tl::unexpected<Error> unknown(const char* what, std::string_view text, const Table& table) {
  std::vector<std::string> words;
  std::string list;
  for (const auto& entry : table) {
    words.emplace_back(entry.word);
    list += (list.empty() ? "" : ", ") + words.back();
  }
  return fail(ErrorCode::Usage, "no " + std::string(what) + " " + in_quotes(text) + "; there are " + list +
                                    did_you_mean(nearest_of(text, words)));
}

}  // namespace

std::string_view privilege_word(Privilege privilege) {
  for (const auto& entry : kPrivileges)
    if (entry.privilege == privilege) return entry.word;
  return "?";
}

Result<Privilege> parse_privilege(std::string_view text) {
  for (const auto& entry : kPrivileges)
    if (entry.word == text) return entry.privilege;
  return unknown("privilege", text, kPrivileges);
}

std::string protection_word(Protection protection) {
  for (const auto& entry : kProtections)
    if (entry.protection == protection) return std::string(entry.word);
  return "?";
}

Result<Protection> parse_protection(std::string_view text) {
  if (text == "0" || text == "1" || text == "2" || text == "15" || text == "16")
    return fail(ErrorCode::Usage, "cipher suite " + std::string(text) + " does not encrypt; use 17 or 3");
  for (const auto& entry : kProtections)
    if (entry.word == text) return entry.protection;
  return unknown("cipher suite", text, kProtections);
}

Result<std::vector<Protection>> parse_protections(std::string_view text) {
  std::vector<Protection> out;
  while (true) {
    const std::size_t comma = text.find(',');
    std::string_view word = text.substr(0, comma);
    while (word.starts_with(' ')) word.remove_prefix(1);
    while (word.ends_with(' ')) word.remove_suffix(1);
    const auto one = parse_protection(word);
    if (!one) return tl::unexpected(one.error());
    out.push_back(*one);
    if (comma == std::string_view::npos) return out;
    text.remove_prefix(comma + 1);
  }
}

Secret kg_from_file(const Secret& written) {
  const std::string_view text = written.reveal();
  if (text.size() != 2 + 2 * limits::ipmi_password_bytes_max || !text.starts_with("0x")) return written;
  auto bytes = parse_hex(text.substr(2));
  if (!bytes) return written;  // too long for a key as text: check_login() says so
  Secret out{ByteView(*bytes)};
  wipe(MutableBytes(*bytes));
  return out;
}

std::string bmc_address(std::string_view host, std::string_view port) {
  const bool bare = std::count(host.begin(), host.end(), ':') > 1 && !host.starts_with('[');
  return (bare ? "[" + std::string(host) + "]" : std::string(host)) + ":" + std::string(port);
}

Result<> check_bmc_host(std::string_view host) {
  if (std::count(host.begin(), host.end(), ':') != 1) return {};
  return fail(ErrorCode::Usage, "the port of a BMC is a key of its own: port");
}

Result<Quirks> parse_quirks(const std::vector<std::string>& names) {
  Quirks out;
  for (const auto& name : names) {
    const auto* at =
        std::find_if(std::begin(kQuirks), std::end(kQuirks), [&](const auto& q) { return q.word == name; });
    if (at == std::end(kQuirks)) return unknown("quirk", name, kQuirks);
    out.*(at->flag) = true;
  }
  return out;
}

Result<> check_login(const Login& login) {
  const bool lan15 = std::any_of(login.protections.begin(), login.protections.end(), is_lan15);
  const std::size_t most = lan15 ? limits::ipmi_password_bytes_max_15 : limits::ipmi_password_bytes_max;
  if (login.user.size() > limits::ipmi_user_bytes_max)
    return fail(ErrorCode::Usage, "a BMC's user has at most 16 letters");
  if (login.password.reveal().size() > most)
    return fail(ErrorCode::Usage, "a BMC's password has at most " + std::to_string(most) + " letters");
  if (login.kg.reveal().size() > limits::ipmi_password_bytes_max)
    return fail(ErrorCode::Usage, "a BMC's key K_g has at most 20 bytes");
  if (login.protections.empty()) return fail(ErrorCode::Usage, "name one cipher suite at least");
  return {};
}

}  // namespace oob::ipmi
