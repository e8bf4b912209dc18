// See access_tokens.h.
#include "server/access/access_tokens.h"

#include <algorithm>
#include <set>

#include "common/crypto/access_token.h"
#include "common/limits.h"
#include "common/log.h"
#include "common/names.h"
#include "common/nearest.h"
#include "common/text.h"

namespace oob {
namespace {

std::vector<std::string> split(const std::string& text, char at) {
  std::vector<std::string> out;
  for (std::size_t begin = 0; begin < text.size();) {
    const std::size_t end = std::min(text.find(at, begin), text.size());
    if (end > begin) out.push_back(text.substr(begin, end - begin));
    begin = end + 1;
  }
  return out;
}

std::shared_ptr<const TokenScope> scope_of(const AccessTokenRecord& record) {
  auto scope = std::make_shared<TokenScope>();
  scope->id = record.id;
  scope->name = record.name;
  scope->account = record.account;
  scope->consoles = split(record.consoles, '\n');
  scope->expires = WallTime(Duration(record.expires_wall_ms));
  if (record.rights.empty()) return scope;
  scope->rights.emplace();
  for (const std::string& name : split(record.rights, ',')) {
    if (const auto right = right_of(name)) scope->rights->insert(*right);
  }
  return scope;
}

Result<std::string> rights_text(const std::vector<std::string>& names, const TokenScope* bound) {
  std::set<Right> wanted;
  for (const std::string& name : names) {
    const auto right = right_of(name);
    std::vector<std::string> known;
    for (const Right one : kAllRights) known.emplace_back(right_name(one));
    if (!right) return fail(ErrorCode::Usage, "no right " + in_quotes(name) + did_you_mean(nearest_of(name, known)));
    if (bound && bound->rights && *right != Right::List && !bound->rights->contains(*right))
      return fail(ErrorCode::Denied, "the token you are using has not the right " + name + " itself");
    wanted.insert(*right);
  }
  if (wanted.empty() && bound && bound->rights) wanted = *bound->rights;
  std::string out;
  for (const Right right : wanted) out += (out.empty() ? "" : ",") + std::string(right_name(right));
  return out;
}

// Whoever was known stays so: a directory that is away for a while is no reason to cut everybody off.
void cannot_look_up(const Error& why) {
  log_limited(LogLevel::Warning, "access", "accounts",
              "users cannot be looked up; tokens keep what their users were known to have, and it is tried again every "
              "minute",
              {{"why", why.message}});
}

}  // namespace

AccessTokens::AccessTokens(Shard& shard, Worker& disk, Database& database, const Access& access, CheckNames check_names,
                           LookUp look_up)
    : shard_(shard),
      disk_(disk),
      names_(shard),
      store_(std::make_shared<AccessTokenStore>(database)),
      access_(access),
      check_names_(std::move(check_names)),
      look_up_user_(std::move(look_up)),
      look_(shard),
      uses_(shard),
      account_(shard) {}

AccessTokens::~AccessTokens() { write_uses(); }

Result<> AccessTokens::start() {
  const std::int64_t now = wall_ms(shard_.clock().wall());
  constexpr std::chrono::milliseconds kKept = limits::access_token_kept;
  if (const auto done = store_->forget_ended_before(now - kKept.count()); !done) return done;
  auto records = store_->list();
  if (!records) return tl::unexpected(records.error());
  for (AccessTokenRecord& record : *records) {
    if (record.account && !accounts_.contains(record.user)) {
      auto user = look_up_user_(record.user);
      if (user && *user) accounts_[record.user] = std::move(**user);
      if (!user) cannot_look_up(user.error());
    }
    add(std::move(record));
  }
  look_.every(limits::access_token_look_every, [this] { look(); });
  uses_.every(limits::access_token_use_written_every, [this] { write_uses(); });
  account_.every(limits::account_look_every, [this] { look_up_accounts(); });
  return {};
}

void AccessTokens::add(AccessTokenRecord record) {
  auto scope = scope_of(record);
  const std::string id = record.id;
  tokens_[id] = {std::move(record), std::move(scope)};
}

std::optional<std::string> AccessTokens::over(const AccessTokenRecord& token) const {
  if (token.revoked_wall_ms != 0) return "this token was revoked";
  if (token.expires_wall_ms <= wall_ms(shard_.clock().wall())) return "this token has expired";
  return parent_over(token);
}

std::optional<std::string> AccessTokens::parent_over(const AccessTokenRecord& token) const {
  if (token.parent.empty()) return std::nullopt;
  const auto parent = tokens_.find(token.parent);
  if (parent == tokens_.end() || over(parent->second.record)) return "the token that this one was made with has ended";
  return std::nullopt;
}

std::optional<Identity> AccessTokens::login(const Secret& text, const std::string& from) {
  const auto parsed = parse_access_token(text.reveal());
  if (!parsed) return std::nullopt;
  // An id that is not there takes as long as a wrong secret.
  const std::string hash = hex(access_token_hash(parsed->secret));
  const auto found = tokens_.find(parsed->id);
  const std::string expected = found != tokens_.end() ? found->second.record.hash : std::string(hash.size(), '-');
  if (!same_bytes(as_bytes(hash), as_bytes(expected)) || over(found->second.record)) return std::nullopt;
  Entry& entry = found->second;
  entry.used = true;
  entry.record.used_wall_ms = wall_ms(shard_.clock().wall());
  entry.record.used_from = from;
  Identity who;
  if (const auto account = accounts_.find(entry.record.user); entry.record.account && account != accounts_.end()) {
    who = account->second;
  }
  who.user = entry.record.user;
  who.from = from;
  who.token = entry.scope;
  return who;
}

// --- making ---

Result<AccessTokenRecord> AccessTokens::record_for(const Identity& who, const Wish& wish) const {
  const bool other = !wish.user.empty() && wish.user != who.user;
  const TokenScope* bound = who.token.get();
  AccessTokenRecord record;
  record.user = other ? wish.user : who.user;
  record.name = wish.name;
  record.creator = who.user;
  record.account = !other && (!bound || bound->account);
  if (bound) record.parent = bound->id;
  if (depth(record) > limits::access_token_depth_max)
    return fail(ErrorCode::Usage, "the token you are using is itself the last of a chain of " +
                                      std::to_string(limits::access_token_depth_max) +
                                      " made with one another; make this one with an earlier one");
  if (!wish.name.empty() && !check_name_letters(wish.name))
    return fail(ErrorCode::Usage, "a token's name " + check_name_letters(wish.name).error().message);
  if (const auto letters = check_name_letters(record.user); !letters) {
    if (other) return fail(ErrorCode::Usage, "--user: " + letters.error().message);
    return fail(ErrorCode::Usage, "this user has no name on the server's machine, so no token can act as them");
  }
  if (other) {
    if (const auto admin = access_.check(who, Right::Admin, {}); !admin) return tl::unexpected(admin.error());
    if (wish.rights.empty())
      return fail(ErrorCode::Usage, "say what " + record.user + " may do with it, as in --may read,write");
  }
  const auto rights = rights_text(wish.rights, bound);
  if (!rights) return tl::unexpected(rights.error());
  record.rights = *rights;
  if (bound) {
    for (const std::string& names : bound->consoles) record.consoles += names + "\n";
  }
  if (!wish.consoles.empty()) {
    if (wish.consoles.size() > limits::access_scope_bytes_max || wish.consoles.find('\n') != std::string::npos)
      return fail(ErrorCode::Usage, "--on is too long; put the consoles in a group and name that");
    if (const auto known = check_names_(wish.consoles, who.user); !known) return tl::unexpected(known.error());
    const bool known_already = bound && std::ranges::find(bound->consoles, wish.consoles) != bound->consoles.end();
    if (!known_already) record.consoles += wish.consoles + "\n";
    if (record.consoles.size() > limits::access_scope_bytes_max + 1)
      return fail(ErrorCode::Usage,
                  "--on is too long together with that of the token you are using; put the consoles in a group and "
                  "name that");
  }
  const WallTime now = shard_.clock().wall();
  const Duration life = wish.life.value_or(limits::access_token_life);
  if (life <= Duration(0) || life > limits::access_token_life_max)
    return fail(ErrorCode::Usage, "a token lasts from a millisecond to 366 days");
  record.created_wall_ms = wall_ms(now);
  record.expires_wall_ms = wall_ms(bound ? std::min(now + life, bound->expires) : now + life);
  return record;
}

void AccessTokens::create(const Identity& who, const Wish& wish, std::function<void(Result<Made>)> done) {
  auto record = record_for(who, wish);
  if (!record) return done(tl::unexpected(record.error()));
  if (const auto why = parent_over(*record)) return done(fail(ErrorCode::Denied, *why));
  const auto of_user = std::count_if(tokens_.begin(), tokens_.end(),
                                     [&](const auto& t) { return t.second.record.user == record->user; }) +
                       std::count_if(being_made_.begin(), being_made_.end(),
                                     [&](const auto& making) { return making.second == record->user; });
  if (tokens_.size() + being_made_.size() >= limits::access_tokens_max ||
      static_cast<std::size_t>(of_user) >= limits::access_tokens_of_user_max) {
    return done(
        fail(ErrorCode::Conflict, "there are as many tokens as may be; those that ended are forgotten after 30 days"));
  }
  AccessToken token = make_access_token();
  while (tokens_.contains(token.id) || being_made_.contains(token.id)) token = make_access_token();
  record->id = token.id;
  record->hash = hex(access_token_hash(token.secret));
  if (record->account && !who.token) {
    auto accounts = accounts_;
    accounts[record->user] = who;
    accounts_are(std::move(accounts));
  }
  log_info("access", "a token was made",
           {{"id", record->id}, {"user", record->user}, {"by", who.user}, {"from", who.from}});
  being_made_[record->id] = record->user;
  write(*record,
        [this, made = Made{access_token_text(token), *record}, done = std::move(done)](const Result<>& written) {
          being_made_.erase(made.token.id);
          if (!written) return done(tl::unexpected(written.error()));
          add(made.token);
          const auto why = parent_over(made.token);  // what it was made with may have ended meanwhile
          if (!why) return done(made);
          Entry& entry = tokens_[made.token.id];
          revoked(entry);
          write_revocations([done, why](const Result<>&) { done(fail(ErrorCode::Denied, *why)); });
        });
}

// --- looking at them and ending them ---

bool AccessTokens::descends(const AccessTokenRecord& token, const std::string& from) const {
  if (token.id == from) return true;
  const auto parent = tokens_.find(token.parent);
  return parent != tokens_.end() && descends(parent->second.record, from);
}

std::size_t AccessTokens::depth(const AccessTokenRecord& token) const {
  const auto parent = tokens_.find(token.parent);
  return parent == tokens_.end() ? 0 : 1 + depth(parent->second.record);
}

// Whoever came by a token is not shown more than it made.
bool AccessTokens::may_see(const Identity& who, const AccessTokenRecord& token) const {
  if (access_.check(who, Right::Admin, {})) return true;
  return who.token ? descends(token, who.token->id) : token.user == who.user;
}

std::vector<AccessTokenRecord> AccessTokens::list(const Identity& who) const {
  std::vector<AccessTokenRecord> out;
  for (const auto& [id, entry] : tokens_) {
    if (may_see(who, entry.record)) out.push_back(entry.record);
  }
  std::stable_sort(out.begin(), out.end(), [](auto& a, auto& b) { return a.created_wall_ms < b.created_wall_ms; });
  return out;
}

void AccessTokens::revoke(const Identity& who, const std::string& id, std::function<void(Result<>)> done) {
  const auto found = tokens_.find(id);
  if (found == tokens_.end() || !may_see(who, found->second.record)) {
    std::vector<std::string> ids;
    for (const AccessTokenRecord& token : list(who)) ids.push_back(token.id);
    return done(fail(ErrorCode::NotFound, "no token " + in_quotes(id) + did_you_mean(nearest_of(id, ids))));
  }
  std::vector<std::string> ended, unwritten;
  for (const auto& [other, entry] : tokens_) {
    if (!descends(entry.record, id)) continue;
    const bool ends = !over(entry.record);
    if (ends) ended.push_back(other);
    if (ends || entry.unwritten) unwritten.push_back(other);
  }
  for (const std::string& one : ended) {
    Entry& entry = tokens_[one];
    revoked(entry);
    log_warning("access", "a token was revoked", {{"id", one}, {"user", entry.record.user}, {"by", who.user}});
    if (ended_) ended_(one, "this token was revoked");
  }
  if (unwritten.empty()) return done({});
  write_revocations([this, unwritten, done = std::move(done)](const Result<>& written) {
    const bool all =
        std::none_of(unwritten.begin(), unwritten.end(), [&](auto& one) { return tokens_[one].unwritten; });
    if (written || all) return done({});
    done(fail(written.error().code,
              "it is refused from now on, but that could not be written, so it would be good again after a restart; "
              "it is tried again every minute, or revoke it again: " +
                  written.error().message));
  });
}

void AccessTokens::revoked(Entry& entry) {
  entry.record.revoked_wall_ms = wall_ms(shard_.clock().wall());
  entry.ended = true;
  entry.unwritten = true;
}

void AccessTokens::look() {
  for (auto& [id, entry] : tokens_) {
    if (entry.ended) continue;
    const auto why = over(entry.record);
    entry.ended = why.has_value();
    if (why && ended_) ended_(id, *why);
  }
}

void AccessTokens::look_up_accounts() {
  std::set<std::string> users;
  for (const auto& [id, entry] : tokens_) {
    if (entry.record.account && !over(entry.record)) users.insert(entry.record.user);
  }
  const auto found = std::make_shared<std::map<std::string, Result<std::optional<Identity>>>>();
  if (users.empty() || names_.queued() > 0) return;
  names_.run(
      [users = std::move(users), found, look_up_user = look_up_user_] {
        for (const std::string& user : users) {
          found->emplace(user, look_up_user(user));
        }
      },
      [this, alive = std::weak_ptr(alive_), found] {
        if (!alive.lock()) return;
        auto accounts = accounts_;  // with who came meanwhile
        for (auto& [user, who] : *found) {
          if (!who) {
            cannot_look_up(who.error());
          } else if (*who) {
            accounts[user] = std::move(**who);
          } else {
            accounts.erase(user);
          }
        }
        accounts_are(std::move(accounts));
      });
}

// Whoever is connected with a token has a copy of what their account was, so they are told when it may nothing more.
void AccessTokens::accounts_are(std::map<std::string, Identity> accounts) {
  const auto may_list = [&](const auto& all, const Entry& entry) {
    const auto found = all.find(entry.record.user);
    if (found == all.end()) return false;
    Identity who = found->second;
    who.token = entry.scope;
    return access_.check(who, Right::List, {}).has_value();
  };
  std::vector<std::pair<std::string, std::string>> lost;  // id, user
  for (const auto& [id, entry] : tokens_) {
    if (!entry.record.account || over(entry.record)) continue;
    if (may_list(accounts_, entry) && !may_list(accounts, entry)) lost.emplace_back(id, entry.record.user);
  }
  accounts_ = std::move(accounts);
  for (const auto& [id, user] : lost) {
    log_warning("access", "a token's user has no right any more", {{"id", id}, {"user", user}});
    if (ended_) ended_(id, user + " has no right on this server any more");
  }
}

// --- the disk ---

void AccessTokens::write_revocations(std::function<void(Result<>)> done) {
  std::vector<AccessTokenRecord> records;
  for (const auto& [id, entry] : tokens_) {
    if (entry.unwritten) records.push_back(entry.record);
  }
  if (records.empty()) return done({});
  const auto written = std::make_shared<std::vector<std::string>>();
  const auto outcome = std::make_shared<Result<>>();
  disk_.run(
      [store = store_, records, written, outcome] {
        for (const AccessTokenRecord& token : records) {
          if (*outcome = store->put(token); !*outcome) return;
          written->push_back(token.id);
        }
      },
      [this, alive = std::weak_ptr(alive_), written, outcome, done = std::move(done)] {
        if (!alive.lock()) return;
        for (const std::string& id : *written) tokens_[id].unwritten = false;
        if (!*outcome) {
          log_warning("access", "a token's revocation could not be written, and is tried again",
                      {{"why", outcome->error().message}});
        }
        done(*outcome);
      });
}

void AccessTokens::write_uses() {
  write_revocations([](const Result<>&) {});
  std::vector<AccessTokenRecord> used;
  for (auto& [id, entry] : tokens_) {
    if (std::exchange(entry.used, false)) used.push_back(entry.record);
  }
  if (used.empty()) return;
  disk_.run([store = store_, used] {
    for (const AccessTokenRecord& token : used) (void)store->put(token);  // when it was last used may be forgotten
  });
}

void AccessTokens::write(const AccessTokenRecord& token, std::function<void(Result<>)> done) {
  const auto outcome = std::make_shared<Result<>>();
  disk_.run([store = store_, token, outcome] { *outcome = store->put(token); },
            [outcome, alive = std::weak_ptr(alive_), done = std::move(done)] {
              if (alive.lock()) done(*outcome);
            });
}

}  // namespace oob
