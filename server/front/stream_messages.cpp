// See stream_messages.h.
#include "server/front/stream_messages.h"

#include <algorithm>
#include <cctype>

#include "common/limits.h"
#include "common/text.h"

namespace oob {
namespace {

constexpr std::string_view kClientTypes[] = {"attach",    "detach", "want-write", "give-up-write", "ask",
                                             "hand-over", "break",  "sysrq",      "message",       "replay"};
constexpr std::string_view kServerTypes[] = {"welcome", "tick",    "attached", "writer",   "reader", "gap",
                                             "lagged",  "up",      "down",     "joined",   "left",   "asked",
                                             "note",    "message", "input",    "detached", "error"};
constexpr std::uint32_t kChannelMax = 0x7fffffff;

// Reads the fields of one message; the first that does not fit is remembered.
class Fields {
 public:
  explicit Fields(const json::object& object) : object_(object) {}

  std::string text(std::string_view key) {
    const json::value* value = object_.if_contains(key);
    if (value && value->is_string()) return std::string(value->get_string());
    wrong(key, "text");
    return {};
  }

  // Not empty, at most so many bytes.
  std::string text(std::string_view key, std::size_t bytes_max) {
    std::string value = text(key);
    if (value.empty() || value.size() > bytes_max) wrong(key, "text of 1 to " + std::to_string(bytes_max) + " bytes");
    return value;
  }

  // Likewise, of letters and digits.
  std::string word(std::string_view key, std::size_t bytes_max) {
    std::string value = text(key, bytes_max);
    const bool plain = std::ranges::all_of(value, [](unsigned char c) { return c < 0x80 && std::isalnum(c); });
    if (!plain) wrong(key, "letters and digits");
    return value;
  }

  bool flag(std::string_view key) {
    const json::value* value = object_.if_contains(key);
    if (value && !value->is_bool()) wrong(key, "true or false");
    return value && value->is_bool() && value->get_bool();
  }

  std::uint64_t number(std::string_view key, std::uint64_t min, std::uint64_t max,
                       std::optional<std::uint64_t> otherwise = {}) {
    const json::value* value = object_.if_contains(key);
    if (!value && otherwise) return *otherwise;
    boost::system::error_code bad;
    const std::uint64_t number = value && value->is_number() ? value->to_number<std::uint64_t>(bad) : 0;
    if (!value || !value->is_number() || bad || number < min || number > max) {
      wrong(key, "a whole number from " + std::to_string(min) + " to " + std::to_string(max));
      return min;
    }
    return number;
  }

  WallTime time(std::string_view key) {
    WallTime time{};
    if (!parse_utc(text(key), time)) wrong(key, "a time in UTC, as 2026-11-21T02:34:39.123Z");
    return time;
  }

  bool has(std::string_view key) const { return object_.contains(key); }
  void wrong(std::string_view key, std::string_view wanted) {
    if (fault_.empty()) fault_ = std::string(key) + " has to be " + std::string(wanted);
  }
  const std::string& fault() const { return fault_; }

 private:
  const json::object& object_;
  std::string fault_;
};

tl::unexpected<StreamFault> fault(std::string message, std::uint32_t channel = 0, bool fatal = false) {
  return tl::unexpected(StreamFault{{ErrorCode::Usage, std::move(message)}, channel, fatal});
}

void read_fields(Fields& fields, ClientMessage& message) {
  using Type = ClientMessage::Type;
  switch (message.type) {
    case Type::Attach:
      message.console = fields.text("console");
      message.write = fields.flag("write");
      message.force = fields.flag("force");
      if (fields.has("offset")) message.offset = fields.number("offset", 0, UINT64_MAX);
      if (fields.has("since")) message.since = fields.time("since");
      message.lines = fields.number("lines", 0, limits::replay_lines_max, 20);
      message.session = fields.number("session", 0, UINT64_MAX, 0);
      if (fields.has("tool")) message.tool = fields.word("tool", limits::tool_bytes_max);
      break;
    case Type::WantWrite:
      message.force = fields.flag("force");
      break;
    case Type::HandOver:
      message.user = fields.text("user");
      break;
    case Type::Replay:
      message.lines = fields.number("lines", 0, limits::replay_lines_max, 20);
      break;
    case Type::Message:
      message.text = fields.text("text", limits::message_bytes_max);
      if (is_blank(message.text)) fields.wrong("text", "text that says something");
      break;
    case Type::SysRq:
      message.seat = fields.number("seat", 0, UINT64_MAX);
      message.sequence = fields.number("sequence", 1, UINT64_MAX - 1);
      message.key = (fields.word("key", 1) + '?')[0];
      break;
    case Type::Break:
      message.seat = fields.number("seat", 0, UINT64_MAX);
      message.sequence = fields.number("sequence", 1, UINT64_MAX);
      message.duration = Duration(fields.number("ms", 1, limits::break_max.count(), 0));
      break;
    default:
      break;
  }
}

std::uint64_t read_number(ByteView bytes, std::size_t at, std::size_t size) {
  std::uint64_t number = 0;
  for (std::size_t i = 0; i < size; ++i) number = number << 8 | std::to_integer<std::uint64_t>(bytes[at + i]);
  return number;
}

void append_number(Bytes& to, std::uint64_t number, std::size_t size) {
  for (std::size_t i = size; i-- > 0;) to.push_back(static_cast<std::byte>(number >> (8 * i) & 0xff));
}

}  // namespace

std::span<const std::string_view> client_type_names() { return kClientTypes; }
std::span<const std::string_view> server_type_names() { return kServerTypes; }

ParsedMessage parse_client_text(std::string_view text) {
  boost::system::error_code bad;
  const json::value parsed = json::parse(text, bad);
  const json::object* object = bad ? nullptr : parsed.if_object();
  if (!object) return fault("this is not a JSON object", 0, true);
  Fields fields(*object);
  const std::string type = fields.text("type");
  if (!fields.fault().empty()) return fault(fields.fault(), 0, true);
  const auto known = std::find(std::begin(kClientTypes), std::end(kClientTypes), type);
  ClientMessage message;
  message.channel = static_cast<std::uint32_t>(fields.number("channel", 1, kChannelMax));
  const std::uint32_t channel = fields.fault().empty() ? message.channel : 0;
  if (known == std::end(kClientTypes)) return fault("no message type \"" + escape_controls(type) + "\"", channel);
  message.type = static_cast<ClientMessage::Type>(known - std::begin(kClientTypes));
  read_fields(fields, message);
  if (!fields.fault().empty()) return fault(type + ": " + fields.fault(), channel);
  return message;
}

ParsedMessage parse_client_binary(ByteView bytes) {
  if (bytes.size() < kInputHeadBytes || bytes[0] != std::byte{1}) return fault("this is not an input message", 0, true);
  ClientMessage message;
  message.type = ClientMessage::Type::Input;
  message.channel = static_cast<std::uint32_t>(read_number(bytes, 1, 4));
  message.seat = read_number(bytes, 5, 8);
  message.sequence = read_number(bytes, 13, 8);
  message.deadline_ms = static_cast<std::int64_t>(read_number(bytes, 21, 8));
  message.keys = bytes.subspan(kInputHeadBytes);
  if (message.channel == 0 || message.channel > kChannelMax) return fault("no such channel");
  if (message.sequence == 0) return fault("an input's sequence has to be at least 1", message.channel);
  return message;
}

json::object server_message(ServerType type, std::uint32_t channel) {
  json::object out;
  out["type"] = kServerTypes[static_cast<std::size_t>(type)];
  if (channel != 0) out["channel"] = channel;
  return out;
}

Bytes output_message(std::uint32_t channel, std::uint64_t log_offset, ByteView bytes) {
  Bytes out;
  out.reserve(kOutputHeadBytes + bytes.size());
  out.push_back(std::byte{2});
  append_number(out, channel, 4);
  append_number(out, log_offset, 8);
  append(out, bytes);
  return out;
}

}  // namespace oob
