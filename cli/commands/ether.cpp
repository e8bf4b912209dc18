// ether: the etherconsoles of all agents at once. What is shown is cli/ether_watch.cpp; here are the connection, the
// requests, the clock and signals.
#include <sys/signalfd.h>
#include <unistd.h>

#include "cli/commands/commands.h"
#include "cli/ether_watch.h"
#include "cli/invocation.h"
#include "cli/show.h"
#include "cli/terminal.h"
#include "common/backoff.h"
#include "common/limits.h"
#include "common/runtime/descriptor.h"
#include "common/text.h"

namespace oob {
namespace {

// Until ^C. A server that is away is waited for once it has answered.
class WatchRun {
 public:
  WatchRun(Invocation& invocation, const std::string& mac)
      : invocation_(invocation),
        shard_(invocation.shard()),
        tick_(shard_),
        ask_(shard_),
        again_(shard_),
        signals_(shard_, watched_signals()),
        watch_({.agent = invocation.line().text("--agent"), .mac = mac, .json = invocation.json()},
               {.send = [this](const json::object& message) { send(message); },
                .print = [this](const std::string& text) { print(text); },
                .remark = [this](const std::string& text) { invocation_.note("[" + text + "]\n"); }},
               shard_.clock()) {}

  Exit run() {
    signals_.start_reading([this] { read_signal(); });
    ask_consoles();
    shard_.io().restart();
    shard_.run();
    if (killed_by_ != 0) die_by(killed_by_);
    return exit_;
  }

 private:
  void print(const std::string& text) {
    const Exit done = invocation_.print(text);
    if (!leaving_ && (done != Exit::Done || invocation_.reader_gone())) end(done);
  }
  // What was sent last, that it leaves, goes out first.
  void end(Exit with) {
    exit_ = with;
    if (std::exchange(leaving_, true) || !socket_) return shard_.stop();
    watch_.leave();
    socket_->close("left");
    again_.once(limits::client_leave_wait, [this] { shard_.stop(); });
  }
  void read_signal() {
    signalfd_siginfo got{};
    const auto n = signals_.read(std::as_writable_bytes(std::span(&got, 1)));
    if (!n || *n < sizeof got) return;
    killed_by_ = static_cast<int>(got.ssi_signo);
    end(Exit::Done);
  }
  void send(const json::object& message) {
    Bytes bytes;
    append(bytes, std::string_view(json::serialize(message)));
    if (socket_) socket_->send(std::move(bytes), false);
  }

  // --- listings ---

  void ask_consoles() {
    consoles_asked_ = shard_.clock().now();
    invocation_.rest().call("GET", "/v1/consoles", {}, "", [this](const Result<json::value>& answer) {
      if (!answer) return failed(answer.error());
      watch_.consoles(*answer);
      if (!began_) begin();
      agents_denied_ ? ask_later() : ask_agents();
    });
  }
  void ask_agents() {
    invocation_.rest().call("GET", "/v1/agents", {}, "", [this](const Result<json::value>& answer) {
      if (!answer && answer.error().code == ErrorCode::Denied) {
        invocation_.note("oob: unknown senders are not shown: " + answer.error().message + "\n");
        agents_denied_ = true;
        return ask_later();
      }
      if (!answer) return failed(answer.error());
      if (std::exchange(said_away_, false)) invocation_.note("[the server is back]\n");
      const auto adopted = watch_.agents(*answer);
      if (!adopted) return end(invocation_.say(adopted.error()));
      if (*adopted) consoles_asked_.reset();
      ask_later();
    });
  }
  void ask_later() {
    ask_.once(agents_denied_ ? limits::ether_watch_consoles_every : limits::ether_watch_agents_every, [this] {
      const bool due =
          !consoles_asked_ || shard_.clock().now() - *consoles_asked_ >= limits::ether_watch_consoles_every;
      due || agents_denied_ ? ask_consoles() : ask_agents();
    });
  }
  void failed(const Error& error) {
    if (!began_ || error.code != ErrorCode::Unavailable) return end(invocation_.say(error));
    say_away(error.message);
    ask_later();
  }
  void say_away(const std::string& why) {
    if (!std::exchange(said_away_, true)) invocation_.note("[" + why + "; trying again]\n");
  }

  // --- the stream ---

  void begin() {
    began_ = true;
    invocation_.hint(
        watch_.watched() > 0
            ? "oob: " + count_of(watch_.watched(), "console", "consoles") + " and unknown senders; ^C ends\n"
            : "oob: no console of kind etherconsole here; agents listen where one's line says so. ^C ends\n");
    tick_.every(limits::ether_watch_tick, [this] { watch_.tick(); });
    connect();
  }
  void connect() {
    websocket_connect(shard_, *invocation_.server(), "/v1/stream", limits::client_time_out,
                      [this](Result<std::unique_ptr<WebSocket>> socket) {
                        if (socket) return opened(std::move(*socket));
                        if (socket.error().code != ErrorCode::Unavailable) return end(invocation_.say(socket.error()));
                        connect_again(socket.error().message);
                      });
  }
  void opened(std::unique_ptr<WebSocket> socket) {
    socket_ = std::move(socket);
    backoff_.reset();
    WebSocket::Events events;
    events.message = [this](ByteView message, bool binary) { watch_.message(message, binary); };
    events.closed = [this](const std::string& reason) {
      shard_.post([old = std::shared_ptr<WebSocket>(std::move(socket_))] {});
      if (leaving_) return shard_.stop();
      watch_.disconnected();
      connect_again(escape_controls(reason));
    };
    socket_->on(std::move(events));
    watch_.connected();
  }
  void connect_again(const std::string& why) {
    say_away(why);
    again_.once(backoff_.next(), [this] { connect(); });
  }

  Invocation& invocation_;
  Shard& shard_;
  Timer tick_, ask_, again_;
  Descriptor signals_;
  int killed_by_ = 0;
  EtherWatch watch_;
  std::unique_ptr<WebSocket> socket_;
  std::optional<SteadyTime> consoles_asked_;
  bool began_ = false, agents_denied_ = false, said_away_ = false, leaving_ = false;
  Exit exit_ = Exit::Done;
  Backoff backoff_{limits::reconnect_delay_min, limits::client_reconnect_delay_max, unsigned(::getpid())};
};

Exit watch(Invocation& invocation) {
  const auto mac = mac_prefix(invocation.line().text("--mac"));
  if (!mac) return invocation.say(mac.error());
  return WatchRun(invocation, *mac).run();
}

}  // namespace

std::vector<Command> ether_commands() {
  return {
      {"ether watch",
       "who speaks on the agents' Ethernets, and what they say, until ^C",
       {},
       {{.names = "--agent", .text = "only what this agent hears", .takes = "NAME", .value = Value::Agent},
        {.names = "--mac", .text = "only hardware addresses that begin so", .takes = "MAC"},
        output_option()},
       watch,
       "Consoles of kind etherconsole by their names, line by line; and senders that no line names by their hardware "
       "addresses, with the last line of what they said (shown to admins) and, once for each, what the inventory would "
       "have to say to make a console of it. An agent listens on the interfaces that a line of kind etherconsole "
       "names. "
       "It only looks on. With -o json each line is an object."},
  };
}

}  // namespace oob
