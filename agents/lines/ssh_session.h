// SshSession: one SSH connection to a device and the one channel on it, over a connected socket. libssh (LGPL) is
// behind it and seen by ssh_session.cpp only. Never blocks and knows no event loop: SshLine calls when the socket is
// ready. step() may compute for some 20 ms (key exchange, RFC 4253): it may run on another thread, if nothing else is
// called meanwhile. All the rest on one thread. Nothing of the user's or the machine's ssh configuration is read.
#pragma once
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "common/bytes.h"
#include "common/clock.h"
#include "common/crypto/secret.h"
#include "common/result.h"

namespace oob {

struct SshSettings {
  std::string user;
  std::optional<Secret> password, key;      // key: a private key in a text form that OpenSSH or PEM has
  std::vector<std::string> host_keys;       // "SHA256:..": any of them; empty: whatever the device shows
  std::vector<std::string> old_algorithms;  // beside libssh's own choice; see known_old_algorithms()
  std::string command;                      // empty: a shell
  bool terminal = true;                     // ask for a pty
  std::string term = "vt220";
  int rows = 24, columns = 80;
};

// Names that `old-algorithms` may have.
const std::vector<std::string>& known_old_algorithms();

class SshSession {
 public:
  SshSession(int fd, SshSettings settings);  // owns the descriptor
  ~SshSession();
  SshSession(const SshSession&) = delete;
  SshSession& operator=(const SshSession&) = delete;

  enum class Progress { Waiting, Up, Failed };
  // On with the handshake: key exchange, host key, login, channel. Waiting: call again when the socket is ready.
  Progress step();
  std::string doing() const;                               // "exchanging keys", for a time-out's message
  const std::string& failure() const { return failure_; }  // in words
  // The device saw a password or key and did not let us in: it said no, or went, or has not answered yet.
  bool login_refused() const { return login_refused_; }
  // "ssh-ed25519 SHA256:..", "" before the key exchange.
  const std::string& host_key() const { return host_key_; }

  // --- once up ---
  // Output and error output as they come. 0: nothing now. Error: it has ended, why. What libssh holds makes no socket
  // ready: read until 0.
  Result<std::size_t> read(MutableBytes into);
  // 0..n bytes: what the device's window and our socket take now.
  std::size_t write(ByteView bytes);
  bool takes_more();                       // whether write() would take something
  bool waits_to_send() const;              // wants to be called when the socket can be written
  Result<> send_break(Duration duration);  // RFC 4335; without an answer
  void ask_for_sign_of_life();             // a request that every server answers
  std::string algorithms() const;          // "curve25519-sha256, ssh-ed25519, aes256-gcm@openssh.com"

 private:
  struct Library;
  std::optional<Progress> connect();
  std::optional<Progress> log_in();
  std::optional<Progress> after_login(int result, std::string_view what);
  std::optional<Progress> interactive();
  std::optional<Progress> open();
  std::optional<Progress> choose();
  bool check_host_key();
  Progress failed(std::string why);
  std::string library_error() const;

  SshSettings settings_;  // its secrets until we are logged in
  std::unique_ptr<Library> library_;
  enum class Stage {
    Connect,
    AskNone,
    Key,
    Password,
    Interactive,
    OpenChannel,
    Terminal,
    Start,
    Up
  } stage_ = Stage::Connect;
  bool key_tried_ = false, password_tried_ = false, answered_ = false, login_refused_ = false, ended_ = false;
  unsigned rounds_ = 0;  // of questions
  std::string failure_, host_key_;
};

}  // namespace oob
