// What of http.h needs no Beast: targets, the token's header, and Errors as JSON bodies.
#include "common/http/http.h"
#include "common/json/json.h"
#include "common/limits.h"

namespace oob {
namespace {

struct CodeRow {
  ErrorCode code;
  std::string_view name;
  unsigned status;
};
constexpr CodeRow kCodes[] = {
    {ErrorCode::Usage, "usage", 400},
    {ErrorCode::Denied, "denied", 403},
    {ErrorCode::NotFound, "not-found", 404},
    {ErrorCode::Conflict, "conflict", 409},
    {ErrorCode::Unavailable, "unavailable", 503},
    {ErrorCode::Internal, "internal", 500},
};

const CodeRow& row_of(ErrorCode code) {
  for (const CodeRow& row : kCodes)
    if (row.code == code) return row;
  return row_of(ErrorCode::Internal);
}

int hex_digit(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

bool decode(std::string_view text, bool plus_is_space, std::string& out) {
  out.clear();
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '%') {
      if (i + 2 >= text.size() || hex_digit(text[i + 1]) < 0 || hex_digit(text[i + 2]) < 0) return false;
      out += static_cast<char>(hex_digit(text[i + 1]) * 16 + hex_digit(text[i + 2]));
      i += 2;
    } else {
      out += text[i] == '+' && plus_is_space ? ' ' : text[i];
    }
  }
  return true;
}

}  // namespace

Secret bearer_token(std::string_view header) {
  constexpr std::string_view kScheme = "bearer ";
  if (header.size() <= kScheme.size() || header.size() > kScheme.size() + limits::token_bytes_max) return {};
  for (std::size_t i = 0; i < kScheme.size(); ++i) {
    const char c = header[i];
    if ((c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c) != kScheme[i]) return {};
  }
  const std::string_view token = header.substr(kScheme.size());
  for (const char c : token) {
    if (c <= ' ' || c > '~') return {};
  }
  return Secret(as_bytes(token));
}

std::string url_encode(std::string_view text) {
  constexpr char kHex[] = "0123456789ABCDEF";
  std::string out;
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    const bool plain = (byte >= '0' && byte <= '9') || (byte >= 'A' && byte <= 'Z') || (byte >= 'a' && byte <= 'z') ||
                       byte == '-' || byte == '.' || byte == '_' || byte == '~';  // RFC 3986, section 2.3
    if (plain) {
      out += c;
    } else {
      out += {'%', kHex[byte >> 4], kHex[byte & 15]};
    }
  }
  return out;
}

bool parse_target(std::string_view target, HttpRequest& into) {
  const std::size_t mark = target.find('?');
  if (!decode(target.substr(0, mark), false, into.path)) return false;
  std::string_view rest = mark == std::string_view::npos ? std::string_view() : target.substr(mark + 1);
  while (!rest.empty()) {
    const std::string_view pair = rest.substr(0, rest.find('&'));
    rest.remove_prefix(std::min(rest.size(), pair.size() + 1));
    const std::size_t equals = pair.find('=');
    std::string key, value;
    if (!decode(pair.substr(0, equals), true, key)) return false;
    if (equals != std::string_view::npos && !decode(pair.substr(equals + 1), true, value)) return false;
    if (!key.empty()) into.query[std::move(key)] = std::move(value);
  }
  return true;
}

std::string_view error_code_name(ErrorCode code) { return row_of(code).name; }
unsigned http_status(ErrorCode code) { return row_of(code).status; }

ErrorCode error_code_of(std::string_view name) {
  for (const CodeRow& row : kCodes)
    if (row.name == name) return row.code;
  return ErrorCode::Internal;
}

HttpResponse error_response(const Error& error) {
  const json::value body = {{"error", {{"code", error_code_name(error.code)}, {"message", error.message}}}};
  return {http_status(error.code), "application/json", json::serialize(body)};
}

Error error_of(const HttpResponse& response) {
  boost::system::error_code bad;
  const json::value body = json::parse(response.body, bad);
  if (const json::object* top = body.if_object(); !bad && top) {
    const json::value* error = top->if_contains("error");
    const json::object* fields = error ? error->if_object() : nullptr;
    const json::value* code = fields ? fields->if_contains("code") : nullptr;
    const json::value* message = fields ? fields->if_contains("message") : nullptr;
    if (code && code->is_string() && message && message->is_string()) {
      return {error_code_of(code->get_string()), std::string(message->get_string())};
    }
  }
  Error plain{ErrorCode::Internal, "the server answered with HTTP status " + std::to_string(response.status)};
  for (const CodeRow& row : kCodes)
    if (row.status == response.status) plain.code = row.code;
  return plain;
}

}  // namespace oob
