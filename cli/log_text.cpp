// Printing of log pieces.
#include "cli/log_text.h"

#include <algorithm>
#include <array>

#include "cli/show.h"
#include "common/limits.h"
#include "common/text.h"

namespace oob {

std::string escape_output(std::string_view bytes) {
  std::string out;
  while (true) {
    const auto end = bytes.find_first_of("\n\t\r\\");
    out += escape_controls(bytes.substr(0, end));
    if (end == std::string_view::npos) return out;
    bytes.remove_prefix(end);
    if (bytes[0] != '\r') {
      out += bytes[0];
      bytes.remove_prefix(1);
      continue;
    }
    const std::size_t returns = std::min(bytes.find_first_not_of('\r'), bytes.size());
    bytes.remove_prefix(returns);
    if (bytes.starts_with('\n')) continue;
    for (std::size_t i = 0; i < returns; ++i) out += "\\r";
  }
}

std::string last_line(std::string_view text) {
  const std::size_t end = text.find_last_not_of("\r\n ");
  if (end == std::string_view::npos) return {};
  text = text.substr(0, end + 1);
  return std::string(text.substr(text.find_last_of('\n') + 1));
}

std::optional<std::string> decode_base64(std::string_view text) {
  static constexpr std::string_view alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  static const auto values = [] {
    std::array<int, 256> table{};
    table.fill(-1);
    for (std::size_t i = 0; i < alphabet.size(); ++i)
      table[static_cast<unsigned char>(alphabet[i])] = static_cast<int>(i);
    return table;
  }();
  if (text.size() % 4 != 0) return {};
  while (text.ends_with('=') && text.size() % 4 != 2) text.remove_suffix(1);
  std::string out;
  out.reserve(text.size() * 3 / 4);
  unsigned bits = 0, held = 0;
  for (const char c : text) {
    const int value = values[static_cast<unsigned char>(c)];
    if (value < 0) return {};
    bits = bits << 6 | static_cast<unsigned>(value);
    held += 6;
    if (held < 8) continue;
    held -= 8;
    out += static_cast<char>(bits >> held & 0xFF);
  }
  return out;
}

std::string LogText::output(std::string_view bytes) {
  if (bytes.empty()) return {};
  const auto text = [this](std::string_view part) { return choices_.escape ? escape_output(part) : std::string(part); };
  std::string out;
  while (choices_.time && !bytes.empty()) {
    const std::size_t end = std::min(bytes.find('\n'), bytes.size() - 1) + 1;
    if (!line_open_) out += (line_time_.empty() ? "(time not known)" : line_time_) + " ";
    out += text(bytes.substr(0, end));
    line_open_ = bytes[end - 1] != '\n';
    line_time_ = time_;
    bytes.remove_prefix(end);
  }
  if (bytes.empty()) return out;
  line_open_ = bytes.back() != '\n';
  return text(bytes);
}

void LogText::begins_at(const std::string& utc) {
  if (!utc.empty() && time_.empty()) time_ = local_time_full(utc);
}

std::string LogText::take(std::size_t bytes) {
  std::string out = output(std::string_view(waiting_).substr(0, bytes));
  waiting_.erase(0, bytes);
  return out;
}

std::string LogText::flush() {
  std::size_t half = waiting_.ends_with('\r') ? 1 : 0;  // of a line's end, or of a character in UTF-8
  for (std::size_t n = 1; n <= std::min<std::size_t>(3, waiting_.size()); ++n) {
    const auto byte = static_cast<unsigned char>(waiting_[waiting_.size() - n]);
    if (byte >= 0xC0) half = n < (byte >= 0xF0 ? 4U : byte >= 0xE0 ? 3U : 2U) ? n : 0;
    if ((byte & 0xC0) != 0x80) break;
  }
  return take(waiting_.size() - half);
}

std::string LogText::event(const json::object& piece) {
  const std::string kind = text_of(piece, "event");
  if (kind == "time") {
    time_ = local_time_full(text_of(piece, "time"));
    return {};
  }
  if (kind != "gap" && !choices_.time) return {};
  std::string text = shown(piece, "text");
  if (kind == "gap") {
    const auto bytes = count_at(piece, "bytes");
    text = (bytes ? count_of(*bytes, "byte", "bytes") + " missing" : "output missing, nobody knows how much") +
           (text.empty() ? "" : ": " + text);
  } else {
    text = escape_controls(kind) + (text.empty() ? "" : ": " + text);
  }
  std::string out = take(waiting_.size());
  if (line_open_) out += '\n';
  line_open_ = false;
  return out + (choices_.time ? "[" + local_time_full(text_of(piece, "time")) + "] " + text : "[" + text + "]") + "\n";
}

std::string LogText::add(const json::object& piece) {
  if (!piece.contains("data")) return event(piece);
  const auto bytes = decode_base64(text_of(piece, "data"));
  if (waiting_.empty() && !line_open_) line_time_ = time_;
  waiting_ += bytes ? *bytes : "";
  const auto end = waiting_.rfind('\n');
  if (waiting_.size() > limits::log_gather_bytes) return flush();
  return take(end == std::string::npos ? 0 : end + 1);
}

std::string LogText::end() {
  std::string out = take(waiting_.size());
  if (line_open_ && choices_.escape) out += '\n';
  return out;
}

}  // namespace oob
