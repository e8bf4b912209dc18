// LoginDialogue: one run of a login script against a device. Bytes and time in, bytes to send out; whoever owns the
// stream moves them (LoginGate for lines). Sans-IO, on one thread, no callbacks.
// What is found does not depend on how the bytes were cut into pieces: each pattern is found at the shortest text that
// has it, and what stands behind that is for the next step. It sees the last limits::login_window_bytes / 2 at least.
#pragma once
#include <map>
#include <memory>
#include <optional>
#include <string>

#include "agents/lines/login_script.h"
#include "common/bytes.h"
#include "common/crypto/secret.h"

namespace oob {

class LoginDialogue {
 public:
  enum class State { Going, Done, Failed };

  // `secrets` by key, for the steps that send one.
  LoginDialogue(LoginScript script, std::map<std::string, Secret> secrets, SteadyTime now);
  ~LoginDialogue();
  LoginDialogue(const LoginDialogue&) = delete;
  LoginDialogue& operator=(const LoginDialogue&) = delete;

  void received(ByteView bytes, SteadyTime now);
  void tick(SteadyTime now);
  std::optional<SteadyTime> next_deadline() const;  // none when done or failed

  ByteView unsent() const { return ByteView(unsent_).subspan(sent_); }
  void sent(std::size_t n);

  State state() const { return state_; }
  Bytes take_rest();  // Done: what came behind the last thing waited for; the console's own
  std::size_t bytes_heard() const { return heard_; }  // of the dialogue and the rest
  // Failed: why, in words, with the last that the device said. Secrets are masked in it, also where it was cut.
  const std::string& failure() const { return failure_; }
  // Where it stands now and what the device said last, in the same words: for a device that hangs up meanwhile.
  std::string standing() const;
  // A secret was sent, and nothing that was waited for came since: it may have been refused. Too many such tries lock
  // an account.
  bool secret_unproven() const { return secret_unproven_; }

 private:
  struct Patterns;
  struct Found {
    std::size_t step;
    bool failed;
  };
  std::optional<Found> find_in(std::string_view text) const;
  bool look();
  void begin_step(std::size_t step);
  void go_on();
  void send_of(const LoginStep& step);
  void fail_with(const std::string& why);
  std::string last_words() const;

  const LoginScript script_;
  std::unique_ptr<Patterns> patterns_;
  std::map<std::string, Secret> secrets_;
  enum class Phase { Expect, Pause, Send } phase_ = Phase::Expect;
  State state_ = State::Going;
  std::size_t step_ = 0, heard_ = 0, sent_ = 0;
  SteadyTime now_, deadline_;
  std::string window_;      // not matched yet
  std::string transcript_;  // the last that came; unmasked
  Bytes unsent_;
  std::string failure_;
  bool secret_unproven_ = false;
};

// Usage: no regular expression (RE2), too long, or one that is found in any text.
Result<> check_pattern(const std::string& pattern);

// `text` with every occurrence of `secret` as ***, also those that its beginning or end cuts, and those with control
// characters and escape sequences in them, as a wrapped echo has.
std::string mask_secret(const std::string& text, std::string_view secret);

}  // namespace oob
