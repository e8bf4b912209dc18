// AccessTokens: every token that lets somebody in from elsewhere: made, found again by its text, revoked, expired. On
// the shard and from memory; disk and user database are read and written by threads of their own. What a token may is
// decided by Access alone. A token that was made with another is bounded by it, and ends with it.
#pragma once
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "common/crypto/secret.h"
#include "common/runtime/worker.h"
#include "server/access/access.h"
#include "server/database/access_tokens.h"

namespace oob {

class AccessTokens {
 public:
  struct Wish {
    std::string name;                 // what it is for; "": nothing said
    std::string user;                 // "": the one who asks
    std::optional<Duration> life;     // none: limits::access_token_life
    std::vector<std::string> rights;  // none: all that the user has
    std::string consoles;             // NAMES; "": all
  };
  struct Made {
    Secret text;  // shown once
    AccessTokenRecord token;
  };
  using CheckNames = std::function<Result<>(const std::string& names, const std::string& user)>;  // NAMES of a wish
  // May block; on any thread. An error: it cannot be told just now.
  using LookUp = std::function<Result<std::optional<Identity>>(const std::string& user)>;
  // `ended`: everything that lives by this token is to end now; `why` is for its holder.
  using Ended = std::function<void(const std::string& id, const std::string& why)>;

  AccessTokens(Shard& shard, Worker& disk, Database& database, const Access& access, CheckNames check_names,
               LookUp look_up = identify_user);
  ~AccessTokens();  // writes what is not on disk yet, on `disk`
  AccessTokens(const AccessTokens&) = delete;
  AccessTokens& operator=(const AccessTokens&) = delete;

  Result<> start();  // reads them; blocks
  void on_ended(Ended ended) { ended_ = std::move(ended); }

  // Who holds this token; nothing if it is none, or not good any more: which of these is not told.
  std::optional<Identity> login(const Secret& text, const std::string& from);

  // Usage, Denied or Conflict, in words. For another user than oneself: right admin.
  void create(const Identity& who, const Wish& wish, std::function<void(Result<Made>)> done);
  std::vector<AccessTokenRecord> list(const Identity& who) const;  // one's own; with the right admin all
  // NotFound also for one that is not theirs to revoke. An error of the disk: it is refused, but not for good yet.
  void revoke(const Identity& who, const std::string& id, std::function<void(Result<>)> done);
  // Asks anew what users of this machine may; by itself every limits::account_look_every.
  void look_up_accounts();

 private:
  Result<AccessTokenRecord> record_for(const Identity& who, const Wish& wish) const;
  bool may_see(const Identity& who, const AccessTokenRecord& token) const;
  bool descends(const AccessTokenRecord& token, const std::string& from) const;
  std::size_t depth(const AccessTokenRecord& token) const;                // how many it was made with
  std::optional<std::string> over(const AccessTokenRecord& token) const;  // why it is good no more
  std::optional<std::string> parent_over(const AccessTokenRecord& token) const;
  void look();
  void accounts_are(std::map<std::string, Identity> accounts);
  void write_uses();
  // All that are not on disk yet; `done` once that was tried.
  void write_revocations(std::function<void(Result<>)> done);
  void write(const AccessTokenRecord& token, std::function<void(Result<>)> done);

  struct Entry {
    AccessTokenRecord record;
    std::shared_ptr<const TokenScope> scope;
    bool used = false;       // since it was last written
    bool ended = false;      // and that was told
    bool unwritten = false;  // revoked, and not on disk yet
  };
  void revoked(Entry& entry);
  void add(AccessTokenRecord record);

  Shard& shard_;
  Worker& disk_;
  Worker names_;
  std::shared_ptr<AccessTokenStore> store_;
  const Access& access_;
  const CheckNames check_names_;
  const LookUp look_up_user_;
  Ended ended_;
  std::map<std::string, Entry> tokens_;            // by id
  std::map<std::string, std::string> being_made_;  // id -> user: those on their way to disk
  std::map<std::string, Identity> accounts_;       // users of this machine who hold tokens
  Timer look_, uses_, account_;
  std::shared_ptr<bool> alive_ = std::make_shared<bool>(true);
};

}  // namespace oob
