// CallhomeListener: the TCP port that the callhome lines of one `listen` share. Takes calls, under TLS if its lines
// have a certificate; looks whose each is, by the caller's address and by the token in its first line, and keeps it for
// that line to take. Shared by Shard::shared, named by `listen`. On the agent's shard; limits::callhome_* bound what
// strangers can cost.
#pragma once
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "agents/lines/call_greeting.h"
#include "agents/lines/sender_address.h"
#include "common/crypto/secret.h"
#include "common/limits.h"
#include "common/pace.h"
#include "common/runtime/descriptor.h"
#include "common/tls/secure_stream.h"

namespace oob {

// One connection of a node. Whoever takes it sets the functions.
struct Call {
  Call(Shard& shard, int fd, std::optional<TlsEngine> engine) : stream(shard, fd, std::move(engine)) {}
  SecureStream stream;
  std::string peer;
  CallGreeting::Way way = CallGreeting::Way::Both;
  Bytes early;  // came before it was taken
  bool ended = false;
  std::function<void(ByteView)> bytes;
  std::function<void(const std::string& reason)> closed;
  std::function<std::size_t(MutableBytes)> fill;
};

class CallhomeListener {
 public:
  // What a line wants to be called by.
  struct Terms {
    std::optional<SenderRule> source;
    Secret token;                // empty: none is asked for
    Secret tls;                  // PEM: certificate, those of CAs in between, key; empty: plain
    std::string tls_place = {};  // of the file it is from; "": plain
  };

  explicit CallhomeListener(Shard& shard) : shard_(shard), listener_(shard) {}
  Result<> open(const std::string& listen);  // does nothing if it is open

  // `called` is told, not from inside, that take() has something. Conflict: the lines of one listener are all with TLS
  // by one file or all without, and it can be told whose a call is. What the file holds now is for the calls that come.
  Result<> join(const std::string& console, Terms terms, std::function<void()> called);
  void leave(const std::string& console, std::uint64_t ticket);
  std::uint64_t ticket_of(const std::string& console) const;  // of the last join()
  std::unique_ptr<Call> take(const std::string& console);     // the oldest that waits for it; null: none

 private:
  struct Member {
    Terms terms;
    std::function<void()> called;  // empty: it left, and may be back soon
    std::unique_ptr<Timer> gone;   // then it is forgotten
    std::uint64_t ticket = 0;
    std::vector<std::unique_ptr<Call>> calls;  // at most one of each way
    Pace pace{limits::callhome_calls_at_once, limits::callhome_calls_per_second};
  };
  struct Stranger {
    SenderAddress address{};
    std::unique_ptr<Call> call;
    std::unique_ptr<Timer> patience;
  };

  void accepted(int fd, const std::string& peer);
  bool expects(const SenderAddress& address) const;
  void received(std::uint64_t id, ByteView bytes);
  void identify(std::uint64_t id);
  Member* member_of(const SenderAddress& address, const std::optional<CallGreeting>& greeting);
  void refuse(std::uint64_t id, const std::string& why);
  void later(std::function<void()> act);

  Shard& shard_;
  Listener listener_;
  bool open_ = false;
  std::string listen_;
  std::map<std::string, Member> members_;  // by console
  std::map<std::uint64_t, Stranger> strangers_;
  std::shared_ptr<TlsContext> tls_;
  std::string tls_fingerprint_;  // of the PEM tls_ is made of
  std::uint64_t next_ = 1;
  std::shared_ptr<int> alive_ = std::make_shared<int>();
};

}  // namespace oob
