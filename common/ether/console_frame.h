// ConsoleFrame: one frame of the etherconsole, as docs/etherconsole.md defines it: written, read, and, with a key,
// authenticated. Also plain MAC addresses as text. Sans-IO; neither side allocates.
#pragma once
#include <array>
#include <cstdint>
#include <optional>
#include <string>

#include "common/bytes.h"
#include "common/crypto/secret.h"
#include "common/result.h"

namespace oob {

using MacAddress = std::array<std::uint8_t, 6>;
inline constexpr MacAddress kBroadcastMac{0xff, 0xff, 0xff, 0xff, 0xff, 0xff};
Result<MacAddress> parse_mac(std::string_view text);  // "52:54:00:12:34:56", either case
std::string mac_text(const MacAddress& mac);          // lower case

inline constexpr std::uint16_t kEtherTypeConsole = 0x88b5;  // IEEE 802, local experimental 1
inline constexpr std::size_t kEtherHeaderBytes = 14;
inline constexpr std::size_t kConsoleHeaderBytes = 28;
inline constexpr std::size_t kConsoleTagBytes = 16;
inline constexpr std::size_t kConsoleTextBytesMax = 1400;
inline constexpr std::size_t kConsoleFrameBytesMax =
    kEtherHeaderBytes + kConsoleHeaderBytes + kConsoleTextBytesMax + kConsoleTagBytes;

struct ConsoleFrame {
  enum class Type : std::uint8_t {
    Output = 1,
    Hello = 2,
    Ack = 3,
    Input = 16,
    Break = 17,
    SysRq = 18,
    CtrlAltDel = 19
  };
  static constexpr std::uint8_t kEarly = 1;  // flag: said before it could be sent

  MacAddress to{}, from{};
  std::uint16_t ether_type = kEtherTypeConsole;
  Type type = Type::Output;
  std::uint8_t flags = 0;
  std::uint64_t session = 0;  // the sender's
  std::uint64_t peer = 0;     // the receiver's session that this is for; 0: whichever
  std::uint32_t sequence = 0;
  ByteView text;  // at most kConsoleTextBytesMax; of a frame that was read: within its bytes

  bool from_node() const { return type < Type::Input; }
};

// The whole frame from its Ethernet header on; with a tag if there is a key. `into` has kConsoleFrameBytesMax.
std::size_t write_console_frame(const ConsoleFrame& frame, const Secret* key, MutableBytes into);

// Error: why it is none, in words. With a key: also if its tag is missing or wrong; whether it was sent before is the
// caller's to know. Bytes behind its length are padding.
Result<ConsoleFrame> read_console_frame(ByteView frame, const Secret* key);

// The text of a plain frame: short ones come with zeros behind it.
ByteView without_padding(ByteView text);

// What a receiver has had of one sender: tells what is new, and how many are missing before it. Frames of one Ethernet
// do not overtake each other, so one that is behind has been here before.
class FrameOrder {
 public:
  enum class Is { New, NewSession, Repeated, OfEarlierSession };
  // `rising`: sessions only ever rise, as keyed ones do; else another number is a new session.
  explicit FrameOrder(bool rising, std::uint64_t session = 0) : rising_(rising), session_(session) {}
  // `missing` counts those before it that did not come: none of the first frame ever, and of a later session all since
  // its beginning.
  Is take(std::uint64_t session, std::uint32_t sequence, std::uint32_t& missing);
  // Of a frame that only says which was the last.
  Is take_last(std::uint64_t session, std::uint32_t last, std::uint32_t& missing);
  std::uint64_t session() const { return session_; }

 private:
  Is begin(std::uint64_t session, std::uint32_t next);

  bool rising_;
  bool began_ = false;
  std::uint64_t session_;
  std::uint32_t next_ = 1;
};

}  // namespace oob
