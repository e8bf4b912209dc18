// links: oob_ipmi
// What a BMC, or whoever can send in its name, may say to a session that is logging in: the first byte chooses the
// step, the rest is split into datagrams. Nothing may crash, loop, or believe a packet without its code.
#include "agents/ipmi/session.h"

#include <cstdlib>

namespace {

using namespace oob;
using namespace oob::ipmi;

struct Events final : SessionEvents {
  void session_send(ByteView datagram) override { last.assign(datagram.begin(), datagram.end()); }
  void session_open() override {}
  void session_closed(const Error&) override { closed = true; }
  void session_sol(ByteView, bool) override { std::abort(); }  // none can be sealed without the keys
  Bytes last;
  bool closed = false;
};

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size < 2) return 0;
  ManualClock clock;
  Events events;
  Login login;
  login.user = "oob";
  login.password = Secret("secret");
  if ((data[0] & 1) != 0) login.protections = {Protection::Lan15Md5};
  login.quirks.authcap = (data[0] & 2) != 0;
  Session session(login, clock, events, 1);
  session.open();
  ByteView rest(reinterpret_cast<const std::byte*>(data + 1), size - 1);
  for (int i = 0; i < 64 && !rest.empty() && !events.closed; ++i) {
    const std::size_t take = std::min<std::size_t>(rest.size() - 1, std::to_integer<std::size_t>(rest[0]));
    session.receive(rest.subspan(1, take));
    rest = rest.subspan(1 + take);
    clock.advance(Duration(200));
    session.tick();
  }
  return 0;
}
