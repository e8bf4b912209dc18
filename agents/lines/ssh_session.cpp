// libssh's client side, stepped without blocking. The one file that sees libssh.
#include "agents/lines/ssh_session.h"

#include <libssh/libssh.h>
#include <libssh/server.h>
#include <unistd.h>

#include <algorithm>
#include <utility>

#include "common/limits.h"
#include "common/nearest.h"
#include "common/text.h"

namespace oob {
namespace {

// What is offered always, best first, and by name only; each list is set for one or two options. `ssh-rsa` is the SHA-1
// signature, of host keys and of our key.
struct Algorithms {
  ssh_options_e option, also;
  const char* good;
  std::vector<std::string> old;
};
const std::vector<Algorithms>& algorithm_lists() {
  static const std::vector<Algorithms> lists{
      {SSH_OPTIONS_KEY_EXCHANGE,
       SSH_OPTIONS_KEY_EXCHANGE,
       "curve25519-sha256,curve25519-sha256@libssh.org,ecdh-sha2-nistp256,ecdh-sha2-nistp384,ecdh-sha2-nistp521,"
       "diffie-hellman-group18-sha512,diffie-hellman-group16-sha512,diffie-hellman-group-exchange-sha256,"
       "diffie-hellman-group14-sha256",
       {"diffie-hellman-group-exchange-sha1", "diffie-hellman-group14-sha1", "diffie-hellman-group1-sha1"}},
      {SSH_OPTIONS_HOSTKEYS,
       SSH_OPTIONS_PUBLICKEY_ACCEPTED_TYPES,
       "ssh-ed25519,ecdsa-sha2-nistp521,ecdsa-sha2-nistp384,ecdsa-sha2-nistp256,rsa-sha2-512,rsa-sha2-256",
       {"ssh-rsa"}},
      {SSH_OPTIONS_CIPHERS_C_S,
       SSH_OPTIONS_CIPHERS_S_C,
       "chacha20-poly1305@openssh.com,aes256-gcm@openssh.com,aes128-gcm@openssh.com,aes256-ctr,aes192-ctr,aes128-ctr",
       {"aes256-cbc", "aes192-cbc", "aes128-cbc", "3des-cbc"}},
      {SSH_OPTIONS_HMAC_C_S,
       SSH_OPTIONS_HMAC_S_C,
       "hmac-sha2-256-etm@openssh.com,hmac-sha2-512-etm@openssh.com,hmac-sha2-256,hmac-sha2-512",
       {"hmac-sha1"}},
  };
  return lists;
}

// For libssh, which wants an end of text; wiped when it goes.
struct SecretText {
  explicit SecretText(const Secret& secret) : text(secret.reveal()) {}
  ~SecretText() { wipe(text); }
  std::string text;
};

std::string methods_text(int methods) {
  std::string out;
  for (const auto& [bit, name] :
       {std::pair(SSH_AUTH_METHOD_PUBLICKEY, "publickey"), std::pair(SSH_AUTH_METHOD_PASSWORD, "password"),
        std::pair(SSH_AUTH_METHOD_INTERACTIVE, "keyboard-interactive")}) {
    if (methods & bit) out += (out.empty() ? "" : ", ") + std::string(name);
  }
  return out.empty() ? "none that is known here" : out;
}

}  // namespace

struct SshSession::Library {
  ssh_session session = ssh_new();
  ssh_channel channel = nullptr;
  ssh_key key = nullptr;
  int fd = -1;  // until libssh has taken it over

  ~Library() {
    if (fd >= 0) ::close(fd);
    if (key) ssh_key_free(key);
    if (channel) ssh_channel_free(channel);
    if (ssh_is_connected(session)) ssh_disconnect(session);  // says goodbye as far as the socket takes it
    ssh_free(session);
  }
};

const std::vector<std::string>& known_old_algorithms() {
  static const std::vector<std::string> names = [] {
    std::vector<std::string> out;
    for (const auto& list : algorithm_lists()) out.insert(out.end(), list.old.begin(), list.old.end());
    return out;
  }();
  return names;
}

SshSession::SshSession(int fd, SshSettings settings)
    : settings_(std::move(settings)), library_(std::make_unique<Library>()) {
  ssh_session session = library_->session;
  const bool no = false;
  const int silent = SSH_LOG_NOLOG;
  // The host is named for libssh's sake only: the socket is connected, and keys are checked here.
  const bool good = ssh_options_set(session, SSH_OPTIONS_PROCESS_CONFIG, &no) == SSH_OK &&
                    ssh_options_set(session, SSH_OPTIONS_LOG_VERBOSITY, &silent) == SSH_OK &&
                    ssh_options_set(session, SSH_OPTIONS_HOST, "device") == SSH_OK &&
                    ssh_options_set(session, SSH_OPTIONS_SSH_DIR, "/nonexistent") == SSH_OK &&
                    ssh_options_set(session, SSH_OPTIONS_KNOWNHOSTS, "/dev/null") == SSH_OK &&
                    ssh_options_set(session, SSH_OPTIONS_GLOBAL_KNOWNHOSTS, "/dev/null") == SSH_OK &&
                    ssh_options_set(session, SSH_OPTIONS_USER, settings_.user.c_str()) == SSH_OK &&
                    ssh_options_set(session, SSH_OPTIONS_FD, &fd) == SSH_OK;
  library_->fd = fd;
  if (!good) {
    failed("libssh refuses the settings: " + library_error());
    return;
  }
  ssh_set_blocking(session, 0);
  for (const auto& list : algorithm_lists()) {
    std::string names = list.good;
    for (const auto& old : list.old) {
      if (std::ranges::find(settings_.old_algorithms, old) != settings_.old_algorithms.end()) names += "," + old;
    }
    for (const auto option : {list.option, list.also}) {
      if (ssh_options_set(session, option, names.c_str()) != SSH_OK)
        failed("libssh refuses the algorithms: " + library_error());
    }
  }
}

SshSession::~SshSession() = default;

SshSession::Progress SshSession::failed(std::string why) {
  if (failure_.empty()) failure_ = std::move(why);
  return Progress::Failed;
}

std::string SshSession::library_error() const {
  const std::string text = ssh_get_error(library_->session);
  return text.empty() ? "no reason given" : text.substr(0, 300);
}

std::string SshSession::doing() const {
  switch (stage_) {
    case Stage::Connect:
      return ssh_get_serverbanner(library_->session) ? "exchanging keys" : "waiting for its SSH greeting";
    case Stage::AskNone:
    case Stage::Key:
    case Stage::Password:
    case Stage::Interactive:
      return "logging in";
    default:
      return "opening the session";
  }
}

SshSession::Progress SshSession::step() {
  while (failure_.empty()) {
    std::optional<Progress> over;  // nothing: on with the next stage
    switch (stage_) {
      case Stage::Connect:
        over = connect();
        break;
      case Stage::AskNone:
      case Stage::Key:
      case Stage::Password:
        over = log_in();
        break;
      case Stage::Interactive:
        over = interactive();
        break;
      case Stage::OpenChannel:
      case Stage::Terminal:
      case Stage::Start:
        over = open();
        break;
      case Stage::Up:
        return Progress::Up;
    }
    // libssh waits on for the answer of a device that is gone.
    if (over == Progress::Waiting && stage_ != Stage::Connect && !ssh_is_connected(library_->session))
      return failed("the connection broke while " + doing() + ": " + library_error());
    if (over) return *over;
  }
  return Progress::Failed;
}

std::optional<SshSession::Progress> SshSession::connect() {
  library_->fd = -1;
  const int result = ssh_connect(library_->session);
  if (result == SSH_AGAIN) return Progress::Waiting;
  if (result != SSH_OK) {
    const std::string why = library_error();
    const bool no_common = why.find("no match") != std::string::npos;
    return failed("the SSH key exchange failed: " + why +
                  (no_common ? "; an old device may want old-algorithms = [..] on its line" : ""));
  }
  if (!check_host_key()) return Progress::Failed;
  stage_ = Stage::AskNone;
  return {};
}

// Before anything secret is said.
bool SshSession::check_host_key() {
  ssh_key key = nullptr;
  unsigned char* hash = nullptr;
  std::size_t length = 0;
  std::string fingerprint;
  if (ssh_get_server_publickey(library_->session, &key) == SSH_OK) {
    if (ssh_get_publickey_hash(key, SSH_PUBLICKEY_HASH_SHA256, &hash, &length) == SSH_OK) {
      char* text = ssh_get_fingerprint_hash(SSH_PUBLICKEY_HASH_SHA256, hash, length);
      if (text) fingerprint = text;
      ssh_string_free_char(text);
      ssh_clean_pubkey_hash(&hash);
    }
    const char* type = ssh_key_type_to_char(ssh_key_type(key));
    host_key_ = std::string(type ? type : "unknown") + " " + fingerprint;
    ssh_key_free(key);
  }
  if (fingerprint.empty()) return failed("the device's host key cannot be read: " + library_error()), false;
  if (settings_.host_keys.empty()) return true;
  if (std::ranges::find(settings_.host_keys, fingerprint) != settings_.host_keys.end()) return true;
  failed("wrong host key");  // SshLine, which knows where the expected one is from, says it in full
  return false;
}

std::optional<SshSession::Progress> SshSession::log_in() {
  ssh_session session = library_->session;
  if (stage_ == Stage::AskNone) return after_login(ssh_userauth_none(session, nullptr), "");
  if (stage_ == Stage::Key) {
    if (!library_->key) {
      const SecretText text(*settings_.key);
      if (ssh_pki_import_privkey_base64(text.text.c_str(), nullptr, nullptr, nullptr, &library_->key) != SSH_OK)
        return failed("the key-file holds no private key that can be used (one without a passphrase is needed)");
    }
    login_refused_ = true;  // unless it says otherwise; one that goes without a word may have counted it as well
    return after_login(ssh_userauth_publickey(session, nullptr, library_->key), "key");
  }
  login_refused_ = true;
  const SecretText text(*settings_.password);
  return after_login(ssh_userauth_password(session, nullptr, text.text.c_str()), "password");
}

// `what` was shown; "" for nothing.
std::optional<SshSession::Progress> SshSession::after_login(int result, std::string_view what) {
  if (result == SSH_AUTH_AGAIN) return Progress::Waiting;
  if (result == SSH_AUTH_SUCCESS) {
    login_refused_ = false;
    settings_.password.reset();
    settings_.key.reset();
    stage_ = Stage::OpenChannel;
    return {};
  }
  if (result == SSH_AUTH_ERROR) return failed("the connection broke while logging in: " + library_error());
  if (!what.empty()) login_refused_ = result == SSH_AUTH_DENIED;  // else it wants more than this
  return choose();
}

// The next method, each secret being shown once: a second try counts against the account.
std::optional<SshSession::Progress> SshSession::choose() {
  const int methods = ssh_userauth_list(library_->session, nullptr);
  if (settings_.key && !key_tried_ && (methods & SSH_AUTH_METHOD_PUBLICKEY)) {
    key_tried_ = true;
    stage_ = Stage::Key;
    return {};
  }
  const bool by_password = methods & (SSH_AUTH_METHOD_PASSWORD | SSH_AUTH_METHOD_INTERACTIVE);
  if (settings_.password && by_password && !password_tried_) {
    password_tried_ = true;
    stage_ = methods & SSH_AUTH_METHOD_PASSWORD ? Stage::Password : Stage::Interactive;
    return {};
  }
  const std::string who = in_quotes(settings_.user);
  if (login_refused_) {
    return failed("the device refused user " + who + " with " +
                  (!password_tried_ ? "this key"
                   : key_tried_     ? "this key and this password"
                                    : "this password"));
  }
  const bool nothing = !settings_.key && !settings_.password;
  return failed("the device lets user " + who + " in by " + methods_text(methods) + "; " +
                (nothing ? "the line has neither password-file nor key-file" : "what the line has is not for that"));
}

std::optional<SshSession::Progress> SshSession::interactive() {
  ssh_session session = library_->session;
  const int result = ssh_userauth_kbdint(session, nullptr, nullptr);
  if (result != SSH_AUTH_INFO) return after_login(result, answered_ ? "password" : "");  // some ask nothing
  if (++rounds_ > limits::ssh_questions_max) return failed("the device asks questions without end");
  const int prompts = ssh_userauth_kbdint_getnprompts(session);
  for (int i = 0; i < prompts; ++i) {
    char echo = 0;
    const char* prompt = ssh_userauth_kbdint_getprompt(session, static_cast<unsigned>(i), &echo);
    if (!echo && std::exchange(answered_, true))
      return failed("the device asks for more than a password: " + in_quotes(prompt ? prompt : ""));
    if (!echo) login_refused_ = true;  // unless it lets us in now
    const SecretText text(echo ? Secret(settings_.user) : *settings_.password);
    ssh_userauth_kbdint_setanswer(session, static_cast<unsigned>(i), text.text.c_str());
  }
  return {};
}

std::optional<SshSession::Progress> SshSession::open() {
  if (!library_->channel) library_->channel = ssh_channel_new(library_->session);
  ssh_channel channel = library_->channel;
  if (!channel) return failed("libssh has no channel: " + library_error());
  const int result = stage_ == Stage::OpenChannel ? ssh_channel_open_session(channel)
                     : stage_ == Stage::Terminal  ? ssh_channel_request_pty_size(channel, settings_.term.c_str(),
                                                                                 settings_.columns, settings_.rows)
                     : settings_.command.empty()  ? ssh_channel_request_shell(channel)
                                                  : ssh_channel_request_exec(channel, settings_.command.c_str());
  if (result == SSH_AGAIN) return Progress::Waiting;
  if (result != SSH_OK) {
    return failed(stage_ == Stage::OpenChannel ? "the device opens no session: " + library_error()
                  : stage_ == Stage::Terminal
                      ? "the device gives no terminal; try terminal = false: " + library_error()
                      : "the device refuses " +
                            (settings_.command.empty() ? std::string("a shell; it may want a command")
                                                       : in_quotes(settings_.command)) +
                            ": " + library_error());
  }
  stage_ = stage_ == Stage::OpenChannel && settings_.terminal ? Stage::Terminal
           : stage_ == Stage::Start                           ? Stage::Up
                                                              : Stage::Start;
  return {};
}

Result<std::size_t> SshSession::read(MutableBytes into) {
  if (ended_) return fail(ErrorCode::Unavailable, "closed");
  const auto size = static_cast<std::uint32_t>(into.size());
  bool broken = false;
  for (const int of_errors : {0, 1}) {
    const int n = ssh_channel_read_nonblocking(library_->channel, into.data(), size, of_errors);
    if (n > 0) return static_cast<std::size_t>(n);
    broken = broken || n == SSH_ERROR || !ssh_is_connected(library_->session);
  }
  const bool over = ssh_channel_is_eof(library_->channel) || ssh_channel_is_closed(library_->channel);
  if (!over && !broken) return 0;
  ended_ = true;
  if (!over) return fail(ErrorCode::Unavailable, "the connection broke: " + library_error());
  const int status = ssh_channel_get_exit_status(library_->channel);
  return fail(ErrorCode::Unavailable, "the device ended the session" +
                                          (status >= 0 ? ", exit status " + std::to_string(status) : std::string()));
}

bool SshSession::takes_more() {
  return !ended_ && ssh_channel_window_size(library_->channel) > 0 &&
         ssh_blocking_flush(library_->session, 0) == SSH_OK;
}

std::size_t SshSession::write(ByteView bytes) {
  if (bytes.empty() || !takes_more()) return 0;
  const std::size_t size = std::min<std::size_t>(bytes.size(), ssh_channel_window_size(library_->channel));
  const int n = ssh_channel_write(library_->channel, bytes.data(), static_cast<std::uint32_t>(size));
  return n > 0 ? static_cast<std::size_t>(n) : 0;
}

bool SshSession::waits_to_send() const { return (ssh_get_poll_flags(library_->session) & SSH_WRITE_PENDING) != 0; }

Result<> SshSession::send_break(Duration duration) {
  if (ssh_channel_request_send_break(library_->channel, static_cast<std::uint32_t>(duration.count())) == SSH_OK)
    return {};
  return fail(ErrorCode::Unavailable, "the break was not sent: " + library_error());
}

void SshSession::ask_for_sign_of_life() { ssh_send_keepalive(library_->session); }

std::string SshSession::algorithms() const {
  std::string out;
  const auto add = [&](const char* name) {
    if (name) out += (out.empty() ? "" : ", ") + std::string(name);
  };
  add(ssh_get_kex_algo(library_->session));
  add(ssh_get_cipher_in(library_->session));
  add(ssh_get_hmac_in(library_->session));
  return out;
}

}  // namespace oob
