// See ether_listener.h.
#include "agents/lines/ether_listener.h"

#include <algorithm>
#include <cstdio>
#include <vector>

#include "common/limits.h"
#include "common/nearest.h"

namespace oob {
namespace {
constexpr int kFramesATurn = 256;  // then others have their turn
}  // namespace

EtherListener::EtherListener(Shard& shard)
    : shard_(shard), strangers_(shard.shared<Strangers>(kStrangersName)), look_(shard) {}
EtherListener::~EtherListener() = default;

Result<> EtherListener::open(const std::string& interface, std::uint16_t ether_type) {
  if (socket_) return {};
  const auto opened = open_packet_socket(interface, ether_type, int(limits::listener_socket_bytes));
  if (!opened) return tl::unexpected(opened.error());
  own_ = opened->own;
  char type[8];
  std::snprintf(type, sizeof type, "%04x", ether_type);
  name_ = "etherconsole " + interface + (ether_type == kEtherTypeConsole ? "" : std::string(" ") + type);
  socket_ = std::make_unique<Descriptor>(shard_, opened->fd);
  socket_->start_reading([this] { receive(); });
  look_.every(limits::line_facts_every, [this] { look_for_drops(); });
  return {};
}

Result<> EtherListener::join(const MacAddress& sender, const std::string& console, Receiver& to) {
  const auto found = lines_.find(sender);
  if (found != lines_.end() && found->second.console != console) {
    return fail(ErrorCode::Conflict, "what " + mac_text(sender) + " says is already the line of console " +
                                         in_quotes(found->second.console) + "; name each address once");
  }
  lines_.insert_or_assign(sender, Joined{console, &to});
  return {};
}

void EtherListener::leave(Receiver& receiver) {
  std::erase_if(lines_, [&](const auto& line) { return line.second.receiver == &receiver; });
}

std::optional<Strangers::Stranger> EtherListener::adopt(const MacAddress& sender) {
  return strangers_->adopt({name_, mac_text(sender)});
}

void EtherListener::receive() {
  std::array<std::byte, 2048> frame;  // NOLINT: filled before it is read
  for (int i = 0; i < kFramesATurn && socket_; ++i) {
    const auto size = receive_frame(socket_->fd(), frame);
    if (!size) {
      // Down, or taken away: every line of it starts anew, with a socket of its own time.
      socket_.reset();
      look_.cancel();
      std::vector<Receiver*> all;
      for (const auto& [mac, line] : lines_) all.push_back(line.receiver);
      for (Receiver* receiver : all) receiver->broken(size.error().message);
      return;
    }
    if (*size == 0) return;
    MacAddress sender;
    std::memcpy(sender.data(), frame.data() + 6, sender.size());
    if (sender == own_) continue;
    const ByteView whole = ByteView(frame).first(*size);
    const auto line = lines_.find(sender);
    line != lines_.end() ? line->second.receiver->received(whole) : heard_stranger(sender, whole);
  }
}

// Without its key, if it has one: whoever looks at a stranger has none to compare.
void EtherListener::heard_stranger(const MacAddress& sender, ByteView whole) {
  const Strangers::Name name{name_, mac_text(sender)};
  const auto frame = read_console_frame(whole, nullptr);
  if (!frame) {
    strangers_->heard(name, whole, without_padding(whole.subspan(kEtherHeaderBytes)));
  } else if (frame->type == ConsoleFrame::Type::Hello) {
    const ByteView called = frame->text.first(std::min(frame->text.size(), limits::unknown_sender_said_bytes_max));
    strangers_->heard(name, whole, {}).called = as_text(called);
  } else {
    strangers_->heard(name, whole, frame->type == ConsoleFrame::Type::Output ? frame->text : ByteView());
  }
}

void EtherListener::look_for_drops() {
  if (!socket_) return;
  const unsigned count = frames_dropped(socket_->fd());
  if (count == 0) return;
  for (const auto& [mac, line] : lines_) line.receiver->kernel_dropped(count);
}

}  // namespace oob
