// See callhome_listener.h.
#include "agents/lines/callhome_listener.h"

#include <unistd.h>

#include <algorithm>
#include <utility>

#include "agents/lines/tcp_socket.h"
#include "common/crypto/digest.h"
#include "common/limits.h"
#include "common/log.h"
#include "common/nearest.h"
#include "common/text.h"

namespace oob {
namespace {

// Whether an address can match both; without a rule all do.
bool overlap(const std::optional<SenderRule>& one, const std::optional<SenderRule>& other) {
  if (!one || !other) return true;
  return one->bits < other->bits ? one->matches(other->address) : other->matches(one->address);
}

}  // namespace

Result<> CallhomeListener::open(const std::string& listen) {
  if (open_) return {};
  auto opened = listener_.listen(listen, 0, [this](int fd, const std::string& peer) { accepted(fd, peer); });
  open_ = opened.has_value();
  listen_ = listen;
  return opened;
}

Result<> CallhomeListener::join(const std::string& console, Terms terms, std::function<void()> called) {
  for (const auto& [name, member] : members_) {
    if (name == console || !member.called) continue;
    const auto conflict = [&](const std::string& what) {
      return fail(ErrorCode::Conflict,
                  "console " + in_quotes(name) + " listens on " + escape_controls(listen_) + " " + what);
    };
    if (member.terms.tls.empty() != terms.tls.empty()) {
      return conflict(std::string(terms.tls.empty() ? "with" : "without") +
                      " tls-file; all of one listener have it, or none");
    }
    // Before it is known whose a call is, its TLS needs a certificate. A renewed one is of the same file.
    if (member.terms.tls_place != terms.tls_place)
      return conflict("with another tls-file; all of one listener have the same one");
    if (!member.terms.token.empty() && member.terms.token.reveal() == terms.token.reveal())
      return conflict("with the same token; give each its own");
    // What a node says to a line without a token is that line's output, its token for another one included.
    if ((member.terms.token.empty() || terms.token.empty()) && overlap(member.terms.source, terms.source)) {
      return conflict("for calls from the same address, and " + std::string(terms.token.empty() ? "this one" : "it") +
                      " has no token-file to tell them apart; give both one, or each another source or listen");
    }
  }
  if (terms.tls.empty()) {
    tls_ = nullptr;
  } else if (const std::string now = hex(sha256(as_bytes(terms.tls.reveal()))); !tls_ || now != tls_fingerprint_) {
    std::string pem(terms.tls.reveal());
    const auto context = TlsContext::front(pem, terms.tls);
    wipe(pem);
    if (!context) return tl::unexpected(Error{context.error().code, "tls-file: " + context.error().message});
    tls_ = *context;
    tls_fingerprint_ = now;
  }
  Member& member = members_[console];
  member.terms = std::move(terms);
  member.called = std::move(called);
  member.gone.reset();
  member.ticket = next_++;
  if (!member.calls.empty()) later(member.called);
  return {};
}

std::uint64_t CallhomeListener::ticket_of(const std::string& console) const {
  const auto found = members_.find(console);
  return found == members_.end() ? 0 : found->second.ticket;
}

// It stays known for what is being called just now: the line that takes its place finds the call.
void CallhomeListener::leave(const std::string& console, std::uint64_t ticket) {
  const auto found = members_.find(console);
  if (found == members_.end() || found->second.ticket != ticket) return;
  found->second.called = nullptr;
  found->second.gone = std::make_unique<Timer>(shard_);
  found->second.gone->once(limits::listener_kept, [this, console] { members_.erase(console); });
}

std::unique_ptr<Call> CallhomeListener::take(const std::string& console) {
  const auto found = members_.find(console);
  if (found == members_.end() || found->second.calls.empty()) return nullptr;
  auto out = std::move(found->second.calls.front());
  found->second.calls.erase(found->second.calls.begin());
  return out;
}

bool CallhomeListener::expects(const SenderAddress& address) const {
  return std::ranges::any_of(members_, [&](const auto& entry) {
    const Member& member = entry.second;
    return member.called && (!member.terms.source || member.terms.source->matches(address));
  });
}

void CallhomeListener::accepted(int fd, const std::string& peer) {
  const auto parts = parse_host_port(peer);
  const auto address = parts ? parse_sender(parts->host) : tl::unexpected(parts.error());
  const char* why = nullptr;
  if (!address || !expects(*address)) {
    why = "no line expects it";
  } else if (strangers_.size() >= limits::callhome_logins_max ||
             std::size_t(std::ranges::count_if(strangers_, [&](const auto& entry) {
               return entry.second.address == *address;
             })) >= limits::callhome_logins_of_address_max) {
    why = "too many show their token at once";
  }
  if (why != nullptr) {
    ::close(fd);
    return log_limited(LogLevel::Warning, "line", "callhome " + listen_ + why, "a call was refused",
                       {{"listen", listen_}, {"from", peer}, {"reason", why}});
  }
  const std::uint64_t id = next_++;
  auto call = std::make_unique<Call>(shard_, fd, tls_ ? std::optional(tls_->engine()) : std::nullopt);
  watch_tcp_peer(fd);
  call->peer = peer;
  Call* raw = call.get();
  strangers_[id] = {*address, std::move(call), std::make_unique<Timer>(shard_)};
  // The functions that a taker sets come first; before that, the call is ours.
  raw->bytes = [this, id](ByteView bytes) { received(id, bytes); };
  raw->closed = [this, id](const std::string& reason) { refuse(id, reason); };
  raw->stream.start({.ready = [this, id] { identify(id); },
                     .bytes =
                         [raw](ByteView bytes) {
                           const auto act = raw->bytes;  // which may set another
                           act(bytes);
                         },
                     .closed =
                         [raw](const std::string& reason) {
                           raw->ended = true;
                           const auto act = raw->closed;
                           act(reason);
                         },
                     .fill = [raw](MutableBytes into) { return raw->fill ? raw->fill(into) : std::size_t(0); }});
  strangers_[id].patience->once(limits::callhome_login_time_max,
                                [this, id] { refuse(id, "it showed no token in time"); });
}

void CallhomeListener::refuse(std::uint64_t id, const std::string& why) {
  const auto found = strangers_.find(id);
  if (found == strangers_.end()) return;
  log_limited(LogLevel::Warning, "line", "callhome " + listen_, "a call was refused",
              {{"listen", listen_}, {"from", found->second.call->peer}, {"reason", why}});
  // Not from inside its own callback.
  shard_.post([gone = std::make_shared<Stranger>(std::move(found->second))] {});
  strangers_.erase(found);
}

void CallhomeListener::received(std::uint64_t id, ByteView bytes) {
  const auto found = strangers_.find(id);
  if (found == strangers_.end()) return;
  append(found->second.call->early, bytes);
  identify(id);
}

CallhomeListener::Member* CallhomeListener::member_of(const SenderAddress& address,
                                                      const std::optional<CallGreeting>& greeting) {
  Member* out = nullptr;
  for (auto& [name, member] : members_) {
    if (!member.called || (member.terms.source && !member.terms.source->matches(address))) continue;
    const ByteView token = as_bytes(member.terms.token.reveal());
    if (greeting ? !token.empty() && same_bytes(token, as_bytes(greeting->token)) : token.empty()) out = &member;
  }
  return out;
}

// As soon as it can be told whose the call is.
void CallhomeListener::identify(std::uint64_t id) {
  const auto found = strangers_.find(id);
  if (found == strangers_.end()) return;
  Stranger& stranger = found->second;
  std::optional<CallGreeting> greeting;
  Member* member = member_of(stranger.address, {});  // of whom no token is asked
  if (member == nullptr) {
    const auto greeted = parse_call_greeting(as_text(stranger.call->early));
    if (!greeted) return refuse(id, greeted.error().message);
    if (!*greeted) return;
    greeting = *greeted;
    member = member_of(stranger.address, greeting);
    if (member == nullptr) return refuse(id, "its token is of no line that may be called from there");
  }
  if (!member->pace.take(shard_.clock().now())) return refuse(id, "it calls too often");
  auto call = std::move(stranger.call);
  strangers_.erase(found);
  if (greeting) {
    call->way = greeting->way;
    wipe(MutableBytes(call->early).first(greeting->length));
    call->early.erase(call->early.begin(), call->early.begin() + std::ptrdiff_t(greeting->length));
  }
  Call* raw = call.get();
  raw->bytes = [raw](ByteView bytes) {
    if (raw->early.size() + bytes.size() > limits::read_buffer_bytes)
      return raw->stream.close("nobody takes what it says");
    append(raw->early, bytes);
  };
  raw->closed = [](const std::string&) {};
  // A node that calls again has lost its earlier call, whatever our end of it says.
  for (auto& waiting : member->calls) {
    if (waiting->way == raw->way) shard_.post([gone = std::shared_ptr<Call>(std::move(waiting))] {});
  }
  std::erase(member->calls, nullptr);
  member->calls.push_back(std::move(call));
  later(member->called);
}

void CallhomeListener::later(std::function<void()> act) {
  shard_.post([alive = std::weak_ptr(alive_), act = std::move(act)] {
    if (!alive.expired()) act();
  });
}

}  // namespace oob
