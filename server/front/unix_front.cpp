// See unix_front.h.
#include "server/front/unix_front.h"

#include <unistd.h>

#include <map>

#include "common/http/http.h"
#include "common/limits.h"
#include "common/log.h"
#include "server/front/router.h"
#include "server/front/stream.h"

namespace oob {
namespace {

// One connection: its requests go to the router, and its stream, if it upgrades.
class Conversation final : public HttpServerEvents {
 public:
  Conversation(Shard& shard, Backend& backend, const Access& access, Identity who)
      : shard_(shard), backend_(backend), access_(access), router_(backend, access), who_(std::move(who)) {}

  void request(const HttpRequest& request, Respond respond) override { router_.run(who_, request, std::move(respond)); }
  HttpResponse upgrade(const HttpRequest& request) override { return router_.admit_upgrade(who_, request); }
  void opened(std::unique_ptr<WebSocket> socket, const HttpRequest& request) override {
    stream_ = std::make_unique<StreamConnection>(shard_, shard_.clock(), backend_, access_, who_, std::move(socket),
                                                 first_message(request));
  }

 private:
  Shard& shard_;
  Backend& backend_;
  const Access& access_;
  Router router_;
  const Identity who_;
  std::unique_ptr<StreamConnection> stream_;
};

}  // namespace

struct UnixFront::State : std::enable_shared_from_this<UnixFront::State> {
  State(Shard& s, Backend& b, const Access& a) : shard(s), backend(b), access(a), listener(s), names(s) {}

  struct Entry {
    std::unique_ptr<HttpConnection> connection;
    bool stranger = false;
  };

  void accepted(int fd);
  void serve(int fd, Identity who);

  Shard& shard;
  Backend& backend;
  const Access& access;
  Listener listener;
  Worker names;                 // looks peers up
  std::size_t being_named = 0;  // accepted, not yet in `entries`
  std::map<std::uint64_t, Entry> entries;
  std::uint64_t last_entry = 0;
  std::size_t strangers = 0;
};

void UnixFront::State::accepted(int fd) {
  const auto peer = peer_credentials(fd);
  if (!peer || entries.size() + being_named >= limits::clients_max) {
    log_limited(LogLevel::Warning, "front", "unix", peer ? "too many connections, one refused" : peer.error().message,
                {{"most", limits::clients_max}});
    ::close(fd);
    return;
  }
  ++being_named;
  const auto who = std::make_shared<Identity>();
  // Closed also if nobody is there any more to serve it.
  const std::shared_ptr<int> held(new int(fd), [](int* f) {
    if (*f >= 0) ::close(*f);
    delete f;
  });
  names.run([who, uid = peer->uid, gid = peer->gid] { *who = identify_peer(uid, gid); },
            [weak = weak_from_this(), held, who] {
              const auto self = weak.lock();
              if (!self) return;
              --self->being_named;
              self->serve(std::exchange(*held, -1), std::move(*who));
            });
}

void UnixFront::State::serve(int fd, Identity who) {
  const bool stranger = !access.check(who, Right::List, {});
  if (stranger && strangers >= limits::strangers_max) {
    log_limited(LogLevel::Warning, "front", "strangers", "too many connections of users who may nothing, one refused",
                {{"user", who.user}});
    ::close(fd);
    return;
  }
  strangers += stranger;
  const std::uint64_t number = ++last_entry;
  auto conversation = std::make_unique<Conversation>(shard, backend, access, std::move(who));
  auto closed = [weak = weak_from_this(), number] {
    const auto self = weak.lock();
    const auto found = self ? self->entries.find(number) : decltype(self->entries.end()){};
    if (!self || found == self->entries.end()) return;
    self->strangers -= found->second.stranger;
    self->entries.erase(found);
  };
  entries[number] = {serve_http(shard, fd, std::move(conversation), std::move(closed)), stranger};
}

UnixFront::UnixFront(Shard& shard, Backend& backend, const Access& access)
    : state_(std::make_shared<State>(shard, backend, access)) {}

UnixFront::~UnixFront() {
  state_->listener.close();
  state_->entries.clear();
}

Result<> UnixFront::listen(const std::string& path) {
  return state_->listener.listen("unix:" + path, 0666, [weak = std::weak_ptr(state_)](int fd, const std::string&) {
    if (const auto self = weak.lock()) self->accepted(fd);
  });
}

std::size_t UnixFront::connections() const { return state_->entries.size(); }

}  // namespace oob
