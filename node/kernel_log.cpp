// See kernel_log.h.
#include "node/kernel_log.h"

#include <cstdio>
#include <cstdlib>

namespace oob {

std::string kernel_log_text(std::string_view record) {
  const std::size_t body = record.find(';');
  if (body == std::string_view::npos) return "";
  std::size_t at = 0;
  for (int field = 0; field < 2; ++field) {
    at = record.find(',', at);
    if (at == std::string_view::npos || at > body) return "";
    ++at;
  }
  const unsigned long long microseconds = std::strtoull(std::string(record.substr(at, body - at)).c_str(), nullptr, 10);
  char time[48];
  std::snprintf(time, sizeof time, "[%5llu.%06llu] ", microseconds / 1'000'000, microseconds % 1'000'000);
  std::string out = time;
  const std::string_view text = record.substr(body + 1, record.find('\n', body) - body - 1);
  for (std::size_t i = 0; i < text.size(); ++i) {
    unsigned value = 0;
    // The kernel writes \xNN for what is not printable.
    if (text[i] == '\\' && i + 3 < text.size() &&
        std::sscanf(std::string(text.substr(i, 4)).c_str(), "\\x%2x", &value) == 1) {
      value == '\n' ? void(out.append("\r\n").append(time)) : out.push_back(static_cast<char>(value));
      i += 3;
    } else {
      out += text[i];
    }
  }
  return out + "\r\n";
}

}  // namespace oob
