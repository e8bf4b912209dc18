// One client's stream (schema/stream.md): a WebSocket that carries many channels, each a session on a console. Checks
// the rights of every channel, passes output on while the client takes it, and answers for every input.
// On the shard. Destroying it, or the client's going away, ends all its sessions. Limits: limits::stream_*.
#pragma once
#include <map>
#include <memory>

#include "common/http/http.h"
#include "common/limits.h"
#include "common/pace.h"
#include "server/access/access.h"
#include "server/front/backend.h"
#include "server/front/stream_messages.h"

namespace oob {

// The client's first message, which may come with the request to upgrade (schema/stream.md); "" if it does not.
std::string first_message(const HttpRequest& upgrade);

class StreamConnection {
 public:
  StreamConnection(Shard& shard, Clock& clock, Backend& backend, const Access& access, Identity who,
                   std::unique_ptr<WebSocket> socket, const std::string& first = {});
  ~StreamConnection();
  StreamConnection(const StreamConnection&) = delete;
  StreamConnection& operator=(const StreamConnection&) = delete;

  void end(const Error& why);  // its sessions at once; the client is told why

 private:
  class Channel;

  void received(ByteView bytes, bool binary);
  void run(const ClientMessage& message);
  bool paced(ClientMessage::Type type);  // false: too many at once
  void attach(const ClientMessage& message);
  void input(Channel& channel, const ClientMessage& message);
  Result<> want_write(Channel& channel, bool force);
  void give_up_write(Channel& channel);
  Result<> ask(Channel& channel);
  void tick();
  void drained();
  void send(const json::object& message);
  void send_error(std::uint32_t channel, const Error& error);
  bool client_keeps_up() const;
  void end_later(std::uint32_t channel);

  Shard& shard_;
  Clock& clock_;
  Backend& backend_;
  const Access& access_;
  const Identity who_;
  std::unique_ptr<WebSocket> socket_;
  Timer ticks_;
  std::map<std::uint32_t, std::unique_ptr<Channel>> channels_;
  Pace attaches_{limits::stream_attaches_at_once, limits::stream_attaches_per_second};
  Pace acts_{limits::stream_acts_at_once, limits::stream_acts_per_second};
  std::uint32_t last_channel_ = 0;
  std::shared_ptr<bool> alive_ = std::make_shared<bool>(true);
};

}  // namespace oob
