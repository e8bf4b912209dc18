// See settings.h.
#include "agents/lines/settings.h"

#include <algorithm>
#include <cassert>
#include <charconv>

#include "common/nearest.h"
#include "common/runtime/descriptor.h"

namespace oob {

std::string text_setting(const LineConfig& config, const std::string& key, std::string_view otherwise) {
  const auto at = config.settings.find(key);
  return at == config.settings.end() ? std::string(otherwise) : at->second;
}

std::int64_t integer_setting(const LineConfig& config, const LineKey& key, std::int64_t otherwise) {
  const std::string text = text_setting(config, std::string(key.name), "");
  std::int64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  const bool good = error == std::errc() && end == text.data() + text.size() && value >= key.min && value <= key.max;
  return good ? value : otherwise;
}

bool boolean_setting(const LineConfig& config, const std::string& key) {
  return text_setting(config, key, "false") == "true";
}

std::vector<std::string> words_setting(const LineConfig& config, const std::string& key) {
  std::vector<std::string> out;
  const std::string text = text_setting(config, key, "");
  for (std::size_t at = 0; at < text.size();) {
    const std::size_t end = std::min(text.find(',', at), text.size());
    if (end > at) out.push_back(text.substr(at, end - at));
    at = end + 1;
  }
  return out;
}

Result<std::string> ssh_address(std::string_view address) {
  const bool bare_v6 = address.find(':') != address.rfind(':') && !address.starts_with('[');
  const bool has_port = !bare_v6 && !address.ends_with(']') && address.find(':') != std::string_view::npos;
  const std::string whole =
      bare_v6 ? "[" + std::string(address) + "]:22" : std::string(address) + (has_port ? "" : ":22");
  const auto parsed = parse_host_port(whole);
  if (!parsed) return tl::unexpected(parsed.error());
  if (parsed->port.find_first_not_of('0') == std::string::npos) return fail(ErrorCode::Usage, "the port cannot be 0");
  return whole;
}

std::size_t word_setting(const LineConfig& config, const std::string& key, const std::vector<std::string>& words) {
  const auto found = std::ranges::find(words, text_setting(config, key, words[0]));
  return found == words.end() ? 0 : std::size_t(found - words.begin());
}

Result<> check_word(const LineConfig& config, const std::string& key, const std::vector<std::string>& words) {
  const std::string word = text_setting(config, key, words[0]);
  if (std::ranges::find(words, word) != words.end()) return {};
  std::string all;
  for (const auto& one : words) all += (all.empty() ? "" : ", ") + one;
  return fail(ErrorCode::Usage, in_quotes(word) + " is none of: " + all + did_you_mean(nearest_of(word, words)));
}

const LineKey& key_of(std::span<const LineKey> keys, std::string_view name) {
  const auto at = std::find_if(keys.begin(), keys.end(), [&](const LineKey& key) { return key.name == name; });
  assert(at != keys.end());
  return *at;
}

std::string secret_place_error(std::string_view place) {
  const bool of_agent = place.starts_with(kSecretOfAgent);
  const std::string path(of_agent ? place.substr(kSecretOfAgent.size()) : place);
  if (path.empty() || path.ends_with('/')) return "names no file";
  if (of_agent && !path.starts_with('/')) return "names no absolute path on the agent's machine behind agent:";
  if (("/" + path + "/").find("/../") != std::string::npos)
    return "climbs out of a folder (..); write the absolute path";
  return "";
}

std::map<std::string, std::string> secret_places(const LineKind& kind, const LineConfig& config) {
  std::map<std::string, std::string> out;
  for (const LineKey& key : kind.keys) {
    const auto place = config.settings.find(std::string(key.name));
    if (key.type == LineKey::Type::SecretFile && place != config.settings.end()) out.insert(*place);
  }
  return out;
}

bool is_loopback(std::string_view host) {
  const bool digits = std::all_of(host.begin(), host.end(), [](char c) { return (c >= '0' && c <= '9') || c == '.'; });
  return host == "localhost" || host == "::1" || (digits && host.starts_with("127."));
}

}  // namespace oob
