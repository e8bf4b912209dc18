// Reads a line's settings, which are text on the wire. The server checked them; an agent that is told nonsense by a
// broken server takes the default rather than failing. Also the checks that several kinds share.
#pragma once
#include <cstdint>
#include <string>
#include <string_view>

#include "agents/lines/line.h"

namespace oob {

std::string text_setting(const LineConfig& config, const std::string& key, std::string_view otherwise);
std::int64_t integer_setting(const LineConfig& config, const LineKey& key, std::int64_t otherwise);
bool boolean_setting(const LineConfig& config, const std::string& key);  // "true" or else

// A setting that is one of some words, the first of them if it is absent or none of them: its place among them.
std::size_t word_setting(const LineConfig& config, const std::string& key, const std::vector<std::string>& words);
// Error: it is none of them; which is nearest.
Result<> check_word(const LineConfig& config, const std::string& key, const std::vector<std::string>& words);

// A Words key's words; none if it is not set.
std::vector<std::string> words_setting(const LineConfig& config, const std::string& key);

// "host" or "host:port" as "host:port", with port 22 if none is written. Errors as parse_host_port(); port 0.
Result<std::string> ssh_address(std::string_view address);

// The end of the reason why a line is down and stays so for limits::login_refused_rest.
inline constexpr std::string_view kRestWords =
    "; the next try is in 10 minutes, lest the account is locked (to try at once: ^Eco in `oob attach`)";

// The entry of a kind's table; our mistake if it is not there.
const LineKey& key_of(std::span<const LineKey> keys, std::string_view name);

// The value of a SecretFile key: a file below the inventory's folder or by absolute path, on the server; or behind this
// word an absolute path on the agent's machine. What is wrong with it as text, "" if nothing.
inline constexpr std::string_view kSecretOfAgent = "agent:";
std::string secret_place_error(std::string_view place);
// Keys of type SecretFile that the line has, with their values.
std::map<std::string, std::string> secret_places(const LineKind& kind, const LineConfig& config);

// True for 127.0.0.0/8, ::1 and "localhost": a cleartext line to there crosses no network.
bool is_loopback(std::string_view host);

}  // namespace oob
