// ConsoleLink: oobd's end of /v1/console/{name}: joins a Console to its line on an agent. Output goes to the console as
// it lies in the tunnel's buffer; keys go to the agent with a deadline in the agent's own clock. On the shard.
// Bounds what waits for the tunnel (limits::input_pending_bytes_max), and how many events an agent tells.
#pragma once
#include <functional>
#include <memory>
#include <string>

#include "proto/tunnel/messages.h"
#include "proto/tunnel/mux.h"
#include "server/console/console.h"

namespace oob {

class AgentLink;
namespace wire {
class LineEvent;
}

class ConsoleLink final : public StreamOwner, public LinePort {
 public:
  // Opens the stream and tells the agent from where to send. `id`: the line's number in acknowledgements.
  ConsoleLink(AgentLink& agent, Console& console, std::uint32_t id);
  ~ConsoleLink() override;  // ends the stream; the console is told only by disconnect()

  Console& console() { return console_; }
  std::uint32_t id() const { return id_; }
  void disconnect(const std::string& reason, bool drained = false) {
    say_left_out();
    console_.disconnect(reason, drained);
  }

  // LinePort
  void input(std::uint64_t session, std::uint64_t sequence, SteadyTime deadline, ByteView bytes) override;
  void flush_input(std::uint64_t keep_session) override;
  void send_break(std::uint64_t session, std::uint64_t sequence, Duration duration) override;
  void acknowledge(const LogPosition& written) override;
  void hold(bool held) override;

 private:
  Result<> stream_message(ByteView message) override;
  std::size_t stream_fill(MutableBytes into) override { return queue_.fill(into); }
  void stream_closed(const std::string& reason) override;
  Result<> line_event(const wire::LineEvent& event);
  void say_left_out();
  Result<> line_output(std::uint64_t offset, std::int64_t wall_ms, ByteView data);
  bool send(const google::protobuf::MessageLite& message);

  AgentLink& agent_;
  Console& console_;
  const std::uint32_t id_;
  MessageQueue queue_;
  StreamId stream_ = 0;  // 0: over
  bool opened_ = false;
  std::size_t left_out_ = 0;  // events, since it was last said
  std::unique_ptr<Timer> left_out_said_;
};

}  // namespace oob
