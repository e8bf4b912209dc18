// See https_front.h.
#include "server/front/https_front.h"

#include <unistd.h>

#include <algorithm>
#include <map>
#include <vector>

#include "common/http/http.h"
#include "common/limits.h"
#include "common/log.h"
#include "common/runtime/descriptor.h"
#include "server/front/login_failures.h"
#include "server/front/router.h"
#include "server/front/stream.h"

namespace oob {
namespace {

HttpResponse refusal(unsigned status, const std::string& why) {
  HttpResponse response = error_response({ErrorCode::Denied, why});
  response.status = status;
  response.close = true;
  if (status == 401) response.headers.emplace_back("WWW-Authenticate", "Bearer realm=\"oobd\"");
  return response;
}

}  // namespace

struct HttpsFront::State : std::enable_shared_from_this<HttpsFront::State> {
  State(Shard& s, Backend& b, const Access& a, AccessTokens& t, std::shared_ptr<TlsContext> c)
      : shard(s), backend(b), access(a), tokens(t), router(b, a), tls(std::move(c)), look(s) {}

  class Conversation;
  struct Entry {
    std::unique_ptr<HttpConnection> connection;
    Conversation* conversation = nullptr;  // lives as long as the connection
    std::string group;                     // of its address
    SteadyTime since{};
    bool known = false;  // has shown a good token
  };

  void accepted(int fd, const std::string& peer);
  void make_room(const std::string& group);
  void drop_late();
  void token_ended(const std::string& id, const std::string& why);

  Shard& shard;
  Backend& backend;
  const Access& access;
  AccessTokens& tokens;
  Router router;
  std::shared_ptr<TlsContext> tls;
  std::vector<std::unique_ptr<Listener>> listeners;
  LoginFailures failures;
  std::map<std::uint64_t, Entry> entries;  // in order of arrival
  std::uint64_t last_entry = 0;
  Timer look;
};

// One connection: each request shows its token; the one that upgrades is the stream's for good.
class HttpsFront::State::Conversation final : public HttpServerEvents {
 public:
  Conversation(State& front, std::uint64_t number, std::string from)
      : front_(front), number_(number), from_(std::move(from)) {}

  void request(const HttpRequest& request, Respond respond) override {
    const auto who = login(request);
    if (!who) return respond(who.error());
    // What waits for more of a log is not answered with it when the token has ended. What changes something is: it was
    // allowed when it was asked, and who asked wants to know.
    asking_.reset();
    if (request.method == "GET") {
      asking_ = std::make_shared<Asking>(Asking{who->token->id, std::move(respond)});
      respond = [asking = asking_](HttpResponse response) { asking->answer(std::move(response)); };
    }
    front_.router.run(*who, request, std::move(respond));
  }

  HttpResponse upgrade(const HttpRequest& request) override {
    auto who = login(request);
    if (!who) return who.error();
    who_ = std::move(*who);
    return front_.router.admit_upgrade(who_, request);
  }

  void opened(std::unique_ptr<WebSocket> socket, const HttpRequest& request) override {
    stream_ = std::make_unique<StreamConnection>(front_.shard, front_.shard.clock(), front_.backend, front_.access,
                                                 who_, std::move(socket), first_message(request));
  }

  void token_ended(const std::string& id, const std::string& why) {
    if (asking_ && asking_->token == id) asking_->answer(refusal(401, why));
    if (stream_ && who_.token && who_.token->id == id) stream_->end({ErrorCode::Denied, why});
  }

 private:
  struct Asking {  // one request
    std::string token;
    Respond respond;  // null: answered
    void answer(HttpResponse response) {
      if (const auto call = std::exchange(respond, nullptr)) call(std::move(response));
    }
  };

  tl::expected<Identity, HttpResponse> login(const HttpRequest& request) {
    // A page of another site that somebody's browser shows has no business here, whatever it got hold of.
    if (!request.origin.empty() && request.origin != "https://" + request.host) {
      return tl::unexpected(refusal(403, "pages of other sites are not answered"));
    }
    if (request.token.empty()) {
      return tl::unexpected(
          refusal(401, "a token is needed: `oob login` stores it, `oob token create` on the server makes it"));
    }
    if (auto who = front_.tokens.login(request.token, from_)) {
      front_.entries[number_].known = true;
      return std::move(*who);
    }
    const std::string& group = front_.entries[number_].group;
    log_limited(LogLevel::Warning, "front", group, "refused a token that is not good", {{"from", from_}});
    if (front_.failures.failed(group, front_.shard.clock().now())) {
      HttpResponse wait = refusal(429, "too many logins from this address have failed; wait a minute");
      wait.headers.emplace_back("Retry-After", "60");
      return tl::unexpected(wait);
    }
    return tl::unexpected(refusal(401, "this token is not good here: mistyped, expired or revoked; ask for a new one"));
  }

  State& front_;
  const std::uint64_t number_;
  const std::string from_;
  std::shared_ptr<Asking> asking_;  // the last one
  Identity who_;                    // of the stream
  std::unique_ptr<StreamConnection> stream_;
};

void HttpsFront::State::accepted(int fd, const std::string& peer) {
  const std::string from = address_of_peer(peer), group = address_group(from);
  make_room(group);
  const auto of_group =
      std::count_if(entries.begin(), entries.end(), [&](const auto& entry) { return entry.second.group == group; });
  if (entries.size() >= limits::clients_max || static_cast<std::size_t>(of_group) >= limits::clients_of_address_max) {
    log_limited(LogLevel::Warning, "front", group, "too many connections, one refused", {{"from", from}});
    ::close(fd);
    return;
  }
  const std::uint64_t number = ++last_entry;
  auto conversation = std::make_unique<Conversation>(*this, number, from);
  Entry& entry = entries[number];
  entry.conversation = conversation.get();
  entry.group = group;
  entry.since = shard.clock().now();
  entry.connection = serve_http(
      shard, fd, std::move(conversation),
      [weak = weak_from_this(), number] {
        if (const auto self = weak.lock()) self->entries.erase(number);
      },
      tls->engine());
}

// Full of those who have not said who they are: the one that waits longest goes, so that they cannot keep others out.
void HttpsFront::State::make_room(const std::string& group) {
  std::size_t waiting = 0, of_group = 0;
  for (const auto& [number, entry] : entries) {
    waiting += !entry.known;
    of_group += !entry.known && entry.group == group;
  }
  const bool group_full = of_group >= limits::front_logins_of_address_max;
  if (!group_full && waiting < limits::front_logins_max) return;
  const auto oldest = std::find_if(entries.begin(), entries.end(), [&](const auto& entry) {
    return !entry.second.known && (!group_full || entry.second.group == group);
  });
  log_limited(LogLevel::Warning, "front", oldest->second.group, "closed a connection that showed no token; others came",
              {{"address", oldest->second.group}});
  entries.erase(oldest);
}

void HttpsFront::State::drop_late() {
  const SteadyTime now = shard.clock().now();
  std::erase_if(entries, [&](const auto& entry) {
    const bool late = !entry.second.known && now - entry.second.since > limits::front_login_time_max;
    if (late) {
      log_limited(LogLevel::Warning, "front", entry.second.group, "closed a connection that showed no token in 10 s",
                  {{"address", entry.second.group}});
    }
    return late;
  });
}

void HttpsFront::State::token_ended(const std::string& id, const std::string& why) {
  for (const auto& [number, entry] : entries) entry.conversation->token_ended(id, why);
}

HttpsFront::HttpsFront(Shard& shard, Backend& backend, const Access& access, AccessTokens& tokens,
                       std::shared_ptr<TlsContext> tls)
    : state_(std::make_shared<State>(shard, backend, access, tokens, std::move(tls))) {
  state_->look.every(std::chrono::seconds(1), [this] { state_->drop_late(); });
  tokens.on_ended([weak = std::weak_ptr(state_)](const std::string& id, const std::string& why) {
    if (const auto self = weak.lock()) self->token_ended(id, why);
  });
}

HttpsFront::~HttpsFront() {
  state_->look.cancel();
  state_->listeners.clear();
  state_->entries.clear();
}

Result<> HttpsFront::listen(const std::string& address) {
  auto listener = std::make_unique<Listener>(state_->shard);
  const auto listening = listener->listen(address, 0, [weak = std::weak_ptr(state_)](int fd, const std::string& peer) {
    if (const auto self = weak.lock()) self->accepted(fd, peer);
  });
  if (!listening) return listening;
  state_->listeners.push_back(std::move(listener));
  return {};
}

std::string HttpsFront::addresses() const {
  std::string out;
  for (const auto& listener : state_->listeners) out += (out.empty() ? "" : ", ") + listener->address();
  return out;
}

void HttpsFront::use(std::shared_ptr<TlsContext> tls) { state_->tls = std::move(tls); }
std::size_t HttpsFront::connections() const { return state_->entries.size(); }

}  // namespace oob
