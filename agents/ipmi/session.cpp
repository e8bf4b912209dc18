// See session.h.
#include "agents/ipmi/session.h"

#include <algorithm>
#include <cassert>

#include "common/crypto/digest.h"
#include "common/limits.h"

namespace oob::ipmi {
namespace {

constexpr std::uint8_t kThisChannel = 0x0e, kTellV20 = 0x80, kByNameAlone = 0x10;
constexpr std::uint8_t kRakpBadCode = 0x0f;
constexpr int kRestartsMax = 2;  // of a login that the BMC lost
constexpr std::size_t kUserBytes = 16;

bool is_suite_status(std::uint8_t s) { return (s >= 0x04 && s <= 0x07) || s == 0x10 || s == 0x11; }
bool is_privilege_status(std::uint8_t s) { return s == 0x09 || s == 0x0a; }
bool is_lost_status(std::uint8_t s) { return s == 0x02 || s == 0x08 || s == kRakpBadCode; }

Bytes padded(std::string_view text) {
  Bytes out(kUserBytes);
  std::copy_n(as_bytes(text).begin(), std::min(text.size(), kUserBytes), out.begin());
  return out;
}

std::uint8_t auth_of(Protection protection) {
  return protection == Protection::Lan15Md5        ? kAuthMd5
         : protection == Protection::Lan15Password ? kAuthPassword
                                                   : kAuthNone;
}

// Section 22.17.1.
Bytes code15(std::uint8_t auth, const Secret& password, std::uint32_t session, std::uint32_t sequence,
             ByteView message) {
  if (auth == kAuthNone) return {};
  Bytes key = padded(password.reveal());
  if (auth == kAuthPassword) return key;
  Bytes numbers;
  put32(numbers, session), put32(numbers, sequence);
  Bytes out = digest(Hash::Md5, {key, ByteView(numbers).first(4), message, ByteView(numbers).last(4), key});
  wipe(MutableBytes(key));
  return out;
}

}  // namespace

Session::Session(const Login& login, Clock& clock, SessionEvents& events, unsigned seed)
    : login_(login), clock_(clock), events_(events), random_(seed), privilege_(login.privilege) {}

Session::~Session() = default;

// --- what is under way, and its repeats ---

void Session::step_to(Step step, Bytes payload, PayloadType type) {
  step_ = step;
  payload_ = std::move(payload);
  payload_type_ = type;
  sent_ = 0;
  sent_at_.clear();
  const bool choosing = step == Step::OpenSession && protection_at_ + 1 < login_.protections.size() &&
                        answer_time_ < limits::ipmi_suite_time_max / 2;
  give_up_at_ = clock_.now() + (choosing             ? limits::ipmi_suite_time_max
                                : step == Step::Open ? patience_
                                                     : login_patience_);
  transmit();
}

void Session::command_to(Step step, const Request& request) {
  command_ = request;
  message_sequence_ = static_cast<std::uint8_t>((message_sequence_ + 1) & 0x3f);
  step_to(step, encode_request(request, message_sequence_), PayloadType::Message);
}

void Session::transmit() {
  // Each with a number of its own, so that its answer tells how slow the BMC is.
  if (step_ == Step::Capabilities) {
    sent_at_.push_back(clock_.now());
    if (sent_ > 0) message_sequence_ = static_cast<std::uint8_t>((message_sequence_ + 1) & 0x3f);
    payload_ = encode_request(*command_, message_sequence_);
  }
  send_payload(payload_type_, payload_);
  // A BMC that is there and gives nobody IPMI often answers this all the same.
  if (step_ == Step::Capabilities && sent_ > 0) events_.session_send(presence_ping(message_sequence_));
  ++sent_;
  if (command_ && !command_->repeatable) return repeat_at_.reset();
  // 0.5 s, 0.7 s, 1 s .., each a fifth earlier or later, so that many BMCs are not asked in step.
  double wait_ms = double(limits::ipmi_repeat_after.count());
  // Many BMCs begin a step of the login anew for a repeat, and what they answered to the first is worth nothing then:
  // one that is slow is given its time.
  if (step_ != Step::Open && step_ != Step::Capabilities)
    wait_ms = std::max(wait_ms, 2.0 * double(answer_time_.count())) * calmer_;
  for (int i = 1; i < std::min(sent_, 5); ++i) wait_ms *= 1.4;
  wait_ms *= std::uniform_real_distribution<double>(0.8, 1.2)(random_);
  repeat_at_ = clock_.now() + Duration(static_cast<std::int64_t>(wait_ms));
}

std::optional<SteadyTime> Session::next_deadline() const {
  const bool busy = step_ == Step::Open ? command_.has_value() : step_ != Step::Idle && step_ != Step::Closed;
  if (!busy) return std::nullopt;
  return repeat_at_ ? std::min(*repeat_at_, give_up_at_) : give_up_at_;
}

void Session::tick() {
  const auto due = next_deadline();
  if (!due || clock_.now() < *due) return;
  if (clock_.now() >= give_up_at_) return silent();
  transmit();
}

void Session::send_payload(PayloadType type, ByteView payload) {
  switch (step_) {
    case Step::Stranger:
    case Step::Capabilities:
    case Step::Challenge:
      return events_.session_send(packet15(kAuthNone, 0, 0, {}, payload));
    case Step::OpenSession:
    case Step::Rakp1:
    case Step::Rakp3:
      return events_.session_send(packet20(type, false, 0, 0, payload));
    case Step::Activate:
      return events_.session_send(
          packet15(auth15_, bmc_id_, 0, code15(auth15_, login_.password, bmc_id_, 0, payload), payload));
    default:
      return events_.session_send(wrapped(type, payload));
  }
}

Bytes Session::wrapped(PayloadType type, ByteView payload) {
  const std::uint32_t sequence = next_sequence_;
  if (++next_sequence_ == 0) next_sequence_ = 1;
  if (keys_) return keys_->seal(type, bmc_id_, sequence, payload);
  return packet15(auth15_, bmc_id_, sequence, code15(auth15_, login_.password, bmc_id_, sequence, payload), payload);
}

void Session::send_sol(ByteView payload) {
  if (step_ == Step::Open && keys_) events_.session_send(wrapped(PayloadType::Sol, payload));
}

// --- the steps of a login ---

void Session::open() {
  assert(step_ == Step::Idle);
  if (login_.quirks.authcap) return begin_attempt();
  const auto level = static_cast<unsigned>(login_.privilege);
  command_to(Step::Capabilities, request_of(kApp, kGetAuthCapabilities, {kThisChannel | kTellV20, level}));
}

void Session::ask_as_stranger(Request request, Done done) {
  assert(step_ == Step::Idle);
  command_done_ = std::move(done);
  command_to(Step::Stranger, request);
}

void Session::on_capabilities(const Response& response) {
  capabilities_.told = response.code == 0 && response.data.size() >= 4;
  if (capabilities_.told) {
    const unsigned types = byte_at(response.data, 1), how = byte_at(response.data, 2), more = byte_at(response.data, 3);
    capabilities_.v20 = (types & 0x80) != 0 && (more & 0x02) != 0;
    capabilities_.v15 = (types & 0x80) == 0 || (more & 0x01) != 0;
    capabilities_.lan15_none = (types & 0x01) != 0;
    capabilities_.lan15_md5 = (types & 0x04) != 0;
    capabilities_.lan15_password = (types & 0x10) != 0;
    capabilities_.kg_set = (how & 0x20) != 0;
    capabilities_.null_names = (how & 0x02) != 0;
    capabilities_.anonymous = (how & 0x01) != 0;
  }
  if (!capabilities_.v20 && std::none_of(login_.protections.begin(), login_.protections.end(), is_lan15))
    return closed(ErrorCode::Denied,
                  "the BMC says that it speaks IPMI 1.5 only, or has IPMI over LAN switched off for this privilege; if "
                  "that is wrong, name the quirk \"authcap\"");
  begin_attempt();
}

void Session::begin_attempt() {
  secret_refused_ = false;
  protection_ = login_.protections[protection_at_];
  command_.reset();
  if (is_lan15(protection_)) {
    auth15_ = auth_of(protection_);
    Request challenge = request_of(kApp, kGetSessionChallenge, {auth15_});
    append(challenge.data, padded(login_.user));
    return command_to(Step::Challenge, challenge);
  }
  std::array<std::byte, 16> number{};
  fill_random(number);
  Bytes id(4);
  fill_random(id);
  console_id_ = get32(id, 0) | 1;  // never 0
  const auto level = static_cast<std::uint8_t>(privilege_);
  const auto role = static_cast<std::uint8_t>(login_.quirks.name_and_privilege ? level : level | kByNameAlone);
  rakp_ = std::make_unique<Rakp>(suite_of(protection_), login_, role, console_id_, number);
  step_to(Step::OpenSession, rakp_->open_request(++tag_, login_.quirks.privilege_highest ? 0 : level),
          PayloadType::OpenRequest);
}

void Session::next_protection(const std::string& why) {
  refused_ += (refused_.empty() ? "" : "; ") + ("suite " + protection_word(protection_)) + ": " + why;
  if (++protection_at_ < login_.protections.size()) return begin_attempt();
  closed(ErrorCode::Denied, refused_);
}

bool Session::less_privilege() {
  if (!login_.or_less || privilege_ == Privilege::User) return false;
  privilege_ = static_cast<Privilege>(static_cast<std::uint8_t>(privilege_) - 1);
  return true;
}

// The BMC has lost or mixed up a login that was under way (a repeat that overtook): from the start, a few times.
void Session::failed(ErrorCode code, const std::string& why) {
  if (++restarts_ <= kRestartsMax) return begin_attempt();
  closed(code, why);
}

// By message 2 or 4 of the login: an answer that makes no sense or another status is nothing of the password's.
void Session::refused(const Error& why) {
  secret_refused_ = why.code == ErrorCode::Denied && (rakp_->status() == 0 || rakp_->status() == kRakpBadCode);
  is_lost_status(rakp_->status()) ? lost(why.code, why.message) : closed(why.code, why.message);
}

// Our repeats may have been what mixed it up.
void Session::lost(ErrorCode code, const std::string& why) {
  calmer_ *= 4;
  failed(code, why);
}

void Session::on_open_response(ByteView payload) {
  if (const auto good = rakp_->open_response(payload); !good) {
    if (is_suite_status(rakp_->status())) return next_protection(good.error().message);
    if (is_privilege_status(rakp_->status()) && less_privilege()) return begin_attempt();
    return closed(good.error().code, good.error().message);
  }
  bmc_id_ = rakp_->bmc_id();
  step_to(Step::Rakp1, rakp_->message1(++tag_), PayloadType::Rakp1);
}

void Session::on_rakp2(ByteView payload) {
  const auto good = rakp_->message2(payload);
  if (good) return step_to(Step::Rakp3, rakp_->message3(++tag_, 0), PayloadType::Rakp3);
  if (is_privilege_status(rakp_->status()) && less_privilege()) return begin_attempt();
  // The BMC is told, and need not keep a place for us.
  if (rakp_->status() == 0) send_payload(PayloadType::Rakp3, rakp_->message3(++tag_, kRakpBadCode));
  refused(good.error());
}

void Session::on_rakp4(ByteView payload) {
  if (const auto good = rakp_->message4(payload); !good) return refused(good.error());
  keys_ = rakp_->keys();
  rakp_.reset();
  next_sequence_ = 1;
  ask_privilege();
}

void Session::on_challenge(const Response& response) {
  if (response.code != 0) return closed(ErrorCode::Denied, completion_words(kApp, kGetSessionChallenge, response.code));
  if (response.data.size() < 20) return closed(ErrorCode::Unavailable, "the BMC's answer is too short");
  bmc_id_ = get32(response.data, 0);
  std::copy_n(response.data.begin() + 4, challenge_.size(), challenge_.begin());
  Request activate = request_of(kApp, kActivateSession, {auth15_, static_cast<unsigned>(privilege_)});
  append(activate.data, challenge_);
  std::array<std::byte, 4> first{};
  fill_random(first);
  append(activate.data, first);
  command_to(Step::Activate, activate);
}

void Session::on_activate(const Response& response) {
  if (response.code == 0x86 && less_privilege()) return begin_attempt();
  if (response.code != 0) return closed(ErrorCode::Denied, completion_words(kApp, kActivateSession, response.code));
  if (response.data.size() < 10) return closed(ErrorCode::Unavailable, "the BMC's answer is too short");
  auth15_ = static_cast<std::uint8_t>(byte_at(response.data, 0) & 0x0f);
  if (auth15_ != kAuthNone && auth15_ != auth_of(protection_))
    return closed(ErrorCode::Denied, "the BMC wants the session protected otherwise than it was asked to");
  bmc_id_ = get32(response.data, 1);
  next_sequence_ = std::max(get32(response.data, 5), 1u);
  heard_any_ = false;
  ask_privilege();
}

void Session::ask_privilege() {
  command_to(Step::Privilege, request_of(kApp, kSetSessionPrivilege, {static_cast<unsigned>(privilege_)}));
}

void Session::on_privilege(const Response& response) {
  if ((response.code == 0x80 || response.code == 0x81) && less_privilege()) return ask_privilege();
  if (response.code != 0) return closed(ErrorCode::Denied, completion_words(kApp, kSetSessionPrivilege, response.code));
  command_.reset();
  step_ = Step::Open;
  if (keys_) login_.password = login_.kg = Secret();  // no longer needed
  events_.session_open();
}

// --- what comes ---

// A window of 32 behind the newest (section 6.12.13 wants 16 at least). Any number ahead is good: the code vouches for
// it.
bool Session::fresh(std::uint32_t sequence, bool& newest) {
  const auto ahead = static_cast<std::int32_t>(sequence - heard_sequence_);
  newest = !heard_any_ || ahead > 0;
  if (!newest) {
    const std::uint32_t behind = heard_sequence_ - sequence;
    if (behind == 0 || behind > 32 || (heard_before_ >> (behind - 1) & 1) != 0) return false;
    heard_before_ |= 1u << (behind - 1);
    return true;
  }
  const auto by = static_cast<std::uint32_t>(ahead);
  heard_before_ = !heard_any_ || by > 32 ? 0 : (by == 32 ? 0 : heard_before_ << by) | 1u << (by - 1);
  heard_sequence_ = sequence;
  heard_any_ = true;
  return true;
}

void Session::receive(ByteView datagram) {
  const auto packet = parse_packet(datagram);
  if (step_ == Step::Capabilities && is_presence_pong(datagram, message_sequence_)) pong_ = true;
  if (!packet || step_ == Step::Idle || step_ == Step::Closed) return;
  if (packet->v20 && packet->session == 0) {
    const bool answer = !packet->payload.empty() && byte_at(packet->payload, 0) == tag_;
    if (!answer || !rakp_) return;
    if (step_ == Step::OpenSession && packet->type == PayloadType::OpenResponse)
      return on_open_response(packet->payload);
    if (step_ == Step::Rakp1 && packet->type == PayloadType::Rakp2) return on_rakp2(packet->payload);
    if (step_ == Step::Rakp3 && packet->type == PayloadType::Rakp4) return on_rakp4(packet->payload);
    return;
  }
  Bytes opened;
  ByteView payload = packet->payload;
  bool newest = true;
  if (packet->v20) {
    if (!keys_ || packet->session != console_id_) return;
    auto plain = keys_->open(*packet);
    if (!plain || !fresh(packet->sequence, newest)) return;
    opened = *std::move(plain);
    payload = opened;
  } else if (packet->session != 0) {
    if (keys_ || packet->session != bmc_id_ || packet->auth15 != auth15_ || !is_lan15(protection_)) return;
    if (!same_bytes(packet->code15, code15(auth15_, login_.password, bmc_id_, packet->sequence, payload))) return;
    if (packet->sequence != 0 && !fresh(packet->sequence, newest)) return;
  } else if (step_ != Step::Stranger && step_ != Step::Capabilities && step_ != Step::Challenge) {
    return;  // in a session nothing is believed without its number
  }
  heard_ = clock_.now();
  if (packet->type == PayloadType::Sol) {
    if (step_ == Step::Open) events_.session_sol(payload, newest);
  } else if (packet->type == PayloadType::Message) {
    const auto response = parse_response(payload);
    if (!response || !command_ || response->netfn != command_->netfn || response->command != command_->command) return;
    const std::size_t later = (message_sequence_ - response->sequence) & 0x3f;  // repeats that were sent after it
    if (later < sent_at_.size())
      answer_time_ = std::chrono::ceil<Duration>(clock_.now() - sent_at_[sent_at_.size() - 1 - later]);
    if (later == 0 || later < sent_at_.size()) answered(*response);
  }
}

void Session::answered(const Response& response) {
  switch (step_) {
    case Step::Capabilities:
      return on_capabilities(response);
    case Step::Challenge:
      return on_challenge(response);
    case Step::Activate:
      return on_activate(response);
    case Step::Privilege:
      return on_privilege(response);
    default:
      break;
  }
  const Done done = std::exchange(command_done_, nullptr);
  Answer answer{response.code, Bytes(response.data.begin(), response.data.end())};
  command_.reset();
  if (step_ == Step::Stranger) step_ = Step::Idle;
  next_command();
  if (done) done(std::move(answer));
}

// --- commands ---

void Session::request(Request request, Done done) {
  assert(is_open() && queue_.size() < limits::ipmi_commands_waiting_max);
  queue_.push_back({std::move(request), std::move(done)});
  next_command();
}

void Session::next_command() {
  if (step_ != Step::Open || command_ || queue_.empty()) return;
  Waiting next = std::move(queue_.front());
  queue_.pop_front();
  command_done_ = std::move(next.done);
  command_to(Step::Open, next.request);
}

// --- ends ---

void Session::silent() {
  if (step_ == Step::Stranger || (step_ == Step::Open && !command_->repeatable)) {
    const Done done = std::exchange(command_done_, nullptr);
    const bool once = !command_->repeatable;
    command_.reset();
    if (step_ == Step::Stranger) step_ = Step::Idle;
    next_command();
    if (done)
      done(fail(ErrorCode::Unavailable,
                once ? "the BMC did not answer; whether it did it is not known" : "the BMC does not answer"));
    return;
  }
  switch (step_) {
    case Step::Capabilities:
      return closed(ErrorCode::Unavailable,
                    pong_ ? "the BMC is there (it answers presence pings) but gives no IPMI; enable IPMI over LAN in it"
                          : "the BMC does not answer; is it there, and IPMI over LAN enabled in it?");
    case Step::OpenSession:
      if (protection_at_ + 1 < login_.protections.size()) return next_protection("no answer");
      return closed(ErrorCode::Unavailable, "the BMC does not answer to a login");
    case Step::Rakp1:
    case Step::Rakp3:
      return failed(ErrorCode::Unavailable, "the BMC fell silent while logging in");
    case Step::Open:
      return closed(ErrorCode::Unavailable, "the BMC does not answer any more");
    default:
      return closed(ErrorCode::Unavailable, "the BMC fell silent while logging in");
  }
}

void Session::closed(ErrorCode code, std::string why) {
  const Error error{code, std::move(why)};
  if (bmc_id_ != 0 && (step_ == Step::Open || step_ == Step::Privilege)) close();
  step_ = Step::Closed;
  std::deque<Waiting> waiting;
  if (command_done_) waiting.push_back({{}, std::exchange(command_done_, nullptr)});
  std::move(queue_.begin(), queue_.end(), std::back_inserter(waiting));
  queue_.clear();
  SessionEvents& events = events_;
  const std::weak_ptr<void> alive = alive_;
  for (auto& one : waiting) {
    if (one.done) one.done(tl::unexpected(error));
    if (alive.expired()) return;
  }
  events.session_closed(error);
}

void Session::close(const std::vector<Request>& last) {
  const bool open = bmc_id_ != 0 && (step_ == Step::Open || step_ == Step::Privilege);
  if (open) {
    const auto send = [&](const Request& request) {
      message_sequence_ = static_cast<std::uint8_t>((message_sequence_ + 1) & 0x3f);
      events_.session_send(wrapped(PayloadType::Message, encode_request(request, message_sequence_)));
    };
    for (const Request& request : last) send(request);
    Request bye = request_of(kApp, kCloseSession);
    put32(bye.data, bmc_id_);
    send(bye);
  }
  step_ = Step::Closed;
}

}  // namespace oob::ipmi
