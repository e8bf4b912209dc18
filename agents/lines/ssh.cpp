// Line kind `ssh`: a session on a device's SSH server: a console server's port, or a management processor's command
// line and from there, by a login script, the machine's console. SshSession speaks SSH; here are the keys of the
// inventory, the event loop, and whose host key is believed.
#include <unistd.h>

#include <algorithm>
#include <utility>

#include "agents/lines/kinds.h"
#include "agents/lines/login_gate.h"
#include "agents/lines/settings.h"
#include "agents/lines/ssh_known_key.h"
#include "agents/lines/ssh_session.h"
#include "agents/lines/tcp_socket.h"
#include "common/limits.h"
#include "common/log.h"
#include "common/nearest.h"
#include "common/runtime/descriptor.h"
#include "common/runtime/worker.h"
#include "common/text.h"

namespace oob {
namespace {

constexpr LineKey kKeys[] = {
    {"address", LineKey::Type::Address, true, "host or host:port; port 22 unless written"},
    {"user", LineKey::Type::Text, true, "the user to log in as"},
    {"password-file", LineKey::Type::SecretFile, false, "the file with the user's password"},
    {"key-file", LineKey::Type::SecretFile, false, "the file with a private key without a passphrase"},
    {"host-key", LineKey::Type::Words, false, "the device's host keys, as SHA256:..; default: the first one seen"},
    {"old-algorithms", LineKey::Type::Words, false, "algorithms that are safe no more, for this device alone"},
    {"command", LineKey::Type::Text, false, "the command to run there; default: a shell"},
    {"terminal", LineKey::Type::Boolean, false, "whether to ask for a terminal (pty); default true"},
    {"term", LineKey::Type::Text, false, "its TERM; default vt220"},
    {"rows", LineKey::Type::Integer, false, "its height; default 24", 1, 500},
    {"columns", LineKey::Type::Integer, false, "its width; default 80", 1, 1000},
    {"break-string", LineKey::Type::Text, false, "what is sent for a break; default: a break of SSH's own"},
    {"break-ms", LineKey::Type::Integer, false, "how long a break lasts; default 500", 1, 5000},
    kLoginKey,
};
constexpr std::size_t kFingerprintLetters = 43;  // SHA-256 in base64, without padding

Result<> check(const LineConfig& config, std::string& key) {
  key = "address";
  if (const auto address = ssh_address(text_setting(config, key, "")); !address) return tl::unexpected(address.error());
  key = "user";
  if (text_setting(config, key, "").size() > limits::name_bytes_max)
    return fail(ErrorCode::Usage, "the user's name is too long");
  key = "host-key";
  for (const auto& pin : words_setting(config, key)) {
    const bool good =
        pin.starts_with(kFingerprintPrefix) && pin.size() == kFingerprintPrefix.size() + kFingerprintLetters &&
        std::all_of(pin.begin() + kFingerprintPrefix.size(), pin.end(), [](char c) {
          return (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || c == '+' || c == '/';
        });
    if (good) continue;
    return fail(ErrorCode::Usage, in_quotes(pin) +
                                      " is no fingerprint; it looks like SHA256: and 43 letters, as "
                                      "`ssh-keyscan HOST | ssh-keygen -lf -` prints it");
  }
  key = "old-algorithms";
  const auto& known = known_old_algorithms();
  for (const auto& name : words_setting(config, key)) {
    if (std::ranges::find(known, name) != known.end()) continue;
    std::string list;
    for (const auto& one : known) list += (list.empty() ? "" : ", ") + one;
    return fail(ErrorCode::Usage, in_quotes(name) + " is none of the old algorithms that can be allowed (" + list +
                                      ")" + did_you_mean(nearest_of(name, known)));
  }
  return {};
}

SshSettings settings_of(const LineConfig& config) {
  SshSettings out;
  out.user = text_setting(config, "user", "");
  const auto secret = [&](const char* key, std::optional<Secret>& into) {
    if (const auto found = config.secrets.find(key); found != config.secrets.end()) into = found->second;
  };
  secret("password-file", out.password);
  secret("key-file", out.key);
  out.host_keys = words_setting(config, "host-key");
  out.old_algorithms = words_setting(config, "old-algorithms");
  out.command = text_setting(config, "command", "");
  out.terminal = text_setting(config, "terminal", "true") == "true";
  out.term = text_setting(config, "term", "vt220");
  out.rows = static_cast<int>(integer_setting(config, key_of(kKeys, "rows"), 24));
  out.columns = static_cast<int>(integer_setting(config, key_of(kKeys, "columns"), 80));
  return out;
}

class SshLine final : public Line {
 public:
  SshLine(Shard& shard, const LineConfig& config, LineEvents& events)
      : shard_(shard),
        events_(events),
        connector_(shard),
        patience_(shard),
        pulse_(shard),
        settings_(settings_of(config)),
        name_(config.name),
        user_(settings_.user),
        break_string_(text_setting(config, "break-string", "")),
        break_(integer_setting(config, key_of(kKeys, "break-ms"), 500)) {
    if (auto address = ssh_address(text_setting(config, "address", ""))) address_ = *std::move(address);
    known_key_ = KnownHostKey(config.state_folder, address_);
    pinned_ = !settings_.host_keys.empty();
    if (!pinned_ && !known_key_.fingerprint().empty()) settings_.host_keys = {known_key_.fingerprint()};
    believed_ = settings_.host_keys;
    old_algorithms_ = text_setting(config, "old-algorithms", "");
  }

  void start() override;
  std::size_t write(ByteView bytes) override;
  void set_reading(bool on) override;
  Result<Duration> send_break(Duration duration) override;

 private:
  void connected(int fd);
  void step();
  void stepped(SshSession::Progress progress);
  void up();
  void heard();
  void read_some();
  void look_later();
  void arm_write();
  void pulse();
  void failed(const std::string& why);
  void down(const std::string& reason);
  std::string why_failed() const;

  Shard& shard_;
  LineEvents& events_;
  Connector connector_;
  Timer patience_, pulse_;
  SshSettings settings_;  // until the session has them
  const std::string name_, user_, break_string_;
  const Duration break_;
  std::string address_, old_algorithms_;
  KnownHostKey known_key_;
  std::vector<std::string> believed_;  // host keys; empty: the first one seen
  bool pinned_ = false, login_refused_ = false;
  std::unique_ptr<Descriptor> ready_;    // the session's socket once more, to wait on
  std::shared_ptr<SshSession> session_;  // shared with a step under way beside the shard
  bool up_ = false, down_ = false, reading_ = true, stepping_ = false, write_armed_ = false, looking_ = false,
       wants_to_write_ = false;
  SteadyTime heard_{};  // when something came last
  std::shared_ptr<void> alive_ = std::make_shared<int>();
};

void SshLine::start() {
  connector_.connect(address_, limits::line_connect_time_max, [this](Result<int> fd) {
    if (!fd) return down(fd.error().message);
    connected(*fd);
  });
}

void SshLine::connected(int fd) {
  watch_tcp_peer(fd);
  ready_ = std::make_unique<Descriptor>(shard_, ::dup(fd));
  session_ = std::make_shared<SshSession>(fd, std::move(settings_));
  patience_.once(limits::line_ssh_login_time_max, [this] {
    const std::string doing = stepping_ ? "exchanging keys" : session_->doing();
    failed("the device did not answer within " + std::to_string(limits::line_ssh_login_time_max.count()) +
           " s, while " + doing);
  });
  step();
}

// Beside the shard, since a key exchange computes for many milliseconds. Nothing else touches the session meanwhile.
void SshLine::step() {
  if (up_ || down_ || std::exchange(stepping_, true)) return;
  const auto progress = std::make_shared<SshSession::Progress>();
  shard_.side().run([session = session_, progress] { *progress = session->step(); },
                    [this, alive = std::weak_ptr(alive_), progress] {
                      if (alive.expired()) return;
                      stepping_ = false;
                      if (!down_) stepped(*progress);
                    });
}

void SshLine::stepped(SshSession::Progress progress) {
  if (!pinned_ && known_key_.fingerprint().empty() && !session_->host_key().empty()) {
    known_key_.learn(session_->host_key());
    // The note in the console's log comes with the line; if the login fails, here is the only word of it.
    log_info("line", "host key believed on first use", {{"console", name_}, {"key", session_->host_key()}});
  }
  if (progress == SshSession::Progress::Up) return up();
  login_refused_ = session_->login_refused();
  if (progress == SshSession::Progress::Failed) return failed(why_failed());
  ready_->start_reading([this] {
    ready_->stop_reading();
    step();
  });
  if (session_->waits_to_send()) ready_->when_writable([this] { step(); });
}

// A password that got no answer may have counted against the account all the same.
void SshLine::failed(const std::string& why) {
  if (login_refused_) events_.line_rest(limits::login_refused_rest);
  down(why + (login_refused_ ? std::string(kRestWords) : ""));
}

std::string SshLine::why_failed() const {
  const std::string& shown = session_->host_key();
  const auto space = shown.find(' ');
  const std::string print = space == std::string::npos ? "" : shown.substr(space + 1);
  if (print.empty() || believed_.empty() || std::ranges::find(believed_, print) != believed_.end())
    return session_->failure();
  return "the device " + escape_controls(address_) + " shows another host key than " +
         (pinned_ ? "host-key says" : "it did first (" + known_key_.fingerprint() + ")") + ": " + shown +
         "; it may be another machine that wants the password. If the change is known to be right, write host-key = "
         "\"" +
         print + "\" for this console";
}

void SshLine::up() {
  patience_.cancel();
  up_ = true;
  heard_ = shard_.clock().now();
  if (reading_) ready_->start_reading([this] { heard(); });
  pulse_.every(limits::line_keepalive_every, [this] { pulse(); });
  arm_write();
  look_later();
  const std::weak_ptr<void> alive = alive_;
  events_.line_up(escape_controls(user_) + " at " + escape_controls(address_), 0);
  if (alive.expired()) return;
  LineFacts facts{{"host key", session_->host_key()}, {"algorithms", session_->algorithms()}};
  if (!old_algorithms_.empty()) facts.emplace_back("old algorithms", old_algorithms_ + " (allowed on this line)");
  events_.line_facts(std::move(facts));
  if (known_key_.is_new()) {
    events_.line_note("host key believed on first use: " + session_->host_key() +
                      (known_key_.kept() ? "; another one is refused from now on"
                                         : "; it could not be kept (" + known_key_.problem() + ")"));
  }
}

void SshLine::heard() {
  heard_ = shard_.clock().now();
  read_some();
}

// Reads what there is; on the way libssh sends what it has to send.
void SshLine::read_some() {
  const std::weak_ptr<void> alive = alive_;
  for (std::size_t taken = 0; reading_;) {
    const auto n = session_->read(shard_.read_buffer());
    if (!n) return down(n.error().message);
    if (*n == 0) break;
    events_.line_output(shard_.read_buffer().first(*n));
    if (alive.expired() || down_) return;
    taken += *n;
    if (taken < limits::read_buffer_bytes) continue;
    look_later();  // the others get their turn; what libssh has makes no socket ready
    break;
  }
  arm_write();
  if (wants_to_write_ && session_->takes_more()) {
    wants_to_write_ = false;
    events_.line_writable();
  }
}

void SshLine::look_later() {
  if (std::exchange(looking_, true)) return;
  shard_.post([this, alive = std::weak_ptr(alive_)] {
    if (alive.expired()) return;
    looking_ = false;
    if (up_ && !down_) read_some();
  });
}

void SshLine::arm_write() {
  if (write_armed_ || !session_->waits_to_send()) return;
  write_armed_ = true;
  ready_->when_writable([this] {
    write_armed_ = false;
    if (!reading_) session_->takes_more();
    read_some();
  });
}

std::size_t SshLine::write(ByteView bytes) {
  if (!up_ || down_) return 0;
  std::size_t taken = 0;
  while (taken < bytes.size()) {
    const std::size_t n = session_->write(bytes.subspan(taken));
    if (n == 0) break;
    taken += n;
  }
  wants_to_write_ = taken < bytes.size();
  arm_write();
  look_later();  // sending may have read as well
  return taken;
}

void SshLine::set_reading(bool on) {
  if (std::exchange(reading_, on) == on || !up_ || down_) return;
  if (!on) return ready_->stop_reading();  // the kernel's window closes, then the peer waits
  heard_ = shard_.clock().now();
  ready_->start_reading([this] { heard(); });
  look_later();
}

Result<Duration> SshLine::send_break(Duration duration) {
  if (!break_string_.empty()) {
    if (!session_->takes_more()) return fail(ErrorCode::Conflict, "the device takes nothing now; try again");
    if (write(as_bytes(break_string_)) < break_string_.size())
      return fail(ErrorCode::Conflict, "the device took only a part of the break-string");
    return Duration(0);
  }
  const Duration length = duration.count() > 0 ? duration : break_;
  if (const auto sent = session_->send_break(length); !sent) return tl::unexpected(sent.error());
  arm_write();
  look_later();
  return length;
}

// TCP tells a dead path; only SSH itself tells a device that hangs.
void SshLine::pulse() {
  const SteadyTime now = shard_.clock().now();
  if (!reading_ || now - heard_ < limits::line_keepalive_every) return;
  if (now - heard_ > limits::line_ssh_silence_max) {
    return down("the device answers no more, since " + std::to_string(limits::line_ssh_silence_max.count()) + " s");
  }
  session_->ask_for_sign_of_life();
  arm_write();
}

void SshLine::down(const std::string& reason) {
  if (std::exchange(down_, true)) return;
  connector_.cancel();
  patience_.cancel();
  pulse_.cancel();
  ready_.reset();
  session_.reset();  // says goodbye; a step under way keeps it until it is done
  events_.line_down(reason);
}

std::unique_ptr<Line> make_line(Shard& shard, const LineConfig& config, LineEvents& events) {
  return std::make_unique<SshLine>(shard, config, events);
}
std::unique_ptr<Line> make(Shard& shard, const LineConfig& config, LineEvents& events) {
  return behind_login(shard, config, events, make_line);
}

}  // namespace

extern const LineKind kSshKind{"ssh", "a session on an SSH server", kKeys, check, make};

}  // namespace oob
