// What a BMC wants to know of us before it serves us, and how it may differ from the standard. Used by every IPMI
// session: serial over LAN, power, the BMC doctor.
#pragma once
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "common/crypto/secret.h"

namespace oob::ipmi {

// Privilege levels, IPMI 2.0 section 6.8.
enum class Privilege : std::uint8_t { User = 2, Operator = 3, Administrator = 4 };
std::string_view privilege_word(Privilege privilege);      // "administrator"
Result<Privilege> parse_privilege(std::string_view text);  // Usage: names the nearest word

// How the session is protected. A number is a cipher suite of IPMI 2.0 (table 22-20): 3, 8, 17. The others are
// IPMI 1.5, which encrypts nothing and carries no serial over LAN.
enum class Protection : std::uint8_t { Suite3 = 3, Suite8 = 8, Suite17 = 17, Lan15None = 64, Lan15Md5, Lan15Password };
std::string protection_word(Protection protection);  // "17", "lan-md5"
Result<Protection> parse_protection(std::string_view text);
// Several, separated by commas, in the order in which they are tried: "17,3".
Result<std::vector<Protection>> parse_protections(std::string_view text);
inline bool is_lan15(Protection protection) { return protection >= Protection::Lan15None; }

// What a device does otherwise, by the names that FreeIPMI's manual pages gave such workarounds where it has one;
// docs/LINES.md says what each is for.
struct Quirks {
  bool authcap = false;                 // what the BMC says of its abilities before the login is not believed
  bool privilege_highest = false;       // the session is opened for the highest privilege, not for the one wanted
  bool name_and_privilege = false;      // the user is looked up by name and privilege, not by name alone
  bool sol_payload_size = false;        // the packet sizes that the BMC tells are nonsense: 64 bytes are used
  bool serial_alerts_deferred = false;  // SOL is refused unless serial alerts are deferred meanwhile
  bool no_instance_info = false;        // Get Payload Instance Info is not asked: its answer is nonsense
};
Result<Quirks> parse_quirks(const std::vector<std::string>& names);  // Usage: names the nearest one

struct Login {
  std::string user;  // 0..16 bytes
  Secret password;   // 0..20 bytes; 0..16 for IPMI 1.5
  Secret kg;         // the BMC's own key, 0..20 bytes; empty: it has none
  std::vector<Protection> protections{Protection::Suite17, Protection::Suite3};  // in the order tried
  Privilege privilege = Privilege::Administrator;
  bool or_less = true;  // if the BMC grants less than `privilege`, that is taken; else it is an error
  Quirks quirks;
};
Result<> check_login(const Login& login);  // lengths; Usage

// The key that a file holds as people write it: text, or 0x and 40 hexadecimal digits.
Secret kg_from_file(const Secret& written);

// Where a BMC is, as "host:port", of a host as people write it (a name or an address, IPv6 with or without brackets).
std::string bmc_address(std::string_view host, std::string_view port);
Result<> check_bmc_host(std::string_view host);  // Usage: a port is written behind it
inline constexpr std::string_view kIpmiPort = "623";

}  // namespace oob::ipmi
