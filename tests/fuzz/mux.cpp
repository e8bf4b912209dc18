// links: oob_tunnel
// What either end of the tunnel parses after login: arbitrary bytes as HTTP/2 and as messages. The first byte chooses
// the end. Nothing may crash, loop, or grow beyond its limits.
#include "proto/tunnel/mux.h"

#include <cstdlib>
#include <map>

#include "proto/tunnel/messages.h"
#include "tunnel.pb.h"

namespace {

class Sink final : public oob::StreamOwner {
 public:
  oob::Result<> stream_message(oob::ByteView message) override {
    if (message.size() > 64 * 1024) std::abort();
    if (oob::parse_output(message)) return {};
    oob::wire::FromLine from_line;
    oob::wire::ToLine to_line;
    oob::wire::FromAgent from_agent;
    oob::wire::ToAgent to_agent;
    (void)from_line.ParseFromArray(message.data(), int(message.size()));
    (void)to_line.ParseFromArray(message.data(), int(message.size()));
    (void)from_agent.ParseFromArray(message.data(), int(message.size()));
    (void)to_agent.ParseFromArray(message.data(), int(message.size()));
    return {};
  }
  std::size_t stream_fill(oob::MutableBytes) override { return 0; }
  void stream_closed(const std::string&) override {}
};

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size < 2) return 0;
  oob::ManualClock clock;
  Sink sink;
  const bool opener = (data[0] & 1) != 0;
  oob::Mux mux(opener ? oob::Mux::Role::Opener : oob::Mux::Role::Accepter, clock,
               {.opened =
                    [&](oob::StreamId, const std::string&) {
                      return oob::Mux::Accepted{&sink, oob::StreamClass::Console, 64 * 1024};
                    },
                .wants_fill = {}});
  if (opener) mux.open("/v1/hello", oob::StreamClass::Control, 64 * 1024, sink);
  static constexpr char kPreface[] = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
  std::vector<std::byte> out(64 * 1024);
  if (!opener) (void)mux.receive(oob::as_bytes(std::string_view(kPreface, 24)));
  (void)mux.fill(out);
  oob::ByteView rest(reinterpret_cast<const std::byte*>(data + 1), size - 1);
  while (!rest.empty()) {
    const std::size_t take = std::min<std::size_t>(rest.size(), 1 + data[0]);
    if (!mux.receive(rest.first(take)) || !mux.fill(out)) break;
    rest = rest.subspan(take);
  }
  return 0;
}
