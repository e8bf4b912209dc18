// IPMI commands and their answers, as they lie in a session's packets (IPMI 2.0 section 13.8), and what an answer's
// completion code means in words.
#pragma once
#include <cstdint>
#include <optional>
#include <string>

#include "common/bytes.h"
#include "common/result.h"

namespace oob::ipmi {

inline constexpr std::uint8_t kChassis = 0x00, kSensor = 0x04, kApp = 0x06, kStorage = 0x0a,
                              kTransport = 0x0c;  // netfn

// Commands by section of the specification.
inline constexpr std::uint8_t kGetDeviceId = 0x01;          // App, 20.1
inline constexpr std::uint8_t kGetAuthCapabilities = 0x38;  // App, 22.13
inline constexpr std::uint8_t kGetSessionChallenge = 0x39;  // App, 22.16
inline constexpr std::uint8_t kActivateSession = 0x3a;      // App, 22.17
inline constexpr std::uint8_t kSetSessionPrivilege = 0x3b;  // App, 22.18
inline constexpr std::uint8_t kCloseSession = 0x3c;         // App, 22.19
inline constexpr std::uint8_t kGetSessionInfo = 0x3d;       // App, 22.20
inline constexpr std::uint8_t kActivatePayload = 0x48;      // App, 24.1
inline constexpr std::uint8_t kDeactivatePayload = 0x49;    // App, 24.2
inline constexpr std::uint8_t kGetPayloadStatus = 0x4a;     // App, 24.4
inline constexpr std::uint8_t kGetPayloadInstance = 0x4b;   // App, 24.5
inline constexpr std::uint8_t kGetSolParameter = 0x22;      // Transport, 26.3

struct Request {
  std::uint8_t netfn = 0, command = 0;
  Bytes data;
  // Whether a command whose answer is late may be sent again (the BMC may do it twice). If not, it is sent once.
  bool repeatable = true;
};

// The BMC's answer to a command.
struct Answer {
  std::uint8_t code = 0;  // completion code, table 5-2; 0: done
  Bytes data;             // without it
};

Request request_of(std::uint8_t netfn, std::uint8_t command, std::initializer_list<unsigned> data = {});

// "the BMC refused: insufficient privilege (0xd4)"; codes of 0x80 and above mean what the command says.
std::string completion_words(std::uint8_t netfn, std::uint8_t command, std::uint8_t code);

// The message of a request: to the BMC (0x20) from a remote console (0x81), LUN 0; `sequence` is of 6 bits.
Bytes encode_request(const Request& request, std::uint8_t sequence);

// A parsed answer; its data is a view.
struct Response {
  std::uint8_t netfn = 0, command = 0, sequence = 0, code = 0;  // netfn of the request
  ByteView data;
};
std::optional<Response> parse_response(ByteView message);  // nothing if a checksum or a length is wrong

}  // namespace oob::ipmi
