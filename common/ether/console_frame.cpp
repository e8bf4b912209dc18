// See console_frame.h. Numbers are big-endian.
#include "common/ether/console_frame.h"

#include <algorithm>
#include <cstdio>
#include <utility>

#include "common/crypto/digest.h"
#include "common/text.h"

namespace oob {
namespace {

constexpr std::uint16_t kMagic = 0x4f42;
constexpr std::uint8_t kVersion = 1;
constexpr std::uint8_t kKeyed = 0x80;  // flag
constexpr std::size_t kHashBlockBytes = 64;

template <typename Number>
std::byte* put(std::byte* at, Number value) {
  for (std::size_t i = sizeof value; i-- > 0;) *at++ = static_cast<std::byte>(value >> (8 * i));
  return at;
}

template <typename Number>
Number get(const std::byte* at) {
  Number out = 0;
  for (std::size_t i = 0; i < sizeof out; ++i) out = static_cast<Number>(out << 8 | std::to_integer<Number>(at[i]));
  return out;
}

// HMAC-SHA256 (RFC 2104) of a frame up to the tag, its first half.
std::array<std::byte, kConsoleTagBytes> tag_of(ByteView frame, const Secret& secret) {
  std::array<std::byte, kHashBlockBytes + kConsoleFrameBytesMax> inner{};
  std::array<std::byte, kHashBlockBytes + kSha256Bytes> outer{};
  ByteView key = as_bytes(secret.reveal());
  Sha256 hashed;
  if (key.size() > kHashBlockBytes) {
    hashed = sha256(key);
    key = hashed;
  }
  std::ranges::copy(key, inner.begin());
  std::ranges::copy(key, outer.begin());
  for (std::size_t i = 0; i < kHashBlockBytes; ++i) inner[i] ^= std::byte{0x36}, outer[i] ^= std::byte{0x5c};
  std::ranges::copy(frame, inner.begin() + kHashBlockBytes);
  std::ranges::copy(sha256(ByteView(inner).first(kHashBlockBytes + frame.size())), outer.begin() + kHashBlockBytes);
  const Sha256 whole = sha256(outer);
  wipe(MutableBytes(inner).first(kHashBlockBytes));
  wipe(MutableBytes(outer).first(kHashBlockBytes));
  std::array<std::byte, kConsoleTagBytes> out;
  std::copy_n(whole.begin(), out.size(), out.begin());
  return out;
}

}  // namespace

Result<MacAddress> parse_mac(std::string_view text) {
  const auto wrong = [&] {
    return fail(ErrorCode::Usage, "\"" + escape_controls(text) + "\" is no hardware address, as 52:54:00:12:34:56");
  };
  if (text.size() != 17) return wrong();
  MacAddress out{};
  for (std::size_t i = 0; i < out.size(); ++i) {
    for (std::size_t digit = 0; digit < 2; ++digit) {
      const char c = text[3 * i + digit];
      const int value = c >= '0' && c <= '9'   ? c - '0'
                        : c >= 'a' && c <= 'f' ? c - 'a' + 10
                        : c >= 'A' && c <= 'F' ? c - 'A' + 10
                                               : -1;
      if (value < 0) return wrong();
      out[i] = static_cast<std::uint8_t>(out[i] << 4 | value);
    }
    if (i < 5 && text[3 * i + 2] != ':') return wrong();
  }
  return out;
}

std::string mac_text(const MacAddress& mac) {
  char text[18];
  std::snprintf(text, sizeof text, "%02x:%02x:%02x:%02x:%02x:%02x", mac[0], mac[1], mac[2], mac[3], mac[4], mac[5]);
  return text;
}

std::size_t write_console_frame(const ConsoleFrame& frame, const Secret* key, MutableBytes into) {
  std::byte* at = into.data();
  for (const auto part : frame.to) *at++ = std::byte{part};
  for (const auto part : frame.from) *at++ = std::byte{part};
  const ByteView text = frame.text.first(std::min(frame.text.size(), kConsoleTextBytesMax));
  at = put(at, frame.ether_type);
  at = put(at, kMagic);
  at = put(at, kVersion);
  at = put(at, static_cast<std::uint8_t>(frame.type));
  at = put(at, static_cast<std::uint8_t>(frame.flags | (key != nullptr ? kKeyed : 0)));
  at = put(at, std::uint8_t{0});
  at = put(at, static_cast<std::uint16_t>(text.size()));
  at = put(at, frame.session);
  at = put(at, frame.sequence);
  at = put(at, frame.peer);
  at = std::ranges::copy(text, at).out;
  const auto size = static_cast<std::size_t>(at - into.data());
  if (key == nullptr) return size;
  std::ranges::copy(tag_of(into.first(size), *key), at);
  return size + kConsoleTagBytes;
}

Result<ConsoleFrame> read_console_frame(ByteView bytes, const Secret* key) {
  const auto wrong = [](const char* what) { return fail(ErrorCode::Usage, what); };
  if (bytes.size() < kEtherHeaderBytes + kConsoleHeaderBytes) return wrong("too short");
  const std::byte* header = bytes.data() + kEtherHeaderBytes;
  if (get<std::uint16_t>(header) != kMagic) return wrong("no etherconsole frame");
  if (get<std::uint8_t>(header + 2) != kVersion) return wrong("of another version");
  ConsoleFrame out;
  for (std::size_t i = 0; i < 6; ++i) {
    out.to[i] = std::to_integer<std::uint8_t>(bytes[i]), out.from[i] = std::to_integer<std::uint8_t>(bytes[6 + i]);
  }
  out.ether_type = get<std::uint16_t>(bytes.data() + 12);
  out.type = static_cast<ConsoleFrame::Type>(get<std::uint8_t>(header + 3));
  const auto flags = get<std::uint8_t>(header + 4);
  out.flags = flags & ~kKeyed;
  const std::size_t length = get<std::uint16_t>(header + 6);
  out.session = get<std::uint64_t>(header + 8);
  out.sequence = get<std::uint32_t>(header + 16);
  out.peer = get<std::uint64_t>(header + 20);
  const std::size_t size = kEtherHeaderBytes + kConsoleHeaderBytes + length;
  const bool keyed = (flags & kKeyed) != 0;
  if (length > kConsoleTextBytesMax || bytes.size() < size + (keyed ? kConsoleTagBytes : 0)) return wrong("cut short");
  if (out.session == 0 || out.sequence == ~0u) return wrong("without a session");
  out.text = bytes.subspan(kEtherHeaderBytes + kConsoleHeaderBytes, length);
  if (key == nullptr) return out;
  if (!keyed) return wrong("without the key's tag");
  if (!same_bytes(tag_of(bytes.first(size), *key), bytes.subspan(size, kConsoleTagBytes)))
    return wrong("of another key");
  return out;
}

ByteView without_padding(ByteView text) {
  while (!text.empty() && text.back() == std::byte{0}) text = text.first(text.size() - 1);
  return text;
}

FrameOrder::Is FrameOrder::begin(std::uint64_t session, std::uint32_t next) {
  if (rising_ && session < session_) return Is::OfEarlierSession;
  const bool first = !std::exchange(began_, true), fresh = session != session_;
  if (first) next_ = next;
  if (!first && fresh) next_ = 1;
  session_ = session;
  return fresh && !first ? Is::NewSession : Is::New;
}

FrameOrder::Is FrameOrder::take(std::uint64_t session, std::uint32_t sequence, std::uint32_t& missing) {
  missing = 0;
  const Is is = begin(session, sequence);
  if (is == Is::OfEarlierSession) return is;
  if (sequence < next_) return Is::Repeated;
  missing = sequence - next_;
  next_ = sequence + 1;
  return is;
}

FrameOrder::Is FrameOrder::take_last(std::uint64_t session, std::uint32_t last, std::uint32_t& missing) {
  missing = 0;
  const Is is = begin(session, last + 1);
  if (is == Is::OfEarlierSession || last < next_) return is;
  missing = last + 1 - next_;
  next_ = last + 1;
  return is;
}

}  // namespace oob
