// A console as a TCP port that speaks telnet's COM port option (RFC 2217), the access server's side: pyserial's
// rfc2217://, QEMU, kermit or ser2net connect to it. A client that negotiates nothing gets the bytes as they are. What
// is set of the port is agreed to and changes nothing, as with a USB console: the inventory says how the line is set.
// A break is the console's break; DSR and DCD say whether its line is up.
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <optional>

#include "cli/loopback_peer.h"
#include "cli/tty_device.h"
#include "common/com_port.h"
#include "common/limits.h"
#include "common/runtime/descriptor.h"
#include "common/telnet_codec.h"
#include "common/text.h"

namespace oob {
namespace {

using namespace com_port;
using telnet::kBinary, telnet::kComPort, telnet::kEcho, telnet::kSuppressGoAhead;

// The console's output stops at less than this, so it is answers that fill it.
constexpr std::size_t kQueuedBytesMax = 2 * limits::viewer_queue_bytes;

class TtyPort final : public TtyDevice {
 public:
  TtyPort(Shard& shard, std::string console, Events events)
      : shard_(shard), console_(std::move(console)), events_(std::move(events)), listener_(shard), break_(shard) {}
  Result<> open(unsigned port) {
    return listener_.listen("127.0.0.1:" + std::to_string(port), 0,
                            [this](int fd, const std::string& peer) { accepted(fd, peer); });
  }

  std::string name() const override { return "rfc2217://" + listener_.address(); }
  void output(ByteView bytes) override;
  std::size_t queued() const override { return queued_.size() + held_bytes_.size(); }
  void set_reading(std::size_t room) override {
    room_ = room;
    arm();
  }
  void console_is_up(bool up) override {
    if (std::exchange(up_, up) != up) tell_modem_lines();
  }

 private:
  void accepted(int fd, const std::string& peer);
  void arm();
  void read();
  void gone();
  void take(const TelnetItem& item);
  void asked(ByteView message);
  void control(std::uint8_t value);
  void end_break();
  void tell_modem_lines();
  void send(ByteView com_port_message) { TelnetCodec::message(kComPort, com_port_message, queued_); }
  void answer(std::uint8_t code, std::uint8_t value) { send(byte_message(code + kFromServer, value)); }
  void write_queued();

  Shard& shard_;
  const std::string console_;
  Events events_;
  Listener listener_;
  Timer break_;
  std::size_t room_ = 0;
  bool up_ = false;
  // Of the client that is there.
  std::unique_ptr<Descriptor> client_;
  std::optional<TelnetCodec> codec_;
  bool reading_ = false, held_ = false;  // held: by the client, it wants no output
  bool port_on_ = false;                 // it has RFC 2217
  std::uint32_t speed_ = 9600;
  std::uint8_t data_bits_ = 8, parity_ = 1, stop_bits_ = 1, flow_ = kFlowNone;
  std::optional<SteadyTime> break_since_;
  Bytes queued_, held_bytes_;
};

void TtyPort::accepted(int fd, const std::string& peer) {
  const auto refuse = [&](const std::string& why) {
    const std::string text = "oob: " + why + "\r\n";
    (void)::send(fd, text.data(), text.size(), MSG_NOSIGNAL | MSG_DONTWAIT);
    ::close(fd);
    events_.notice(escape_controls(peer) + " was refused: " + why);
  };
  const auto user = loopback_peer_user(fd);
  if (!user) return refuse("whose program it is cannot be told: " + user.error().message);
  if (*user != ::geteuid() && *user != 0) return refuse("this port is another user's");
  if (client_) return refuse("another program has " + console_ + " here already");
  client_ = std::make_unique<Descriptor>(shard_, fd);
  codec_.emplace(shard_.clock(), std::initializer_list<std::uint8_t>{kBinary, kSuppressGoAhead, kEcho},
                 std::initializer_list<std::uint8_t>{kBinary, kSuppressGoAhead, kComPort});
  arm();
}

// One that asks and takes no answers is not read until it does.
void TtyPort::arm() {
  const bool read_now = client_ && room_ > 0 && queued_.size() <= kQueuedBytesMax;
  if (read_now == reading_) return;
  reading_ = read_now;
  if (read_now) client_->start_reading([this] { read(); });
  if (!read_now && client_) client_->stop_reading();
}

// The client may not be destroyed here: it is calling us.
void TtyPort::gone() {
  if (!client_) return;
  client_->close();
  shard_.post([old = std::shared_ptr<Descriptor>(std::move(client_))] {});
  client_ = nullptr;
  reading_ = held_ = port_on_ = false;
  queued_.clear(), held_bytes_.clear();
  if (break_since_) end_break();
  events_.taken();
}

void TtyPort::read() {
  const MutableBytes buffer = shard_.read_buffer();
  const auto n = client_->read(buffer.first(std::min(buffer.size(), room_)));
  if (!n) return gone();
  ByteView bytes(buffer.first(*n));
  for (TelnetItem item = codec_->next(bytes); item.kind != TelnetItem::Kind::None; item = codec_->next(bytes)) {
    take(item);
  }
  append(queued_, codec_->take_answers());
  write_queued();
  arm();
}

void TtyPort::take(const TelnetItem& item) {
  using Kind = TelnetItem::Kind;
  if (item.kind == Kind::Stream) {
    events_.typed(item.bytes);
  } else if (item.kind == Kind::Command && item.code == telnet::kBreak) {
    events_.broke(Duration(0));
  } else if (item.kind == Kind::Option && !item.ours && item.code == kComPort) {
    port_on_ = item.on;
    if (!item.on) return;
    codec_->ask_ours(kBinary), codec_->ask_theirs(kBinary);
    tell_modem_lines();
  } else if (item.kind == Kind::Message && item.code == kComPort && port_on_) {
    asked(item.bytes);
  }
}

void TtyPort::tell_modem_lines() {
  if (!port_on_) return;
  answer(kModemState, up_ ? kCts | kDsr | kCarrier : kCts);
  write_queued();
}

void TtyPort::asked(ByteView message) {
  if (message.empty()) return;
  const auto code = std::to_integer<std::uint8_t>(message[0]);
  const std::uint8_t value = message.size() > 1 ? std::to_integer<std::uint8_t>(message[1]) : 0;
  // 0 asks for what it is.
  const auto set = [&](std::uint8_t& setting) {
    if (value != 0) setting = value;
    answer(code, setting);
  };
  switch (code) {
    case kSignature:
      if (message.size() == 1) send(text_message(kSignature + kFromServer, "Outband, console " + console_));
      break;
    case kSpeed:
      if (const std::uint32_t speed = speed_of(message); speed != 0) speed_ = speed;
      send(speed_message(kSpeed + kFromServer, speed_));
      break;
    case kDataBits:
      set(data_bits_);
      break;
    case kParity:
      set(parity_);
      break;
    case kStopBits:
      set(stop_bits_);
      break;
    case kControl:
      control(value);
      break;
    case kSuspend:
      held_ = true;
      break;
    case kResume:
      held_ = false;
      output(std::exchange(held_bytes_, {}));
      break;
    case kPurge:
      // What the console has said and the client has not seen; what it sent has gone already.
      if (value != kPurgeUnsent) held_bytes_.clear();
      answer(code, value);
      break;
    case kLineStateMask:
    case kModemStateMask:
      answer(code, value);
      if (code == kModemStateMask) tell_modem_lines();
      break;
    default:
      break;
  }
}

void TtyPort::control(std::uint8_t value) {
  if (value == kBreakOn && !break_since_) {
    break_since_ = shard_.clock().now();
    break_.once(limits::break_max, [this] { end_break(); });
  } else if (value == kBreakOff && break_since_) {
    end_break();
  } else if (value >= kFlowNone && value <= kFlowHardware) {
    flow_ = value;
  }
  if (value == kAskFlow) value = flow_;
  if (value == kAskBreak) value = break_since_ ? kBreakOn : kBreakOff;
  if (value == kAskDtr) value = kDtrOn;
  if (value == kAskRts) value = kRtsOn;
  if (value == kAskInboundFlow) value = kAskInboundFlow + flow_;
  answer(kControl, value);
}

// A console's break has a length: it is sent when the client's is over.
void TtyPort::end_break() {
  const auto took = std::chrono::ceil<Duration>(shard_.clock().now() - *break_since_);
  break_since_.reset();
  break_.cancel();
  events_.broke(std::clamp<Duration>(took, Duration(1), limits::break_max));
}

void TtyPort::output(ByteView bytes) {
  if (!client_) return;
  if (held_) return append(held_bytes_, bytes);
  if (codec_->spoken()) {
    for (const std::byte byte : bytes) codec_->encode(byte, queued_);
  } else {
    append(queued_, bytes);
  }
  write_queued();
}

void TtyPort::write_queued() {
  while (client_ && !queued_.empty()) {
    const auto written = client_->write(queued_);
    if (!written) return queued_.clear();  // reading tells of its end
    if (*written == 0) {
      return client_->when_writable([this] {
        write_queued();
        arm();
        events_.taken();
      });
    }
    queued_.erase(queued_.begin(), queued_.begin() + std::ptrdiff_t(*written));
  }
}

}  // namespace

Result<std::unique_ptr<TtyDevice>> open_tty_port(Shard& shard, unsigned port, const std::string& console,
                                                 TtyDevice::Events events) {
  auto out = std::make_unique<TtyPort>(shard, console, std::move(events));
  if (const auto opened = out->open(port); !opened) {
    return fail(ErrorCode::Unavailable, "--rfc2217: " + opened.error().message);
  }
  return Result<std::unique_ptr<TtyDevice>>(std::move(out));
}

}  // namespace oob
