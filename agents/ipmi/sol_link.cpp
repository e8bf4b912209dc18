// See sol_link.h.
#include "agents/ipmi/sol_link.h"

#include <algorithm>
#include <utility>

#include "common/crypto/digest.h"
#include "common/limits.h"
#include "common/text.h"

namespace oob::ipmi {
namespace {

constexpr unsigned kSolPayload = 1, kEncrypted = 0x80, kAuthenticated = 0x40, kAlertsDeferred = 0x04;
constexpr unsigned kThisSession = 0x00, kSessionById = 0xff;
constexpr std::size_t kSolHeaderBytes = 4, kSmallPacketBytes = 64, kPacketBytesMax = 255 + kSolHeaderBytes;
constexpr int kActivationsMax = 6;

std::string dotted(ByteView bytes) {
  std::string out;
  for (std::size_t i = 0; i < 4; ++i) out += (i > 0 ? "." : "") + std::to_string(byte_at(bytes, i));
  return out;
}

// Get Session Info's answer (section 22.20), as far as a BMC gave it: "user 3 from 10.9.0.7".
std::string who_it_is(ByteView answer) {
  if (answer.size() < 6) return "";
  std::string out = "user " + std::to_string(byte_at(answer, 3) & 0x3f);
  if (answer.size() >= 10 && get32(answer, 6) != 0) out += " from " + dotted(answer.subspan(6));
  return out;
}

// What tells one session from another with the same number: user, address and port (table 22-25). "" if the BMC leaves
// one of them out.
std::string told_of(const Answer& answer) {
  const ByteView data = answer.data;
  if (answer.code != 0 || data.size() < 18 || get16(data, 16) == 0) return "";
  Bytes out{data[3] & std::byte{0x3f}};
  append(out, data.subspan(6, 4));
  append(out, data.subspan(16, 2));
  return hex(out);
}

// The characters a packet may carry, of the size that the BMC tells (section 24.1), which some tell byte-swapped.
std::size_t characters_of(std::size_t told, bool nonsense) {
  const auto sane = [](std::size_t n) { return n > kSolHeaderBytes && n <= 1024; };
  const std::size_t swapped = told >> 8 | (told & 255) << 8;
  std::size_t size = sane(told) ? told : sane(swapped) ? swapped : kSmallPacketBytes;
  if (nonsense) size = kSmallPacketBytes;
  return std::min(size, kPacketBytesMax) - kSolHeaderBytes;
}

}  // namespace

SolLink::SolLink(SolSettings settings, Clock& clock, SolLinkEvents& events, unsigned seed)
    : settings_(std::move(settings)),
      clock_(clock),
      events_(events),
      random_(seed),
      session_(settings_.login, clock, *this, seed + 1) {
  settings_.login.password = settings_.login.kg = Secret();  // the session has its own
  session_.set_patience(limits::ipmi_answer_time_max, limits::sol_answer_time_max);
}

SolLink::~SolLink() = default;

void SolLink::open() { session_.open(); }

void SolLink::receive(ByteView datagram) {
  if (!down_) session_.receive(datagram);
}

std::optional<SteadyTime> SolLink::next_deadline() const {
  if (down_) return std::nullopt;
  std::optional<SteadyTime> out = session_.next_deadline();
  for (const auto& one : {sol_ ? sol_->next_deadline() : std::nullopt, watch_at_})
    if (one && (!out || *one < *out)) out = one;
  return out;
}

// Each may end the link; down_ tells.
void SolLink::tick() {
  if (!down_) session_.tick();
  if (!down_ && sol_) sol_->tick();
  if (!down_ && watch_at_ && clock_.now() >= *watch_at_) watch();
}

std::size_t SolLink::write(ByteView bytes) { return sol_ && !down_ ? sol_->write(bytes) : 0; }

void SolLink::withdraw() {
  if (sol_ && !down_) sol_->withdraw();
}

bool SolLink::send_break() {
  if (!sol_ || down_) return false;
  sol_->send_break();
  return true;
}

void SolLink::close() {
  if (std::exchange(down_, true)) return;
  std::vector<Request> last;
  if (sol_ && still_ours_)
    last.push_back(request_of(kApp, kDeactivatePayload, {kSolPayload, settings_.instance, 0, 0, 0, 0}));
  session_.close(last);
}

void SolLink::down(const std::string& reason) {
  if (down_) return;
  if (sol_) sol_->tell_overruns();
  close();
  events_.link_down(settings_.address + ": " + reason);
}

void SolLink::ask(Request request, std::function<void(const Answer&)> then) {
  session_.request(std::move(request), [this, then = std::move(then)](Result<Answer> answer) {
    if (answer && !down_) then(*answer);  // else the session ends, and says why
  });
}

// --- from the login to the console ---

void SolLink::session_open() {
  std::erase_if(settings_.ours, [&](const OpenedSession& one) { return one.id == session_.id(); });
  ask(request_of(kApp, kGetSessionInfo, {kThisSession}), [this](const Answer& answer) {
    events_.link_session({session_.id(), told_of(answer)});
    settings_.ours.empty() ? activate() : close_earlier(0);
  });
}

void SolLink::session_closed(const Error& why) {
  if (session_.secret_refused()) events_.link_secret_refused();
  down(why.message);
}

// A session that we left open would keep the payload, and take it with it when the BMC forgets the session a minute
// later. The BMC may have given its number to someone else since, or to another session of ours: it is closed only if
// the BMC tells the same of it as then.
void SolLink::close_earlier(std::size_t index) {
  if (index >= settings_.ours.size()) {
    events_.link_sessions_closed();
    return activate();
  }
  Request info = request_of(kApp, kGetSessionInfo, {kSessionById});
  put32(info.data, settings_.ours[index].id);
  ask(std::move(info), [this, index](const Answer& answer) {
    const std::string told = told_of(answer);
    if (told.empty()) return close_earlier(index + 1);
    if (told != settings_.ours[index].told) {
      settings_.ours.erase(settings_.ours.begin() + static_cast<std::ptrdiff_t>(index));  // busy() must not take it
      return close_earlier(index);
    }
    Request bye = request_of(kApp, kCloseSession);
    put32(bye.data, settings_.ours[index].id);
    ask(std::move(bye), [this, index](const Answer&) { close_earlier(index + 1); });
  });
}

void SolLink::activate() {
  if (++activations_ > kActivationsMax) return down("the BMC says that serial over LAN is in use, but not by whom");
  const unsigned how =
      kEncrypted | kAuthenticated | (settings_.login.quirks.serial_alerts_deferred ? kAlertsDeferred : 0);
  ask(request_of(kApp, kActivatePayload, {kSolPayload, settings_.instance, how, 0, 0, 0}),
      [this](const Answer& answer) { activated(answer); });
}

void SolLink::activated(const Answer& answer) {
  if (answer.code == 0x80) return busy();
  if (answer.code != 0) return down(completion_words(kApp, kActivatePayload, answer.code));
  if (answer.data.size() < 12) return down("the BMC's answer to the activation is too short");
  begin(answer);
}

void SolLink::busy() {
  if (settings_.login.quirks.no_instance_info) return held_by(0, "");
  ask(request_of(kApp, kGetPayloadInstance, {kSolPayload, settings_.instance}), [this](const Answer& answer) {
    const std::uint32_t id = answer.code == 0 && answer.data.size() >= 4 ? get32(answer.data, 0) : 0;
    // Ourselves: a repeated activation whose first answer was lost, or what an earlier start left behind.
    const bool ours =
        id != 0 && (id == session_.id() || std::ranges::count(settings_.ours, id, &OpenedSession::id) > 0);
    if (ours) return deactivate_then_activate();
    look_who(id, [this, id](const std::string& who) { held_by(id, who); });
  });
}

void SolLink::held_by(std::uint32_t id, const std::string& who) {
  const std::string holder = who.empty() ? "another session" : who;
  if (settings_.busy == Busy::Steal) {
    taken_from_ = holder;
    return deactivate_then_activate();
  }
  std::string reason = "serial over LAN is in use by " + holder;
  reason += settings_.busy == Busy::Wait
                ? "; waiting until it is free"
                : "; to take it from there: \"sol deactivate\" of ipmitool, or busy = \"steal\" for a while";
  down(reason);
}

void SolLink::deactivate_then_activate() {
  ask(request_of(kApp, kDeactivatePayload, {kSolPayload, settings_.instance, 0, 0, 0, 0}),
      [this](const Answer& answer) {
        if (answer.code != 0 && answer.code != 0x80)
          return down(completion_words(kApp, kDeactivatePayload, answer.code));
        activate();
      });
}

void SolLink::look_who(std::uint32_t id, std::function<void(std::string)> then) {
  if (id == 0) return then("");
  Request info = request_of(kApp, kGetSessionInfo, {kSessionById});
  put32(info.data, id);
  ask(std::move(info),
      [then = std::move(then)](const Answer& answer) { then(answer.code == 0 ? who_it_is(answer.data) : ""); });
}

void SolLink::begin(const Answer& answer) {
  const std::size_t characters = characters_of(get16(answer.data, 4), settings_.login.quirks.sol_payload_size);
  SolEvents& self = *this;
  sol_ = std::make_unique<SolStream>(clock_, self, characters, static_cast<unsigned>(random_()));
  const std::string suite = protection_word(session_.protection()), level(privilege_word(session_.privilege()));
  events_.link_up(settings_.address + ", suite " + suite + ", " + level);
  if (!taken_from_.empty()) events_.link_note("serial over LAN was taken from " + taken_from_);
  constexpr char hex[] = "0123456789abcdef";
  std::string id;
  for (int shift = 28; shift >= 0; shift -= 4) id += hex[session_.id() >> shift & 15];
  events_.link_facts(
      {{"suite", suite}, {"privilege", level}, {"packet-bytes", std::to_string(characters)}, {"bmc-session", id}});
  sol_->start();
  watch();
}

// --- while it is up ---

void SolLink::session_sol(ByteView payload, bool newest) {
  if (sol_ && !down_) sol_->receive(payload, newest);
}

void SolLink::sol_unanswered() { watch(); }

void SolLink::sol_ended() {
  still_ours_ = false;
  down("the BMC ended serial over LAN");
}

// Some BMCs say nothing when another session takes the payload: they are asked. Any answer also keeps the session
// alive, and none means that it is dead.
void SolLink::watch() {
  watch_at_.reset();
  if (std::exchange(watching_, true)) return;
  const Request request =
      asks_status_ ? request_of(kApp, kGetPayloadStatus, {kSolPayload}) : request_of(kApp, kGetDeviceId);
  ask(request, [this](const Answer& answer) {
    const bool told = answer.code == 0 && answer.data.size() >= 3;
    const bool active = told && (get16(answer.data, 1) >> (settings_.instance - 1) & 1) != 0;
    // Right after the activation it can only be active: a BMC that denies it does not know.
    if (!std::exchange(watched_, true) && !active) asks_status_ = false;
    if (asks_status_ && told && !active) {
      still_ours_ = false;
      return down("another session ended our serial over LAN");
    }
    if (settings_.login.quirks.no_instance_info || !asks_instance_) return watch_again();
    watch_holder();
  });
}

// Compared with what the BMC said right after the activation: not all give the number of the session.
void SolLink::watch_holder() {
  ask(request_of(kApp, kGetPayloadInstance, {kSolPayload, settings_.instance}), [this](const Answer& answer) {
    const std::uint32_t id = answer.code == 0 && answer.data.size() >= 4 ? get32(answer.data, 0) : 0;
    if (!holder_ && id == 0) asks_instance_ = false;
    if (!asks_instance_) return watch_again();
    if (!holder_) holder_ = id;
    if (id == *holder_) return watch_again();
    still_ours_ = false;
    look_who(id, [this](const std::string& who) {
      down(who.empty() ? "another session took serial over LAN from us" : who + " took serial over LAN from us");
    });
  });
}

void SolLink::watch_again() {
  watching_ = false;
  const double jitter = std::uniform_real_distribution<double>(0.8, 1.2)(random_);
  watch_at_ = clock_.now() + Duration(static_cast<std::int64_t>(double(limits::sol_watch_every.count()) * jitter));
}

}  // namespace oob::ipmi
