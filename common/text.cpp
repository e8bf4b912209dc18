// Escaping of text that others wrote.
#include "common/text.h"

#include <cstdio>

namespace oob {
namespace {

// Length of the valid UTF-8 sequence at the start of `text`, 0 if there is none. RFC 3629, section 4.
std::size_t utf8_length(std::string_view text) {
  const auto byte = [&](std::size_t i) { return i < text.size() ? static_cast<unsigned char>(text[i]) : 0u; };
  const auto tail = [&](std::size_t i) { return (byte(i) & 0xC0) == 0x80; };
  const unsigned first = byte(0);
  if (first < 0x80) return 1;
  if (first >= 0xC2 && first <= 0xDF) return tail(1) ? 2 : 0;
  if (first >= 0xE0 && first <= 0xEF) {
    const bool overlong = first == 0xE0 && byte(1) < 0xA0, surrogate = first == 0xED && byte(1) > 0x9F;
    return tail(1) && tail(2) && !overlong && !surrogate ? 3 : 0;
  }
  if (first >= 0xF0 && first <= 0xF4) {
    const bool overlong = first == 0xF0 && byte(1) < 0x90, beyond = first == 0xF4 && byte(1) > 0x8F;
    return tail(1) && tail(2) && tail(3) && !overlong && !beyond ? 4 : 0;
  }
  return 0;
}

}  // namespace

std::size_t wide_control(std::string_view text) {
  const auto byte = [&](std::size_t i) { return i < text.size() ? static_cast<unsigned char>(text[i]) : 0u; };
  const auto in = [](unsigned value, unsigned from, unsigned to) { return value >= from && value <= to; };
  if (byte(0) == 0xC2 && in(byte(1), 0x80, 0x9F)) return 2;  // U+0080..U+009F
  if (byte(0) == 0xD8 && byte(1) == 0x9C) return 2;          // U+061C
  if (byte(0) != 0xE2) return 0;
  const bool marks = byte(1) == 0x80 && in(byte(2), 0x8E, 0x8F);       // U+200E, U+200F
  const bool embeddings = byte(1) == 0x80 && in(byte(2), 0xAA, 0xAE);  // U+202A..U+202E
  const bool isolates = byte(1) == 0x81 && in(byte(2), 0xA6, 0xA9);    // U+2066..U+2069
  return marks || embeddings || isolates ? 3 : 0;
}

std::string escape_controls(std::string_view text) {
  std::string out;
  out.reserve(text.size());
  while (!text.empty()) {
    const auto first = static_cast<unsigned char>(text[0]);
    const std::size_t length = utf8_length(text);
    if (first == '\\') {
      out += "\\\\";
      text.remove_prefix(1);
    } else if (length == 0 || first < 0x20 || first == 0x7F || wide_control(text) > 0) {
      const std::size_t take = length == 0 ? 1 : length;
      for (std::size_t i = 0; i < take; ++i) {
        char hex[8];
        std::snprintf(hex, sizeof hex, "\\x%02x", static_cast<unsigned char>(text[i]));
        out += hex;
      }
      text.remove_prefix(take);
    } else {
      out += text.substr(0, length);
      text.remove_prefix(length);
    }
  }
  return out;
}

std::string valid_utf8(std::string_view text) {
  std::string out;
  out.reserve(text.size());
  while (!text.empty()) {
    const std::size_t length = utf8_length(text);
    out += length == 0 ? std::string_view("\xEF\xBF\xBD") : text.substr(0, length);
    text.remove_prefix(length == 0 ? 1 : length);
  }
  return out;
}

bool is_blank(std::string_view text) { return text.find_first_not_of(" \t\r\n") == std::string_view::npos; }

std::string count_of(std::size_t n, std::string_view one, std::string_view many) {
  return std::to_string(n) + " " + std::string(n == 1 ? one : many);
}

}  // namespace oob
