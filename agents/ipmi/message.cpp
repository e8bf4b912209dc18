// See message.h.
#include "agents/ipmi/message.h"

#include <initializer_list>

#include "agents/ipmi/packet.h"

namespace oob::ipmi {
namespace {

constexpr unsigned kBmcAddress = 0x20, kConsoleAddress = 0x81;

std::byte checksum(ByteView bytes) {
  unsigned sum = 0;
  for (const std::byte b : bytes) sum += std::to_integer<unsigned>(b);
  return static_cast<std::byte>(-sum & 0xff);
}

// What a code of a single command means; empty if nothing is known.
const char* special_words(std::uint8_t netfn, std::uint8_t command, std::uint8_t code) {
  if (netfn == kApp && command == kActivatePayload) switch (code) {
      case 0x80:
        return "serial over LAN is in use by another session";
      case 0x81:
        return "serial over LAN is switched off; enable it in the BMC (its SOL configuration)";
      case 0x82:
        return "as many serial-over-LAN sessions as the BMC allows are open";
      case 0x83:
        return "the BMC gives serial over LAN without encryption only; allow encryption in its SOL configuration";
      case 0x84:
        return "the BMC wants serial over LAN encrypted";
      default:
        break;
    }
  if (netfn == kApp && command == kDeactivatePayload && code == 0x80) return "serial over LAN was not active";
  if (netfn == kApp && command == kDeactivatePayload && code == 0x81) return "serial over LAN is switched off";
  if (netfn == kApp && command == kSetSessionPrivilege && (code == 0x80 || code == 0x81))
    return "the BMC does not grant the user this privilege";
  if (netfn == kApp && command == kCloseSession && code == 0x87) return "there is no such session";
  if (netfn == kApp && command == kGetSessionChallenge && (code == 0x81 || code == 0x82))
    return "the BMC knows no such user";
  if (netfn == kApp && command == kActivateSession) switch (code) {
      case 0x81:
      case 0x82:
      case 0x83:
        return "the BMC has no session free";
      case 0x86:
        return "the BMC does not grant the user this privilege";
      default:
        break;
    }
  return nullptr;
}

// Table 5-2.
const char* general_words(std::uint8_t code) {
  switch (code) {
    case 0x00:
      return "done";
    case 0xc0:
      return "the BMC is busy";
    case 0xc1:
      return "the BMC does not know this command";
    case 0xc2:
      return "the command is not for this LUN";
    case 0xc3:
      return "the BMC took too long over it";
    case 0xc4:
      return "the BMC is out of space";
    case 0xc5:
      return "the reservation was cancelled";
    case 0xc6:
    case 0xc7:
    case 0xc8:
      return "the BMC wants the request longer or shorter";
    case 0xc9:
      return "a parameter is out of range";
    case 0xca:
      return "more bytes were asked for than it can give";
    case 0xcb:
      return "there is no such sensor, record or thing";
    case 0xcc:
      return "the BMC does not accept a field of the request";
    case 0xcd:
      return "the command is not for this sensor or record";
    case 0xce:
      return "the BMC could not give an answer";
    case 0xcf:
      return "the BMC takes it for a repeat";
    case 0xd0:
    case 0xd1:
    case 0xd2:
      return "the BMC is updating or starting; try again in a minute";
    case 0xd3:
      return "the destination is not reachable";
    case 0xd4:
      return "the user may not do this; give it more privilege in the BMC, or raise privilege";
    case 0xd5:
      return "not in the BMC's present state";
    case 0xd6:
      return "this function of the BMC is disabled";
    default:
      return "unspecified error";
  }
}

}  // namespace

Request request_of(std::uint8_t netfn, std::uint8_t command, std::initializer_list<unsigned> data) {
  Request out;
  out.netfn = netfn;
  out.command = command;
  for (const unsigned b : data) out.data.push_back(static_cast<std::byte>(b));
  return out;
}

std::string completion_words(std::uint8_t netfn, std::uint8_t command, std::uint8_t code) {
  const char* words = special_words(netfn, command, code);
  constexpr char hex[] = "0123456789abcdef";
  return std::string(words != nullptr ? words : general_words(code)) + " (0x" + hex[code >> 4] + hex[code & 15] + ")";
}

Bytes encode_request(const Request& request, std::uint8_t sequence) {
  Bytes out;
  out.reserve(request.data.size() + 7);
  const auto put = [&](unsigned value) { out.push_back(static_cast<std::byte>(value)); };
  put(kBmcAddress), put(request.netfn << 2);
  out.push_back(checksum(out));
  put(kConsoleAddress), put(sequence << 2 & 0xffu), put(request.command);
  append(out, request.data);
  out.push_back(checksum(ByteView(out).subspan(3)));
  return out;
}

std::optional<Response> parse_response(ByteView message) {
  constexpr std::size_t least = 8;
  if (message.size() < least || checksum(message.first(3)) != std::byte{0} ||
      checksum(message.subspan(3)) != std::byte{0})
    return std::nullopt;
  const unsigned netfn = byte_at(message, 1) >> 2;
  if (byte_at(message, 0) != kConsoleAddress || netfn % 2 == 0) return std::nullopt;
  Response out;
  out.netfn = static_cast<std::uint8_t>(netfn - 1);
  out.sequence = static_cast<std::uint8_t>(byte_at(message, 4) >> 2);
  out.command = static_cast<std::uint8_t>(byte_at(message, 5));
  out.code = static_cast<std::uint8_t>(byte_at(message, 6));
  out.data = message.subspan(7, message.size() - least);
  return out;
}

}  // namespace oob::ipmi
