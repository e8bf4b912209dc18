// The conversation's connection, messages and leaving.
#include "cli/attach_conversation.h"

#include <algorithm>

#include "cli/rest_names.h"
#include "cli/show.h"
#include "common/http/http.h"
#include "common/limits.h"
#include "common/nearest.h"
#include "common/text.h"

namespace oob {
namespace {

constexpr std::uint8_t kOutputFrame = 2;
constexpr std::size_t kOutputHead = 1 + 4 + 8;

std::uint64_t big_endian(ByteView bytes) {
  std::uint64_t value = 0;
  for (const std::byte byte : bytes) value = value << 8 | std::to_integer<std::uint64_t>(byte);
  return value;
}

}  // namespace

AttachConversation::AttachConversation(AttachChoices choices, AttachOutside& outside, Clock& clock)
    : choices_(std::move(choices)),
      outside_(outside),
      clock_(clock),
      backoff_(limits::reconnect_delay_min, limits::client_reconnect_delay_max, choices_.seed),
      escape_(choices_.escape),
      had_seat_(choices_.write),
      device_room_(limits::tty_batch_bytes_min),
      replay_lines_(choices_.lines > 0 ? choices_.lines : 20) {}

// --- finding the name ---

// The name as it was typed goes with the request to connect: one round trip. Only if the server does not know it so, is
// it looked for.
void AttachConversation::start() {
  if (could_be_name(choices_.console)) {
    console_ = choices_.console;
    return dial();
  }
  find(choices_.console, [this](const Result<std::string>& name) {
    if (!name) {
      const bool unasked = name.error().code != ErrorCode::NotFound;  // so the nearest command may be what was meant
      const auto nearest = unasked ? nearest_of(choices_.console, choices_.also_meant) : std::nullopt;
      return finish(exit_of(name.error().code), name.error().message + did_you_mean(nearest));
    }
    console_ = *name;
    dial();
  });
}

void AttachConversation::look_for_name(const Error& refused) {
  looked_up_ = true;
  find_in_all(choices_.console, [this, refused](const Result<std::string>& name) {
    const bool same = name && *name == console_;  // there, but not for us
    const bool nearer = !name && refused.code == ErrorCode::NotFound;
    if (nearer) return finish(exit_of(name.error().code), name.error().message);
    if (!name || same) return finish(exit_of(refused.code), refused.message);
    console_ = *name;
    channel_ = ++last_channel_;
    attach(console_, channel_, had_seat_, choices_.force);
  });
}

void AttachConversation::find(const std::string& name, std::function<void(Result<std::string>)> done) {
  if (!could_be_name(name)) return find_in_all(name, done);  // only to name the nearest
  outside_.request("GET", "/v1/consoles/" + name, "", [this, name, done = std::move(done)](const auto& answer) {
    if (stage_ == Stage::Finished) return;
    if (answer && answer->is_object()) return done(text_of(answer->get_object(), "name"));
    if (!answer && answer.error().code != ErrorCode::NotFound) return done(tl::unexpected(answer.error()));
    find_in_all(name, done);
  });
}

void AttachConversation::find_in_all(const std::string& name, const std::function<void(Result<std::string>)>& done) {
  outside_.request("GET", "/v1/consoles", "", [this, name, done](const auto& answer) {
    if (stage_ == Stage::Finished) return;
    if (!answer) return done(tl::unexpected(answer.error()));
    done(match_name(name, names_in(*answer, "consoles"), choices_.also_meant));
  });
}

// --- the connection ---

void AttachConversation::dial() {
  stage_ = Stage::Connecting;
  last_channel_ = channel_ = 1;
  outside_.connect(json::serialize(attach_message(console_, channel_, had_seat_, choices_.force && !greeted_)));
}

void AttachConversation::connected() {
  if (stage_ == Stage::Finished) return;
  stage_ = Stage::Attaching;
  server_clock_ = PeerClock();
  last_heard_ = clock_.now();
}

json::object AttachConversation::attach_message(const std::string& console, std::uint32_t channel, bool write,
                                                bool force) const {
  json::object message{
      {"type", "attach"}, {"channel", channel}, {"console", console}, {"write", write}, {"force", force}};
  if (channel == channel_ && session_ != 0) message["session"] = session_;
  if (channel == channel_ && offset_) {
    message["offset"] = *offset_;
  } else {
    message["lines"] = choices_.lines;
    if (channel == channel_ && !choices_.since.empty()) message["since"] = choices_.since;
  }
  return message;
}

void AttachConversation::attach(const std::string& console, std::uint32_t channel, bool write, bool force) {
  send(attach_message(console, channel, write, force));
}

void AttachConversation::send(const json::object& message) {
  Bytes text;
  append(text, std::string_view(json::serialize(message)));
  outside_.send(std::move(text), false);
}

void AttachConversation::disconnected(const Error& why) {
  if (stage_ == Stage::Finished) return;
  const bool fatal = why.code == ErrorCode::Denied || !greeted_;
  if (fatal) {
    const auto meant = greeted_ ? std::nullopt : nearest_of(choices_.console, choices_.also_meant);
    return finish(exit_of(why.code), why.message + did_you_mean(meant));
  }
  if (stage_ == Stage::Attached) {
    say_unknown_fate();
    if (choices_.pipe && (input_ended_ || something_refused_)) {
      return finish(something_refused_ ? Exit::Unknown : Exit::NoServer, "the connection broke: " + why.message);
    }
    if (leave_by_) return finish(Exit::Done, "");
    notice("connection lost: " + why.message + "; trying again" +
           (choices_.pipe || choices_.device ? "" : ", " + escape() + ". leaves"));
    had_seat_ = seat_ != 0;
  }
  forget_held();
  seat_ = 0;
  replaying_ = false;
  move_.reset();
  stage_ = Stage::Away;
  try_again_later();
}

void AttachConversation::try_again_later() { retry_at_ = clock_.now() + backoff_.next(); }

// --- messages ---

void AttachConversation::message(ByteView message, bool binary) {
  if (stage_ == Stage::Finished) return;
  last_heard_ = clock_.now();
  if (binary) return output(message);
  boost::system::error_code wrong;
  const json::value parsed = json::parse(json::string_view(as_text(message).data(), message.size()), wrong);
  if (wrong || !parsed.is_object()) return;
  const json::object& event = parsed.get_object();
  control(text_of(event, "type"), event);
  settle();
}

void AttachConversation::control(const std::string& type, const json::object& event) {
  if (type == "welcome") {
    user_ = shown(event, "user");
  } else if (type == "tick") {
    server_clock_.told(number_of(event, "ms"), clock_.now());
  } else if (type == "error") {
    on_error(event);
  } else if (type == "attached") {
    on_attached(event);
  } else if (count_at(event, "channel") != channel_) {
    return;  // of a console that was left
  } else if (type == "writer") {
    on_writer(event);
  } else if (type == "reader") {
    on_reader(event);
  } else if (type == "gap" || type == "lagged") {
    on_missing(event, type == "lagged");
  } else if (type == "up" || type == "down") {
    const std::string text = shown(event, "text");
    notice("line " + type + (text.empty() ? "" : ": " + text));
    outside_.line_state(type == "up");
  } else if (type == "input") {
    on_input(event);
  } else if (type == "detached") {
    const std::string text = shown(event, "text");
    say_unknown_fate();
    finish(Exit::SomeFailed, console_ + " is over" + (text.empty() ? "" : ": " + text));
  } else {
    on_people(type, event);
  }
}

void AttachConversation::on_people(const std::string& type, const json::object& event) {
  const std::string user = shown(event, "user"), text = shown(event, "text");
  if (type == "joined" || type == "left") {
    if (type == "left" && asked_by_ == text_of(event, "user")) asked_by_.clear();
    const std::string way = writer_of(event);
    hint(user + " " + type + (text.empty() ? "" : ": " + text) + (way.empty() ? "" : "; nobody writes now" + way));
  } else if (type == "asked") {
    asked_by_ = text_of(event, "user");
    const std::string way = offer(EscapeStep::Command::Spy, "does");
    hint(user + " asks you to hand over" + (way.empty() ? "" : "; " + way));
  } else if (type == "note") {
    const std::string all = text + writer_of(event);
    const bool script = choices_.pipe && choices_.write;  // it may be about what that types
    script ? notice(all) : hint(all);
  } else if (type == "message") {
    hint(user + ": " + text);
  }
}

std::string AttachConversation::writer_of(const json::object& event) {
  if (seat_ != 0 || !event.contains("writer")) return {};  // an oobd of 0.1 does not say
  const std::string before = std::exchange(writer_, shown(event, "writer"));
  if (writer_ == before) return {};
  tell_dropped();  // what to do about the next ones is another thing now
  if (!writer_.empty()) return {};
  const std::string way = offer(EscapeStep::Command::Write, "for read-write");
  return way.empty() ? "" : ", " + way;
}

void AttachConversation::on_attached(const json::object& event) {
  const auto channel = count_at(event, "channel");
  if (move_ && channel == move_->channel) {
    say_unknown_fate();
    forget_held();
    send({{"type", "detach"}, {"channel", channel_}});
    channel_ = move_->channel;
    console_ = move_->console;
    offset_.reset();
    choices_.since.clear();
    replaying_ = false;
    move_.reset();
  } else if (channel != channel_ || stage_ != Stage::Attaching) {
    return;
  }
  const bool again = greeted_ && stage_ == Stage::Attaching;
  stage_ = Stage::Attached;
  greeted_ = true;
  backoff_.reset();
  sequence_ = 0;
  const bool wrote = again && had_seat_ && session_ != 0;
  session_ = count_at(event, "session").value_or(0);
  seat_ = count_at(event, "seat").value_or(0);
  if (text_of(event, "mode") != "writer") seat_ = 0;
  writer_ = shown(event, "writer");
  asked_by_.clear();
  letting_go_ = false;
  last_sign_ = clock_.now();
  const auto log = count_at(event, "log");  // an oobd of 0.1 does not say
  resume_at(count_at(event, "offset").value_or(0), log && log == log_);
  log_ = log;
  tell_dropped();
  greet(event, again);
  if (const std::string since = text_of(event, "writer_since"); wrote && seat_ == 0 && !writer_.empty()) {
    const std::string way = offer(EscapeStep::Command::Ask, "to ask for it back");
    notice(writer_ + " took over" + (since.empty() ? "" : " at " + local_time(since, clock_.wall())) +
           " while you were away; you are now read-only" + (way.empty() ? "" : ". " + way));
  }
  if (choices_.device && choices_.write && seat_ == 0 && !again) {
    return finish(Exit::SomeFailed,
                  console_ + ": " +
                      (writer_.empty() ? "you may not write; " : writer_ + " is writing; --force takes over, ") +
                      "--read-only only looks on");
  }
  outside_.line_state(text_of(event, "line") == "up");
  outside_.attached();
  if (choices_.pipe && choices_.write && seat_ == 0) {
    finish(Exit::SomeFailed, "nothing was typed on " + console_ + ": " +
                                 (writer_.empty() ? "you may not write" : writer_ + " is writing; -f takes over") +
                                 ", -r only looks on");
  }
}

// Where the log ends, against what was seen. A server that was killed may stand a little behind what it showed: its
// agent sends that again, and it is skipped. Far behind, or empty, it is another log, unless it is the same file.
void AttachConversation::resume_at(std::uint64_t end, bool same_log) {
  if (!offset_) {
    if (end == 0 || (choices_.lines == 0 && choices_.since.empty())) offset_ = end;  // no replay will come
    return;
  }
  if (end >= *offset_ || same_log || (end > 0 && *offset_ - end <= limits::log_pending_bytes_max)) return;
  notice("the server's log of " + console_ + " begins anew; output may be missing here");
  offset_ = end;
}

void AttachConversation::greet(const json::object& event, bool again) {
  std::string text = console_ + ": " + (again ? "connected again, " : "") + (seat_ != 0 ? "read-write" : "read-only");
  if (!user_.empty()) text += " as " + user_;
  const auto kept_ms = count_at(event, "seat_kept_ms");
  if (seat_ == 0 && kept_ms) {
    text += ", " + writer_ + " lost the connection and may write again within " +
            std::to_string((*kept_ms + 999) / 1000) + " s";
  } else if (seat_ == 0 && !writer_.empty()) {
    text += ", " + writer_ + " is writing";
  }
  const std::string why = shown(event, "text"), state = text_of(event, "line"), detail = shown(event, "detail");
  if (!why.empty()) text += " (" + why + ")";
  text += ", line " + shown(event, "kind") + " via " + shown(event, "agent");
  if (state != "up") text += " is down" + (detail.empty() ? "" : ": " + detail);
  if (again) return notice(text);
  if (choices_.device) return hint(text);
  text += ". " + escape() + "? help, " + escape() + ". leave.";
  const std::string since = text_of(event, "since");
  if (!since.empty()) text += " Last output " + local_time(since, clock_.wall());
  if (!since.empty() && !choices_.since.empty()) {
    text += ", since " + local_time(choices_.since, clock_.wall()) + ":";
  } else if (!since.empty() && choices_.lines > 0) {
    text += ", last " + count_of(choices_.lines, "line", "lines") + ":";
  }
  hint(text);
}

void AttachConversation::on_error(const json::object& event) {
  const auto channel = count_at(event, "channel");
  const ErrorCode code = error_code_of(text_of(event, "code"));
  const std::string text = shown(event, "text");
  if (move_ && channel == move_->channel) {
    move_.reset();
    tell_dropped();
    notice("still on " + console_ + ": " + text);
  } else if (!channel && code == ErrorCode::Denied && greeted_) {
    finish(exit_of(code), text);  // of the connection as a whole: the token has ended, say
  } else if (stage_ != Stage::Attaching) {
    notice(text);
  } else if (!greeted_ && !looked_up_ && (code == ErrorCode::NotFound || code == ErrorCode::Denied)) {
    look_for_name({code, text});
  } else if (!greeted_ || code == ErrorCode::NotFound || code == ErrorCode::Denied) {
    finish(exit_of(code), text);
  } else {  // back at the server, but it cannot serve this console just now
    stage_ = Stage::Away;
    outside_.disconnect();
    try_again_later();
  }
}

void AttachConversation::on_writer(const json::object& event) {
  seat_ = count_at(event, "seat").value_or(0);
  writer_ = user_;
  tell_dropped();
  const std::string text = shown(event, "text");
  hint("read-write" + (text.empty() ? "" : ": " + text));
}

void AttachConversation::on_reader(const json::object& event) {
  const std::string by = shown(event, "user"), text = shown(event, "text");
  const bool mine = std::exchange(letting_go_, false);
  seat_ = 0;
  writer_ = event.contains("writer") ? shown(event, "writer") : mine ? "" : by;
  asked_by_.clear();
  forget_held();
  const std::string now = local_time(format_utc(clock_.wall()), clock_.wall()).substr(0, 5);
  std::string line = text.empty() ? "" : text + (mine ? "; " : " at " + now + "; ");
  const std::string way = mine ? offer(EscapeStep::Command::Write, "for read-write")
                               : offer(EscapeStep::Command::Ask, "to ask for it back");
  notice(line + "you are now read-only" + (way.empty() ? "" : ". " + way));
  if (choices_.pipe && choices_.write) {
    something_refused_ = true;
    finish(Exit::Unknown, "the rest of the input was not sent");
  }
}

void AttachConversation::on_missing(const json::object& event, bool lagged) {
  const auto bytes = count_at(event, "bytes"), at = count_at(event, "offset");
  if (at && bytes) {
    if (offset_ && *at + *bytes <= *offset_) return;  // told before the connection broke
    offset_ = *at + *bytes;
  } else if (at && (!offset_ || (*at < *offset_ && !replaying_))) {
    offset_ = *at;  // what follows is not what was shown before the connection broke
  }
  const std::string text = shown(event, "text");
  const std::string much = bytes ? count_of(*bytes, "byte", "bytes") + " of output" : "an unknown amount of output";
  if (lagged) return notice(much + " skipped: " + (text.empty() ? "this terminal was too slow; the log has it" : text));
  notice(much + " missing" + (text.empty() ? "" : ": " + text));
}

void AttachConversation::output(ByteView message) {
  if (message.size() < kOutputHead || std::to_integer<std::uint8_t>(message[0]) != kOutputFrame) return;
  if (stage_ != Stage::Attached || big_endian(message.subspan(1, 4)) != channel_) return;
  const std::uint64_t at = big_endian(message.subspan(5, 8));
  ByteView bytes = message.subspan(kOutputHead);
  if (!offset_) offset_ = at;
  if (replaying_ && at < *offset_) {  // what is still on its way comes first
    offset_ = at;
    replaying_ = false;
  }
  if (at > *offset_) notice(count_of(at - *offset_, "byte", "bytes") + " of output missing here; the log may have it");
  const std::uint64_t seen = at < *offset_ ? *offset_ - at : 0;  // resent: shown already
  if (seen >= bytes.size()) return;
  bytes = bytes.subspan(seen);
  offset_ = at + seen + bytes.size();
  last_sign_ = clock_.now();
  outside_.output(bytes);
}

// --- what became of input ---

void AttachConversation::on_input(const json::object& event) {
  const auto sequence = count_at(event, "sequence");
  const auto found = std::find_if(sent_.begin(), sent_.end(), [&](const Sent& s) { return s.sequence == sequence; });
  if (found == sent_.end()) return;
  const Sent sent = *found;
  sent_.erase(found);
  last_sign_ = clock_.now();
  if (sent_.empty()) pace_device();
  const std::string refused = shown(event, "refused");
  if (const auto seat = count_at(event, "seat"); seat && seat_ != 0) seat_ = *seat;  // from here on
  if (refused.empty()) {
    if (sent_.empty()) say_refused();
    return;
  }
  something_refused_ = true;
  if (!sent.what.empty()) return notice(sent.what + " not sent: " + refused);
  if (refused != refused_why_) say_refused();
  refused_keys_ += sent.keys - std::min<std::size_t>(sent.keys, count_at(event, "written").value_or(0));
  refused_why_ = refused;
  if (sent_.empty()) say_refused();
  if (choices_.pipe) finish(Exit::Unknown, "the rest of the input was not sent");
}

// --- time and the end ---

std::optional<SteadyTime> AttachConversation::next_deadline() const {
  std::optional<SteadyTime> first;
  const auto consider = [&](std::optional<SteadyTime> t) {
    if (t && (!first || *t < *first)) first = t;
  };
  if (stage_ == Stage::Finished) return first;
  consider(retry_at_), consider(leave_by_), consider(pass_held_at_);
  if (stage_ == Stage::Attached && outside_.listening()) consider(last_heard_ + limits::client_silence_max);
  if (input_ended_ && stage_ == Stage::Attached && sent_.empty()) consider(last_sign_ + limits::client_pipe_quiet);
  return first;
}

void AttachConversation::tick() {
  if (stage_ == Stage::Finished) return;
  const SteadyTime now = clock_.now();
  if (pass_held_at_ && now >= *pass_held_at_) {
    pass_held_at_.reset();
    flush_keys(escape_.take_held());
  }
  if (stage_ == Stage::Attached && outside_.listening() && now >= last_heard_ + limits::client_silence_max) {
    outside_.disconnect();
    disconnected({ErrorCode::Unavailable,
                  "no sign of the server for " + std::to_string(limits::client_silence_max.count()) + " s"});
  }
  if (retry_at_ && now >= *retry_at_) {
    retry_at_.reset();
    dial();
  }
  settle();
}

void AttachConversation::settle() {
  if (stage_ == Stage::Finished) return;
  const SteadyTime now = clock_.now();
  if (leave_by_ && (sent_.empty() || now >= *leave_by_)) {
    say_unknown_fate();
    hint("left " + console_);
    return finish(Exit::Done, "");
  }
  if (!input_ended_ || stage_ != Stage::Attached || !sent_.empty()) return;
  if (now >= last_sign_ + limits::client_pipe_quiet) finish(something_refused_ ? Exit::Unknown : Exit::Done, "");
}

void AttachConversation::finish(Exit status, const std::string& message) {
  if (stage_ == Stage::Finished) return;
  tell_dropped();
  say_refused();
  if (program_) outside_.stop_program();
  hung_up();
  outside_.finished(status, message);
}

void AttachConversation::hung_up() {
  // in order, so that the seat is not kept for us
  if (stage_ == Stage::Attached || stage_ == Stage::Attaching) send({{"type", "detach"}, {"channel", channel_}});
  stage_ = Stage::Finished;
}

}  // namespace oob
