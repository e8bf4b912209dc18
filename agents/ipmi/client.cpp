// See client.h.
#include "agents/ipmi/client.h"

#include <random>

#include "common/text.h"

namespace oob::ipmi {

Client::Client(Shard& shard, std::string address, Login login, Duration answer_time)
    : shard_(shard),
      address_(std::move(address)),
      session_(login, shard.clock(), *this, std::random_device{}()),
      udp_(shard, *this) {
  session_.set_patience(answer_time, answer_time);
}

Client::~Client() { session_.close(); }

void Client::connect(std::function<void()> then) {
  udp_.open(address_, [this, then = std::move(then)](const Result<>& connected) {
    if (!connected) return finish(fail(ErrorCode::NotFound, connected.error().message));
    then();
    udp_.rearm();
  });
}

void Client::open(std::function<void(Result<>)> done) {
  opened_ = std::move(done);
  connect([this] { session_.open(); });
}

void Client::finish(Result<> result) {
  if (!result) ended_ = result.error();
  if (const auto call = std::exchange(opened_, nullptr)) call(std::move(result));
}

// Answers come by way of a later turn: a callback may destroy us, and the session is still at work.
void Client::command(Request request, std::function<void(Result<Answer>)> done) {
  auto later = [this, alive = std::weak_ptr(alive_), done = std::move(done)](Result<Answer> answer) {
    shard_.post([alive, done, answer = std::move(answer)] {
      if (!alive.expired()) done(answer);
    });
  };
  if (!session_.is_open()) {
    return later(tl::unexpected(ended_.value_or(Error{ErrorCode::Conflict, "no session is open"})));
  }
  session_.request(std::move(request), std::move(later));
  udp_.rearm();
}

void Client::ask_as_stranger(Request request, std::function<void(Result<Answer>)> done) {
  const auto ask = [this, request = std::move(request), done] {
    session_.ask_as_stranger(request, [this, alive = std::weak_ptr(alive_), done](Result<Answer> answer) {
      shard_.post([alive, done, answer = std::move(answer)] {
        if (!alive.expired()) done(answer);
      });
    });
    udp_.rearm();
  };
  if (udp_.is_open()) return ask();
  opened_ = [done](Result<> connected) { done(tl::unexpected(connected.error())); };  // called for a failure only
  connect(ask);
}

void Client::session_send(ByteView datagram) { udp_.send(datagram); }

void Client::session_open() {
  shard_.post([this, alive = std::weak_ptr(alive_)] {
    if (!alive.expired()) finish({});
  });
}

void Client::session_closed(const Error& why) {
  ended_ = Error{why.code, escape_controls(address_) + ": " + why.message};
  shard_.post([this, alive = std::weak_ptr(alive_)] {
    if (!alive.expired()) finish(tl::unexpected(*ended_));
  });
}

}  // namespace oob::ipmi
