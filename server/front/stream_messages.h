// The messages of the stream, as in schema/stream.md: parsing what a client sends, composing what it gets. Sans-IO.
// What a client sends is hostile until parsed: every field is checked for its type and range here, rights elsewhere.
#pragma once
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "common/bytes.h"
#include "common/clock.h"
#include "common/json/json.h"
#include "common/result.h"

namespace oob {

struct ClientMessage {
  enum class Type { Attach, Detach, WantWrite, GiveUpWrite, Ask, HandOver, Break, SysRq, Message, Replay, Input };
  Type type = Type::Detach;
  std::uint32_t channel = 0;
  std::string console;        // Attach
  std::string user;           // HandOver
  std::string tool;           // Attach
  std::string text;           // Message
  char key = 0;               // SysRq
  std::uint64_t session = 0;  // Attach: the one that lost its connection; 0: none
  bool write = false, force = false;
  std::size_t lines = 20;
  std::optional<std::uint64_t> offset;
  std::optional<WallTime> since;         // Attach
  std::uint64_t seat = 0, sequence = 0;  // Break, SysRq, Input
  Duration duration{0};                  // Break; 0: as long as is usual for the line
  std::int64_t deadline_ms = 0;          // Input: in the server's steady clock
  ByteView keys;                         // Input: a view into what was parsed
};

// Why a message was not taken. `fatal`: it was no message at all; the connection ends.
struct StreamFault {
  Error error;
  std::uint32_t channel = 0;  // 0: of none
  bool fatal = false;
};

using ParsedMessage = tl::expected<ClientMessage, StreamFault>;
ParsedMessage parse_client_text(std::string_view text);
ParsedMessage parse_client_binary(ByteView bytes);

enum class ServerType {
  Welcome,
  Tick,
  Attached,
  Writer,
  Reader,
  Gap,
  Lagged,
  Up,
  Down,
  Joined,
  Left,
  Asked,
  Note,
  Message,
  Input,
  Detached,
  Error
};
// {"type":..., "channel":...}; channel 0 is left out.
json::object server_message(ServerType type, std::uint32_t channel = 0);
Bytes output_message(std::uint32_t channel, std::uint64_t log_offset, ByteView bytes);
inline constexpr std::size_t kOutputHeadBytes = 13;
inline constexpr std::size_t kInputHeadBytes = 29;

// All there are, for the test that holds schema/stream.md against this.
std::span<const std::string_view> client_type_names();  // of text messages, in the order of ClientMessage::Type
std::span<const std::string_view> server_type_names();  // in the order of ServerType

}  // namespace oob
