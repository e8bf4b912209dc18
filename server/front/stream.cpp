// See stream.h.
#include "server/front/stream.h"

#include <algorithm>
#include <deque>

#include "common/limits.h"
#include "server/front/rows.h"

namespace oob {

// One session, as its console sees it.
class StreamConnection::Channel final : public SessionSink {
 public:
  Channel(StreamConnection& stream, std::uint32_t number, std::string console)
      : stream_(stream), number_(number), console_(std::move(console)) {}

  void open(Console& console, const AttachOptions& options) { session_ = console.attach(stream_.who_, options, *this); }
  Session& session() { return *session_; }
  const std::string& console() const { return console_; }
  bool over() const { return over_; }

  // May so many bytes more be under way? Remembers them until their fate is known.
  bool wait_for(std::uint64_t sequence, std::size_t bytes) {
    if (waiting_.size() >= limits::stream_input_waiting_max) return false;
    if (waiting_bytes_ + bytes > limits::stream_input_waiting_bytes_max) return false;
    waiting_.emplace_back(sequence, bytes);
    waiting_bytes_ += bytes;
    return true;
  }

  // --- SessionSink ---
  bool ready() const override { return stream_.client_keeps_up(); }

  void output(std::uint64_t log_offset, const Chunk& bytes, std::size_t skip) override {
    ByteView rest = ByteView(*bytes).subspan(skip);
    while (!rest.empty()) {
      const ByteView part = rest.first(std::min(rest.size(), limits::stream_message_bytes_max - kOutputHeadBytes));
      stream_.socket_->send(output_message(number_, log_offset, part), true);
      log_offset += part.size();
      rest = rest.subspan(part.size());
    }
  }

  void event(const SessionEvent& event) override;

  void input_done(std::uint64_t sequence, std::size_t written, const std::string& refused) override {
    const auto found = std::find_if(waiting_.begin(), waiting_.end(), [&](auto& one) { return one.first == sequence; });
    if (found != waiting_.end()) {
      waiting_bytes_ -= found->second;
      waiting_.erase(found);
    }
    json::object message = server_message(ServerType::Input, number_);
    message["sequence"] = sequence;
    message["written"] = written;
    if (!refused.empty()) message["refused"] = refused;
    if (!refused.empty() && session_ && session_->seat() != 0) message["seat"] = session_->seat();
    stream_.send(message);
  }

 private:
  StreamConnection& stream_;
  const std::uint32_t number_;
  const std::string console_;
  std::deque<std::pair<std::uint64_t, std::size_t>> waiting_;  // sequence, bytes; oldest first
  std::size_t waiting_bytes_ = 0;
  bool over_ = false;                 // its console is gone, and so is the channel in a moment
  std::unique_ptr<Session> session_;  // last: it calls the rest until it is gone
};

void StreamConnection::Channel::event(const SessionEvent& event) {
  using Kind = SessionEvent::Kind;
  constexpr std::pair<Kind, ServerType> kTypes[] = {
      {Kind::Gap, ServerType::Gap},       {Kind::Lagged, ServerType::Lagged},   {Kind::Up, ServerType::Up},
      {Kind::Down, ServerType::Down},     {Kind::Writer, ServerType::Writer},   {Kind::Reader, ServerType::Reader},
      {Kind::Joined, ServerType::Joined}, {Kind::Left, ServerType::Left},       {Kind::Asked, ServerType::Asked},
      {Kind::Note, ServerType::Note},     {Kind::Message, ServerType::Message}, {Kind::Removed, ServerType::Detached}};
  const auto* type = std::find_if(std::begin(kTypes), std::end(kTypes), [&](auto& t) { return t.first == event.kind; });
  json::object message = server_message(type->second, number_);
  message["text"] = event.text;
  if (!event.user.empty()) message["user"] = event.user;
  const std::initializer_list<Kind> with_writer = {Kind::Reader, Kind::Joined, Kind::Left, Kind::Note};
  if (std::find(with_writer.begin(), with_writer.end(), event.kind) != with_writer.end()) {
    if (const Console* console = stream_.backend_.find_console(console_)) message["writer"] = console->writer();
  }
  if (event.kind == Kind::Writer && session_) message["seat"] = session_->seat();
  if (event.kind == Kind::Gap || event.kind == Kind::Lagged) {
    message["offset"] = event.log_offset;
    if (event.gap_bytes) message["bytes"] = *event.gap_bytes;
  }
  stream_.send(message);
  over_ = event.kind == Kind::Removed;
  if (over_) stream_.end_later(number_);
}

StreamConnection::StreamConnection(Shard& shard, Clock& clock, Backend& backend, const Access& access, Identity who,
                                   std::unique_ptr<WebSocket> socket, const std::string& first)
    : shard_(shard),
      clock_(clock),
      backend_(backend),
      access_(access),
      who_(std::move(who)),
      socket_(std::move(socket)),
      ticks_(shard) {
  WebSocket::Events events;
  events.message = [this](ByteView bytes, bool binary) { received(bytes, binary); };
  events.drained = [this] { drained(); };
  events.closed = [this](const std::string&) {
    ticks_.cancel();
    for (const auto& [number, channel] : channels_) channel->session().lose();  // it did not say `detach`
    channels_.clear();
  };
  socket_->on(std::move(events));
  json::object welcome = server_message(ServerType::Welcome);
  welcome["version"] = OOB_VERSION;
  welcome["user"] = who_.user;
  send(welcome);
  tick();
  ticks_.every(limits::stream_tick_every, [this] { tick(); });
  if (!first.empty()) received(as_bytes(first), false);
}

StreamConnection::~StreamConnection() { channels_.clear(); }

std::string first_message(const HttpRequest& upgrade) {
  const auto found = upgrade.query.find("first");
  return found == upgrade.query.end() ? "" : found->second;
}

void StreamConnection::end(const Error& why) {
  ticks_.cancel();
  channels_.clear();
  send_error(0, why);
  socket_->close(why.message);
}

bool StreamConnection::client_keeps_up() const { return socket_->unsent() <= limits::viewer_queue_bytes; }

void StreamConnection::tick() {
  if (!client_keeps_up()) return;  // it would be old when it arrives, and a client that sleeps need not pile them up
  json::object message = server_message(ServerType::Tick);
  message["ms"] = steady_ms(clock_.now());
  send(message);
}

void StreamConnection::drained() {
  for (const auto& [number, channel] : channels_) channel->session().drained();
}

void StreamConnection::send(const json::object& message) {
  const std::string text = json::serialize(message);
  const ByteView bytes = as_bytes(text);
  socket_->send(Bytes(bytes.begin(), bytes.end()), false);
}

void StreamConnection::send_error(std::uint32_t channel, const Error& error) {
  json::object message = server_message(ServerType::Error, channel);
  message["code"] = error_code_name(error.code);
  message["text"] = error.message;
  send(message);
}

// The console ends the channel from within a call of its own; the session is let go when that is over.
void StreamConnection::end_later(std::uint32_t channel) {
  shard_.post([this, alive = std::weak_ptr(alive_), channel] {
    if (alive.lock()) channels_.erase(channel);
  });
}

void StreamConnection::received(ByteView bytes, bool binary) {
  const ParsedMessage message = binary ? parse_client_binary(bytes) : parse_client_text(as_text(bytes));
  if (message) return run(*message);
  const StreamFault& fault = message.error();
  send_error(fault.channel, fault.error);
  if (fault.fatal) socket_->close(fault.error.message);
}

// What writes into logs or reads much is paced; a person, or a script with its thousand consoles, does not notice.
bool StreamConnection::paced(ClientMessage::Type type) {
  using Type = ClientMessage::Type;
  const SteadyTime now = clock_.now();
  switch (type) {
    case Type::Attach:
    case Type::Detach:
      return attaches_.take(now);
    case Type::Ask:
    case Type::Message:
    case Type::Replay:
    case Type::WantWrite:
    case Type::HandOver:
    case Type::GiveUpWrite:
      return acts_.take(now);
    case Type::Input:
    case Type::Break:
    case Type::SysRq:
      break;  // bounded by their answers
  }
  return true;
}

void StreamConnection::run(const ClientMessage& message) {
  using Type = ClientMessage::Type;
  if (!paced(message.type)) {
    return send_error(message.channel, {ErrorCode::Conflict, "too many requests at once; wait a second"});
  }
  if (message.type == Type::Attach) return attach(message);
  const auto found = channels_.find(message.channel);
  if (found == channels_.end() || found->second->over()) {
    return send_error(message.channel, {ErrorCode::NotFound, "this channel is not attached"});
  }
  Channel& channel = *found->second;
  Result<> result;
  switch (message.type) {
    case Type::Input:
    case Type::Break:
    case Type::SysRq:
      return input(channel, message);
    case Type::Detach: {
      channels_.erase(found);
      json::object detached = server_message(ServerType::Detached, message.channel);
      detached["text"] = "";
      return send(detached);
    }
    case Type::WantWrite:
      result = want_write(channel, message.force);
      break;
    case Type::GiveUpWrite:
      give_up_write(channel);
      break;
    case Type::Ask:
      result = ask(channel);
      break;
    case Type::HandOver:
      result = channel.session().hand_over(message.user);
      break;
    case Type::Message:
      channel.session().say(message.text);
      break;
    case Type::Replay:
      channel.session().replay(message.lines);
      break;
    case Type::Attach:
      break;
  }
  if (!result) send_error(message.channel, result.error());
}

Result<> StreamConnection::want_write(Channel& channel, bool force) {
  const Object object{channel.console()};
  if (auto allowed = access_.check(who_, Right::Write, object); !allowed) return allowed;
  if (force) {
    if (auto allowed = access_.check(who_, Right::TakeOver, object); !allowed) return allowed;
  }
  const bool had_it = channel.session().mode() == SessionMode::Writer;
  auto result = channel.session().want_write(force);
  if (result && had_it) {  // the console tells changes only; the client waits for an answer
    channel.event({SessionEvent::Kind::Writer, {}, "you are writing already", {}, 0});
  }
  return result;
}

// Who asks is who may be given it.
Result<> StreamConnection::ask(Channel& channel) {
  if (auto allowed = access_.check(who_, Right::Write, {channel.console()}); !allowed) return allowed;
  return channel.session().ask_writer();
}

void StreamConnection::give_up_write(Channel& channel) {
  if (channel.session().mode() == SessionMode::Writer) return channel.session().give_up_write();
  channel.event({SessionEvent::Kind::Reader, {}, "you are read-only already", {}, 0});
}

void StreamConnection::attach(const ClientMessage& message) {
  const auto refuse = [&](const Error& error) { send_error(message.channel, error); };
  if (message.channel <= last_channel_) {
    return refuse({ErrorCode::Usage, "attach: each channel's number has to be larger than those before"});
  }
  last_channel_ = message.channel;
  if (channels_.size() >= limits::stream_channels_max) {
    return refuse({ErrorCode::Conflict, "this connection has as many consoles as it may have; open another"});
  }
  const Object object{message.console};
  if (const auto allowed = access_.check(who_, Right::Read, object); !allowed) return refuse(allowed.error());
  const auto may_write = access_.check(who_, Right::Write, object);
  if (message.force) {
    const auto may_force = may_write ? access_.check(who_, Right::TakeOver, object) : may_write;
    if (!may_force) return refuse(may_force.error());
  }
  Console* console = backend_.find_console(message.console);
  const auto row = backend_.console_row(message.console);
  if (!console || !row) return refuse(no_console(backend_, message.console));

  AttachOptions options;
  options.want_write = (message.write || message.force) && may_write;
  options.force = message.force;
  options.may_write = may_write.has_value();
  options.returns_as = message.session;
  options.tool = message.tool;
  options.replay_lines = message.lines;
  options.from_offset = message.offset;
  options.since = message.since;
  options.may_log = access_.check(who_, Right::Log, object).has_value();
  auto& channel = channels_[message.channel] = std::make_unique<Channel>(*this, message.channel, message.console);
  channel->open(*console, options);

  const ConsoleState& state = console->state();
  json::object attached = server_message(ServerType::Attached, message.channel);
  attached["console"] = message.console;
  attached["mode"] = channel->session().mode() == SessionMode::Writer ? "writer" : "reader";
  attached["seat"] = channel->session().seat();
  attached["session"] = channel->session().id();
  attached["writer"] = console->writer();
  if (const auto since = console->writer_since()) attached["writer_since"] = format_utc(*since);
  if (const Duration kept = console->seat_kept(); kept > Duration(0)) attached["seat_kept_ms"] = kept.count();
  attached["line"] = line_state_name(state.line);
  attached["detail"] = state.detail;
  attached["kind"] = row->kind;
  attached["agent"] = row->agent;
  if (const auto last = console->log().last_output()) attached["since"] = format_utc(*last);
  attached["offset"] = console->log().position().log_offset;
  attached["log"] = wall_ms(console->log().began());
  if (message.write && !may_write) attached["text"] = may_write.error().message;
  send(attached);
}

// Every input gets its answer: from here, or from the console by way of Channel::input_done().
void StreamConnection::input(Channel& channel, const ClientMessage& message) {
  using Type = ClientMessage::Type;
  const bool is_keys = message.type == Type::Input;
  const auto refuse = [&](const std::string& why) {
    if (is_keys) channel.session().refused_input(message.seat);
    channel.input_done(message.sequence, 0, why);
  };
  if (!is_keys) {
    const Right right = message.type == Type::Break ? Right::Break : Right::SysRq;
    if (const auto allowed = access_.check(who_, right, {channel.console()}); !allowed) {
      return refuse(allowed.error().message);
    }
  } else {
    if (message.keys.size() > limits::input_batch_bytes_max) {
      return refuse("more than " + std::to_string(limits::input_batch_bytes_max) + " bytes at once");
    }
    if (message.deadline_ms < steady_ms(clock_.now())) return refuse("late");
  }
  if (!channel.wait_for(message.sequence, message.keys.size())) return refuse("too much input is under way");
  if (message.type == Type::SysRq) return channel.session().send_sysrq(message.seat, message.sequence, message.key);
  if (!is_keys) return channel.session().send_break(message.seat, message.sequence, message.duration);
  // In milliseconds until it is known to be small: a clock in nanoseconds cannot hold what a client may claim.
  const std::int64_t deadline_ms = std::min(message.deadline_ms, steady_ms(clock_.now() + limits::input_age_max));
  const SteadyTime deadline{std::chrono::milliseconds(deadline_ms)};
  channel.session().input(message.seat, message.sequence, deadline, message.keys);
}

}  // namespace oob
